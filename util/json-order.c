/*
 * The order in which the stock programs write the members of a JSON object.
 *
 * They keep members by a fixed hash of the name, so their order is the same everywhere but
 * not alphabetical, and scripts compare such text.  The table was read off their output: the
 * names of all members in the monitor's schema, of `qemu-img --output=json` and of block
 * options were sent to the stock monitor as members of a command's "id", which it echoes in
 * its own order.  Names within one string share a place: of those the one put in last is written
 * first (seen by sending all names forwards and backwards).  Names that are not here are
 * written after the others, in the order in which they were put in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "json-order.h"

static const char *const places[] = {
    "device-endian first-level refcount-cache-size", "linear-histogram measuring vfu-qom-path",
    "abstract cumulative muhenkan", "core-id encoding-rate n-mem-sections n-tmp-sections sh4eb share shift",
    "cache.no-flush r", "f5 seconds sev-guest", "promiscuous", "ivgen-alg main-header",
    "avg_flush_latency_ns iotype migrated ok", "cpu finish-migrate no-flush toolsversion", "actual dhcpstart",
    "can-bus cpu-throttle-tailslow ide idx iops_rd length rdma-pin-all remote resize resume vmstate_load x-iops-total",
    "blockdev-snapshot", "bitmap bus-name disable-legacy-check max-connections", "total unmap_operations",
    "streamOptimized", "colo-compare commit compat compress gl", "audioprev buslogic mediaselect null-aio",
    "asterisk avg_rd_queue_depth detect_zeroes icount", "aes audiostop duplex num-queues",
    "avail-phys flags flush signalled-used xbzrle-cache-size",
    "auto-finalize empty_image_prepare eth-dst indev index inuse l2_update_compressed prealloc-context",
    "cpu-throttle-initial x-ignore-shared", "break-snapshot",
    "arch arg1 arg2 arg3 arg4 arg5 bps-read-max-length new_state null-co", "encrypt.iter-time",
    "4 block-job computer growable timestamp vm-clock-nsec", "actions poweroff vhost-vdpa w yen",
    "host_device hotpluggable-cpus numeric", "kp_multiply play",
    "background-snapshot blk default-value image-end-offset", "end io-status",
    "announce-max cluster_free iops-read-max-length pending",
    "blklogwrites enabled min_rd_latency_ns pwritev_rmw_after_tail x-bps-read-max", "postcopy-active unmap_merged",
    "bind bins refcount-block", "audiodev postcopy-requests", "f8 irq_pin passwordid", "reserve", "name rng-random",
    "max-queues on opt-write-zero qcow vring-align",
    "boundaries-write ctrl-ctrl exact expected-downtime extra prefetch test", "d description io_uring memdev",
    "location vhost-user-blk", "max_flush_latency_ns", "block_state_zero used-phys write_aio", "cpus main-mac",
    "dirty-sync-count set-state", "active filter-buffer none-crc32c", "9 command delete device input-linux",
    "ttl-check", "decompress-threads", "force locking superset", "postcopy-blocktime", "source uninit",
    "ctrl-scrolllock", "auth auto filter-replay p2p pgmint-loop",
    "br discard-bytes-ok rxcookie sdl str x-iops-read-max-length", "password-secret", "direct started stopped",
    "backspace monolithicFlat", "abort array multifd-bytes pool port",
    "compiled-version eth-type safe sasl write-blocking", "family parent refcount-table vcpu", "script session-file",
    "i key semicolon vfu-id", "plain", "compressed-clusters x-origin", "always enum memory-backend-epc",
    "bps-read-max hppa", "bps-total poll-shrink", "top-node", "bytes read_compressed virtio-pmem", "provider",
    "cache-size postcopy-paused", "disconnect zlib", "flush_total_time_ns implements names",
    "cpu-throttle-percentage limit-rate qcode qcow2 query-nodes",
    "discard-nb-ok memory-backend-memfd reduced-phys-bits", "full fuse hash-alg hostname show-tabs uri url",
    "authz-listfile backing-image cookie64 log-super-update-interval passthrough quorum sanity-check serial xts",
    "allow-other line live wr_highest_offset", "command-line mirror on-success wr_total_time_ns",
    "avail-size dmg front mnonce", "autoneg clients concluded dbus-vmstate iters mem_type_64 x-bps-total-max-length",
    "read-zeroes twofish-256", "api-minor msg", "axis compression-rate compression-type n nospace",
    "downscript iops-total-max-length sgx srcport ultra", "backend-cap compressed current-progress glob thread-id",
    "vring-desc", "hmat-lb", "block-bitmap-mapping handle kdump-lzo l1_grow_activate_table", "dgram step stop",
    "active-l1 active-l2 refblock_alloc vfio", "device-id element-type", "cookie-secret incremental",
    "l1_update lshift-lctrl-lalt ports power qom-type tpm-spapr", "QMP x-perf", "inject-error recording vcpus vsock",
    "blockdev-snapshot-sync immediately", "iops-total ip keep keys", "cbitpos compression height tls-creds-x509",
    "block boolean last-mode", "cid replaces", "data-type vcpu-dirty-rate",
    "failed_rd_operations failed_wr_operations lazy-refcounts lazy_refcounts "
    "log-size log_size pwritev_zero xbzrle-cache",
    "log tls-vnc", "scroll_lock xbzrle", "0 encrypt.format providers", "cluster_alloc_bytes date-sec nvdimm s",
    "filter-redirector io-error legacyESX tls-certs", "current on-target-error", "bitmaps once",
    "aes-128 loaded locked read-pattern write-bandwidth", "release-ram", "initial shared-perm", "limit vhost-dev",
    "grouped spiceport win-dmp", "cipher-alg iops-write-max overlap-check.refcount-block",
    "block-dirty-bitmap-merge cancel-path prealloc",
    "human-readable-text pass-discard-snapshot refcount-bits refcount_bits third-level",
    "pages-per-second prefetchable_range pwritev_rmw_tail", "auto-dismiss shutdown",
    "buf-size downtime-bytes peak perm persistent", "bus memory_range mips64 sgx1 sgx2", "eth-src", "max_queue_size",
    "image-node-name mptcp vhostforce", "encrypt.cipher-alg print props signalled-used-valid",
    "blkdebug start state stats stdio thread-context unknown-protocols",
    "absolute-paths channel-type tab tag tap tpm-crb vvfat", "5 behind f1 hmat-cache unicast",
    "access-bandwidth backend l2_alloc_cow_read microblaze x", "backend-features read-latency vnet_hdr_support",
    "bochs bps-write mips64el", "equal fat-type", "block-backend cpu-affinity cryptodev-backend-lkcf filter-rewriter",
    "aio-max-batch chardev domainname keyid", "wakeup-suspend-support", "background", "aligned-accesses link-up",
    "authz-pam completion-mode listen subsystem-reset wr_merged", "cow_read poll-grow threads", "load",
    "detect-zeroes log-sector-size", "parent-cid", "dst host-qmp-system-reset subsystem-vendor uuid",
    "e netdev proxy-username reboot repeat report result start-on-kick v2 vendor",
    "bps-total-max devices wr_bytes x-iops-size", "force_size", "page-size", "connection-id encrypt.ivgen-alg smb",
    "current-rate failed_unmap_operations pwritev timed_stats", "overlap-check.active-l1 overlap-check.active-l2",
    "m68k node-id", "pre-switchover", "auto-converge cpu-state keyslot vlan", "compress-threads reftable_load",
    "iops_max_length iter-time mcast pwritev_rmw_after_head", "bandwidth exec-oob full-grab removable", "busy",
    "reftable_grow", "audionext cast5-128 f4 fd hits", "allocation-depth if iv",
    "api-major pci_bridge tls-port vmstate_save", "access-latency in-use interface-id katakanahiragana",
    "CPU edges total-clusters", "f10 f11 f12 logappend", "filter-node-name isr notify_dev zero",
    "j len lun memory swap-opt-cmd", "adapter-type adapter_type cert-chain opint-loop vring-num-default y-origin",
    "service shift-shift snapshot-load writeback", "ipv4 ipv6 plain64",
    "avg_wr_latency_ns boundaries-flush failed grab-toggle",
    "failed_flush_operations max-write-zero x-iops-total-max-length", "bps_max_length detach pass-discard-other",
    "extent-size-hint late-block-activate offset", "compat6 corruptions image inmigrate x-blockdev",
    "data-file data_file local", "gluster", "png rctrl version", "iops_wr spc vencrypt",
    "can-host-socketcan guid mountpoint poll-us", "helper postcopy-preempt pwritev_done",
    "ivgen-hash-alg memory-backend-ram mips readahead", "limits qdev_id", "refblock_alloc_switch_table refblock_load",
    "cache-miss-rate group initiator", "remaining socket x-check-cache-dropped",
    "broken memory-backend-file snapshot-delete", "apostrophe string", "memaddr o qed",
    "netdev-id pef-guest x-bps-read-max-length", "ac_home f7 postcopy-bytes",
    "backing devname x-use-canonical-path-for-ramblock-id", "interval_length snapshot-save", "begin", "cbc ro",
    "compress-level encrypt.ivgen-hash-alg fds ftp inactive singlestep status writable",
    "account_invalid block_size corruptions-fixed created "
    "force-size guest-reset read-only-mode throttle-group x509_dname",
    "boundaries-read check-errors hugetlbsize kdump-snappy max-transfer num-vqs", "kp_equals msmouse sgx-epc",
    "backing-filename-format children colo cols conf copy core in-pport",
    "compressed-size fail fqdn hiragana portal secondary", "gid-status i386 iser vring-avail",
    "hotplugged inactive-l2 left less luks x-bps-read", "interfaces kp_enter meta_r",
    "class cloop meta-meta ring template", "dir node-name statuses",
    "block-dirty-bitmap-remove max_wr_latency_ns throttle", "interleave", "associativity",
    "addr bps-write-max capabilities primary", "1 ssh", "es header-digest t", "die-id readonly",
    "cache-clean-interval measured", "instances", "existing l1_shrink_write_table zero-blocks",
    "guest guest-panic native paused", "initiator-name", "button micro minor minus x-bps-write-max-length",
    "ac_forward new-vlan-id nfs snapshot", "backslash bps_wr_max_length request", "base64 home host",
    "date-nsec encrypt.key-secret guest-features timeout unknown-dev-features", "hypervisor log2-histogram",
    "qemu unmapped", "a ac_back cut host-key-check psw-addr queue-index", "hierarchy tunnel-id x-iops-read",
    "iops-size iops_size take-child-perms", "snapshot-table write-zeroes", "backing_file_depth",
    "cris l1_grow_alloc_table recursive", "driver ftps identical socket-id", "6 multifd-channels sample-pages",
    "clipboard granularity y", "aborting", "comma count protocol required tn3270", "fatal undo unit unix",
    "completed dirty-rate dirty-ring iscsi", "leaks level luks2 overlap-check.template running",
    "host-nodes tftp-server-name", "constant kp_comma pdh pty right tcp-syn-count",
    "cluster_alloc dimm disk dist set-vlan-id", "braille cycles reference vectors x-raw x-svq",
    "create-type rd_total_time_ns", "enable ignore-unavailable mode", "avg_rd_latency_ns pass path read-bandwidth",
    "bar s390 x-iops-read-max", "block-size connect ecb esc extint-loop", "driver-specific f outdev secret subset",
    "kdump-zlib nic", "sparc speed spice", "block-dirty-bitmap-enable",
    "invalid_unmap_operations multifd-zstd-level wheel-down wheel-left x-bps-total",
    "control numa-mem-supported nvme nvqs snapshots variants", "blkverify ignore key-offset logfile",
    "completion-errors flush_operations prealloc-threads", "charset vhostdev volumedown",
    "backup queue ret-type x-vfio-user-server",
    "ac_bookmarks ip-proto l2-cache-entry-size rbd rxsession x-remote-object",
    "left-command-key log-append txcookie udp width",
    "announce-initial base-node show-menubar vcpus-count window-close",
    "blockdev-snapshot-internal-sync save-vm total-progress", "iothread", "cryptodev-backend-builtin rows typename",
    "desc-size dot opened", "iops-read last-avail-idx pass-discard-request", "reftable_update", "k mem mux",
    "io_range protocols", "unmap wr_operations",
    "ac_refresh discard-nb-failed loongarch64 second-level x-bps-total-max",
    "dev-qom-path iops-write-max-length kernel-hashes vring-used", "ip-tos mbps", "again dh-cert-file",
    "btn endpoint filter-dump x-image", "compose vhdx", "max_rd_latency_ns model mouse",
    "leaks-fixed pages panic paste pause postmigrate refblock_alloc_hookup", "base s390x x-iops-write-max",
    "scrolllock", "head help inactive-l1 max-chunk refblock_alloc_write unmap_bytes websocket", "vmstate",
    "snapshot-file", "dnssearch iops-write write_compressed", "pincounter rx",
    "frontend-open iops_rd_max_length pause-before-switchover",
    "counter dev-features execute hotpluggable overlap-check.bitmap-directory read-write",
    "min_flush_latency_ns proxy-password-secret rng-builtin", "bps_wr_max compare_timeout migration",
    "p rel ret run used-idx", "allocated-clusters bps_rd_max_length channels default", "overlap-check table_size",
    "capability config hyper-v inject insert open", "bitmap-directory cephx new-secret on-source-error sectors-count",
    "UUID drv extent_size_hint object refblock_update utf8", "gtk record virtual-size vlan-table",
    "block-incremental l2_load", "members shift_r zeroed_grain", "compress-wait-thread mouse-mode rd_merged",
    "down filename readahead-size", "append bucket-size setup-time vnc", "bridge drive-backup unicast-table",
    "cluster-size cluster_size inserted menu rewrite-corrupted rng-egd use-copy-range",
    "downtime-limit number pgdn pgup property restore-vm set-eth-src",
    "display old-secret preallocation side size sync username", "block-node iops_rd_max rd_bytes",
    "error-desc filter-mirror namespace snapshot-node-name transferred", "latency", "macaddr smbserver",
    "2 ctrl_r grab_all tcp vhost", "alternate console f3 num_lock sasl_username u",
    "export package transform unavailable-features wctablet write-back", "primary_in twoGbMaxExtentSparse",
    "bps_max exit-failure fully-allocated thread-pool-max thread-pool-min",
    "block-dirty-bitmap-clear connected essiv nodeid parameters",
    "alias-of auto-read-only backing-fmt backing_fmt hubid", "aarch64 irq read_backing_aio",
    "encrypt.hash-alg l2-cache-size nios2 sha256", "max-workers off serpent-192",
    "authz-simple host-features mipsel reconnect-delay wr_latency_histogram",
    "crc32c-none postcopy-recover x-iops-write", "base-memory enospc iops tls-authz",
    "bps-total-max-length default-cpu-type format "
    "unmap_total_time_ns use-guest-notifier-mask vm-running write-through",
    "qom-path", "child downtime encrypt instant read x509-plain", "b des protocol-features queues sector server",
    "serpent-128", "hold-time read-only watchdog", "cluster_alloc_space refblock_alloc_write_table",
    "builtin compression_type overlap-check.inactive-l1", "bps_wr dbus encryption-format", "host-signal keep-alive val",
    "7 before dev-id overlap-check.main-header vhost-user", "hugetlb ipv6-dns z", "amend unknown",
    "slot unknown-statuses", "actual-size elf floppy", "localaddr skipauth", "block-state-zero merge paging",
    "bitmap-mode data-file-raw data_file_raw format-specific nbd poll-max-ns",
    "cpu0-id dirty-sync-missed-zero-copy henkan sysrq", "prelaunch riscv32",
    "block-status f6 iops-read-max kp_subtract table-size total-time", "invalid_flush_operations launch-secret riscv64",
    "cbw-timeout input-barrier node none prealloc-align", "busy-rate full-backing-filename kp_add on-cbw-error",
    "evdev event l1_shrink_free_l2_clusters", "account_failed l1_grow_write_table static up",
    "dirty-bitmap g opt-discard send-update suspended telnet vq-index write-unchanged", "copy-on-read", "dynamic",
    "allow-oob multifd-compression unshare-child-perms used-size wait-unplug write x-dirty-bitmap",
    "cached option x509-sasl", "sparc64 uninitialized", "bracket_right", "avr ipv6-prefix tls-creds-anon",
    "calculator dstport greeting middle", "aes-256", "label lang1 lang2 microseconds vduse-blk",
    "announce-rounds known_hosts multicast volume",
    "idle_time_ns log-enabled multicast-overflow ppc ppm ready reset rules",
    "bps_rd_max cipher-mode deny desc dump src standby",
    "absolute channel-id cluster-id curses launch-update precopy-bytes vde vdi", "stripes", "wheel-up", "pmem", "sock",
    "block-dirty-bitmap-add lsilogic queue-sel rounds", "hwversion secret_keyring verify-peer", "volumeup", "l net num",
    "slash sleep slots subformat", "host-qmp-quit tricore", "bps-read f9 host_cdrom shutting-down",
    "cookie exponent goto-tbl inject-nmi kp_0 kp_1 kp_2 kp_3 kp_4 kp_5 kp_6 kp_7 kp_8 kp_9 testdev",
    "block-dirty-bitmap-disable properties", "incompatible qdev", "announce-step ctr tftp vote-threshold",
    "identity sev-device tls-plain", "grab-mod group-id nocow nodes tray-open tray_open",
    "lctrl-lalt payload-offset vm-clock-sec waiting x509-vnc", "call case overflow tls-creds",
    "alt-alt backing-file backing_file cancelled write_threshold", "dirty-bitmaps ringbuf",
    "audioplay netmap reason retain return", "break-guest-write on-error recipient x-bps-write",
    "aio bps-write-max-length cor_write cow_write", "individual", "build-id disabled refblock_update_part",
    "max-size unicast-overflow zoom-to-fit", "copy-before-write max", "DIMM ipv6-host parallel q subsystem unavailable",
    "postcopy-vcpu-blocktime", "wheel-right", "blkreplay cert-subject full-screen qemu-vdagent sections",
    "encrypted job-id l2tpv3 processing twoGbMaxExtentFlat write-latency",
    "3des bps debug depth descs devid writethrough", "to", "flush_to_os sha224 sha384 shadow-avail-idx",
    "bracket_left kvm", "multifd-zlib-level transport", "kp_divide operating operation",
    "acked-features queue-size tls value", "bps_rd half hard hash", "create in twofish-192 x-bps-write-max",
    "fdname null psw-mask tls-none", "ifname max-cpu-throttle section-size sector-num", "address set-eth-dst time type",
    "migration-safe", "complex extents out-pport requested-size",
    "expired_scan_cycle json-type microblazeel nodelay sndbuf", "meta-type oob policy qtest",
    "cache.direct ctrl internal-error open-timeout ra2 ram raw twofish-128", "3",
    "emulator events max-postcopy-bandwidth v", "group-ids host-error latency-ns",
    "flush_to_disk is-default packet-header", "all alt cache cpu-max tls-sasl",
    "authz-list cancelling discard dns duplicate", "gpa vm", "action class_info formats iops-total-max vring-num",
    "fixed-iothread md5 overlay priority tls-hostname x86_64 zeroed-grain", "page-sampling",
    "drop-cache plugged-memory sh4", "guest-shutdown vhost-started", "pwritev_rmw_head", "mail mask",
    "avail bootfile read_aio", "egl-headless parallels prealloc-size seal tpm-tis", "arguments c use-started",
    "present reconnect replication socket-address", "cryptodev-backend id-list",
    "encryption iops_max l2_update ppc64 pport rd_operations x509-none",
    "consistent-read l2_alloc_write overlap-check.inactive-l2 sslverify write-threshold", "preallocate top",
    "http multicast-table", "8 avg_wr_queue_depth stream",
    "encrypt.cipher-mode failover overlap-check.snapshot-table s390-pv-guest transports",
    "cryptodev-vhost-user master-key-iters unaligned-accesses", "rw", "broadcast-allowed cache-miss flc secondary_in",
    "bottom inc int subnet-prefix throttle-trigger-threshold top-id", "force-share never", "aes-192",
    "guest-panicked hostfwd meta_l tight",
    "audiomute caps_lock dirty-pages-rate fifo file find max-bandwidth slot-type", "signal",
    "arg-type desc-phys guestfwd page-cache-size vhostfd", "grave_accent used user vlan-id",
    "min_wr_latency_ns options xtensa", "h node-affinity spicevmc", "boundaries position", "iops_wr_max_length",
    "deprecated logical-block-size pop-vlan receive-update", "start-time",
    "backing-filename cpu-index falloc password postcopy-ram skipped", "corrupt discard-data", "blockdev-backup sha1",
    "action-required x-iops-total-max xtensaeb", "hubport", "fdset-id major match",
    "host-ui inconsistent ipv6-prefixlen preferred tls-creds-psk", "amount-exceeded setup vnet_hdr zero-copy-send",
    "fragmented-clusters refresh ripemd160 tls-cipher-suites txsession", "block-driver copy-mode f2 x-checkpoint-delay",
    "id kick kp_decimal mem-path metadata pr-manager-helper",
    "invalid_rd_operations invalid_wr_operations lf virtio-mem", "interval",
    "errno error function snapshot-access x-colo", "check-stop https opaque return-path wait wake",
    "target tbl-id values zstd", "iops_wr_max m out restrict", "vm-state-size",
    "default-ram-id features flat multifd pr-manager", "client cpu-throttle-increment inet info", "tunnel-lport",
    "auth-client-required ip-dst key-secret or1k", "abs addresses arm normal-bytes undefined",
    "blocked-reasons fixed sha512", "dirty-flag max-discard spice-app subordinate v3 vc",
    "regions x-iops-write-max-length", "extended-l2 extended_l2 rd_latency_histogram vhostfds",
    "flush_latency_histogram ra2ne", "data grab-on-hover normal refblock_alloc_write_blocks unstarted",
    "canbus crc32c disabled-wait maxlen monolithicSparse vpc", "show-cursor",
    "alias align allow alpha alt_r main-loop pipe rendernode serpent-256", "validate-uuid",
    "calc-time overlap-check.refcount-table tx vmdk",
};

typedef struct Member {
    size_t index;           /* in the dictionary */
    int place;
} Member;

