"""Proves that every kind of block job copies the same data, sends the same events and leaves the same chain as stock."""
import sys

import joblib


def backup(sync, **options):
    def scenario(d):
        d.cmd("block-dirty-bitmap-add", node="top", name="bm")
        d.io("top", "write -P 7 3M 64k")
        d.start("blockdev-backup", device="top", target="t", sync=sync, **options)
        d.end()
        d.query()
        d.chain("top")
    return scenario


def backup_with_writes(d):
    """What the guest overwrites while the job hardly moves is kept for the backup."""
    d.start("blockdev-backup", device="top", target="t", sync="full", speed=1, filter_node_name="cbw")
    d.io("cbw", "write -P 0x55 2M 512k")
    d.io("cbw", "write -z 128k 64k")
    d.io("cbw", "discard 1M 128k")
    d.cmd("block-job-set-speed", device="j", speed=0)
    d.end()
    d.io("t", "read -P 3 2M 1M")
    d.io("top", "read -P 0x55 2M 512k")


def backup_incremental(d):
    d.cmd("block-dirty-bitmap-add", node="top", name="bm", granularity=65536)
    d.start("blockdev-backup", device="top", target="t", sync="full")
    d.end()
    for n in range(3):
        d.io("top", f"write -P {n + 10} {n * 640}k 70k")
        d.start("blockdev-backup", device="top", target="t", sync="incremental", bitmap="bm")
        d.end()
        d.io("t", f"read -P {n + 10} {n * 640}k 70k")


def fleecing(d):
    """sync=none into an overlay of the disk: the overlay shows the disk as it was."""
    d.cmd("blockdev-del", node_name="t")
    d.cmd("blockdev-add", **{"driver": "qcow2", "node-name": "t", "file": joblib.file_node("t"), "backing": "top"})
    d.start("blockdev-backup", device="top", target="t", sync="none", filter_node_name="cbw")
    d.io("cbw", "write -P 0x66 2M 64k")
    d.io("cbw", "write -P 0x67 0 4k")
    d.io("t", "read -P 3 2M 1M")
    d.io("t", "read -P 1 0 128k")
    d.io("top", "read -P 0x66 2M 64k")
    d.query()
    d.cmd("block-job-cancel", device="j")
    d.end()


def mirror(sync, copy_mode="background", **options):
    def scenario(d):
        d.start("blockdev-mirror", device="top", target="t", sync=sync, copy_mode=copy_mode, filter_node_name="mf",
                **options)
        d.until("ready")
        d.io("mf", "write -P 0x21 100k 300k")
        d.io("mf", "write -z 2M 128k")
        d.io("mf", "write -P 0x22 3145700 61")
        d.cmd("job-complete", id="j")
        d.end()
        d.chain("t")
        d.io("t", "read -P 0x21 100k 300k")
    return scenario


def mirror_cancelled(d):
    d.start("blockdev-mirror", device="top", target="t", sync="full")
    d.until("ready")
    d.cmd("block-job-cancel", device="j")
    d.end()
    d.chain("top")


def commit_active(d):
    d.start("block-commit", device="top", base_node="base", filter_node_name="mf", auto_dismiss=False)
    d.until("ready")
    d.io("mf", "write -P 0x31 3M 64k")
    d.cmd("job-complete", id="j")
    d.until("concluded")
    d.query()
    d.cmd("job-dismiss", id="j")
    d.chain("base")
    d.io("base", "read -P 0x31 3M 64k")


def commit_middle(**options):
    def scenario(d):
        d.start("block-commit", device="top", top_node="mid", base_node="base", **options)
        d.end()
        d.chain("top")
        d.io("top", "read -P 2 1M 1M")
    return scenario


def stream(**options):
    def scenario(d):
        d.start("block-stream", device="top", **options)
        d.end()
        d.chain("top")
        d.io("top", "read -P 2 1M 1M")
    return scenario


SCENARIOS = {
    "backup-full": backup("full"), "backup-top": backup("top"), "backup-compressed": backup("full", compress=True),
    "backup-bitmap": backup("bitmap", bitmap="bm", bitmap_mode="always"),
    "backup-incremental": backup("incremental", bitmap="bm"),
    "backup-full-bitmap": backup("full", bitmap="bm", bitmap_mode="on-success"),
    "backup-chunks": backup("full", x_perf={"max-workers": 2, "max-chunk": 131072, "use-copy-range": True}),
    "backup-with-writes": backup_with_writes, "backup-incremental-three": backup_incremental, "fleecing": fleecing,
    "mirror-full": mirror("full"), "mirror-none": mirror("none"), "mirror-blocking": mirror("full", "write-blocking"),
    "mirror-granularity": mirror("full", granularity=4096, buf_size=65536), "mirror-replaces": mirror("full", replaces="top"),
    "mirror-cancelled": mirror_cancelled,
    "commit-active": commit_active, "commit-middle": commit_middle(), "commit-file": commit_middle(backing_file="base.qcow2"),
    "stream-all": stream(), "stream-base": stream(base_node="base"), "stream-bottom": stream(bottom="mid"),
    "stream-name": stream(base="base.qcow2", backing_file="base.qcow2"),
}

if __name__ == "__main__":
    sys.exit(joblib.run(SCENARIOS))
