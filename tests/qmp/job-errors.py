"""Proves that I/O errors meet each policy of each kind of job as in stock: events, status, what a resume does."""
import sys

import joblib

ERRNO = {"EIO": 5, "ENOSPC": 28}


def broken(d, node, op, errno, name, once=True, sector=None):
    """A blkdebug filter over the file of image `node`, in a node `name`."""
    rule = {"event": "none", "iotype": op, "errno": ERRNO[errno], "once": once}
    if sector is not None:
        rule["sector"] = sector
    d.cmd("blockdev-add", **{"driver": "blkdebug", "node-name": name, "image": node, "inject-error": [rule]})


def finish(d, resume):
    """Stopped ones are looked at and resumed, until the job is gone."""
    if resume:
        d.until_stopped()
        d.cmd("job-resume", id="j")
    d.end()


def backup(side, errno, policy):
    def scenario(d):
        op = "read" if side == "source" else "write"
        broken(d, "top" if side == "source" else "t", op, errno, "bad")
        nodes = {"device": "bad" if side == "source" else "top", "target": "t" if side == "source" else "bad"}
        d.start("blockdev-backup", sync="full", **nodes, **{f"on_{side}_error": policy})
        finish(d, policy == "stop" or (policy == "enospc" and errno == "ENOSPC"))
    return scenario


def mirror(side, errno, policy):
    def scenario(d):
        op = "read" if side == "source" else "write"
        broken(d, "top" if side == "source" else "t", op, errno, "bad")
        nodes = {"device": "bad" if side == "source" else "top", "target": "t" if side == "source" else "bad"}
        d.start("blockdev-mirror", sync="top", **nodes, **{f"on_{side}_error": policy})
        if policy == "stop" or (policy == "enospc" and errno == "ENOSPC"):
            d.until_stopped()
            d.cmd("job-resume", id="j")
        if policy in ("stop", "ignore") or (policy == "enospc" and errno == "ENOSPC"):
            d.until("ready")
            d.cmd("block-job-cancel", device="j")
        d.end()
    return scenario


def stream(errno, policy):
    """The backing file of a new overlay fails."""
    def scenario(d):
        broken(d, "mid", "read", errno, "bad", sector=2048)
        d.cmd("blockdev-del", node_name="t")
        d.cmd("blockdev-add", **{"driver": "qcow2", "node-name": "t", "file": joblib.file_node("t"), "backing": "bad"})
        d.start("block-stream", device="t", on_error=policy)
        finish(d, policy == "stop" or (policy == "enospc" and errno == "ENOSPC"))
    return scenario


def report_while_grouped(d):
    """One member fails: the other is cancelled."""
    broken(d, "t", "write", "EIO", "bad")
    d.cmd("blockdev-add", **{"driver": "null-co", "node-name": "n", "size": joblib.SIZE})
    d.cmd("blockdev-add", **{"driver": "null-co", "node-name": "m", "size": joblib.SIZE})
    action = lambda job, device, target, **more: {"type": "blockdev-backup", "data": {
        "job-id": job, "device": device, "target": target, "sync": "full", **more}}
    d.cmd("transaction", actions=[action("j", "n", "m", speed=1), action("k", "top", "bad")],
          properties={"completion-mode": "grouped"})
    d.end()
    d.end("k")


SCENARIOS = {f"backup-{side}-{errno}-{policy}": backup(side, errno, policy)
             for side, errno in (("source", "EIO"), ("target", "ENOSPC"), ("target", "EIO"))
             for policy in ("report", "ignore", "enospc", "stop")}
SCENARIOS.update({f"mirror-{side}-{errno}-{policy}": mirror(side, errno, policy)
                  for side, errno in (("source", "EIO"), ("target", "ENOSPC"))
                  for policy in ("report", "ignore", "enospc", "stop")})
SCENARIOS.update({f"stream-{errno}-{policy}": stream(errno, policy)
                  for errno in ("EIO", "ENOSPC") for policy in ("report", "ignore", "enospc", "stop")})
SCENARIOS["grouped"] = report_while_grouped

if __name__ == "__main__":
    sys.exit(joblib.run(SCENARIOS, offsets=False))
