"""Proves that each verb in each state of each kind of job, wrong arguments, and groups answer as stock does."""
import sys

import joblib

VERBS = ("complete", "finalize", "dismiss", "pause", "pause", "resume", "resume")


def verbs(d, names=VERBS, job="j"):
    for verb in names:
        d.cmd(f"job-{verb}", id=job)
        if verb in ("dismiss", "finalize"):
            d.cmd(f"block-job-{verb}", id=job)
        else:
            d.cmd(f"block-job-{verb}", device=job) if verb not in ("pause", "resume") else None
    d.cmd("block-job-set-speed", device=job, speed=1)
    d.cmd("block-job-set-speed", device=job, speed=-1)


def running(d):
    d.start("blockdev-backup", device="top", target="t", sync="full", speed=1)
    d.until_now("running")
    verbs(d)
    d.cmd("job-pause", id="j")
    d.until_now("paused")
    verbs(d, ("complete", "finalize", "dismiss"))
    d.cmd("block-job-cancel", device="j")
    d.cmd("block-job-cancel", device="j", force=True)
    d.end()


def pending(d):
    d.start("blockdev-backup", device="top", target="t", sync="full", auto_finalize=False, auto_dismiss=False)
    d.until("pending")
    d.query()
    verbs(d, ("complete", "dismiss", "pause", "resume"))
    d.cmd("job-finalize", id="j")
    d.query()
    verbs(d, ("complete", "finalize", "pause", "resume"))
    d.cmd("job-cancel", id="j")
    d.cmd("job-dismiss", id="j")
    d.cmd("job-dismiss", id="j")
    d.end()


def pending_cancelled(d):
    d.start("blockdev-backup", device="top", target="t", sync="full", auto_finalize=False, auto_dismiss=False)
    d.until("pending")
    d.cmd("job-cancel", id="j")
    d.query()
    d.cmd("job-dismiss", id="j")
    d.end()


def ready(d):
    d.start("blockdev-mirror", device="top", target="t", sync="full", auto_finalize=False, auto_dismiss=False)
    d.until("ready")
    verbs(d, ("finalize", "dismiss"))
    d.cmd("job-pause", id="j")
    d.query()
    verbs(d, ("finalize", "dismiss", "pause", "complete"))
    d.cmd("job-resume", id="j")
    d.until("pending")
    d.cmd("job-complete", id="j")
    d.cmd("job-finalize", id="j")
    d.query()
    d.cmd("job-dismiss", id="j")
    d.chain("t")


def unknown(d):
    for verb in ("pause", "resume", "cancel", "complete", "dismiss", "finalize"):
        d.cmd(f"job-{verb}", id="nope")
        d.cmd(f"block-job-{verb}", **{"id" if verb in ("dismiss", "finalize") else "device": "nope"})
    d.cmd("block-job-set-speed", device="nope", speed=1)
    for job in ("1a", "a b", "", "j/", "#x"):
        d.start("blockdev-backup", job_id=job, device="top", target="t", sync="full")


