#!/usr/bin/env python3
"""Commands that come while the machine is still being started (its reset polls, for devices of other threads) wait until it is there.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import subprocess
import sys

from lib import Emulator

DEVICES = [word for i in range(8) for word in ("-device", f"virtio-scsi-pci,iothread=t,id=s{i}")]


def main():
    subprocess.run([os.environ["QEMU_IMG"], "create", "-q", "-f", "qcow2", "a.qcow2", "1M"], check=True)
    image = os.path.abspath("a.qcow2")
    for i in range(8):
        with Emulator("ours", ["-object", "iothread,id=t", "-m", "4", "-blockdev", f"qcow2,node-name=a,file.driver=file,file.filename={image}",
                               *DEVICES], machine="pc") as vm:
            vm.cmd("snapshot-save", {"job-id": "j", "tag": f"s{i}", "vmstate": "a", "devices": ["a"]})
            vm.wait_event("JOB_STATUS_CHANGE", lambda data: data["status"] == "concluded")
            assert "error" not in vm.cmd("query-jobs")[0], vm.cmd("query-jobs")


if __name__ == "__main__":
    sys.exit(main())
