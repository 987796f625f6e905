#!/bin/bash
# Wrong and odd -chardev, -mon, -monitor, -qmp and -serial options get the stock emulator's words and exit code.
#
# SPDX-License-Identifier: GPL-2.0-or-later
[ -n "$STOCK_QEMU_SYSTEM" ] || { echo "the stock qemu-system-x86_64 is not installed"; exit 77; }
long=$(printf '%0120d' 1)
cases=(
    "-chardev socket,id=a,path=/nonexist/x"
    "-chardev socket,id=a,path=/nonexist/x,server=on,wait=off"
    "-chardev socket,id=a,host=localhost,port=1"
    "-chardev socket,id=a,host=localhost,port=abc"
    "-chardev socket,id=a,host=localhost"
    "-chardev socket,id=a,port=99"
    "-chardev socket,id=a"
    "-chardev socket,path=q"
    "-chardev socket,id=a,path=q,host=a"
    "-chardev socket,id=a,path=q,wait=on"
    "-chardev socket,id=a,path=q,server=on,wait=off,reconnect=1"
    "-chardev socket,id=a,path=q,server=maybe"
    "-chardev socket,id=a,fd=99"
    "-chardev socket,id=a,fd=abc"
    "-chardev socket,id=a,fd=0"
    "-chardev socket,id=a,path=q,foo=bar"
    "-chardev socket,id=a,path=$long,server=on"
    "-chardev socket,id=a,path=x,tls-creds=t"
    "-chardev socket,id=a,path=q,telnet=on,websocket=on"
    "-chardev foo,id=a"
    "-chardev id=a"
    "-chardev null"
    "-chardev null,id=1a"
    "-chardev null,id=a -chardev null,id=a"
    "-chardev null,id=a,logfile=/nonexist/x"
    "-chardev null,id=a,mux=maybe"
    "-chardev file,id=a"
    "-chardev file,id=a,path=/nonexist/b"
    "-chardev file,id=a,path=l,append=x"
    "-chardev pipe,id=a"
    "-chardev pipe,id=a,path=/nonexist/x"
    "-chardev ringbuf,id=a,size=3"
    "-chardev ringbuf,id=a,size=abc"
    "-chardev udp,id=a"
    "-chardev mux,id=a"
    "-chardev mux,id=a,chardev=b"
    "-chardev serial,id=a"
    "-chardev parport,id=a,path=/dev/null"
    "-chardev parallel,id=a"
    "-chardev stdio,id=a,signal=x"
    "-chardev stdio,id=a -chardev stdio,id=b"
    "-monitor unix:" "-monitor unix:/nonexist/x" "-monitor unix:/nonexist/y,server=on,wait=off"
    "-monitor unix:s,foo=1"
    "-monitor tcp:" "-monitor tcp::" "-monitor tcp:localhost" "-monitor tcp:localhost:1"
    "-monitor tcp:localhost:1,foo=1"
    "-monitor tcp:[::1]:1" "-monitor telnet:localhost:1" "-monitor telnet:" "-monitor websocket:localhost:1"
    "-monitor udp:" "-monitor udp:localhost:1@" "-monitor file:" "-monitor file:/nonexist/a" "-monitor pipe:"
    "-monitor pipe:/nonexist/p" "-monitor fd:" "-monitor fd:99" "-monitor foo" "-monitor foo:bar" "-monitor chardev:zz"
    "-monitor /dev/nonexist" "-monitor mon:foo" "-monitor con:" "-monitor pty:" "-monitor ringbuf" "-monitor ringbuf:"
    "-monitor null," "-monitor null,mux=on" "-qmp foo" "-qmp tcp:" "-serial foo" "-serial tcp:"
    "-mon foo" "-mon chardev=foo" "-mon chardev=foo,mode=x" "-mon mode=control"
    "-chardev null,id=a -mon a,mode=x"
    "-chardev null,id=a -mon a,mode=control,pretty=x"
    "-chardev null,id=a -mon a -mon a"
    "-chardev null,id=a -mon a,foo=1"
    "-chardev null,id=a,mux=on -mon a -mon a -mon a -mon a -mon a"
)

run()
{
    for options in "${cases[@]}"; do
        echo "== $options"
        # shellcheck disable=SC2086
        timeout 20 "$1" -machine none -display none -nodefaults $options </dev/null 2>&1 | grep -av 'module ui-ui'
        echo "exit code ${PIPESTATUS[0]}"
    done
}

cd "$TEST_DIR" || exit 1
run "$STOCK_QEMU_SYSTEM" >stock.txt
run "$QEMU_SYSTEM" >ours.txt
diff -u stock.txt ours.txt
