/*
 * What --help and --version print.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include "daemon.h"
#include "util/version.h"

#define PAD "                         "

void print_version(void)
{
    printf("qemu-storage-daemon version " PEER_VERSION " (" PACKAGE_NAME ")\n");
}

static void print_general(void)
{
    printf("  -h, --help             print this text and exit\n"
           "  -T, --trace [[enable=]<pattern>][,events=<file>][,file=<file>]\n"
           PAD "what to trace\n"
           "  -V, --version          print the version and exit\n"
           "\n"
           "  --blockdev [driver=]<driver>[,node-name=<N>][,discard=ignore|unmap]\n"
           "             [,cache.direct=on|off][,cache.no-flush=on|off]\n"
           "             [,read-only=on|off][,auto-read-only=on|off]\n"
           "             [,force-share=on|off][,detect-zeroes=on|off|unmap]\n"
           "             [,driver specific parameters...]\n"
           PAD "open a block node\n"
           "\n"
           "  --chardev <options>    make a character device\n"
           "\n"
           "  --daemonize            go on in the background; the caller gets control\n"
           PAD "back when everything is up\n"
           "\n");
}

static void print_exports(void)
{
    printf("  --export [type=]nbd,id=<id>,node-name=<node-name>[,name=<export-name>]\n"
           "           [,writable=on|off][,bitmap=<name>]\n"
           PAD "offer a node to NBD clients (after --nbd-server)\n"
           "\n");
#ifdef HAVE_FUSE
    printf("  --export [type=]fuse,id=<id>,node-name=<node-name>,mountpoint=<file>\n"
           "           [,growable=on|off][,writable=on|off][,allow-other=on|off|auto]\n"
           PAD "show a node's content as a file\n"
           "\n");
#endif
    printf("  --export [type=]vhost-user-blk,id=<id>,node-name=<node-name>,\n"
           "           addr.type=unix,addr.path=<socket-path>[,writable=on|off]\n"
           "           [,logical-block-size=<block-size>][,num-queues=<num-queues>]\n"
           PAD "offer a node to a vhost-user front end that connects\n"
           PAD "to a unix socket\n"
           "  --export [type=]vhost-user-blk,id=<id>,node-name=<node-name>,\n"
           "           addr.type=fd,addr.str=<fd>[,writable=on|off]\n"
           "           [,logical-block-size=<block-size>][,num-queues=<num-queues>]\n"
           PAD "the same on a listening socket that was inherited\n"
           "\n"
           "  --export [type=]vduse-blk,id=<id>,node-name=<node-name>\n"
           "           ,name=<vduse-name>[,writable=on|off]\n"
           "           [,num-queues=<num-queues>][,queue-size=<queue-size>]\n"
           "           [,logical-block-size=<logical-block-size>]\n"
           "           [,serial=<serial-number>]\n"
           PAD "make a node a vDPA device of this host\n"
           "\n");
}

static void print_rest(void)
{
    printf("  --monitor [chardev=]name[,mode=control][,pretty[=on|off]]\n"
           PAD "take QMP commands from a character device\n"
           "\n"
           "  --nbd-server addr.type=inet,addr.host=<host>,addr.port=<port>\n"
           "               [,tls-creds=<id>][,tls-authz=<id>][,max-connections=<n>]\n"
           "  --nbd-server addr.type=unix,addr.path=<path>\n"
           "               [,tls-creds=<id>][,tls-authz=<id>][,max-connections=<n>]\n"
           PAD "listen for NBD clients\n"
           "\n"
           "  --object help          print the types of objects\n"
           "  --object <type>,help   print the properties of a type\n"
           "  --object <type>[,<property>=<value>...]\n"
           PAD "make an object; 'id' is its name and must be given\n"
           "\n"
           "  --pidfile <path>       write the process id here when all is up\n"
           "\n"
           "Options are done in the order in which they stand.\n");
}

void print_help(void)
{
    printf("Usage: qemu-storage-daemon [options]\n"
           "Block nodes, jobs and exports without a machine\n"
           "\n");
    print_general();
    print_exports();
    print_rest();
}
