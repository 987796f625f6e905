"""Runs commands of stock and ours on equal copies of damaged images and tells differences that nothing explains.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import os
import random
import re
import shutil
import subprocess

IMG, IO = os.environ.get("QEMU_IMG", ""), os.environ.get("QEMU_IO", "")
STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG", ""), os.environ.get("STOCK_QEMU_IO", "")
STOCK_SECONDS = 20                    # after these the peer has no answer
HANG_SECONDS = 200
LOOKING = [
    "img info", "img info --output=json", "img check", "img check --output=json", "img map", "img map --output=json", "img snapshot -l",
    "img convert -O raw IMAGE out", "img convert -l s0 -O raw IMAGE out", "img compare", "img measure -O qcow2", "img measure -O raw --output=json",
    "io -r -c 'read 0 64k' -c 'read 64k 256k' -c 'read 1M 64k' -c 'read -P 0 1M 512k'", "io -r -c map", "io -r -c 'alloc 0 1M' -c info",
    "img info --backing-chain", "img dd bs=64k count=20 if=IMAGE of=out",
]
CHANGING = [
    "img check -r leaks", "img check -r all", "img check -r all --output=json", "img snapshot -c new", "img snapshot -a s0", "img snapshot -a s1",
    "img snapshot -d s0", "img snapshot -d s1", "img resize IMAGE +1M", "img resize --shrink IMAGE 512k", "img amend -o compat=0.10",
    "img amend -o lazy_refcounts=on", "img amend -o compat=1.1", "img amend -o refcount_bits=64", "img rebase -u -b '' IMAGE",
    "img rebase -u -b below.raw -F raw IMAGE", "img bitmap --add IMAGE new", "img bitmap --remove IMAGE b0", "img bitmap --clear IMAGE b0",
    "img bitmap --disable IMAGE b0", "img bitmap --merge b0 IMAGE b1", "img commit", "io -c 'write -P 7 0 64k'", "io -c 'write -P 7 100k 300k'",
    "io -c 'write -z 0 128k'", "io -c 'write -z -u 64k 512k'", "io -d unmap -c 'discard 0 1M'", "io -c 'write -c -P 1 512k 64k'",
    "io -c 'write -P 8 4k 4k' -c 'write -P 9 900k 8k' -c 'discard 128k 64k' -c 'read 0 1M'", "io -c 'truncate 6M'", "io -c 'write -b -P 3 0 4k'",
]
SAME = [                              # (pattern, what takes its place) on both outputs
    (r"^Did you mean .*\n", ""), (r"[0-9.]+ sec \(.*?\)|\d+:[0-9:.]+ \(.*?\)", "TIME"), (r"(\d+ ops; ).*", r"\1"),
    (r'"actual-size": \d+', "SIZE"), (r"disk size: .*", "SIZE"), (r"#block\d+", "#block"), (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE"),
]


class Answer:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, plain(out), plain(err)

    def same(self, other):
        return (self.code, self.out, self.err) == (other.code, other.out, other.err)


def plain(raw):
    text = raw.decode(errors="replace")
    for pattern, instead in SAME:
        text = re.sub(pattern, instead, text, flags=re.M)
    return text


def words_of(command, kind):
    """Program and its arguments; the image is named last where the command does not say where."""
    program, *words = re.findall(r"'[^']*'|\S+", command)
    words = [w.strip("'") for w in words]
    image = kind.words()
    if kind.keys and any(w in words for w in ("dd", "rebase", "commit")):
        image = ["image"]
    before = image[:-1]
    if "IMAGE" in words:
        words = [image[-1] if w == "IMAGE" else w for w in words]
        if "dd" in words:
            return program, [w.replace("IMAGE", "image") for w in words]
    elif "compare" in words:
        words += [image[-1], image[-1]]
    else:
        words = [*[w.replace("if=IMAGE", "if=image") for w in words]] + ([] if "dd" in words else [image[-1]])
    verb = words[:1] if program == "img" else []
    return program, verb + before + words[len(verb):]


def run(program, words, folder, seconds=HANG_SECONDS):
    """None: no answer in time."""
    try:
        done = subprocess.run([program, *words], cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    return Answer(done.returncode, done.stdout, done.stderr)


def findings(folder, kind):
    """What stock finds in an image: (errors, leaks); many when it cannot even look."""
    done = run(STOCK_IMG, ["check", *kind.words()], folder)
    if not done or done.code in (1, 63) or done.code < 0:
        return 1 << 40, 0
    counts = [re.search(rf"^(\d+) {word}", done.out, re.M) for word in ("errors", "leaked")]
    return tuple(int(c[1]) if c else 0 for c in counts)


def content(folder, kind):
    """What a guest sees, by stock: bytes of a file, or nothing."""
    done = run(STOCK_IMG, ["convert", "-U", *kind.words()[:-1], "-O", "raw", kind.words()[-1], "seen"], folder)
    path = os.path.join(folder, "seen")
    data = None
    if done and not done.code:
        with open(path, "rb") as file:
            data = file.read()
    if os.path.exists(path):
        os.unlink(path)
    return data


class Comparison:
    def __init__(self, commands):
        """commands: of how many an image is tried with, one half of them changing it."""
        self.commands, self.images, self.runs, self.differences, self.explained = commands, 0, 0, 0, {}
        self.before = None

    def copies(self, image):
        """Two equal folders with what belongs to the image."""
        for side in ("stock", "ours"):
            shutil.rmtree(side, ignore_errors=True)
            shutil.copytree("made", side)
            image.save(os.path.join(side, "image"))

    def both(self, command, kind):
        program, words = words_of(command, kind)
        stock = run(STOCK_IMG if program == "img" else STOCK_IO, words, "stock", STOCK_SECONDS)
        ours = run(IMG if program == "img" else IO, words, "ours")
        self.runs += 1
        return stock, ours

    def explain(self, command, kind, before, stock, ours):
        """A reason for different answers, or none."""
        if ours is None or ours.code < 0 or ours.code > 90:
            return None
        if stock is None or stock.code < 0:
            return "stock ends by a signal, or not at all"
        if command not in CHANGING:
            return self.explain_looking(command, stock, ours)
        if command.startswith("img check -r") and kind.bitmaps and kind.snapshots:
            return "stock names no snapshots while it repairs an image with bitmaps, and loses them"
        if before[0]:
            return self.explain_damaged(stock, ours)
        if ours.code and not stock.code:
            return "ours prevents an invalid write" if "Preventing invalid" in ours.err else None
        after = findings("ours", kind)
        return "stock would overwrite a structure in its place, ours writes it elsewhere" if stock.code and not ours.code and not after[0] else None

    @staticmethod
    def explain_damaged(stock, ours):
        """Of a change to an image in which stock found errors before: which of them is met first is chance."""
        if stock.code and ours.code:
            return "errors before: both refuse, another of the damages is met first"
        if ours.code:
            return "errors before: ours does not follow or overwrite what is damaged"
        return "errors before: ours writes elsewhere, or later" if stock.code else "errors before: both do it, and tell other damages"

    @staticmethod
    def explain_looking(command, stock, ours):
        if stock.code == 0 and ours.code == 1 and "Snapshot L1 table offset invalid" in ours.err:
            return "the tables of a snapshot past the end of the file are refused, not read as nothing"
        if stock.code != 1 or ours.code != 1:
            return None
        if command.startswith("img map") and stock.err == ours.err and ours.out.startswith(stock.out.rstrip("]\n")):
            return "some ranges more before the bad one"
        if re.sub(r"\d+", "N", stock.err) == re.sub(r"\d+", "N", ours.err):
            return "the same error at another place, since several parts are read at a time"
        return None

    def untouched(self, image):
        with open("ours/image", "rb") as file:
            return file.read() == image.data

    def same_files(self):
        return not subprocess.run(["diff", "-rq", "stock", "ours"], stdout=subprocess.DEVNULL, check=False).returncode

    def after(self, command, kind, before):
        """What is wrong with our result beside stock's, where both say the same."""
        if self.same_files():
            return None
        if command in LOOKING:
            return "a file differs after looking"
        theirs, mine = findings("stock", kind), findings("ours", kind)
        if before[0]:
            return None                # counts that are too low: whoever takes a cluster makes more errors, or fewer
        if mine[0] > theirs[0] or mine[1] > max(theirs[1], before[1]):
            return f"stock finds {mine} in ours, {theirs} in its own, {before} before"
        left, right = content("stock", kind), content("ours", kind)
        if left is not None and left != right:
            return "a guest sees other content"
        return None

    def found_before(self, kind, image):
        """What stock finds before the command, asked for where it matters."""
        if self.before is None:
            image.save("stock/image")
            self.before = findings("stock", kind)
        return self.before

    def one(self, what, command, kind, image):
        self.copies(image)
        stock, ours = self.both(command, kind)
        if command in LOOKING and not self.untouched(image):
            self.report(what, command, image, ["looking changed the image"])
        if stock and ours and stock.same(ours) and self.same_files():
            return stock.code == 1
        result = "stock.after"
        shutil.rmtree(result, ignore_errors=True)
        os.rename("stock", result)
        shutil.copytree("made", "stock")
        before = self.found_before(kind, image)
        shutil.rmtree("stock")
        os.rename(result, "stock")
        if stock and ours and stock.same(ours):
            why = self.after(command, kind, before)
            if why:
                self.report(what, command, image, [why])
            return stock.code == 1
        reason = self.explain(command, kind, before, stock, ours)
        if reason:
            self.explained[reason] = self.explained.get(reason, 0) + 1
        else:
            sides = [[f"exit {a.code}", *a.out.splitlines(), *a.err.splitlines()] if a else ["no answer"] for a in (stock, ours)]
            self.report(what, command, image, [f"stock found {before} before", *list(difflib.unified_diff(*sides, "stock", "ours", lineterm="", n=0))[2:14]])
        return stock and ours and stock.code == ours.code == 1

    def report(self, what, command, image, lines):
        self.differences += 1
        print(f"{what}: {command}")
        print("\n".join("    " + line[:200] for line in lines), flush=True)
        if os.environ.get("KEEP"):
            os.makedirs(os.environ["KEEP"], exist_ok=True)
            image.save(os.path.join(os.environ["KEEP"], re.sub(r"\D+", "-", what.split(" ", 1)[0])))

    def run(self, images, seed):
        for number, kind, image, done in images:
            chance = random.Random(f"{seed} {number} commands")
            self.images += 1
            self.before = None
            what = f"{seed}/{number} [{kind}] {done}"
            refused = self.one(what, "img info", kind, image)
            half = 1 if refused else self.commands // 2
            for command in chance.sample(LOOKING[1:], half) + chance.sample(CHANGING, half):
                self.one(what, command, kind, image)
        print(f"{self.images} images, {self.runs} commands on each side, {self.differences} differences; explained: {self.explained}")
        return 1 if self.differences else 0
