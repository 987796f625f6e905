#!/usr/bin/env python3
"""Proves that a mirror that is cancelled or completed while its target flushes (just before it is ready, and in its last step) ends as
stock's does: completed with the whole content or cancelled, with the same events and answers, whatever the order."""
import hashlib
import os
import sys

import joblib

sys.path.append(os.path.join(os.environ["TEST_SRC"], "nbd"))
import nbdserver    # noqa: E402

SOFT, HARD = ("block-job-cancel", {"device": "j"}), ("block-job-cancel", {"device": "j", "force": True})
CANCEL, COMPLETE = ("job-cancel", {"id": "j"}), ("job-complete", {"id": "j"})
PAUSE, RESUME = ("job-pause", {"id": "j"}), ("job-resume", {"id": "j"})
BEFORE = {"soft": [SOFT], "hard": [HARD], "cancel": [CANCEL], "complete-soft": [COMPLETE, SOFT], "paused-cancel": [PAUSE, CANCEL],
          "paused-soft-resumed": [PAUSE, SOFT, RESUME, SOFT]}
READY = {"soft-hard": [SOFT, HARD], "soft-soft": [SOFT, SOFT], "soft-complete": [SOFT, COMPLETE], "complete-soft": [COMPLETE, SOFT],
         "complete-cancel": [COMPLETE, CANCEL], "complete-complete": [COMPLETE, COMPLETE], "complete-pause-resume": [COMPLETE, PAUSE, RESUME]}


def mirror(commands, ready, **options):
    """The commands while the target's flush before ready (or the one after it) is under way; then what the target holds."""
    def scenario(d):
        server = nbdserver.Server(os.path.join(os.environ["TEST_DIR"], "s"), joblib.SIZE)
        d.cmd("blockdev-add", **{"driver": "nbd", "node-name": "n", "server": {"type": "unix", "path": server.path}})
        if not ready:
            server.hold(nbdserver.FLUSH)
        d.start("blockdev-mirror", device="top", target="n", sync="full", **options)
        if ready:
            d.until("ready")
            d.io("top", "write -P 7 3M 64k")
            server.hold(nbdserver.FLUSH)
            d.raw(*commands[0])
        assert server.held.wait(60)
        for name, arguments in commands[ready:]:
            d.raw(name, arguments)
        d.raw("query-jobs", None)
        server.release()
        d.end()
        d.chain("top")
        d.log.append(hashlib.sha256(server.disk).hexdigest())
        server.close()
    return scenario


SCENARIOS = {f"before-{name}": mirror(commands, False) for name, commands in BEFORE.items()}
SCENARIOS.update({f"ready-{name}": mirror(commands, True) for name, commands in READY.items()})

if __name__ == "__main__":
    sys.exit(joblib.run(SCENARIOS))
