#!/usr/bin/env python3
"""Every field of every structure of qcow2 with every kind of bad value is accepted or refused as by stock: a third of them, with
info and one other command; FULL=1: all, with every command; ONLY="row 19": those whose names hold that.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

from badinputs import bad_inputs, bases
from badinputs.compare import Table
from qcow2image import need_stock


def main():
    need_stock()
    only = os.environ.get("ONLY", "")
    found, full = bases(), bool(os.environ.get("FULL"))
    return Table(every=1 if full or only else 3, few=not full).compare(item for item in bad_inputs(found) if only in str(item))


os.chdir(os.environ["TEST_DIR"])
sys.exit(main())
