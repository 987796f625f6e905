#!/usr/bin/env bash
# Names, option strings and json:{} names open the same images and fail with the same words as with stock.
#
# SPDX-License-Identifier: GPL-2.0-or-later
. "${TEST_SRC:-$(dirname "$0")/..}/img/lib.sh"
requires_stock

create() { seed "$STOCK_QEMU_IMG" create "$@"; }
fresh
create -f raw a.raw 1M
create -f qcow2 a.q 1M
create -f qcow2 -b a.raw -F raw o.q
create -f qcow2 -b o.q -F qcow2 oo.q
seed mkdir d
create -f qcow2 -b ../a.raw -F raw d/rel.q
create -u -f qcow2 -b nosuch -F raw miss.q 1M
create -u -f qcow2 -b miss.q -F qcow2 miss2.q 1M
create -u -f qcow2 -b foo:bar -F raw proto.q 1M
create -u -f qcow2 -b 'json:{"driver":"raw","file":{"driver":"file","filename":"a.raw"}}' -F raw jb.q 1M
create -f raw a,b 1M
seed touch empty
seeded
FILTER=filter_info

# Plain names and -f
for name in a.raw a.q o.q oo.q d/rel.q jb.q empty a,b file:a.q file:nosuch nosuch d foo:bar; do
    run_both info "$name"
done
for name in oo.q d/rel.q jb.q miss.q miss2.q proto.q; do
    run_both info --backing-chain "$name"
    run_both compare "$name" a.raw
done
for fmt in foo qcow2 raw file; do
    run_both info -f "$fmt" a.raw
    run_both info -f "$fmt" a.q
done

# json:{} names
while read -r json; do
    run_both info "json:$json"
done <<'END'
{}
{foo
[]
"x"
{"driver":1}
{"driver":"qcow2","file":{"driver":"file","filename":"a.q"}}
{"driver":"qcow2","file":"a.q"}
{"file.filename":"a.q","file.driver":"file"}
{"driver":"raw","file":{"driver":"qcow2","file":{"driver":"file","filename":"a.q"}}}
{"driver":"raw","size":512,"file":{"driver":"file","filename":"a.raw"}}
{"driver":"qcow2","file.filename":"a.q","foo":1}
{"filename":"a.q"}
{"driver":"file","filename":"a.q"}
{"driver":"qcow2","filename":"a.q"}
{"driver":"qcow2","file":{"driver":"file"}}
{"driver":"qcow2","file":{}}
{"driver":"qcow2","file":{"driver":"file","filename":"o.q"},"backing":null}
{"driver":"qcow2","file":{"driver":"file","filename":"o.q"},"backing":""}
END

# Option strings
while read -r opts; do
    run_both info --image-opts "$opts"
done <<'END'
driver=qcow2,file.filename=a.q,foo=1
driver=qcow2,file.filename=a.q,file.foo=1
driver=foo,file.filename=a.q
file.driver=foo,file.filename=a.q
driver=qcow2
driver=file
filename=a.q
a.q
file=x,file.filename=a.q
driver=qcow2,file=a.q
driver=raw,filename=a.q
file.driver=qcow2,file.file.filename=a.q
file.driver=raw,file.file.filename=a.q
file.filename=a.q,discard=foo
file.filename=a.q,discard=on
file.filename=a.q,detect-zeroes=unmap
file.filename=a.q,detect-zeroes=foo
file.filename=a.q,detect-zeroes=unmap,discard=unmap
file.filename=a.q,read-only=foo
file.filename=a.q,read-only=off
file.filename=a.q,force-share=on
file.filename=a.q,force-share=on,read-only=off
file.filename=a.q,cache.direct=foo
file.filename=a.q,cache.foo=on
file.filename=a.q,cache.writeback=off
file.filename=a.q,node-name=1
file.filename=a.q,node-name=thisnameismuchtoolongforanodename
file.filename=a.q,node-name=a,file.node-name=a
file.filename=o.q,backing.driver=raw
driver=raw,file.filename=a.raw,backing.driver=raw
driver=raw,offset=512,file.filename=a.raw
driver=raw,size=512,file.filename=a.raw
END
run_both compare --image-opts file.filename=o.q,backing.driver=qcow2,backing.file.filename=a.q file.filename=a.raw
run_both compare --image-opts file.filename=o.q,backing=nosuch file.filename=a.raw
run_both check --image-opts driver=qcow2,file.filename=a.q,backing.driver=raw
finish
