#!/usr/bin/env python3
"""A power cut at any write of any operation on a qcow2 image leaves an image without corruption, with every
sector old or new and every snapshot whole or not there.  The full search is tests/crash/cuts.py;
this is its short form, bounded in states and in time.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
import cuts

build = os.path.dirname(os.environ["QEMU_IMG"])
sys.exit(cuts.main(["--build", build, "--dir", os.environ["TEST_DIR"], "--states", "1500", "--seconds", "60"]))
