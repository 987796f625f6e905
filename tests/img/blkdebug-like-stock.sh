# blkdebug: rules from files and options, right and wrong; states, sectors, kinds of requests; limits; breakpoints: as with stock.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_both
filter_both() { filter_speed | filter_node_names; }
seed "$STOCK_QEMU_IMG" create -f qcow2 d 1M
seed "$STOCK_QEMU_IO" -c 'write -P 1 0 128k' d
seed "$STOCK_QEMU_IMG" create -f raw r 1M
seed "$STOCK_QEMU_IO" -f raw -c 'write -P 2 0 128k' r
seed "$STOCK_QEMU_IMG" create -f qcow2 -o preallocation=metadata p 1M
seeded
# A file of rules: text with \n, and what it does to reads and writes.
rules() { each sh -c "printf '$1' >rules"; io_both -f raw -t writeback -c 'read 0 512' -c 'write 0 512' -c 'write -z 4k 4k' -c 'read 64k 512' -c map -c flush -c 'read 0 512' blkdebug:rules:r; }
rules '# a comment\n\n[inject-error]\nevent = "pwritev"\n'
for text in ' \t\n[set-state]' 'nonsense' 'event = "read_aio"' '[inject-error' '[]' '[inject-error]\n= "5"' '[inject-error]\nevent' '[inject-error]\nfoo = "1"' \
            '[inject-error]\nevent = "read_aio"\nonce = "maybe"' '[inject-error]\nevent = "read_aio"\nerrno = "x"' '[nosuch]' \
            '[set-state "x"]\nevent = "none"\nnew_state = "5"' '[set-state]\nnew_state = "5"' '[set-state]\nevent = "none"\nonce = "on"' \
            '[inject-error]\nevent = "none"\nerrno = "0"' '[inject-error]\nevent = "none"\niotype = "block-status"' \
            '[inject-error]\nevent = "none"\nsector = "0"' '[inject-error]\nevent = "none"\nsector = "128"\nerrno = "28"' '[inject-error]\nevent = "none"\nsector = "-1"' \
            '[inject-error]\nevent = "none"\nsector = "18014398509481984"' '[inject-error]\nevent = "none"\niotype = "flush"\nimmediately = "on"' \
            '[inject-error]\nevent = "none"\niotype = "write-zeroes"' '[inject-error]\nevent = "none"\niotype = "discard"\nonce = "on"' \
            '[inject-error]\nstate = "2"\nevent = "pwritev"\nerrno = "28"\n[set-state]\nstate = "1"\nevent = "pwritev"\nnew_state = "2"'; do
    rules "$text"
done
# What an image cannot learn from its file it takes for data.
io_both -c map -c 'alloc 0 1M' blkdebug:missing:p
each sh -c 'printf "[inject-error]\nevent = \"none\"\niotype = \"block-status\"\n" >rules'
io_both -c map -c 'alloc 0 1M' blkdebug:rules:p
# States over several writes: the third fails, once; a file that cannot be read; names without a part.
each sh -c 'printf "[set-state]\nstate = \"1\"\nevent = \"pwritev\"\nnew_state = \"2\"\n[set-state]\nstate = \"2\"\nevent = \"pwritev\"\nnew_state = \"3\"\n[inject-error]\nstate = \"3\"\nevent = \"pwritev\"\nerrno = \"28\"\nonce = \"on\"\n" >rules'
io_both -f raw -t writeback -c 'write 0 1k' -c 'write 0 2k' -c 'write 0 3k' -c 'write 0 4k' -c 'write 0 5k' blkdebug:rules:r
for name in blkdebug:r blkdebug::r blkdebug::missing blkdebug:.:r blkdebug:rules: blkdebug:; do
    io_both -f raw -c 'read 0 512' "$name"
done
# The same as options, one or a list.
for option in inject-error.event=none inject-error.0.event=none,file.inject-error.0.foo=1 inject-error.0.event=none,file.inject-error.1.event=nosuch \
              inject-error.0.errno=5 inject-error.event=none,file.inject-error.sector=1000 set-state.event=none,file.set-state.new_state=2 set-state.foo=1 \
              inject-error.0.event=none,file.inject-error.2.event=none inject-error.0.event=none,file.inject-error.0.iotype=discard \
              align=3000000000 align=3 max-transfer=3000000000 max-transfer=1k,file.align=4k max-transfer=4k opt-write-zero=3000000000 opt-write-zero=3 \
              opt-write-zero=64k,file.max-write-zero=3000000000 opt-write-zero=4k,file.max-write-zero=6k opt-write-zero=8k,file.max-write-zero=16k \
              opt-discard=3000000000 opt-discard=3,file.align=512 opt-discard=4k,file.max-discard=6k opt-discard=8k,file.max-discard=16k max-discard=3000000000 \
              take-child-perms.0=nosuch take-child-perms.0=write,file.take-child-perms.1=resize unshare-child-perms.0=nosuch take-child-perms.0=consistent-read; do
    io_both --image-opts -d unmap -c 'write -P 3 0 20k' -c 'write -z 5k 40k' -c 'write -z 0 1k' -c 'discard 3k 50k' -c 'discard 0 1k' -c 'read 0 128k' -c flush \
        "driver=raw,file.driver=blkdebug,file.$option,file.image.driver=file,file.image.filename=r"
done
same_content r -f raw -F raw
io_both --image-opts -c 'read 0 512' driver=raw,file.driver=blkdebug
run_both info --image-opts driver=raw,file.driver=blkdebug,file.config=rules,file.image.driver=file,file.image.filename=r
run_both info --image-opts driver=raw,file.driver=blkdebug,file.align=512,file.image.driver=file,file.image.filename=r
# Breakpoints: requests stop and go on, also two with one tag; none is left behind at the end.
io_both -c 'break nosuch a' -c 'break l2_load a' -c 'remove_break a' -c 'remove_break a' -c 'resume a' blkdebug::d
io_both -c 'break pwritev a' -c 'aio_write -P 5 0 4k' -c 'wait_break a' -c 'resume a' -c aio_flush -c 'read -P 5 0 4k' blkdebug::d
io_both -c 'break pwritev a' -c 'break pwritev b' -c 'aio_write -P 6 4k 4k' -c 'wait_break b' -c 'resume b' -c 'resume a' -c aio_flush -c 'read -P 6 4k 4k' blkdebug::d
io_both -c 'break write_aio a' -c 'aio_write -P 7 8k 4k' -c 'wait_break a' -c 'remove_break a' -c aio_flush -c 'read -P 7 8k 4k' blkdebug::d
same_image d
finish