def refused_starts(command, **base):
    """Arguments that are wrong, one or two at a time."""
    wrong = {
        "blockdev-backup": [{"device": "nope"}, {"target": "nope"}, {"target": "top"}, {"target": "mid"}, {"speed": -1},
                            {"sync": "bitmap"}, {"sync": "incremental", "bitmap": "x"}, {"bitmap_mode": "never"},
                            {"sync": "bitmap", "bitmap": "bm"}, {"sync": "none", "bitmap": "bm", "bitmap_mode": "always"},
                            {"bitmap": "bm", "bitmap_mode": "never"}, {"filter_node_name": "top"}, {"sync": "x"},
                            {"x_perf": {"max-workers": 0}}, {"x_perf": {"max-chunk": 4096}}, {"target": "n"}],
        "blockdev-mirror": [{"device": "nope"}, {"device": "mid"}, {"target": "top"}, {"target": "mid"}, {"sync": "bitmap"},
                            {"granularity": 1}, {"granularity": 1000}, {"buf_size": -1}, {"replaces": "nope"},
                            {"replaces": "mid"}, {"replaces": "top-file"}, {"filter_node_name": "top"}, {"speed": -1}],
        "block-stream": [{"device": "nope"}, {"base": "x"}, {"base_node": "t"}, {"base_node": "top"}, {"bottom": "t"},
                         {"bottom": "mid", "base_node": "base"}, {"base": "x", "base_node": "base"}, {"backing_file": "x"},
                         {"filter_node_name": "top"}, {"speed": -1}],
        "block-commit": [{"device": "nope"}, {"device": "mid"}, {"base": "x"}, {"top": "x"}, {"top_node": "t"},
                         {"base_node": "t"}, {"top": "mid.qcow2", "top_node": "mid"}, {"base": "x", "base_node": "base"},
                         {"top_node": "mid", "base_node": "mid"}, {"top_node": "mid", "base_node": "top"},
                         {"backing_file": "x"}, {"filter_node_name": "top"}, {"device": "n"}, {"speed": -1}],
    }[command]

    def scenario(d):
        d.cmd("blockdev-add", **{"driver": "null-co", "node-name": "n", "size": 1 << 20})
        d.cmd("block-dirty-bitmap-add", node="top", name="bm")
        for more in wrong:
            d.start(command, **{**base, **more})
        d.query()
    return scenario


def busy(d):
    """What others may do to nodes that a job works on."""
    d.start("blockdev-mirror", device="top", target="t", sync="full", speed=1)
    d.until_now("running")
    d.start("blockdev-mirror", device="t", target="top", sync="full", job_id="k")
    d.start("block-commit", device="top", job_id="k")
    d.start("blockdev-backup", device="t", target="top", sync="full", job_id="k")
    for node in ("top", "t", "mid", "top-file"):
        d.cmd("blockdev-del", node_name=node)
        d.cmd("block_resize", node_name=node, size=1 << 20)
        d.cmd("blockdev-snapshot-internal-sync", device=node, name="s")
    d.cmd("job-cancel", id="j")
    d.end()


def group(properties, *actions):
    def scenario(d):
        for name in ("n", "m"):
            d.cmd("blockdev-add", **{"driver": "null-co", "node-name": name, "size": joblib.SIZE})
        d.cmd("transaction", actions=[{"type": "blockdev-backup", "data": {"sync": "full", **action}}
                                      for action in actions], properties=properties)
    return scenario


FIRST = {"job-id": "j", "device": "n", "target": "m"}
SECOND = {"job-id": "k", "device": "top", "target": "t"}
GROUPED = {"completion-mode": "grouped"}


def group_finalized(d):
    group(GROUPED, {**FIRST, "auto-finalize": False}, SECOND)(d)
    d.until("pending")
    d.until("pending", "k")
    d.query()
    d.cmd("job-finalize", id="k")
    d.query()
    d.end()


def group_cancelled(job):
    def scenario(d):
        group(GROUPED, FIRST, {**SECOND, "speed": 1})(d)
        d.until("waiting")
        d.cmd("job-cancel", id=job)
        d.end("j")
        d.end("k")
    return scenario


SCENARIOS = {
    "running": running, "pending": pending, "pending-cancelled": pending_cancelled, "ready": ready, "unknown": unknown,
    "backup-wrong": refused_starts("blockdev-backup", device="top", target="t", sync="full"),
    "mirror-wrong": refused_starts("blockdev-mirror", device="top", target="t", sync="full"),
    "stream-wrong": refused_starts("block-stream", device="top"),
    "commit-wrong": refused_starts("block-commit", device="top"),
    "busy": busy, "group-finalized": group_finalized, "group-cancel-first": group_cancelled("j"),
    "group-cancel-second": group_cancelled("k"), "group-same-id": group(GROUPED, FIRST, {**SECOND, "job-id": "j"}),
    "group-no-target": group(GROUPED, FIRST, {**SECOND, "target": "nope"}),
}

if __name__ == "__main__":
    sys.exit(joblib.run(SCENARIOS, offsets=False))
