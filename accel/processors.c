/*
 * The accelerators with processors, as far as a board without one needs them: their objects and properties,
 * and the kernel's virtual machine, opened so that `query-kvm` tells the truth.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "accel/accel.h"
#include "qom/object.h"

static const char *chosen;
static int vm_fd = -1;

const char *accel_name(void) { return chosen; }
void accel_set_name(const char *name) { chosen = name; }
bool kvm_enabled(void) { return vm_fd >= 0; }

static bool kvm_failed(int fd, int err)
{
    if (fd >= 0) {
        close(fd);
    }
    error_report("failed to initialize kvm: %s", strerror(err));
    return false;
}

bool kvm_open(void)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), version;

    if (fd < 0) {
        fprintf(stderr, "Could not access KVM kernel module: %s\n", strerror(errno));
        return kvm_failed(-1, errno);
    }
    version = ioctl(fd, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) {
        fprintf(stderr, "kvm version not supported\n");
        return kvm_failed(fd, EINVAL);
    }
    vm_fd = ioctl(fd, KVM_CREATE_VM, 0);
    if (vm_fd < 0) {
        int err = errno;

        fprintf(stderr, "ioctl(KVM_CREATE_VM) failed: %d %s\n", err, strerror(err));
        return kvm_failed(fd, err);
    }
    return true;
}

/* --- objects ------------------------------------------------------------------------------------- */

typedef struct Accel {
    Object obj;
    char *thread;
    int64_t tb_size, shadow_mem;
    bool split_wx;
    int irqchip, notify_vmexit;
    uint32_t dirty_ring_size, notify_window;
} Accel;

static const char *const irqchip_names[] = { "off", "on", "split", NULL };
static const char *const vmexit_names[] = { "run", "internal-error", "disable", NULL };

static QObject *get_thread(Object *o, const Property *p, Error **errp)
{
    return qstring_new(((Accel *)o)->thread ? ((Accel *)o)->thread : "single");
}

static bool set_thread(Object *o, const Property *p, const QObject *value, Error **errp)
{
    const char *text = qobject_get_str(value);

    if (!text || (strcmp(text, "multi") && strcmp(text, "single"))) {
        error_setg(errp, "Invalid 'thread' setting %s", text ? text : "");
        return false;
    }
    g_free(((Accel *)o)->thread);
    ((Accel *)o)->thread = g_strdup(text);
    return true;
}

static void accel_finalize(Object *o) { g_free(((Accel *)o)->thread); }

static const Property tcg_props[] = {
    { .name = "thread", .type = "string", .kind = PROP_CUSTOM, .get = get_thread, .set = set_thread },
    { .name = "tb-size", .type = "int", .kind = PROP_I64, .offset = offsetof(Accel, tb_size),
      .description = "TCG translation block cache size" },
    { .name = "split-wx", .kind = PROP_BOOL, .offset = offsetof(Accel, split_wx),
      .description = "Map jit pages into separate RW and RX regions" },
    { NULL }
};
static const Property kvm_props[] = {
    { .name = "kernel-irqchip", .type = "on|off|split", .kind = PROP_ENUM, .names = irqchip_names,
      .offset = offsetof(Accel, irqchip), .description = "Configure KVM in-kernel irqchip" },
    { .name = "notify-window", .type = "uint32", .kind = PROP_U32, .offset = offsetof(Accel, notify_window),
      .description = "Clock cycles without an event window after which a notification VM exit occurs" },
    { .name = "dirty-ring-size", .type = "uint32", .kind = PROP_U32, .offset = offsetof(Accel, dirty_ring_size),
      .description = "Size of KVM dirty page ring buffer (default: 0, i.e. use bitmap)" },
    { .name = "notify-vmexit", .type = "NotifyVMexitOption", .kind = PROP_ENUM, .names = vmexit_names,
      .offset = offsetof(Accel, notify_vmexit), .description = "Enable notify VM exit" },
    { .name = "kvm-shadow-mem", .type = "int", .kind = PROP_I64, .offset = offsetof(Accel, shadow_mem),
      .description = "KVM shadow MMU size" },
    { NULL }
};
static const TypeInfo tcg_type = {
    .name = "tcg-accel", .parent = "accel", .size = sizeof(Accel), .props = tcg_props, .finalize = accel_finalize,
};
QOM_TYPE(tcg_type)
static const TypeInfo kvm_type = { .name = "kvm-accel", .parent = "accel", .size = sizeof(Accel), .props = kvm_props };
QOM_TYPE(kvm_type)
