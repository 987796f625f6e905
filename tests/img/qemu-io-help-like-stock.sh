#!/bin/bash
# Proves that qemu-io's help, in whole and by command, is the stock text.
#
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/lib.sh"
requires_stock

io_both -c help
io_both -c '?'
for command in $("$STOCK_QEMU_IO" -c help | sed -n 's/^\([a-z_]*\) .*--.*/\1/p'); do
    io_both -c "help $command"
done
for alias in a c d f i l o q r t w; do
    io_both -c "help $alias"
done
# The stock text ends with pointers to its own project.
without_links() { sed 's#^/.*/qemu-io: #qemu-io: #; /^See <https/d; /^More information on/d' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }
with_filter without_links io_both -h
with_filter without_links io_both --help
with_filter without_links io_both -Z
with_filter without_links io_both -f
with_filter without_links io_both --foo
with_filter without_links io_both a b
finish
