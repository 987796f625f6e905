"""What the tests of the storage daemon share with those of the monitor.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import importlib.util
import pathlib
import sys

QMP = pathlib.Path(__file__).resolve().parent.parent / "qmp"
_spec = importlib.util.spec_from_file_location("qmplib", QMP / "lib.py")
qmplib = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(qmplib)
sys.path.append(str(QMP))          # for schemalib

Daemon, Emulator, QMPError = qmplib.Daemon, qmplib.Emulator, qmplib.QMPError
connect, differences, masked, program, skip = qmplib.connect, qmplib.differences, qmplib.masked, qmplib.program, qmplib.skip


def compare_conversations(script, args=(), **options):
    return qmplib.compare_conversations(script, args, cls=Daemon, **options)
