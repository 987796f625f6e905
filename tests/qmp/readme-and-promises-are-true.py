#!/usr/bin/env python3
"""The README's recipes and the demo do what they say; every command that the promises name exists and selects tests or tries states.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

TESTS = pathlib.Path(os.environ["TEST_SRC"])
TOP = TESTS.parent
BUILD = pathlib.Path(os.environ["BUILD_DIR"])
SCRATCH = pathlib.Path(os.environ["TEST_DIR"])
ENV = dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}:/usr/sbin:/sbin")

sys.path.insert(0, str(TESTS))
from run import find_tests, ROOMS   # noqa: E402


def run(command, **options):
    return subprocess.run(command, env=ENV, cwd=SCRATCH, stdin=subprocess.DEVNULL, text=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)


def succeed(command, **options):
    done = run(command, **options)
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


# --- commands that pages name ---------------------------------------------------------------------------------------

def check_make(words):
    succeed(["make", "-n", "-C", str(TOP), *(words or ["all"])])


def check_tests(words):
    for word in words:
        assert word == "NAME" or find_tests(ROOMS.split(","), [word]), f"tests/run.py {word}: no test has that name"


def check_span(span):
    """What stands between two backticks; True when it is a command or file that can be seen."""
    words = span.split()
    if words[0] == "make":
        check_make(words[1:])
    elif words[0] == "tests/run.py" or words[:2] == ["python3", "tests/run.py"]:
        check_tests(words[words.index("tests/run.py") + 1:])
    elif re.match(r"(tests|docs|block|include|scripts)/", words[0]):
        assert (TOP / words[0]).exists(), f"{words[0]} is not there"
        if words[0].startswith("tests/"):
            check_tests(words[:1])
    elif words[0].startswith("./"):
        assert os.access(TOP / words[0], os.X_OK), f"{words[0]} cannot be run"
    else:
        return False
    return True


def check_scenario(name):
    out = succeed([BUILD / "tests/crash/powercut", "-c", name, "-R", "1", "-n", "1", "-l", "1", "-S", "512", "-t", "0"])
    tried = int(re.search(r"^(\d+) distinct states", out, re.M).group(1))
    assert tried > 0, f"there is no scenario {name}"


def check_row(cells, above):
    """Whether the row's last cell shows something."""
    cell = cells[-1]
    seen = [check_span(span) for span in re.findall(r"`([^`]+)`", cell)]
    scenarios = re.search(r"scenarios? (.*)", cell)
    for name in re.findall(r"`([a-z]+)`", scenarios.group(1)) if scenarios else []:
        check_scenario(name)
    return any(seen) or bool(scenarios) or (above and re.search(r"the (same|first of them)", cell) is not None)


def check_page(name):
    above, shown = False, 0
    for line in (TOP / name).read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and not set(cells[0]) <= set("-"):
            above = cells[2] == "see it" or check_row(cells, above)
            assert above, f"{name}: nothing shows this row: {line}"
            shown += cells[2] != "see it"
        elif not cells:
            for span in re.findall(r"`([^`]+)`", line):
                check_span(span)
    return shown


# --- recipes ----------------------------------------------------------------------------------------------------------

def blocks(text):
    """Indented blocks, each as one text."""
    found, current = [], []
    for line in text.splitlines() + [""]:
        if line.startswith("    "):
            current.append(line[4:])
        elif current:
            found.append("\n".join(current))
            current = []
    return found


def section(title):
    text = (TOP / "README.md").read_text()
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)


def messages(text):
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        message, at = decoder.raw_decode(text, at)
        yield message


def reply(output):
    """The next message that is no event; lines beside the protocol are what qemu-io prints."""
    while True:
        line = output.readline()
        assert line, "the emulator ended"
        assert "failed" not in line, line
        if line.startswith("{") and '"event":' not in line:
            return json.loads(line)


def check_four_lines():
    text = section("A snapshot in four lines")
    lines = blocks(text)[0].splitlines()
    for line in lines:
        succeed(line, shell=True)
        if " -c " in line:
            succeed(["qemu-io", "-c", "write -P 7 0 1M", "disk.qcow2"])
            succeed(re.search(r"`(qemu-img convert [^`]*)`", text).group(1), shell=True)
    assert (SCRATCH / "before.raw").stat().st_size == 10 << 30
    succeed(["qemu-io", "-r", "-c", "read -P 0 0 1M", "disk.qcow2"])
    assert "before" not in succeed(["qemu-img", "snapshot", "-l", "disk.qcow2"])
    (SCRATCH / "before.raw").unlink()


def check_live_recipe():
    shell, *typed = blocks(section("A live snapshot over QMP, in two minutes"))
    creates, start = shell.split("qemu-system-x86_64", 1)
    succeed(creates, shell=True)
    env = dict(ENV, ASAN_OPTIONS=ENV.get("ASAN_OPTIONS", "") + ":detect_leaks=0")      # which takes a process and ptrace
    vm = subprocess.Popen("exec qemu-system-x86_64" + start, shell=True, env=env, cwd=SCRATCH, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert "QMP" in reply(vm.stdout)
        for message in messages("\n".join(typed)):
            vm.stdin.write(json.dumps(message) + "\n")
            vm.stdin.flush()
            answer = reply(vm.stdout)
            assert "return" in answer, (message, answer)
            if message["execute"] == "query-block-snapshots":
                assert str(answer).count("monday") == 2, answer
        assert vm.wait(60) == 0
    finally:
        vm.kill()
        vm.wait()
    assert "monday" in succeed(["qemu-img", "snapshot", "-l", "sys.qcow2"])
    assert "monday" not in succeed(["qemu-img", "snapshot", "-l", "data.qcow2"])
    for name in ("sys.qcow2", "data.qcow2"):
        succeed([os.environ["STOCK_QEMU_IMG"] or "qemu-img", "check", "-q", name])
    succeed(["qemu-io", "-r", "-c", "read -P 1 0 1M", "sys.qcow2"])


def check_demo():
    """With what installs and builds left out."""
    if not (shutil.which("mke2fs", path=ENV["PATH"]) and os.environ["STOCK_QEMU_IMG"]):
        print("the demo was left out: it needs e2fsprogs and the stock qemu-img")
        return
    tree = SCRATCH / "tree"
    (tree / "scripts").mkdir(parents=True)
    shutil.copy(TOP / "demo", tree / "demo")
    shutil.copy(TOP / "README.md", tree)
    deps = (TOP / "scripts/deps.sh").read_text()
    (tree / "scripts/deps.sh").write_text(deps + "\ninstall_missing() { :; }\nbuild_tree() { :; }\n")
    out = succeed(["env", f"BUILD={BUILD}", f"TMPDIR={SCRATCH}", str(tree / "demo")])
    assert out.rstrip().endswith("All of it worked."), out


def check_programs():
    for name in re.findall(r"^\| `([^`]+)`", (TOP / "README.md").read_text(), re.M):
        assert succeed([name, "--version"]).strip(), name


def main():
    check_programs()
    check_page("README.md")
    rows = check_page("docs/promises.md")
    assert rows >= 20, rows
    check_four_lines()
    check_live_recipe()
    check_demo()
    print(f"{rows} rows of promises name what shows them")


if __name__ == "__main__":
    sys.exit(main())
