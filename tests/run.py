#!/usr/bin/env python3
"""Run the program-level tests (tests/img/*, tests/qmp/*): each in a scratch folder of its own, two at a time.

A test exits 0 (passed), 77 (skipped, its last line says why) or anything else (failed).
Its environment: QEMU_IMG, QEMU_IO, QEMU_NBD, QEMU_SYSTEM (the programs under test), STOCK_QEMU_IMG and so on
(the peer's, empty when not installed), BUILD_DIR, TEST_DIR (the scratch folder), TEST_SRC (the folder tests/).

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import concurrent.futures
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent
HELPERS = {"cuts.py", "operations.py", "injector.py", "lib.sh", "lib.py", "qtestlib.py", "guestlib.py",
           "blockdev_scripts.py", "joblib.py", "schemalib.py", "vhostuser.py", "nbdserver.py", "ptracelib.py"}
ROOMS = "img,qmp,hmp,chardev,nbd,storage-daemon,qtest,crash,locks"
SKIPPED = 77


def parse_arguments():
    parser = argparse.ArgumentParser(description="Run program-level tests.")
    parser.add_argument("--build", default=str(SOURCE.parent / "build"), help="the build folder")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one test (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="tests at a time (default %(default)s)")
    parser.add_argument("--retries", type=int, default=0, metavar="N",
                        help="run failing tests again, alone, when there are N or fewer; say which passed then")
    parser.add_argument("--keep", action="store_true", help="keep the scratch folders of failing tests")
    parser.add_argument("--show", action="store_true", help="print what passing tests said, too")
    parser.add_argument("--emulator-args", metavar="ARGS", help="give the emulator under test these arguments besides (-sandbox ...)")
    parser.add_argument("--list", action="store_true", help="print the names of the tests and stop")
    parser.add_argument("--rooms", default=ROOMS, help="comma-separated folders under tests/ (default %(default)s)")
    parser.add_argument("tests", nargs="*", help="names or parts of names; none: all")
    return parser.parse_args()


def find_tests(rooms, wanted):
    found = []
    for room in rooms:
        for path in sorted((SOURCE / room).iterdir() if (SOURCE / room).is_dir() else []):
            if path.suffix in (".sh", ".py") and path.name not in HELPERS and not path.name.startswith("."):
                found.append(path)
    if wanted:
        found = [path for path in found if any(word in str(path) for word in wanted)]
    return found


def environment(build, scratch):
    programs = {"QEMU_IMG": "qemu-img", "QEMU_IO": "qemu-io", "QEMU_NBD": "qemu-nbd", "QEMU_SYSTEM": "qemu-system-x86_64",
                "QEMU_STORAGE_DAEMON": "qemu-storage-daemon"}
    stock = {name: shutil.which(file, path="/usr/bin:/usr/local/bin:/bin") or "" for name, file in programs.items()}
    env = dict(os.environ)
    env.update(
        **{name: str(build / file) for name, file in programs.items()},
        **{"STOCK_" + name: os.environ.get("STOCK_" + name, path) for name, path in stock.items()},
        BUILD_DIR=str(build), TEST_DIR=scratch, TEST_SRC=str(SOURCE), LC_ALL="C.UTF-8", TZ="UTC",
    )
    return env


def wrapped(program, arguments, folder):
    """A script of the same name that starts the program with more arguments."""
    path = pathlib.Path(folder, "bin", pathlib.Path(program).name)
    path.parent.mkdir()
    path.write_text(f'#!/bin/bash\nexec -a "$0" {shlex.quote(program)} "$@" {arguments}\n')
    path.chmod(0o755)
    return str(path)


def command(path):
    return (["python3"] if path.suffix == ".py" else ["bash"]) + [str(path)]


def run_one(path, options):
    """Result word, seconds, output of one test."""
    build = pathlib.Path(options.build).resolve()
    scratch = tempfile.mkdtemp(prefix=f"stillframe-{path.stem}.")
    started = time.monotonic()
    env = environment(build, scratch)
    if options.emulator_args:
        env["QEMU_SYSTEM"] = wrapped(env["QEMU_SYSTEM"], options.emulator_args, scratch)
    process = subprocess.Popen(command(path), env=env, cwd=scratch, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=options.timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += f"\nstopped after {options.timeout:g} seconds\n"
        code = -1
    result = {0: "passed", SKIPPED: "skipped"}.get(code, "failed")
    if not (options.keep and result == "failed"):
        shutil.rmtree(scratch, ignore_errors=True)
    return result, time.monotonic() - started, output


def report(path, result, seconds, output, options):
    name = f"{path.parent.name}/{path.stem}"
    reason = ""
    if result == "skipped" and output.strip():
        reason = ": " + output.strip().splitlines()[-1]
    print(f"{result:8}{name} ({seconds:.1f} s){reason}", flush=True)
    if result == "passed" and options.show:
        print("".join(f"    {line}\n" for line in output.strip().splitlines()), end="")
    if result == "failed":
        print("".join(f"    {line}\n" for line in output.strip().splitlines()[-60:]), end="")
        again = ["python3", str(pathlib.Path(__file__)), "--build", options.build, "--keep", f"{path.parent.name}/{path.name}"]
        print(f"    repeat: {shlex.join(again)}", flush=True)


def print_recap(failures):
    """Once more at the end, where nobody has to search for them: what failed, and how its output ended."""
    for path, output in failures:
        print(f"FAILED {path.parent.name}/{path.stem}")
        print("".join(f"    {line[:300]}\n" for line in output.strip().splitlines()[-12:]), end="")


def run_all(tests, options, jobs):
    """Run and report; a list of (path, result, output)."""
    results = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        running = {pool.submit(run_one, path, options): path for path in tests}
        for future in concurrent.futures.as_completed(running):
            result, seconds, output = future.result()
            results.append((running[future], result, output))
            report(running[future], result, seconds, output, options)
    return results


def second_tries(failures, options):
    """Run what failed again, alone: what passes then is counted as passed and said to be unsteady."""
    again = {path: (result, output) for path, result, output in run_all([path for path, _ in failures], options, 1)}
    for path in again:
        if again[path][0] == "passed":
            print(f"UNSTEADY {path.parent.name}/{path.stem}: failed beside others, passed alone", flush=True)
    return [(path, again[path][1]) for path, _ in failures if again[path][0] != "passed"]


def main():
    options = parse_arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)   # what a shell's background job ignores, its children would too
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    tests = find_tests(options.rooms.split(","), options.tests)
    if options.list:
        print("\n".join(f"{path.parent.name}/{path.stem}" for path in tests))
        return 0
    results = run_all(tests, options, options.jobs)
    failures = [(path, output) for path, result, output in results if result == "failed"]
    if failures and len(failures) <= options.retries:
        failures = second_tries(failures, options)
    counts = {word: sum(1 for _, result, _ in results if result == word) for word in ("passed", "failed", "skipped")}
    counts["passed"] += counts["failed"] - len(failures)
    counts["failed"] = len(failures)
    print_recap(failures)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] or (options.tests and not tests) else 0


if __name__ == "__main__":
    sys.exit(main())