static gpointer build_place_table(gpointer unused)
{
    GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);

    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        char **names = g_strsplit(places[i], " ", -1);

        for (char **n = names; *n; n++) {
            g_hash_table_insert(table, *n, GINT_TO_POINTER(i + 1));
        }
        g_free(names);      /* the names themselves live on as keys */
    }
    return table;
}

static int place_of(const char *name)
{
    static GOnce once = G_ONCE_INIT;
    GHashTable *table = g_once(&once, build_place_table, NULL);

    return GPOINTER_TO_INT(g_hash_table_lookup(table, name));
}

static int compare_members(const void *a, const void *b)
{
    const Member *ma = a, *mb = b;

    if (ma->place != mb->place) {
        return !ma->place ? 1 : !mb->place ? -1 : ma->place - mb->place;
    }
    if (!ma->place) {
        return ma->index < mb->index ? -1 : 1;
    }
    return ma->index > mb->index ? -1 : 1;
}

size_t *json_order_members(const QDict *d)
{
    size_t n = qdict_size(d);
    g_autofree Member *members = g_new(Member, n);
    size_t *order = g_new(size_t, n);

    for (size_t i = 0; i < n; i++) {
        members[i] = (Member){ i, place_of(qdict_key_at(d, i)) };
    }
    if (n > 1) {
        qsort(members, n, sizeof(*members), compare_members);
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = members[i].index;
    }
    return order;
}
