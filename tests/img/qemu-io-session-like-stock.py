#!/usr/bin/env python3
"""A person's session at the prompt, with and without an image: each command, right or wrong, gets stock's answer on
standard output and error, byte for byte but for speeds; requests in the background go on while the prompt waits.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import select
import subprocess
import sys
import time

IO, STOCK_IO, STOCK_IMG = os.environ["QEMU_IO"], os.environ.get("STOCK_QEMU_IO"), os.environ.get("STOCK_QEMU_IMG")
SESSION = """help read|help write|help nosuch|?|help help|help x y|read|read 0|read 0 512|read -P 1 0 512|read -v 0 32|read -v 0 512
read -p 0 512|read -b 0 512|read -q 0 512|read -P 0xff 0 512|read -P 5 -s 0 -l 100 0 512|read -P 5 -s 600 0 512|read -s x 0 512
read -l x 0 512|read 1x 512|read 0 1x|read -1 512|read 0 -512|read 1 511|read 0 3G|read 2M 512|read 9E 1|readv 0 512 512
readv -v 0 16 16|readv -P 0 0 512 1x|readv|readv -q 0 512|write|write -P 3 0 64k|write -z 0 4k|write -zu 0 4k|write -z -P 1 0 4k
write -z -n 0 4k|write -n 0 4k|write -u 0 4k|write -c 64k 64k|write -c 64k 1k|write -b 0 512|write -f 0 512|write -s nofile 0 512
write -s pattern 0 512|write -s empty 0 512|write -P 256 0 512|write -P x 0 512|write -q 0 512|writev 0 512 1k|writev -P 7 0 512 512
writev -f 0 512|writev|write -r 0 512|aio_read 0 512|aio_flush|aio_read -P 1 0 512|aio_flush|aio_read|aio_write -P 5 0 512|aio_flush
aio_write -z 0 4k|aio_flush|aio_write -zu 0 4k|aio_flush|aio_write -n 0 4k|aio_write -i 0 512|aio_read -i 0 512|aio_read -v 0 32|aio_flush
flush|truncate 2M|truncate|truncate x|truncate -m falloc 3M|truncate -m nope 3M|truncate -m full 4M|length|info|discard 0 64k
discard -q 0 64k|discard x 1|discard 0|alloc 0|alloc 0 64k|alloc 0 1|alloc|alloc 0 9E|map|map x|break read_aio a|resume a
remove_break a|sleep 1|sleep|sleep x|sigraise 0|sigraise x|sigraise|reopen|reopen -r|write 0 512|reopen -w|write 0 512|reopen -c none
reopen -c bad|reopen -c writeback|reopen -o lazy-refcounts=on|reopen -o a|reopen -o file.locking=off|reopen -r -w|reopen x|open|open x
open -o driver=qcow2 d|close|length|map|read 0 512|open nofile|open -r d|write 0 512|open d|close|open -o driver=qcow2,file.filename=d
close|open -o driver=raw d|open -n -s d|info|write 0 512|close|open -x d|open -k d|open -C d|close|open -t none d|close|open -t bad d
open -d unmap d|close|open -d nope d|open -U d|open -r -U d|info|close|zone_report 0 1|foo|read  "0" 512|open -r d|  info |
# comment|r 0 512|w 0 512|i|m|o|c|f|t 1|a 0|d 0 1|read -P 1 -P 1 0 8k"""
BREAKS = """read 0 8k|write 0 512|break write_aio a|aio_write -P 9 0 512|wait_break a|resume a|aio_flush|read -P 9 0 512|break read_aio b|aio_read 0 512|wait_break b
break read_aio c|resume b|aio_flush|remove_break c|remove_break nosuch|resume nosuch|break nosuch d|read 0 512"""


def plain(text):
    text = re.sub(r"[0-9.:]+( sec| seconds)? \(.*?\)", "TIME", text)
    return re.sub(r"#block\d+", "#block", text)


class Session:
    def __init__(self, program, arguments):
        folder = "stock-images" if program == STOCK_IO else "stillframe-images"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/pattern", "wb") as f:
            f.write(b"abc")
        open(f"{folder}/empty", "w").close()
        subprocess.run([STOCK_IMG, "create", "-q", "-f", "qcow2", "d", "1M"], cwd=folder, check=True)
        subprocess.run([STOCK_IO, "-c", "write -P 1 0 8k", "d"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen([program, *arguments], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)
        self.first = self.answer()

    def answer(self):
        """What comes until the prompt, or until the program ends."""
        text, out = b"", self.process.stdout.fileno()
        while not text.endswith(b"qemu-io> "):
            if not select.select([out], [], [], 20)[0]:
                return "no answer: " + text.decode()
            more = os.read(out, 65536)
            if not more:
                break
            text += more
        return plain(text.decode(errors="replace"))

    def say(self, command):
        try:
            self.process.stdin.write(command.encode() + b"\n")
        except BrokenPipeError:
            return "(ended)"
        return self.answer()

    def end(self):
        self.process.stdin.close()
        rest = plain(self.process.stdout.read().decode())
        return rest, self.process.wait()


def compare(arguments, commands):
    wrong = 0
    stock, ours = Session(STOCK_IO, arguments), Session(IO, arguments)
    pairs = [("(start)", stock.first, ours.first)]
    pairs += [(command, stock.say(command), ours.say(command)) for command in commands]
    pairs.append(("(end)", stock.end(), ours.end()))
    ended = [command for command, left, _ in pairs if left == "(ended)"]
    if ended:
        wrong += 1
        print(f"stock ended before {ended[0]}")
    for command, left, right in pairs:
        if left != right:
            wrong += 1
            print(f"{arguments} {command}\n  stock {left!r}\n  ours  {right!r}")
    return wrong


def goes_on():
    """A background write ends although nothing more is typed."""
    screen, terminal = os.openpty()           # a terminal, so that output is not held back
    session = subprocess.Popen([IO, "stillframe-images/d"], stdin=subprocess.PIPE, stdout=terminal, bufsize=0)
    session.stdin.write(b"aio_write -P 7 0 64k\n")
    text, limit = b"", time.monotonic() + 20
    while b"wrote 65536" not in text and time.monotonic() < limit:
        if select.select([screen], [], [], 1)[0]:
            text += os.read(screen, 65536)
    session.stdin.close()
    session.wait()
    if b"wrote 65536" not in text:
        print("aio_write did not end while the prompt waited")
        return 1
    return 0


def main():
    if not STOCK_IO or not STOCK_IMG:
        print("skipped: needs the stock programs")
        return 77
    session = SESSION.replace("\n", "|").split("|")
    wrong = compare(["d"], session)
    wrong += compare([], session)
    wrong += compare(["-r", "d"], session[:120])
    wrong += compare(["--image-opts", "driver=qcow2,file.driver=blkdebug,file.image.filename=d"], BREAKS.replace("\n", "|").split("|"))
    wrong += goes_on()
    return 1 if wrong else 0


os.chdir(os.environ["TEST_DIR"])
sys.exit(main())
