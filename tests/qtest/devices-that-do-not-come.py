#!/usr/bin/env python3
"""A device that cannot be made leaves nothing behind that the machine calls later; many adapters and controllers each have their units.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from guestlib import ScsiAdapter
from qtestlib import Machine


def refused():
    wrong = [{"driver": "scsi-hd", "bus": "s.0", "drive": "n", **more} for more in (
                {"cyls": 1, "heads": 500, "secs": 1}, {"cyls": 0, "heads": 1, "secs": 1}, {"cyls": 70000, "heads": 1, "secs": 1},
                {"logical_block_size": 4096, "physical_block_size": 512}, {"scsi-id": 300}, {"opt_io_size": 7})]
    wrong += [{"driver": "virtio-blk-pci", "drive": "n", **more} for more in (
                {"heads": 500, "cyls": 1, "secs": 1}, {"max-discard-sectors": 0}, {"num-queues": 0}, {"queue-size": 3}, {"scsi": True},
                {"disable-modern": True, "disable-legacy": "on"}, {"iommu_platform": True}, {"packed": True}, {"addr": "1"},
                {"iothread": "io0", "ioeventfd": False})]
    wrong += [{"driver": "virtio-scsi-pci", **more} for more in ({"num_queues": 2000}, {"virtqueue_size": 5}, {"iothread": "io0", "ioeventfd": False})]
    wrong += [{"driver": "scsi-cd", "bus": "s.0", "drive": "n", "logical_block_size": 4096, "physical_block_size": 512}]
    with Machine("-object", "iothread,id=io0", "-blockdev", "null-co,node-name=n,size=1048576", "-device", "virtio-scsi-pci,id=s,addr=4") as m:
        m.qmp("cont")
        for arguments in wrong:
            answer = m.raw({"execute": "device_add", "arguments": {"id": "x", **arguments}})
            assert "desc" in answer, (arguments, answer)
            for command in ("stop", "cont", "system_reset"):
                m.qmp(command)
            m.wait_event("RESET")
        assert m.raw({"execute": "device_add", "arguments": {"id": "x", "driver": "scsi-hd", "bus": "s.0", "drive": "n", "scsi-id": 3}}) == {}
        adapter = ScsiAdapter(m, 4)
        adapter.command(3, [0] * 6)
        assert adapter.command(3, [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], 0, 512)[:2] == (0, 0)


def many():
    adapters = [word for i in range(72) for word in ("-device", f"virtio-scsi-pci,id=s{i},addr={4 + i // 8:x}.{i % 8},multifunction=on")]
    with Machine("-blockdev", "null-co,node-name=n,size=1048576", *adapters, "-device", "scsi-hd,bus=s71.0,drive=n,scsi-id=2") as m:
        m.qmp("query-block")
        assert "desc" in m.raw({"execute": "device_add", "arguments": {"driver": "scsi-hd", "bus": "s70.0", "drive": "n"}})
        m.qmp("system_reset")
        m.wait_event("RESET")
    controllers = [word for i in range(12) for word in ("-device", f"ich9-ahci,id=a{i},addr={4 + i:x}")]
    with Machine("-blockdev", "null-co,node-name=n,size=1048576", *controllers, "-device", "ide-hd,bus=a11.5,drive=n") as m:
        m.qmp("query-block")


if __name__ == "__main__":
    refused()
    many()
