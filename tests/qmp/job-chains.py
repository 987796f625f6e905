"""Proves that jobs leave chains, names in headers, bitmaps and graphs as stock does: all ways to name nodes, wrong ones too."""
import sys
import time

import joblib

JSON = 'json:{"driver":"qcow2","file":{"driver":"file","filename":"base.qcow2"}}'


def settle(d, cancel=True):
    """Until no job is left; those that are ready are cancelled (at once, which would undo a completion under way)."""
    while jobs := d.vm.cmd("query-jobs"):
        if cancel and jobs[0]["status"] == "ready":
            d.vm.cmd("job-cancel", {"id": jobs[0]["id"]})
        time.sleep(0.01)


def graph(d):
    reply = d.vm.cmd("x-debug-query-block-graph")
    names = {node["id"]: joblib.mask(node["name"] or node["type"]) for node in reply["nodes"]}
    d.log.append(("graph", sorted(str((names[edge["parent"]], names[edge["child"]], edge["name"], sorted(edge["perm"]),
                                       sorted(edge["shared-perm"]))) for edge in reply["edges"])))


def finish(d, job="j"):
    """Complete it if it can be; then what there is."""
    while True:
        jobs = d.vm.cmd("query-jobs")
        if not jobs or jobs[0]["status"] in ("ready", "concluded"):
            break
        time.sleep(0.01)
    completes = jobs and "return" in d.cmd("job-complete", id=job)
    settle(d, cancel=not completes)
    d.chain("top")
    graph(d)


def one(command, **arguments):
    def scenario(d):
        d.start(command, **arguments)
        finish(d)
    return scenario


def many(command, *variants, **arguments):
    """One after the other, on what the last one left."""
    def scenario(d):
        for variant in variants:
            d.start(command, **{**arguments, **variant})
            settle(d)
        finish(d)
    return scenario


def long_chain(d):
    d.cmd("blockdev-snapshot-sync", node_name="top", snapshot_file="o1.qcow2", snapshot_node_name="o1")
    d.io("o1", "write -P 9 3M 64k")
    d.cmd("blockdev-snapshot-sync", node_name="o1", snapshot_file="o2.qcow2", snapshot_node_name="o2")
    for options in ({"top_node": "o1", "base_node": "mid"}, {"top_node": "mid"}, {}):
        d.start("block-commit", device="o2", **options)
        finish(d)


def resized(size):
    def scenario(d):
        d.cmd("block_resize", node_name="top", size=size)
        d.start("block-commit", device="top", base_node="mid")
        finish(d)
    return scenario


def two_at_once(d):
    """What may run beside a stream, and what not."""
    for below, name in (("top", "o1"), ("o1", "o2")):
        d.cmd("blockdev-snapshot-sync", node_name=below, snapshot_file=f"{name}.qcow2", snapshot_node_name=name)
    for job, options in (("k", {"device": "o2", "base_node": "o1"}), ("k", {"device": "o2", "base_node": "top"}),
                         ("l", {"device": "top", "base_node": "mid"}), ("m", {"device": "top", "base_node": "base"}),
                         ("n", {"device": "mid"})):
        d.start("block-stream", job_id=job, speed=1, **options)
    d.start("block-commit", job_id="o", device="o2", top_node="o1", base_node="top", speed=1)
    d.start("block-commit", job_id="p", device="o2", top_node="mid", base_node="base", speed=1)
    graph(d)
    for job in [job["id"] for job in d.vm.cmd("query-jobs")]:
        d.cmd("job-cancel", id=job)
        d.end(job)


def running(command, **arguments):
    """The graph while the job is there."""
    def scenario(d):
        d.start(command, speed=1, **arguments)
        d.until_now("running")
        graph(d)
        d.cmd("job-cancel", id="j")
        d.end()
        graph(d)
    return scenario


