"""Proves that the amend job adds and removes key slots of an encrypted qcow2 image in use, tells what is wrong with its options, and
leaves an image that opens with the new key only.  Ours alone: stock measures its own speed when it makes keys, which may fail."""
import os
import subprocess
import sys

import lib

IMG = os.environ["QEMU_IMG"]
SECRETS = {"old": "first", "new": "second"}


def objects():
    return [word for name, data in SECRETS.items() for word in ("--object", f"secret,id={name},data={data}")]


def img(folder, *words):
    return subprocess.run([IMG, *words], cwd=folder, capture_output=True, text=True, timeout=90)


def amend(vm, **options):
    """The error, of the command or of the job; None: it went well."""
    force = options.pop("force", False)
    arguments = {"job-id": "a", "node-name": "n", "options": {"driver": "qcow2", "encrypt": {"format": "luks", **options}}, "force": force}
    return job(vm, arguments)


def job(vm, arguments):
    reply = vm.ask("x-blockdev-amend", arguments)
    if "error" in reply:
        return reply["error"]["desc"]
    vm.wait_event("JOB_STATUS_CHANGE", lambda data: data["status"] == "concluded" and data["id"] == "a")
    error = vm.cmd("query-jobs")[0].get("error")
    vm.cmd("job-dismiss", {"id": "a"})
    vm.wait_event("JOB_STATUS_CHANGE", lambda data: data["status"] == "null" and data["id"] == "a")
    return error


def read_works(folder, secret):
    done = img(folder, "convert", *objects(), "--image-opts", "-O", "raw", f"driver=qcow2,file.filename=e,encrypt.key-secret={secret}", "out")
    return done.returncode == 0


def main():
    folder = os.environ["TEST_DIR"]
    done = img(folder, "create", "-q", *objects(), "-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=old,encrypt.iter-time=10", "e", "1M")
    assert done.returncode == 0, done.stderr
    with lib.Emulator("ours", [w.replace("--object", "-object") for w in objects()], cwd=folder) as vm:
        vm.cmd("blockdev-add", {"driver": "qcow2", "node-name": "n", "file": {"driver": "file", "filename": "e"},
                                "encrypt": {"format": "luks", "key-secret": "old"}})
        slots = [({"state": "active"}, "'new-secret' is required to activate a keyslot"),
                 ({"state": "active", "new-secret": "none"}, "No secret with id 'none'"),
                 ({"state": "inactive", "old-secret": "old"}, "All the active keyslots match the (old) password that was given and erasing "
                  "them will erase all the data in the image irreversibly - refusing operation"),
                 ({"state": "inactive", "keyslot": 9}, "Invalid keyslot 9 specified, must be between 0 and 7"),
                 ({"state": "active", "new-secret": "new", "iter-time": 10}, None),
                 ({"state": "active", "new-secret": "new", "keyslot": 1, "iter-time": 10}, "Refusing to overwrite active keyslot 1 - please erase it first"),
                 ({"state": "active", "new-secret": "new", "keyslot": 1, "iter-time": 10, "force": True}, None),
                 ({"state": "inactive", "old-secret": "old"}, None),
                 ({"state": "inactive", "keyslot": 5}, "Given keyslot 5 is already erased (inactive) ")]
        others = [("a", {"driver": "qcow2", "encrypt": {"format": "qcow"}}, "Amend can't be used to change the qcow2 encryption format"),
                  ("a", {"driver": "qcow2"}, None), ("1", {"driver": "qcow2"}, "Invalid job ID '1'"),
                  ("a", {"driver": "luks", "state": "inactive"}, "x-blockdev-amend doesn't support changing the block driver")]
        told = [(job(vm, {"job-id": name, "node-name": "n", "options": options}), wanted) for name, options, wanted in others]
        told += [(amend(vm, **options), wanted) for options, wanted in slots]
        vm.cmd("blockdev-del", {"node-name": "n"})
    bad = [pair for pair in told if pair[0] != pair[1]]
    for pair in bad:
        print("said %r instead of %r" % pair)
    keys = {secret: read_works(folder, secret) for secret in SECRETS}
    print(f"{len(told)} changes, {len(bad)} of them ended in another way; keys that open the image: {keys}")
    sys.exit(bool(bad) or keys != {"old": False, "new": True})

main()
