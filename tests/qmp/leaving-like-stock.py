#!/usr/bin/env python3
"""How the emulator ends (signals, quit, a lost monitor, failed starts, daemons): status, messages and files as with stock.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from lib import Client, connect, program, stock_waits

PATIENCE = 60


def until(true, what):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.01)


def gone(pid):
    """A daemon that ended may stay a zombie where nobody reaps orphans."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Case:
    """One program in a folder of its own with one image."""

    def __init__(self, kind):
        self.kind = kind
        self.folder = os.path.join(os.environ["TEST_DIR"], kind)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        subprocess.run([os.environ["QEMU_IMG"], "create", "-q", "-f", "qcow2", "a.qcow2", "16M"], cwd=self.folder, check=True)
        self.process = None

    def command(self, args):
        accel = "qtest" if self.kind == "ours" else "tcg"
        return [program(self.kind), "-machine", f"none,accel={accel}", "-display", "none", "-nodefaults", "-S", *args]

    def start(self, *args, disk=True):
        if disk:
            args += ("-blockdev", "driver=qcow2,node-name=a,file.driver=file,file.filename=a.qcow2")
        self.process = subprocess.Popen(self.command(args), cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def path(self, name):
        return os.path.join(self.folder, name)

    def qmp(self):
        return "-qmp", f"unix:s,server=on,wait={stock_waits(self.kind, True, None)}"

    def talk(self, name="s"):
        """Answers: it is up, and signals are taken."""
        return Client(connect(self.path(name), PATIENCE))

    def run(self, *args):
        """A start that is over at once (a daemon's parent, or a failure)."""
        with open(self.path("err"), "w") as err:
            run = subprocess.run(self.command(args), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                                 timeout=PATIENCE, check=False)
        with open(self.path("err")) as err:
            return run.returncode, self.words(err.read())

    def pid(self):
        with open(self.path("p")) as f:
            return int(f.read())

    def words(self, text):
        text = re.sub(r"^.*: info: QEMU waiting for connection on: .*\n", "", text, flags=re.M)
        return re.sub(r"from pid \d+ \(.*\)", "from pid N (NAME)", text.replace(program(self.kind) + ":", "qemu-system-x86_64:"))

    def end(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        locked = subprocess.run([os.environ["QEMU_IO"], "-c", "write 0 512", self.path("a.qcow2")], stdout=subprocess.DEVNULL,
                                check=False).returncode
        return self.process.returncode, re.sub(rb"QEMU [0-9.]+ ", b"QEMU ", out), self.words(err.decode()), self.files(), locked

    def files(self):
        return sorted(os.listdir(self.folder))


def signalled(number, *args):
    def case(c):
        c.start("-pidfile", "p", *c.qmp(), *args)
        monitor = c.talk()                         # (stays connected)
        c.process.send_signal(number)
        result = c.end()
        monitor.close()
        return result
    return case


def stray_signal(c):
    """One that means nothing to it."""
    c.start("-pidfile", "p", *c.qmp())
    monitor = c.talk()
    c.process.send_signal(signal.SIGUSR1)
    c.process.send_signal(signal.SIGIO)
    c.process.send_signal(signal.SIGPIPE)
    monitor.cmd("query-status")
    monitor.send({"execute": "quit"})
    result = c.end()
    monitor.close()
    return result


def quit_by_hmp(c):
    c.start("-pidfile", "p", "-monitor", "unix:s,server=on,wait=off")
    s = connect(c.path("s"), PATIENCE)
    s.sendall(b"quit\n")
    result = c.end()
    s.close()
    return result


def quit_on_standard_input(c):
    c.start("-pidfile", "p", "-monitor", "stdio")
    c.process.stdin.write(b"quit\n")
    return c.end()


def lost_monitor(c):
    """The client goes; another one comes; then the program is asked to end."""
    c.start("-pidfile", "p", *c.qmp())
    c.talk().close()
    again = c.talk()
    c.process.terminate()
    result = c.end()
    again.close()
    return result


def lost_monitor_then_reset(c):
    c.start("-pidfile", "p", *c.qmp())
    first = c.talk()
    first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    first.send(b'{"execute": "query-qmp-schema"}\n' * 50)
    first.close()
    monitor = c.talk()
    monitor.send({"execute": "quit"})
    result = c.end()
    monitor.close()
    return result


def standard_input_ends(c):
    """The monitor is lost; the machine stays."""
    c.start("-pidfile", "p", "-monitor", "stdio", *c.qmp())
    c.process.stdin.close()
    c.process.stdin = None
    monitor = c.talk()
    monitor.cmd("query-status")
    c.process.send_signal(signal.SIGHUP)
    return c.end()


def others_files(c):
    """What took the place of our files is removed with them by either program."""
    c.start("-pidfile", "p", *c.qmp())
    c.talk().close()
    for name in ("p", "s"):
        os.rename(c.path(name), c.path(name + ".old"))
        with open(c.path(name), "w"):
            pass
    c.process.terminate()
    return c.end()


def daemon(c):
    started = c.run("-daemonize", "-pidfile", "p", "-qmp", f"unix:{c.path('s')},server=on,wait=off")
    second = c.run("-pidfile", "p")
    with open(c.path("p")) as f:
        lines = len(f.readlines())
    modes = [os.stat(c.path(name)).st_mode for name in ("p", "s")]
    c.talk().close()
    pid = c.pid()
    os.kill(pid, signal.SIGTERM)
    until(lambda: gone(pid), "the daemon")
    return started, second, lines, modes, c.files()


def daemon_over_a_stale_pidfile(c):
    with open(c.path("p"), "w") as f:
        f.write("a longer text than a number\n")
    started = c.run("-daemonize", "-pidfile", "p")
    pid = c.pid()
    os.kill(pid, signal.SIGINT)
    until(lambda: gone(pid), "the daemon")
    return started, c.files()


def failing(*args):
    return lambda c: (c.run(*args), c.files())


def no_file(c):
    os.mkdir(c.path("p"))
    return c.run("-pidfile", "p")


CASES = {
    "SIGTERM": signalled(signal.SIGTERM), "SIGINT": signalled(signal.SIGINT), "SIGHUP": signalled(signal.SIGHUP),
    "SIGQUIT": signalled(signal.SIGQUIT), "no shutdown": signalled(signal.SIGTERM, "-no-shutdown"),
    "killed": signalled(signal.SIGKILL),
    "stray signals": stray_signal, "quit by HMP": quit_by_hmp, "quit on standard input": quit_on_standard_input,
    "lost monitor": lost_monitor, "reset monitor": lost_monitor_then_reset, "standard input ends": standard_input_ends,
    "others' files": others_files, "daemon": daemon, "stale pidfile": daemon_over_a_stale_pidfile,
    "no folder": failing("-daemonize", "-pidfile", "no/p"), "no image": failing("-daemonize", "-pidfile", "p", "-drive", "file=no"),
    "no image, no daemon": failing("-pidfile", "p", "-drive", "file=no"), "a folder": no_file,
    "monitor of a daemon": failing("-daemonize", "-monitor", "stdio"), "QMP of a daemon": failing("-daemonize", "-qmp", "stdio"),
    "serial port of a daemon": failing("-daemonize", "-serial", "stdio"),
    "device of a daemon": failing("-daemonize", "-chardev", "stdio,id=c"),
}


def main():
    for number in (signal.SIGINT, signal.SIGHUP):       # ignored where this was started in the background
        signal.signal(number, signal.SIG_DFL)
    different = 0
    for name, case in CASES.items():
        seen = []
        for kind in ("stock", "ours"):
            c = Case(kind)
            try:
                seen.append(case(c))
            finally:
                if c.process and c.process.poll() is None:
                    c.process.kill()
                    c.process.wait()
        if seen[0] != seen[1]:
            different += 1
            print(f"{name}\n  stock: {seen[0]}\n  ours:  {seen[1]}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
