#!/usr/bin/env python3
"""Images of random kinds with several damages at once: qemu-img's and qemu-io's commands on equal copies end with stock's
exit code, words and counts, show a guest the same, and leave nothing that stock's check finds worse than what its own
program left.

SEED, FIRST and LAST (numbers of images) in the environment choose others and more of them; badinputs/mixes.py makes them,
badinputs/mixed.py runs and compares.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

from badinputs.mixed import Comparison
from badinputs.mixes import images
from qcow2image import need_stock

need_stock()
os.chdir(os.environ["TEST_DIR"])
comparison = Comparison(int(os.environ.get("COMMANDS", "6")))
seed, first, last = (int(os.environ.get(name, default)) for name, default in (("SEED", "1"), ("FIRST", "0"), ("LAST", "36")))
sys.exit(comparison.run(images("made", seed, first, last), seed))
