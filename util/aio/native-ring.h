/*
 * The completions of Linux AIO, which the kernel shares with the process: its layout is part of the kernel's stable
 * interface, as fio and libaio use it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_AIO_NATIVE_RING_H
#define UTIL_AIO_NATIVE_RING_H

#include <libaio.h>

#define AIO_RING_MAGIC 0xa10a10a1u

typedef struct AioSharedRing {
    unsigned id, nr, head, tail, magic, compat_features, incompat_features, header_length;
    struct io_event events[];
} AioSharedRing;

/* Whether there is one. */
static inline bool aio_ring_ready(io_context_t kernel)
{
    AioSharedRing *ring = (AioSharedRing *)kernel;

    return ring->magic == AIO_RING_MAGIC && ring->head != __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

/* Take one, without a system call where the kernel is as we know it. */
static inline bool aio_ring_take(io_context_t kernel, struct io_event *event)
{
    AioSharedRing *ring = (AioSharedRing *)kernel;
    unsigned head, tail;

    if (ring->magic != AIO_RING_MAGIC || ring->incompat_features) {
        struct timespec none = { 0, 0 };

        return io_getevents(kernel, 0, 1, event, &none) == 1;
    }
    head = ring->head;
    tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
    if (head == tail) {
        return false;
    }
    *event = ring->events[head];
    __atomic_store_n(&ring->head, (head + 1) % ring->nr, __ATOMIC_RELEASE);
    return true;
}

#endif
