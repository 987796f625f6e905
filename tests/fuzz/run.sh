#!/bin/sh
# Build the fuzzing entries for an engine, with the address and undefined-behaviour sanitizers, and run each for some seconds.
# Usage: tests/fuzz/run.sh [SECONDS [ENTRY...]]     (make fuzz TIME=SECONDS)
# ENGINE=libfuzzer (default) or afl (AFL++); what is missing for it is installed as ./check does.  New inputs are kept under
# build-fuzz/corpus-ENTRY, findings under build-fuzz/found-ENTRY; MERGE=yes puts what covers more into tests/fuzz/corpus.
# SPDX-License-Identifier: GPL-2.0-or-later
set -eu
src=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-60}
[ $# -gt 0 ] && shift
entries=${*:-header image json options qmp hmp nbd-server nbd-client vhost-user luks machine vmstate}
engine=${ENGINE:-libfuzzer}
. "$src/scripts/deps.sh"
out=$src/build-fuzz
tree=$out/$engine
case $engine in
    libfuzzer) CC=clang need=$LIBFUZZER_PACKAGES flags=-fsanitize=fuzzer-no-link,address,undefined ;;
    afl) CC=afl-clang-fast need=$AFL_PACKAGES flags=-fsanitize=address,undefined ;;
    *) echo "ENGINE is libfuzzer or afl" >&2; exit 2 ;;
esac
export CC
export AFL_LLVM_INSTRUMENT=LLVM-NATIVE AFL_QUIET=1      # its own pass cannot take functions that come in several versions
# shellcheck disable=SC2086  # words
install_missing $BUILD_PACKAGES $need || exit 1
mkdir -p "$out"
[ -f "$tree/build.ninja" ] ||
    meson setup "$tree" "$src" -Dfuzz=engine -Db_lundef=false -Dwerror=false "-Dc_args=$flags -fno-sanitize-recover=undefined -w" \
        "-Dc_link_args=-fsanitize=address,undefined" >"$out/$engine.setup.log" || { cat "$out/$engine.setup.log" >&2; exit 1; }
targets=
for name in $entries; do targets="$targets tests/fuzz/fuzz-$name"; done
# shellcheck disable=SC2086  # words
ninja -C "$tree" $targets >"$out/$engine.build.log" || { tail -n 40 "$out/$engine.build.log" >&2; exit 1; }

# Images of 16k clusters have a hundred kilobytes.
longest() { # NAME
    [ "$1" = image ] && echo 120000 || echo 66000
}

# What the engine learns of rare features costs a fifth of the time where an input takes milliseconds.
engine_options() { # NAME
    [ "$1" != image ] || echo -entropic=0
}

run_libfuzzer() { # NAME
    dict=
    [ -f "$src/tests/fuzz/$1.dict" ] && dict=-dict=$src/tests/fuzz/$1.dict
    # What devices and parsers say is left out of the log, what the engine and the sanitizers say is kept.
    # shellcheck disable=SC2086
    { FUZZ_VERBOSE=1 "$tree/tests/fuzz/fuzz-$1" -max_total_time="$seconds" -max_len=$(longest "$1") -rss_limit_mb=1024 -timeout=60 -print_final_stats=1 \
        -artifact_prefix="$out/found-$1/" $dict $(engine_options "$1") "$out/corpus-$1" "$src/tests/fuzz/corpus/$1" 2>&1; echo "status $?"; } |
        grep -aE '^(status |stat::|SUMMARY|==|ALARM|artifact| +#[0-9])|runtime error' >"$out/$1.log"
    grep -q '^status 0' "$out/$1.log" || { cat "$out/$1.log" >&2; echo "$1: a finding; see found-$1" >&2; return 1; }
    sed -n "s/^stat::number_of_executed_units: */$1: executions /p" "$out/$1.log"
    if [ "${MERGE:-no}" = yes ]; then
        "$tree/tests/fuzz/fuzz-$1" -merge=1 -max_len=$(longest "$1") "$src/tests/fuzz/corpus/$1" "$out/corpus-$1" >>"$out/$1.log" 2>&1
    fi
}

run_afl() { # NAME: what its mutator is stands in a library
    library=
    case $1 in header|image)
        library=$out/mutate-qcow2.so
        # shellcheck disable=SC2046
        cc -shared -fPIC -O2 -D_GNU_SOURCE -I"$src/include" $(pkg-config --cflags glib-2.0) "$src/tests/fuzz/mutate-qcow2.c" \
            "$src/tests/fuzz/afl-mutator.c" -o "$library" $(pkg-config --libs glib-2.0) ;;
    esac
    AFL_CUSTOM_MUTATOR_LIBRARY=$library AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 \
        ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0 \
        afl-fuzz -V "$seconds" -m none -t 20000 -i "$src/tests/fuzz/corpus/$1" -o "$out/afl-$1" -- "$tree/tests/fuzz/fuzz-$1" >"$out/$1.log" 2>&1 ||
        { tail -n 20 "$out/$1.log" >&2; return 1; }
    sed -n "s/^execs_done *: */$1: executions /p" "$out/afl-$1/default/fuzzer_stats"
    [ -z "$(ls "$out/afl-$1/default/crashes" 2>/dev/null | grep -v README)" ] || { echo "$1: see $out/afl-$1/default/crashes" >&2; return 1; }
}

failed=0
for name in $entries; do
    mkdir -p "$out/corpus-$name" "$out/found-$name"
    "run_$engine" "$name" || failed=1
done
exit $failed
