# Helpers for tests that run the stock program and ours on equal copies and compare.  Source it first:
#     . "$TEST_SRC/img/lib.sh"
# Two folders, $TEST_DIR/stock and $TEST_DIR/ours, hold equal files; every command runs with one of them as
# its working folder, so relative names in output are the same.  End a test with `finish`.
#
# SPDX-License-Identifier: GPL-2.0-or-later
set -u
: "${TEST_DIR:?set by tests/run.py}" "${QEMU_IMG:?set by tests/run.py}"
TEST_SRC=${TEST_SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
failures=0
mkdir -p "$TEST_DIR/stock" "$TEST_DIR/ours"
cd "$TEST_DIR" || exit 1

skip() { echo "skipped: $*"; exit 77; }
# Note a failure and go on.
fail() { failures=$((failures + 1)); echo "FAIL: $*"; }
# requires PROGRAM...: skip the test where one is missing.
requires() {
    local program
    for program in "$@"; do
        [ -n "$program" ] && command -v "$program" >/dev/null || skip "needs ${program:-the stock programs}"
    done
}
requires_stock() { requires "${STOCK_QEMU_IMG:-}" "${STOCK_QEMU_IO:-}"; }
finish() { [ "$failures" -eq 0 ] && exit 0; echo "$failures differences"; exit 1; }

# The stock program's LUKS code times a key derivation and gives up when the kernel charged no processor time for it.
no_clock() { [ "$1" -ne 0 ] && grep -q "CPU usage$" "$2"; }
# steady COMMAND...: run it, and again (20 times at most) while it fails for want of a clock.
steady() {
    local tries code said
    said=$(mktemp "$TEST_DIR/.said.XXXXXX")
    for tries in $(seq 20); do
        "$@" 2>"$said"
        code=$?
        no_clock "$code" "$said" || break
    done
    cat "$said" >&2
    rm -f "$said"
    return "$code"
}

# Empty both folders.
fresh() { rm -rf "$TEST_DIR/stock" "$TEST_DIR/ours"; mkdir -p "$TEST_DIR/stock" "$TEST_DIR/ours"; }
# seed COMMAND...: run it in stock/ (quietly; it must succeed) ...
seed() { (cd "$TEST_DIR/stock" && steady "$@") >/dev/null || fail "seed: $*"; }
# ... and make stock/ and ours/ two equal copies afterwards, down to the holes of the files.
seeded() {
    rm -rf "$TEST_DIR/ours" "$TEST_DIR/seed"
    mv "$TEST_DIR/stock" "$TEST_DIR/seed"
    cp -a --reflink=never --sparse=always "$TEST_DIR/seed" "$TEST_DIR/stock"
    cp -a --reflink=never --sparse=always "$TEST_DIR/seed" "$TEST_DIR/ours"
    rm -rf "$TEST_DIR/seed"
}
# each COMMAND...: run the same command in both folders (quietly).
each() { (cd "$TEST_DIR/stock" && steady "$@") >/dev/null && (cd "$TEST_DIR/ours" && steady "$@") >/dev/null || fail "each: $*"; }

# Output filters: FILTER names the function or command that both outputs go through.
FILTER=cat
filter_dates() { sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}/DATE TIME/; s/"date-n?sec": [0-9]+/"date": X/'; }
filter_disk_size() { sed -E 's/^(disk size: ).*/\1X/; s/("actual-size": )[0-9]+/\1X/'; }
filter_info() { filter_dates | filter_disk_size; }
# The last of the states that a progress line went through, and whether it only rose.
filter_progress() { tr '\r' '\n' | grep -v '^ *$' | tail -n 1; }
filter_speed() { sed -E 's/[0-9]+:[0-9:.]+ \(/X sec (/; s/[0-9.]+ seconds/X seconds/; s/[0-9.]+ ([KMGT]iB|B|bytes)\/sec/X B\/sec/; s/[0-9.]+ ops\/sec/X ops\/sec/; s/[0-9:.]+ sec /X sec /'; }
filter_node_names() { sed -E 's/#block[0-9]+/#blockN/g'; }
# What we say beyond the words of stock.
filter_hint() { filter_info | grep -v "^Did you mean " || true; }
# Only the exit code counts (text that differs on purpose).
filter_all() { cat >/dev/null; }

# in_dir DIR NAME PROGRAM ARGS...: run, leaving NAME.out .err .rc in $TEST_DIR.
in_dir() {
    local dir=$1 name=$2 tries code
    shift 2
    for tries in $(seq 20); do
        (cd "$TEST_DIR/$dir" && "$@" >"$TEST_DIR/$name.out" 2>"$TEST_DIR/$name.err" </dev/null)
        code=$?
        no_clock "$code" "$TEST_DIR/$name.err" || break
    done
    echo "$code" >"$TEST_DIR/$name.rc"
    "$FILTER" <"$TEST_DIR/$name.out" >"$TEST_DIR/$name.out.f"
    "$FILTER" <"$TEST_DIR/$name.err" >"$TEST_DIR/$name.err.f"
}
# pair STOCK OURS ARGS...: run both programs, compare exit code, standard output and standard error.
pair() {
    local stock=$1 ours=$2 part
    shift 2
    in_dir stock s "$stock" "$@"
    in_dir ours o "$ours" "$@"
    for part in rc out.f err.f; do
        cmp -s "$TEST_DIR/s.$part" "$TEST_DIR/o.$part" && continue
        fail "$(basename "$ours") $* (${part%.f})"
        diff "$TEST_DIR/s.$part" "$TEST_DIR/o.$part" | head -n 20
    done
}
run_both() { pair "$STOCK_QEMU_IMG" "$QEMU_IMG" "$@"; }
io_both() { pair "$STOCK_QEMU_IO" "$QEMU_IO" "$@"; }
# The filter for one call only: with_filter NAME run_both ...
with_filter() { local FILTER=$1; shift; "$@"; }

# ours_ok ARGS... / stock_ok ARGS...: the one program must succeed, in ours/.
ours_ok() { (cd "$TEST_DIR/ours" && "$QEMU_IMG" "$@") >"$TEST_DIR/log" 2>&1 || { fail "ours: $*"; cat "$TEST_DIR/log"; }; }
stock_ok() { (cd "$TEST_DIR/ours" && "$STOCK_QEMU_IMG" "$@") >"$TEST_DIR/log" 2>&1 || { fail "stock on ours: $*"; cat "$TEST_DIR/log"; }; }

# same_content FILE [COMPARE ARGS...]: stock finds equal guest data in both copies.
same_content() {
    local file=$1
    shift
    "$STOCK_QEMU_IMG" compare "$@" "$TEST_DIR/stock/$file" "$TEST_DIR/ours/$file" >"$TEST_DIR/log" 2>&1 ||
        { fail "content of $file"; cat "$TEST_DIR/log"; }
}
# clean FILE: stock check finds nothing in our copy.
clean() {
    (cd "$TEST_DIR/ours" && "$STOCK_QEMU_IMG" check "$1") >"$TEST_DIR/log" 2>&1 || { fail "check of $1"; cat "$TEST_DIR/log"; }
}
same_image() { same_content "$@"; clean "$1"; }
# same_stock_view FILE ARGS...: stock's output of a command with FILE last agrees on both copies.
same_stock_view() {
    local file=$1
    shift
    in_dir stock s "$STOCK_QEMU_IMG" "$@" "$file"
    in_dir ours o "$STOCK_QEMU_IMG" "$@" "$file"
    cmp -s "$TEST_DIR/s.out.f" "$TEST_DIR/o.out.f" || { fail "stock $* $file differs"; diff "$TEST_DIR/s.out.f" "$TEST_DIR/o.out.f" | head -n 20; }
}
