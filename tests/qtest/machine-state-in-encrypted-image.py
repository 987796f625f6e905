#!/usr/bin/env python3
"""The state of a machine, which has any length, is saved to and loaded from encrypted images, whose ciphers take whole sectors."""
# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess

from qtestlib import Machine, program, skip

FOLDER = os.environ.get("TEST_DIR", ".")
SECRET = "secret,id=s,data=open"


def main():
    img = os.environ.get("QEMU_IMG", "")
    if not program(False) or not img:
        skip("no emulator")
    path = f"{FOLDER}/a.qcow2"
    subprocess.run([img, "create", "-q", "-f", "qcow2", "--object", SECRET, "-o",
                    "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=1,cluster_size=4k", path, "4M"], check=True)
    node = f"qcow2,node-name=a,file.driver=file,file.filename={path},encrypt.format=luks,encrypt.key-secret=s"
    devices = ["-object", SECRET, "-blockdev", node, "-device", "virtio-blk-pci,drive=a"]
    with Machine(*devices, memory="2") as m:
        m.write(0x90000, b"saved")
        assert m.hmp("savevm one") == ""
        m.write(0x90000, b"wrong")
        assert m.hmp("loadvm one") == ""
        assert m.read(0x90000, 5) == b"saved"
        m.write(0x90000, b"later")
        assert m.hmp("savevm one") == ""
    with Machine(*devices, memory="2") as m:
        assert m.hmp("loadvm one") == ""
        assert m.read(0x90000, 5) == b"later"
    subprocess.run([img, "check", "-q", "--object", SECRET, "--image-opts", "driver=" + node], check=True)


main()
