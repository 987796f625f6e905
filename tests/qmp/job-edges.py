"""Proves that jobs end as with stock where something stands in their way: nodes that others hold, disks of other sizes, flushes that fail,
backing files that are not there, guests that write while the target fails."""
import os
import sys

import joblib

sys.path.append(os.path.join(os.environ["TEST_SRC"], "nbd"))
import nbdserver    # noqa: E402


def qcow2(name, file=None, backing=None, **more):
    return {"driver": "qcow2", "node-name": name, "file": file or joblib.file_node(name), "backing": backing, **more}


def bad(name, *rules):
    """The file of an image that fails."""
    return {"driver": "blkdebug", "node-name": f"{name}-bad", "image": joblib.file_node(name), "inject-error": list(rules)}


def chain(d, top=None, mid=None, base=None, between=None):
    """The three images again, with other files; between: a filter over base."""
    d.cmd("blockdev-add", **qcow2("base", base))
    if between:
        d.cmd("blockdev-add", **{**between, "file": "base"})
    d.cmd("blockdev-add", **qcow2("mid", mid, between["node-name"] if between else "base"))
    d.cmd("blockdev-add", **qcow2("top", top, "mid"))


def target(d, *rules, **more):
    d.cmd("blockdev-del", node_name="t")
    d.cmd("blockdev-add", **qcow2("t", bad("t", *rules) if rules else None, **more))


def once(event, errno, **more):
    return {"event": event, "errno": errno, "once": True, **more}


def stops(errno, policy):
    return policy == "stop" or (policy == "enospc" and errno == 28)


def resumed(d, errno, policy):
    if stops(errno, policy):
        d.until_stopped()
        d.cmd("job-resume", id="j")


def completed(d, verb="job-complete"):
    d.until("ready")
    d.cmd(verb, **{"device" if verb.startswith("block") else "id": "j"})
    d.end()
    d.chain("top")


def commit(side, errno, policy):
    def scenario(d):
        d.cmd("blockdev-del", node_name="top")
        chain(d, **{"mid": bad("mid", once("read_aio", errno))} if side == "read" else {"base": bad("base", once("write_aio", errno))})
        d.start("block-commit", device="top", top_node="mid", base_node="base", on_error=policy, backing_file="base.qcow2")
        resumed(d, errno, policy)
        d.end()
        d.chain("top")
    return scenario


def active_commit(errno, policy):
    def scenario(d):
        d.cmd("blockdev-del", node_name="top")
        chain(d, mid=bad("mid", once("write_aio", errno)))
        d.start("block-commit", device="top", base_node="mid", on_error=policy)
        resumed(d, errno, policy)
        completed(d) if policy == "ignore" or stops(errno, policy) else d.end()
    return scenario


def flush_fails(ready, policy):
    """The target's flush: before the mirror is ready, or at its end."""
    def scenario(d):
        server = nbdserver.Server(os.path.join(os.environ["TEST_DIR"], "s"), joblib.SIZE)
        d.cmd("blockdev-add", **{"driver": "nbd", "node-name": "n", "server": {"type": "unix", "path": server.path}})
        if not ready:
            server.errors[nbdserver.FLUSH] = 5
        d.start("blockdev-mirror", device="top", target="n", sync="full", on_target_error=policy)
        if ready:
            d.until("ready")
            server.errors[nbdserver.FLUSH] = 5
            d.io("top", "write -P 7 3M 64k")
            d.cmd("job-complete", id="j")
        if policy == "stop":
            d.until_stopped()
            server.errors.clear()
            d.cmd("job-resume", id="j")
            if not ready:
                d.until("ready")
                d.cmd("block-job-cancel", device="j")
        d.end()
        d.chain("top")
        server.close()
    return scenario


def guest_writes(policy, *commands):
    """Into the mirror's filter, in write-blocking mode, and the target fails once."""
    def scenario(d):
        target(d, once("write_aio", 5))
        d.start("blockdev-mirror", device="top", target="t", sync="none", copy_mode="write-blocking", filter_node_name="mf",
                on_target_error=policy)
        d.until("ready")
        for command in commands:
            d.io("mf", command)
        resumed(d, 5, policy)
        if policy == "report":
            d.end()
        else:
            completed(d, "block-job-cancel")
    return scenario


def source_fails(d):
    """The guest's own write fails: it is told, the mirror goes on."""
    d.cmd("blockdev-del", node_name="top")
    chain(d, top=bad("top", once("write_aio", 5)))
    d.start("blockdev-mirror", device="top", target="t", sync="full", copy_mode="write-blocking", filter_node_name="mf")
    d.until("ready")
    for command in ("write -P 8 64k 64k", "write -P 9 64k 64k", "write -z 1M 128k", "discard 2M 128k", "flush", "read -P 9 64k 64k", "map", "alloc 0 4M"):
        d.io("mf", command)
    completed(d)