def backup(fails=False, **options):
    """Into a target that may fail once, near the end; what becomes of the bitmap."""
    def scenario(d):
        d.cmd("block-dirty-bitmap-add", node="top", name="bm", persistent=True)
        d.io("top", "write -P 5 64k 192k")
        d.io("top", "write -P 5 3M 64k")
        if fails:
            d.cmd("blockdev-add", **{"driver": "blkdebug", "node-name": "bad", "image": "t", "inject-error": [
                {"event": "none", "iotype": "write", "errno": 5, "once": True, "sector": 6144}]})
        d.start("blockdev-backup", **{"device": "top", "target": "bad" if fails else "t", "sync": "full", **options})
        settle(d)
        d.log.append([node.get("dirty-bitmaps") for node in d.vm.cmd("query-named-block-nodes") if node["node-name"] == "top"])
        d.cmd("x-debug-block-dirty-bitmap-sha256", node="top", name="bm")
    return scenario


COMMIT = {"device": "top", "top_node": "mid", "base_node": "base"}
MIRROR = {"device": "top", "target": "t", "sync": "full"}
SCENARIOS = {
    "commit-named": one("block-commit", filter_node_name="cf", **COMMIT),
    "commit-by-file": one("block-commit", device="top", top="mid.qcow2", base="base.qcow2"),
    "commit-active-then": many("block-commit", {"backing_file": "x"}, {"top_node": "top", "base_node": "mid"}, device="top"),
    "commit-names": many("block-commit", {"top": "nope"}, {"base": "nope"}, {"top": "base.qcow2", "base": "mid.qcow2"},
                         {"top": "mid.qcow2", "base": "mid.qcow2"}, {"top_node": "nope"}, {"base_node": "top-file"},
                         {"top_node": "top-file"}, {"top_node": "base"}, {"filter_node_name": "1"}, {"filter_node_name": "mid"},
                         {"device": "mid"}, {"device": "base"}, {"top": "./mid.qcow2"}, device="top"),
    "commit-four": long_chain, "commit-larger": resized(8 << 20), "commit-smaller": resized(2 << 20),
    "stream-names": many("block-stream", {"backing_file": "x"}, {"bottom": "top-file"}, {"base_node": "nope"}, {"filter_node_name": "mid"},
                         {"on_error": "auto"}, {"base_node": "base", "backing_file": "base.qcow2"}, device="top"),
    "stream-bottom-base": one("block-stream", device="top", bottom="base"), "stream-bottom-top": one("block-stream", device="top", bottom="top"),
    "stream-mid": one("block-stream", device="mid", filter_node_name="sf"), "stream-base": one("block-stream", device="base"),
    "stream-two": two_at_once,
    "backup-running": running("blockdev-backup", **MIRROR), "mirror-running": running("blockdev-mirror", **MIRROR),
    "stream-running": running("block-stream", device="top"), "commit-running": running("block-commit", **COMMIT),
    "drive-mirror-names": many("drive-mirror", {"device": "nope"}, {"target": "/nope/x"}, {"format": "nope"}, {"node_name": "mid"},
                               {"replaces": "mid"}, {"mode": "existing", "target": "none.qcow2"}, {"granularity": 100000},
                               device="top", target="dm.qcow2", sync="full", format="qcow2"),
    "drive-mirror-top": one("drive-mirror", device="top", target="dm.qcow2", sync="top", format="qcow2", node_name="nn"),
    "drive-mirror-none": one("drive-mirror", device="top", target="dm.qcow2", sync="none", format="qcow2"),
}
SCENARIOS.update({f"mirror-{name}": one("blockdev-mirror", **{**MIRROR, **options}) for name, options in {
    "granularity": {"granularity": 512}, "large-granularity": {"granularity": 64 << 20}, "bad-granularity": {"granularity": 100000},
    "buffer": {"buf_size": 4096}, "no-buffer": {"buf_size": 0}, "no-unmap": {"unmap": False}, "incremental": {"sync": "incremental"},
    "replaces-below": {"replaces": "mid"}, "replaces-target": {"replaces": "t"}, "filter": {"filter_node_name": "mf"}}.items()})
SCENARIOS.update({f"backup-{sync}-{mode}{'-fails' * fails}": backup(fails, sync=sync, bitmap="bm", bitmap_mode=mode)
                  for sync, mode in (("bitmap", "never"), ("bitmap", "on-success"), ("bitmap", "always"), ("incremental", "on-success"),
                                     ("full", "on-success"), ("full", "always"), ("top", "always")) for fails in (False, True)})

if __name__ == "__main__":
    sys.exit(joblib.run(SCENARIOS, offsets=False))
