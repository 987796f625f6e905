"""Proves that errors at several places of a disk, once or for good, meet each policy in each kind of job as in stock."""
import sys

import joblib

ERRNO = {"EIO": 5, "ENOSPC": 28}
POLICIES = ("report", "ignore", "enospc", "stop")
PLACES = {"first": 0, "middle": 2048, "last": 8192 - 128}          # sectors; all of them hold data in the end


def rule(op, errno, place, once=True):
    return {"event": "none", "iotype": op, "errno": ERRNO[errno], "once": once, "sector": PLACES[place]}


def fault(d, image, name, *rules):
    d.cmd("blockdev-add", **{"driver": "blkdebug", "node-name": name, "image": image, "inject-error": list(rules)})


def stacked(d, at, *rules):
    """The chain base <- mid <- top anew, with a blkdebug filter `bad` over image `at`."""
    d.cmd("blockdev-del", node_name="top")
    below = None
    for name in ("base", "mid", "top"):
        options = {"driver": "qcow2", "node-name": name, "file": joblib.file_node(name)}
        d.cmd("blockdev-add", **{**options, **({"backing": below} if below else {}), **({"read-only": True} if name != "top" else {})})
        below = name
        if name == at:
            fault(d, name, "bad", *rules)
            below = "bad"


def shape(d):
    """The nodes that are left; the order of members in the name of a blkdebug node is an accident."""
    d.log.append(sorted((node["node-name"], node["drv"], node["ro"]) for node in d.vm.cmd("query-named-block-nodes", {"flat": True})
                        if not node["node-name"].startswith("#")))


def drive(d, stops, ready):
    """Resume what stopped, complete what is ready, until the job is gone."""
    if stops:
        d.until_stopped()
        d.cmd("job-resume", id="j")
    if ready:
        d.until("ready")
        d.cmd("block-job-cancel", device="j")
    d.end()


def stops(policy, errno):
    return policy == "stop" or (policy == "enospc" and errno == "ENOSPC")


def copied(command, side, errno, policy, place):
    def scenario(d):
        d.io("top", "write -P 8 3M 1M")
        fault(d, "top" if side == "source" else "t", "bad", rule("read" if side == "source" else "write", errno, place))
        nodes = {"device": "bad", "target": "t"} if side == "source" else {"device": "top", "target": "bad"}
        d.start(command, sync="full", **nodes, **{f"on_{side}_error": policy})
        drive(d, stops(policy, errno), command == "blockdev-mirror" and (policy == "ignore" or stops(policy, errno)))
        shape(d)
    return scenario


def streamed(errno, policy, place):
    def scenario(d):
        d.io("top", "write -P 8 3M 1M")
        stacked(d, "mid", rule("read", errno, place))
        d.start("block-stream", device="top", on_error=policy)
        drive(d, policy != "ignore" and stops(policy, errno) and place == "middle", False)
        shape(d)
    return scenario


def committed(errno, policy):
    """The intermediate image cannot be read, once."""
    def scenario(d):
        stacked(d, "mid", rule("read", errno, "middle"))
        d.start("block-commit", device="top", top_node="bad", base_node="base", on_error=policy)
        drive(d, stops(policy, errno), False)
        shape(d)
    return scenario


def kept(policy, seconds=0):
    """The copy before a write fails: the guest's write does, or the snapshot is lost."""
    def scenario(d):
        fault(d, "t", "bad", rule("write", "EIO", "middle", once=False))
        d.cmd("blockdev-add", **{"driver": "copy-before-write", "node-name": "cbw", "file": "top", "target": "bad",
                                 "on-cbw-error": policy, "cbw-timeout": seconds})
        d.cmd("blockdev-add", driver="snapshot-access", node_name="sa", file="cbw")
        for command in ("write -P 7 0 64k", "write -P 7 1M 64k", "write -P 7 2M 64k", "write -z 1M 128k", "discard 1M 64k"):
            d.io("cbw", command)
            for at in ("0", "1M", "2M", "3M"):
                d.io("sa", f"read {at} 64k")
        for node in ("sa", "cbw", "bad"):
            d.cmd("blockdev-del", node_name=node)
    return scenario


SCENARIOS = {f"{command[9:]}-{side}-{errno}-{policy}-{place}": copied(command, side, errno, policy, place)
             for command, place in (("blockdev-backup", "middle"), ("blockdev-mirror", "last"))
             for side, errno in (("source", "EIO"), ("target", "ENOSPC")) for policy in POLICIES}
SCENARIOS.update({f"stream-{errno}-{policy}-middle": streamed(errno, policy, "middle")
                  for errno in ERRNO for policy in POLICIES})
SCENARIOS.update({f"commit-{errno}-{policy}": committed(errno, policy) for errno in ERRNO for policy in POLICIES})
SCENARIOS.update({f"kept-{policy}-{seconds}": kept(policy, seconds)
                  for policy in ("break-guest-write", "break-snapshot") for seconds in (0, 45)})

if __name__ == "__main__":
    sys.exit(joblib.run(SCENARIOS, offsets=False))