def nothing_to_copy(verb):
    def scenario(d):
        for name in "nm":
            d.cmd("blockdev-add", **{"driver": "null-co", "node-name": name, "size": 0})
        d.start("blockdev-mirror", device="n", target="m", sync="full")
        completed(d, verb)
    return scenario


def other_size(d):
    d.cmd("block_resize", node_name="t", size=8 << 20)
    d.start("blockdev-mirror", device="top", target="t", sync="full")
    d.end()


def unmaps(errno=None, **options):
    """A target that is emptied first."""
    def scenario(d):
        rule = [{"event": "none", "iotype": "write-zeroes", "errno": errno, "once": True}] if errno else []
        d.io("t", "write -P 7 0 4M")
        target(d, discard="unmap")
        if errno:
            d.cmd("blockdev-add", **{"driver": "blkdebug", "node-name": "tb", "image": "t", "discard": "unmap", "inject-error": rule})
        d.start("blockdev-mirror", device="top", target="tb" if errno else "t", sync="full", **options)
        d.end() if errno else completed(d)
    return scenario


def granules(d):
    """Zeroes that do not fill one."""
    for command in ("write -z 2M 64k", "write -z 3M 64k", "write -P 5 3200k 64k"):
        d.io("top", command)
    d.start("blockdev-mirror", device="top", target="t", sync="full", granularity=1 << 20)
    completed(d)


def below_a_filter(d):
    """The source is a filter; the node below it is replaced."""
    d.cmd("blockdev-add", **{"driver": "copy-on-read", "node-name": "cor", "file": "top"})
    d.start("blockdev-mirror", device="cor", target="t", sync="full", replaces="top")
    completed(d)


def read_only_source(d):
    d.cmd("blockdev-del", node_name="top")
    d.cmd("blockdev-add", **{**joblib.chain_options(), "read-only": True})
    d.start("blockdev-mirror", device="top", target="t", sync="full")
    completed(d)


def existing(backing):
    """Into an image that is there; its backing file is opened at the end."""
    def scenario(d):
        joblib.shell(d.vm.folder, joblib.STOCK_IMG, "create", "-q", "-f", "qcow2", "-u", "-b", backing, "-F", "qcow2", "x.img", str(joblib.SIZE))
        d.start("drive-mirror", device="top", target="x.img", sync="top", mode="existing", format="qcow2", node_name="x")
        completed(d)
    return scenario


def replaced_is_gone(d):
    """The node to be replaced goes while the mirror is ready."""
    d.cmd("blockdev-add", **{"driver": "copy-on-read", "node-name": "cor", "file": "top"})
    d.cmd("blockdev-add", **{"driver": "copy-on-read", "node-name": "cor2", "file": "cor"})
    d.start("blockdev-mirror", device="cor2", target="t", sync="full", replaces="cor")
    d.until("ready")
    d.cmd("blockdev-reopen", options=[{"driver": "copy-on-read", "node-name": "cor2", "file": "top"}])
    completed(d)


FILTER = {"driver": "copy-on-read", "node-name": "cor"}


def filter_over_base(d):
    d.cmd("blockdev-del", node_name="top")
    chain(d, between=FILTER)
    d.start("block-commit", device="top", top_node="mid", base_node="base")
    d.end()
    d.chain("top")


def active_filter_over_base(d):
    d.cmd("blockdev-del", node_name="top")
    chain(d, between=FILTER)
    d.start("block-commit", device="top", base_node="base")
    completed(d)


def held(overlay_of, **commit_options):
    """Somebody else needs what the commit will change."""
    def scenario(d):
        d.cmd("blockdev-del", node_name="t")
        d.cmd("blockdev-add", **qcow2("t", backing=overlay_of))
        if "error" not in d.start("block-commit", device="top", **commit_options):
            d.end() if "top_node" in commit_options else completed(d)
        d.io("t", "read 0 4M")
        d.chain("top")
    return scenario


def read_only_file(**options):
    """The base cannot be opened for writing."""
    def scenario(d):
        d.cmd("blockdev-del", node_name="top")
        d.cmd("blockdev-add", **{**joblib.file_node("base"), "read-only": True})
        d.cmd("blockdev-add", **qcow2("top", backing=qcow2("mid", backing=qcow2("base", "base-file"))))
        d.start("block-commit", device="top", base_node="base", **options)
        d.query()
        d.chain("top")
    return scenario


