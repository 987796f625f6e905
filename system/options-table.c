/*
 * The names of the emulator's options and their lines in -h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "system/options.h"

#define PAD "                "

const OptName option_names[] = {
    { NULL, false, 0, "Standard options:\n" },
    { "h", false, O_help, "-h or -help     display this help and exit\n" },
    { "help", false, O_help, NULL },
    { "version", false, O_version, "-version        display version information and exit\n" },
    { "machine", true, O_machine,
      "-machine [type=]name[,prop[=value][,...]]\n"
      PAD "selects emulated machine ('-machine help' for list)\n"
      PAD "property accel=accel1[:accel2[:...]] selects accelerator\n"
      PAD "memory-backend='backend-id' uses that memory object as main RAM\n" },
    { "M", true, O_machine, NULL },
    { "cpu", true, O_cpu, "-cpu cpu        select CPU ('-cpu help' for list)\n" },
    { "accel", true, O_accel,
      "-accel [accel=]accelerator[,prop[=value][,...]]\n"
      PAD "select accelerator (use 'help' for a list)\n" },
    { "smp", true, O_smp,
      "-smp [[cpus=]n][,maxcpus=maxcpus][,sockets=sockets][,dies=dies][,clusters=clusters][,cores=cores][,threads=threads]\n"
      PAD "number of CPUs [default=1] and their topology\n" },
    { "numa", true, O_numa, NULL },
    { "add-fd", true, O_addfd, "-add-fd fd=fd,set=set[,opaque=opaque]\n" PAD "Add 'fd' to fd 'set'\n" },
    { "set", true, O_set, "-set group.id.arg=value\n" PAD "set <arg> parameter for item <id> of type <group>\n" },
    { "global", true, O_global,
      "-global driver.property=value\n-global driver=driver,property=property,value=value\n"
      PAD "set a global default for a driver property\n" },
    { "boot", true, O_boot, "-boot [order=drives][,once=drives][,menu=on|off][,strict=on|off]\n"
      PAD "'drives': floppy (a), hard disk (c), CD-ROM (d), network (n)\n" },
    { "m", true, O_m, "-m [size=]megs[,slots=n,maxmem=size]\n" PAD "configure guest RAM\n" },
    { "mem-path", true, O_mempath, "-mem-path FILE  provide backing storage for guest RAM\n" },
    { "mem-prealloc", false, O_memprealloc, "-mem-prealloc   preallocate guest memory (use with -mem-path)\n" },
    { "k", true, O_k, NULL },
    { "audiodev", true, O_audiodev, NULL },
    { "device", true, O_device,
      "-device driver[,prop[=value][,...]]\n"
      PAD "add device (based on driver)\n"
      PAD "use '-device help' to print all possible drivers\n"
      PAD "use '-device driver,help' to print all possible properties\n" },
    { "name", true, O_name,
      "-name string1[,process=string2][,debug-threads=on|off]\n" PAD "set the name of the guest\n" },
    { "uuid", true, O_uuid, "-uuid %08x-%04x-%04x-%04x-%012x\n" PAD "specify machine UUID\n" },
    { NULL, false, 0, "\nBlock device options:\n" },
    { "fda", true, O_fda, "-fda/-fdb file  use 'file' as floppy disk 0/1 image\n" },
    { "fdb", true, O_fdb, NULL },
    { "hda", true, O_hda, "-hda/-hdb file  use 'file' as hard disk 0/1 image\n" },
    { "hdb", true, O_hdb, NULL },
    { "hdc", true, O_hdc, "-hdc/-hdd file  use 'file' as hard disk 2/3 image\n" },
    { "hdd", true, O_hdd, NULL },
    { "cdrom", true, O_cdrom, "-cdrom file     use 'file' as CD-ROM image\n" },
    { "blockdev", true, O_blockdev,
      "-blockdev [driver=]driver[,node-name=N][,discard=ignore|unmap]\n"
      "          [,cache.direct=on|off][,cache.no-flush=on|off]\n"
      "          [,read-only=on|off][,auto-read-only=on|off]\n"
      "          [,force-share=on|off][,detect-zeroes=on|off|unmap]\n"
      "          [,driver specific parameters...]\n"
      PAD "configure a block backend\n" },
    { "drive", true, O_drive,
      "-drive [file=file][,if=type][,bus=n][,unit=m][,media=d][,index=i]\n"
      "       [,cache=writethrough|writeback|none|directsync|unsafe][,format=f]\n"
      "       [,snapshot=on|off][,rerror=ignore|stop|report]\n"
      "       [,werror=ignore|stop|report|enospc][,id=name]\n"
      "       [,aio=threads|native|io_uring]\n"
      "       [,readonly=on|off][,copy-on-read=on|off]\n"
      "       [,discard=ignore|unmap][,detect-zeroes=on|off|unmap]\n"
      "       [[,bps=b]|[[,bps_rd=r][,bps_wr=w]]]\n"
      "       [[,iops=i]|[[,iops_rd=r][,iops_wr=w]]]\n"
      "       [[,bps_max=bm]|[[,bps_rd_max=rm][,bps_wr_max=wm]]]\n"
      "       [[,iops_max=im]|[[,iops_rd_max=irm][,iops_wr_max=iwm]]]\n"
      "       [[,iops_size=is]]\n"
      "       [[,group=g]]\n"
      PAD "use 'file' as a drive image\n" },
    { "snapshot", false, O_snapshot, "-snapshot       write to temporary files instead of disk image files\n" },
    { NULL, false, 0, "\nUSB convenience options:\n" },
    { "usb", false, O_usb, "-usb            accepted; the boards have no USB controller\n" },
    { NULL, false, 0, "\nDisplay options:\n" },
    { "display", true, O_display, "-display none\n" PAD "there are no displays\n" },
    { "nographic", false, O_nographic,
      "-nographic      disable graphical output and redirect serial I/Os to console\n" },
    { "vga", true, O_vga, "-vga none\n" PAD "there are no video cards\n" },
    { NULL, false, 0, "\ni386 target only:\n" },
    { "no-fd-bootchk", false, O_nofdbootchk, "-no-fd-bootchk  disable boot signature checking for floppy disks\n" },
    { "no-acpi", false, O_noacpi, "-no-acpi        disable ACPI\n" },
    { "no-hpet", false, O_nohpet, "-no-hpet        disable HPET\n" },
    { "smbios", true, O_smbios, NULL },
    { NULL, false, 0, "\nNetwork options:\n" },
    { "netdev", true, O_netdev, NULL },
    { "nic", true, O_nic, "-nic none       accepted; there are no network devices\n" },
    { "net", true, O_net, NULL },
    { NULL, false, 0, "\nCharacter device options:\n" },
    { "chardev", true, O_chardev,
      "-chardev help\n"
      "-chardev null,id=id[,mux=on|off][,logfile=PATH][,logappend=on|off]\n"
      "-chardev socket,id=id[,host=host],port=port[,to=to][,ipv4=on|off][,ipv6=on|off][,nodelay=on|off]\n"
      "         [,server=on|off][,wait=on|off][,reconnect=seconds][,mux=on|off]\n"
      "         [,logfile=PATH][,logappend=on|off][,tls-creds=ID][,tls-authz=ID] (tcp)\n"
      "-chardev socket,id=id,path=path[,server=on|off][,wait=on|off][,reconnect=seconds]\n"
      "         [,mux=on|off][,logfile=PATH][,logappend=on|off][,abstract=on|off][,tight=on|off] (unix)\n"
      "-chardev udp,id=id[,host=host],port=port[,localaddr=localaddr]\n"
      "         [,localport=localport][,ipv4=on|off][,ipv6=on|off][,mux=on|off]\n"
      "         [,logfile=PATH][,logappend=on|off]\n"
      "-chardev ringbuf,id=id[,size=size][,logfile=PATH][,logappend=on|off]\n"
      "-chardev file,id=id,path=path[,mux=on|off][,logfile=PATH][,logappend=on|off]\n"
      "-chardev pipe,id=id,path=path[,mux=on|off][,logfile=PATH][,logappend=on|off]\n"
      "-chardev pty,id=id[,mux=on|off][,logfile=PATH][,logappend=on|off]\n"
      "-chardev stdio,id=id[,mux=on|off][,signal=on|off][,logfile=PATH][,logappend=on|off]\n"
      "-chardev serial,id=id,path=path[,mux=on|off][,logfile=PATH][,logappend=on|off]\n" },
    { NULL, false, 0, "\nBoot Image or Kernel specific:\n" },
    { "bios", true, O_bios, "-bios file      set the filename for the BIOS\n" },
    { "kernel", true, O_kernel, "-kernel bzImage use 'bzImage' as kernel image\n" },
    { "append", true, O_append, "-append cmdline use 'cmdline' as kernel command line\n" },
    { "initrd", true, O_initrd, "-initrd file    use 'file' as initial ram disk\n" },
    { "dtb", true, O_dtb, NULL },
    { NULL, false, 0, "\nDebug/Expert options:\n" },
    { "compat", true, O_compat, NULL },
    { "fw_cfg", true, O_fwcfg, NULL },
    { "serial", true, O_serial, "-serial dev     redirect the serial port to char device 'dev'\n" },
    { "parallel", true, O_parallel, "-parallel dev   accepted; there is no parallel port\n" },
    { "monitor", true, O_monitor, "-monitor dev    redirect the monitor to char device 'dev'\n" },
    { "qmp", true, O_qmp, "-qmp dev        like -monitor but opens in 'control' mode\n" },
    { "qmp-pretty", true, O_qmppretty, "-qmp-pretty dev like -qmp but uses pretty JSON formatting\n" },
    { "mon", true, O_mon, "-mon [chardev=]name[,mode=readline|control][,pretty[=on|off]]\n" },
    { "debugcon", true, O_debugcon, NULL },
    { "pidfile", true, O_pidfile, "-pidfile file   write PID to 'file'\n" },
    { "singlestep", false, O_singlestep, NULL },
    { "preconfig", false, O_preconfig, NULL },
    { "S", false, O_S, "-S              freeze CPU at startup (use 'c' to start execution)\n" },
    { "overcommit", true, O_overcommit,
      "-overcommit [mem-lock=on|off][cpu-pm=on|off]\n" PAD "run with overcommit hints\n" },
    { "gdb", true, O_refused, NULL },
    { "s", false, O_refused, NULL },
    { "d", true, O_d, NULL },
    { "D", true, O_D, "-D logfile      output log to logfile (default stderr)\n" },
    { "seed", true, O_seed, NULL },
    { "L", true, O_L, NULL },
    { "enable-kvm", false, O_enablekvm, "-enable-kvm     enable KVM full virtualization support\n" },
    { "no-reboot", false, O_noreboot, "-no-reboot      exit instead of rebooting\n" },
    { "no-shutdown", false, O_noshutdown, "-no-shutdown    stop before shutdown\n" },
    { "action", true, O_action,
      "-action reboot=reset|shutdown\n"
      "                   action when guest reboots [default=reset]\n"
      "-action shutdown=poweroff|pause\n"
      "                   action when guest shuts down [default=poweroff]\n"
      "-action panic=pause|shutdown|exit-failure|none\n"
      "                   action when guest panics [default=shutdown]\n"
      "-action watchdog=reset|shutdown|poweroff|inject-nmi|pause|debug|none\n"
      "                   action when watchdog fires [default=reset]\n" },
    { "loadvm", true, O_loadvm, "-loadvm [tag|id]\n" PAD "start right away with a saved state (loadvm in monitor)\n" },
    { "daemonize", false, O_daemonize, "-daemonize      daemonize after initializing\n" },
    { "rtc", true, O_rtc, "-rtc [base=utc|localtime|<datetime>][,clock=host|rt|vm][,driftfix=none|slew]\n"
      PAD "set the RTC base and clock\n" },
    { "icount", true, O_icount, NULL },
    { "watchdog-action", true, O_watchdogaction,
      "-watchdog-action reset|shutdown|poweroff|inject-nmi|pause|debug|none\n"
      PAD "action when watchdog fires [default=reset]\n" },
    { "echr", true, O_echr, "-echr chr       set terminal escape character instead of ctrl-a\n" },
    { "incoming", true, O_incoming,
      "-incoming tcp:[host]:port[,to=maxport][,ipv4=on|off][,ipv6=on|off]\n"
      "-incoming unix:socketpath\n-incoming fd:fd\n-incoming exec:cmdline\n-incoming defer\n"
      PAD "start by waiting for the state of another machine\n" },
    { "only-migratable", false, O_onlymigratable, "-only-migratable     allow only migratable devices\n" },
    { "nodefaults", false, O_nodefaults, "-nodefaults     don't create default devices\n" },
    { "chroot", true, O_chroot, "-chroot dir     chroot to dir just before starting the VM\n" },
    { "runas", true, O_runas, "-runas user     change to user id user just before starting the VM\n"
      PAD "user can be numeric uid:gid instead\n" },
    { "run-with", true, O_runwith,
      "-run-with [async-teardown=on|off][,chroot=dir][,user=username|uid:gid]\n"
      PAD "how the process runs: its memory is given back after its end\n"
      PAD "(async-teardown, as -async-teardown), in another root folder\n"
      PAD "(chroot, as -chroot), as another user (user, as -runas)\n" },
    { "sandbox", true, O_sandbox,
      "-sandbox on[,obsolete=allow|deny][,elevateprivileges=allow|deny|children]\n"
      "          [,spawn=allow|deny][,resourcecontrol=allow|deny]\n"
      PAD "filter system calls before anything is opened (default: off)\n"
      PAD "obsolete=allow: leave those that only old programs use\n"
      PAD "elevateprivileges=deny: set*uid, set*gid and the like, too, once -runas\n"
      PAD "    is done; children: and programs that it starts gain nothing\n"
      PAD "spawn=deny: new processes, too (threads stay possible)\n"
      PAD "resourcecontrol=deny: priorities, limits, affinity, too\n" },
    { "readconfig", true, O_readconfig, "-readconfig <file>\n" PAD "read config file\n" },
    { "no-user-config", false, O_nouserconfig,
      "-no-user-config\n" PAD "do not load default user-provided config files at startup\n" },
    { "nouserconfig", false, O_nouserconfig, NULL },
    { "trace", true, O_trace,
      "-trace [[enable=]<pattern>][,events=<file>][,file=<file>]\n" PAD "specify tracing options\n" },
    { "async-teardown", false, O_asyncteardown, "-async-teardown enable asynchronous teardown\n" },
    { "msg", true, O_msg, "-msg [timestamp[=on|off]][,guest-name=[on|off]]\n" PAD "control error message format\n" },
    { "qtest", true, O_qtest, NULL },
    { "qtest-log", true, O_qtestlog, NULL },
    { NULL, false, 0, "\nGeneric object creation:\n" },
    { "object", true, O_object,
      "-object TYPENAME[,PROP1=VALUE1,...]\n"
      PAD "create a new object of type TYPENAME setting properties\n"
      PAD "in the order they are specified.  Note that the 'id'\n"
      PAD "property must be set.  These objects are placed in the\n"
      PAD "'/objects' path.\n" },
    /* Known to the peer, nothing here that they could act upon. */
    { "vnc", true, O_refused }, { "spice", true, O_refused }, { "fsdev", true, O_refused },
    { "virtfs", true, O_refused },
    { "iscsi", true, O_refused }, { "mtdblock", true, O_refused }, { "sd", true, O_refused },
    { "pflash", true, O_refused },
    { "usbdevice", true, O_refused }, { "tpmdev", true, O_refused }, { "acpitable", true, O_refused },
    { "option-rom", true, O_refused }, { "plugin", true, O_refused }, { "xen-domid", true, O_refused },
    { "xen-attach", false, O_refused }, { "xen-domid-restrict", false, O_refused }, { "audio", true, O_refused },
    { "audio-help", false, O_refused }, { "dump-vmstate", true, O_refused }, { "semihosting", false, O_refused },
    { "portrait", false, O_accepted }, { "rotate", true, O_accepted }, { "full-screen", false, O_accepted },
    { "win2k-hack", false, O_accepted }, { "dfilter", true, O_accepted },
    { "enable-sync-profile", false, O_accepted }, { "nodefconfig", false, O_nouserconfig },
    { NULL, false, 0, NULL },
};
