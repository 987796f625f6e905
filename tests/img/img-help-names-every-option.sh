# The help text has stock's syntax lines with what we add to them, and -h works with every command.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
"$STOCK_QEMU_IMG" --help | sed -n '/^Command syntax/,/^$/p' >stock.syntax
ours_only='s/ \[--explain\]//; s/ \[--snapshots\]//; s/ \[--output=ofmt\] \[-l |/ [-l |/; s/ \[snapshot\.\.\.\] | .* output_filename\]/]/'
"$QEMU_IMG" --help | sed -n '/^Command syntax/,/^$/p' | sed "$ours_only" >our.syntax
diff stock.syntax our.syntax || fail "syntax lines"
"$QEMU_IMG" -V | grep -q '^qemu-img version 7\.2\.50' || fail "version line"
for c in create info check convert compare map snapshot bench commit rebase amend dd bitmap measure; do
    "$QEMU_IMG" $c --help >c.help || fail "$c --help"
    "$QEMU_IMG" $c -h | cmp -s - c.help || fail "$c -h"
done
finish
