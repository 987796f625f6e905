# Short names for daily work; meson and ninja do the building.
# SPDX-License-Identifier: GPL-2.0-or-later
BUILD ?= build

.PHONY: all demo check check-asan check-tsan check-locks coverage clean-coverage bench fuzz crash-long install clean

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD)

demo:
	./demo

check:
	./check

# All unit tests and program tests under the sanitizers (./check runs a selection of the latter).
check-asan:
	SANITIZE=only ./check

# Lines and branches of block/ that the tests run through.  TESTS="NAME...": only these program tests, added to what was
# counted before (make clean-coverage starts anew).
coverage:
	[ -f build-cov/build.ninja ] || meson setup build-cov -Db_coverage=true -Doptimization=0 -Dc_args=-fprofile-update=prefer-atomic
	ninja -C build-cov
	-$(if $(TESTS),true,meson test -C build-cov --no-rebuild --suite unit --timeout-multiplier 8)
	-python3 tests/run.py --build build-cov --timeout 1500 $(TESTS)
	python3 scripts/coverage.py build-cov block

clean-coverage:
	find build-cov -name '*.gcda' -delete

# Unit tests, and programs under load with several threads: writers, snapshots, jobs, exports and monitors together.
TSAN_TESTS = internal-snapshots-under jobs-under-guest virtio-scsi-in-iothread errors-stop-and-resume exports-like virtio-blk-like vhost-user-blk-like job-data hostile-clients hostile-rings \
	requests-cut-short rings-that-change
TSAN_ENV = G_SLICE=always-malloc UNDER_SANITIZER=1 TSAN_OPTIONS=exitcode=97:suppressions=$(CURDIR)/tests/tsan.supp
check-tsan:
	[ -f build-tsan/build.ninja ] || meson setup build-tsan -Db_sanitize=thread -Db_lundef=false
	ninja -C build-tsan && $(TSAN_ENV) meson test -C build-tsan --suite unit --print-errorlogs --timeout-multiplier 5
	$(TSAN_ENV) python3 tests/run.py --build build-tsan $(TSAN_TESTS)

# In which order threads take mutexes, and who waits with one held, over many tests (./check watches three).
LOCK_TESTS = internal-snapshots-under errors-stop-and-resume block-events vhost-user-blk-like job-data job-states exports-like hostile-clients \
	server-serves scsi-like virtio-blk-like mux-like sockets-and-files convert-like commit-like
check-locks: all
	LOCK_TESTS="$(LOCK_TESTS)" python3 tests/run.py --build $(BUILD) --show locks/

# SECTIONS="snapshot convert": only these; QUICK=1: small sizes, few rounds.  The table in docs/benchmarks.md keeps the rows.
bench: all
	python3 tests/bench/bench.py --build $(BUILD) $(if $(QUICK),--quick) --save docs/benchmarks.md $(SECTIONS)

# Each entry for TIME seconds; ENGINE=afl for AFL++, ENTRIES="image qmp" for some of them, MERGE=yes to keep what covers more.
fuzz:
	tests/fuzz/run.sh $(or $(TIME),60) $(ENTRIES)

# Power cuts until STATES distinct states were tried; figures go to docs/reliability.md by hand.
crash-long: all
	$(BUILD)/tests/crash/powercut -s $(or $(SEED),100) -R 1000 -l 2000 -r 8 -S 512 -t 997 -d $(or $(STATES),1000000)

install: all
	meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) build-asan build-tsan build-fuzz build-cov
