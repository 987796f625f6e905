#!/usr/bin/env python3
"""Questions about the machine, its settings for migration, and about what it has none of: same answers from QMP and HMP as stock's.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import itertools
import json
import re
import sys

from qtestlib import Machine, program, skip

QMP = [
    ("query-kvm", {}), ("query-current-machine", {}), ("inject-nmi", {}), ("query-balloon", {}), ("balloon", {"value": 1}),
    ("announce-self", {"initial": 50, "max": 550, "rounds": 5, "step": 50}), ("set_link", {"name": "x", "up": True}), ("netdev_del", {"id": "x"}),
    ("query-rx-filter", {}), ("query-rx-filter", {"name": "x"}), ("query-rocker", {"name": "x"}), ("query-rocker-ports", {"name": "x"}),
    ("set_password", {"protocol": "vnc", "password": "x"}), ("set_password", {"protocol": "spice", "password": "x"}),
    ("set_password", {"protocol": "vnc", "password": "x", "connected": "fail"}), ("expire_password", {"protocol": "vnc", "time": "now"}),
    ("change-vnc-password", {"password": "x"}), ("client_migrate_info", {"protocol": "spice", "hostname": "x"}),
    ("client_migrate_info", {"protocol": "foo", "hostname": "x"}), ("display-reload", {"type": "vnc"}), ("display-update", {"type": "vnc"}),
    ("query-display-options", {}), ("query-spice", {}), ("query-vnc", {}), ("query-vnc-servers", {}), ("screendump", {"filename": "/nonexistent/x"}),
    ("screendump", {"filename": "x", "device": "y"}), ("screendump", {"filename": "x", "head": 1}), ("query-replay", {}), ("replay-break", {"icount": 1}),
    ("replay-seek", {"icount": 1}), ("replay-delete-break", {}), ("query-tpm", {}), ("query-sev", {}), ("query-sev-capabilities", {}),
    ("query-sev-launch-measure", {}), ("query-sev-attestation-report", {"mnonce": "x"}), ("query-sgx", {}), ("query-sgx-capabilities", {}),
    ("query-stats", {"target": "vm"}), ("query-stats", {"target": "vcpu"}), ("query-stats-schemas", {}), ("query-mice", {}), ("dumpdtb", {"filename": "x"}),
    ("memsave", {"val": 0, "size": 1, "filename": "/nonexistent/x"}), ("memsave", {"val": 0, "size": 1, "filename": "/dev/null", "cpu-index": 3}),
    ("memsave", {"val": 1 << 40, "size": 10, "filename": "/dev/null"}), ("memsave", {"val": 0, "size": 4096, "filename": "/dev/null"}),
    ("pmemsave", {"val": 1 << 40, "size": 10, "filename": "/dev/null"}), ("query-acpi-ospm-status", {}), ("rtc-reset-reinjection", {}),
    ("x-query-irq", {}), ("x-query-numa", {}), ("x-query-rdma", {}), ("x-query-usb", {}), ("x-query-profile", {}), ("x-query-virtio", {}),
    ("query-colo-status", {}), ("x-colo-lost-heartbeat", {}), ("query-xen-replication-status", {}), ("query-dirty-rate", {}),
    ("set-vcpu-dirty-limit", {"dirty-rate": 1}), ("cancel-vcpu-dirty-limit", {}), ("query-vcpu-dirty-limit", {}), ("query-migrate", {}),
    ("migrate_cancel", {}), ("migrate-continue", {"state": "pre-switchover"}), ("migrate-incoming", {"uri": "tcp:0"}), ("migrate-pause", {}),
    ("migrate-recover", {"uri": "tcp:0"}), ("migrate-start-postcopy", {}), ("query-cpus-fast", {}), ("query-hotpluggable-cpus", {}),
]
CAPABILITIES = ["xbzrle", "compress", "events", "postcopy-ram", "x-colo", "return-path", "multifd", "dirty-bitmaps", "x-ignore-shared",
                "validate-uuid", "background-snapshot", "zero-copy-send", "postcopy-preempt"]
for pair in itertools.permutations(CAPABILITIES, 2):
    for state in (True, False):
        QMP.append(("migrate-set-capabilities", {"capabilities": [{"capability": name, "state": state} for name in pair]}))
QMP.append(("query-migrate-capabilities", {}))
ALIAS = {"node-name": "a", "alias": "b", "bitmaps": []}
for name, values in {
        "announce-initial": [0, 100001], "announce-rounds": [1000, 1001], "announce-step": [0, 1, 10001], "compress-level": [-1, 9, 10],
        "compress-threads": [0, 255, 256], "throttle-trigger-threshold": [0, 100, 101], "cpu-throttle-initial": [0, 99, 100], "max-cpu-throttle": [50, 99],
        "max-bandwidth": [-1, 0, 9223372036853727232], "downtime-limit": [2000000, 2000001], "x-checkpoint-delay": [-1, 5], "multifd-channels": [0, 4],
        "xbzrle-cache-size": [0, 4096, 5000], "max-postcopy-bandwidth": [1 << 40], "multifd-zlib-level": [1],
        "tls-creds": ["x", None, ""], "tls-authz": ["a", None], "multifd-compression": ["zlib", "x", "none"], "block-incremental": [True],
        "block-bitmap-mapping": [[ALIAS], [ALIAS, {**ALIAS, "alias": "c"}], [ALIAS, {**ALIAS, "node-name": "c"}], [{**ALIAS, "alias": "1b"}],
                                 [{**ALIAS, "alias": "x" * 300}], [{**ALIAS, "node-name": "n" * 40}],
                                 [{**ALIAS, "bitmaps": [{"name": "x", "alias": "y"}, {"name": "x", "alias": "z"}]}],
                                 [{**ALIAS, "bitmaps": [{"name": "x", "alias": "y"}, {"name": "z", "alias": "y"}]}]]}.items():
    QMP += [("migrate-set-parameters", {name: value}) for value in values] + [("query-migrate-parameters", {})]

HMP = """info sev|info sgx|info stats vm|info stats foo|info stats vm * foo|info rocker x|info rdma|info profile|info usernet|info sync-profile
sync-profile|sync-profile on|sync-profile|sync-profile foo|sync-profile off|info virtio|info hotpluggable-cpus|info memory-devices|info mice|mouse_set 9
announce_self|balloon 5|client_migrate_info spice h|dumpdtb x|expire_password vnc now|expire_password foo now|set_password vnc x|set_password vnc x fail
hostfwd_add x|hostfwd_remove x|netdev_del x|set_link x on|pcie_aer_inject_error x 1|replay_break 5|replay_delete_break|replay_seek 5|screendump x y
singlestep|info status|singlestep off|singlestep x|stopcapture 0|wavcapture x y|watchdog_action reset|watchdog_action x|boot_set c|boot_set zz|cpu 0|cpu 5
info cpus|gpa2hpa 0xffffffffff|gpa2hva 0xf00000000|gva2gpa 5|mce 0 0 0 0 0 0|exit_preconfig|loadvm x|savevm|delvm x|info snapshots|info registers
info registers 5|info registers -a|info lapic|info lapic 5|info tlb|info mem|info pic|info irq|info dirty_rate|info vcpu_dirty_limit|set_vcpu_dirty_limit 1
cancel_vcpu_dirty_limit|migrate_set_capability events on|migrate_set_capability foo on|migrate_set_capability events x|info migrate_capabilities
migrate_set_parameter downtime-limit 1|migrate_set_parameter max-bandwidth 1G|migrate_set_parameter max-bandwidth 1|migrate_set_parameter tls-creds x
migrate_set_parameter foo 1|migrate_set_parameter compress-level 11|migrate_set_parameter compress-level x|migrate_set_parameter tls-hostname h
migrate_set_parameter block-bitmap-mapping x|migrate_set_parameter cpu-throttle-tailslow on|info migrate_parameters|info migrate|migrate_cancel
migrate_continue foo|migrate_incoming tcp:0:1|migrate_recover x|migrate_pause|migrate_start_postcopy|x_colo_lost_heartbeat"""


def hide_threads(text):
    text = re.sub(r"(thread.id\W+)\d+", r"\1N", text)
    return re.sub(r"device\[\d+\]", "device[N]", text)


def ask(stock, board):
    with Machine(stock=stock, board=board) as m:
        answers = [(f"{name} {json.dumps(arguments)[:150]}",
                    hide_threads(json.dumps(m.raw({"execute": name, "arguments": arguments}), sort_keys=True))) for name, arguments in QMP]
        lines = [line for part in HMP.split("\n") for line in part.split("|")]
        answers += [(line, hide_threads("\n".join(sorted(m.hmp(line).splitlines()) if "info pic" in line else m.hmp(line).splitlines())))
                    for line in lines]
    return answers


def main():
    if not program(stock=True):
        skip("no stock emulator")
    failed = 0
    for board in ("pc", "none"):
        stock, ours = ask(True, board), ask(False, board)
        for (question, one), (_, two) in zip(stock, ours):
            if one != two:
                failed += 1
                print(f"--- {board}: {question}\nstock: {one}\nours:  {two}")
        print(f"{board}: {len(stock)} questions")
    print(f"{failed} differ")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
