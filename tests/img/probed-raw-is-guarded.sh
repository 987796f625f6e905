#!/usr/bin/env bash
# A guest cannot turn a raw image whose format was guessed into another format; a named format lifts the guard.
#
# SPDX-License-Identifier: GPL-2.0-or-later
. "${TEST_SRC:-$(dirname "$0")/..}/img/lib.sh"
requires_stock

fresh
seed "$STOCK_QEMU_IMG" create -f raw a.raw 1M
(cd stock && printf 'QFI\373\0\0\0\003' >header && head -c 504 /dev/zero >>header)
seeded
FILTER=filter_speed

io_both -c 'write -P 5 0 512' a.raw
io_both -c 'write -s header 0 512' a.raw
io_both -c 'write -s header 0 8' -c 'write -s header 1 8' -c 'write -s header 512 512' a.raw
io_both -c 'write -P 5 0 1024' -c 'write -s header 4 100' a.raw
each cmp ../stock/a.raw a.raw
io_both -f raw -c 'write -s header 0 512' a.raw
each cmp ../stock/a.raw a.raw
io_both -r -c 'read 0 512' a.raw
finish