def in_the_way(d):
    """What a running job does not allow to others, and their words for it."""
    d.cmd("blockdev-del", node_name="t")
    d.start("block-commit", device="top", top_node="mid", base_node="base", speed=1, filter_node_name="cf")
    d.until_now("running")
    d.cmd("job-pause", id="j")         # or each drained section lets it copy a piece
    d.until_now("paused")
    for command in ("read -P 2 1M 64k", "map", "length"):
        d.io("cf", command)
    d.cmd("blockdev-add", **{"driver": "file", "node-name": "raw", "filename": "t.qcow2"})
    for node in ("mid", "base"):
        d.cmd("blockdev-add", driver="qcow2", node_name=f"over-{node}", file="raw", backing=node)
        d.cmd("blockdev-del", node_name=f"over-{node}")
    d.start("blockdev-backup", job_id="k", device="top", target="base", sync="full")
    d.cmd("job-cancel", id="j")
    d.end()
    d.start("blockdev-mirror", device="top", target="mid", sync="full", speed=1)
    d.start("blockdev-backup", device="top", target="raw", sync="full", compress=True)
    for perf in ({"max-chunk": -1}, {"max-workers": -1}, {"max-chunk": 65536, "max-workers": 2}):
        d.start("blockdev-backup", device="top", target="raw", sync="full", x_perf=perf)


def no_block_job(d):
    """A job of another kind is none for the block verbs."""
    d.cmd("blockdev-create", job_id="c", options={"driver": "file", "filename": "new", "size": 1024})
    d.until("concluded", "c")
    d.cmd("block-job-cancel", device="c")
    d.cmd("block-job-set-speed", device="c", speed=1)
    d.query()
    d.cmd("job-dismiss", id="c")


def filter_names(d):
    """Taken, and impossible ones."""
    for name in ("t", "1", "a b"):
        d.start("block-commit", device="top", top_node="mid", base_node="base", filter_node_name=name)
        d.start("block-commit", device="top", base_node="base", filter_node_name=name)
        d.start("block-stream", device="top", filter_node_name=name)
        d.start("blockdev-mirror", device="top", target="t", sync="full", filter_node_name=name)
    d.query()


def lower_layer_ends_before(d):
    """A backing file shorter than what is over it."""
    d.cmd("block_resize", node_name="top", size=8 << 20)
    d.io("top", "write -P 6 7M 64k")
    d.start("block-stream", device="top", base_node="base")
    d.end()
    d.chain("top")


def base_is_shorter(d):
    d.cmd("blockdev-del", node_name="top")
    joblib.shell(d.vm.folder, joblib.STOCK_IMG, "resize", "-q", "mid.qcow2", "8M")
    joblib.shell(d.vm.folder, joblib.STOCK_IMG, "resize", "-q", "top.qcow2", "8M")
    joblib.shell(d.vm.folder, joblib.STOCK_IO, "-f", "qcow2", "-c", "write -P 6 7M 64k", "mid.qcow2")
    chain(d)
    d.start("block-commit", device="top", top_node="mid", base_node="base")
    d.end()
    d.chain("top")


SCENARIOS = {f"commit-{side}-{errno}-{policy}": commit(side, errno, policy)
             for side, errno, policies in (("read", 5, ("report", "ignore", "stop")), ("write", 28, ("report", "enospc"))) for policy in policies}
SCENARIOS.update({f"active-commit-{policy}": active_commit(28, policy) for policy in ("report", "ignore", "enospc")})
SCENARIOS.update({f"flush-{'end' if ready else 'before'}-{policy}": flush_fails(ready, policy) for ready in (False, True)
                  for policy in ("report", "stop")})
SCENARIOS.update({f"guest-{policy}": guest_writes(policy, "write -P 9 1M 100k", "write -P 9 2M 4k") for policy in ("report", "stop")})
SCENARIOS.update({
    "source-fails": source_fails, "nothing-complete": nothing_to_copy("job-complete"), "nothing-cancel": nothing_to_copy("block-job-cancel"),
    "other-size": other_size, "unmaps": unmaps(), "unmap-fails": unmaps(5), "granules": granules,
    "below-a-filter": below_a_filter, "read-only-source": read_only_source, "existing": existing("mid.qcow2"),
    "existing-no-backing": existing("none.qcow2"), "replaced-is-gone": replaced_is_gone, "filter-over-base": filter_over_base,
    "active-filter-over-base": active_filter_over_base, "held-mid": held("mid", top_node="mid", base_node="base"),
    "held-base": held("base", top_node="mid", base_node="base"), "held-active": held("mid", base_node="base"),
    "read-only-file": read_only_file(top_node="mid"), "read-only-file-active": read_only_file(), "in-the-way": in_the_way,
    "no-block-job": no_block_job, "filter-names": filter_names, "lower-layer-ends-before": lower_layer_ends_before,
    "base-is-shorter": base_is_shorter})

if __name__ == "__main__":
    sys.exit(joblib.run(SCENARIOS, offsets=False))
