/*
 * Which device takes an event, and keys that wait for their time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/input.h"
#include "machine/runstate.h"
#include "util/aio.h"

typedef struct Handler {
    const InputOps *ops;
    void *dev;
    int index;
    bool touched;              /* got an event since the last sync */
} Handler;

static GPtrArray *handlers;    /* Handler, the one to ask first at the front */
static int last_index;

void input_add_handler(const InputOps *ops, void *dev)
{
    Handler *h = g_new0(Handler, 1);

    h->ops = ops;
    h->dev = dev;
    h->index = ++last_index;
    if (!handlers) {
        handlers = g_ptr_array_new();
    }
    g_ptr_array_add(handlers, h);
}

static Handler *find(unsigned kinds)
{
    for (guint i = 0; handlers && i < handlers->len; i++) {
        Handler *h = g_ptr_array_index(handlers, i);

        if (h->ops->kinds & kinds) {
            return h;
        }
    }
    return NULL;
}

bool input_has_handler(InputEventKind kind) { return find(1u << kind) != NULL; }

static bool takes_input(void) { return vm_running() || vm_state() == VM_SUSPENDED; }

void input_send(const InputEvent *ev)
{
    Handler *h = find(1u << ev->type);

    if (h && takes_input()) {
        h->touched = true;
        h->ops->event(h->dev, ev);
    }
}

void input_sync(void)
{
    if (!takes_input()) {
        return;
    }
    for (guint i = 0; handlers && i < handlers->len; i++) {
        Handler *h = g_ptr_array_index(handlers, i);

        if (h->touched) {
            h->touched = false;
            if (h->ops->sync) {
                h->ops->sync(h->dev);
            }
        }
    }
}

void input_send_key(QKeyCode key, bool down)
{
    KeyValue value = { .type = KEY_VALUE_KIND_QCODE, .u.qcode.data = key };
    InputKeyEvent k = { .key = &value, .down = down };
    InputEvent ev = { .type = INPUT_EVENT_KIND_KEY, .u.key.data = &k };

    input_send(&ev);
    input_sync();
}

void input_send_button(InputButton button, bool down)
{
    InputBtnEvent b = { .button = button, .down = down };
    InputEvent ev = { .type = INPUT_EVENT_KIND_BTN, .u.btn.data = &b };

    input_send(&ev);
}

void input_send_rel(InputAxis axis, int64_t value)
{
    InputMoveEvent m = { .axis = axis, .value = value };
    InputEvent ev = { .type = INPUT_EVENT_KIND_REL, .u.rel.data = &m };

    input_send(&ev);
}

/* --- keys that wait --------------------------------------------------------------------------------------- */

#define WAITING_MAX 1024
#define DEFAULT_DELAY_MS 10

typedef struct Waiting {
    bool is_delay, down;
    QKeyCode key;
    uint32_t ms;
} Waiting;

static GQueue waiting = G_QUEUE_INIT;
static AioTimer *timer;

static void wait_for(uint32_t ms)
{
    aio_timer_mod_ns(timer, aio_clock_ns(AIO_CLOCK_VIRTUAL) + (int64_t)ms * 1000000);
}

/* The delay at the head is over: go on up to the next one. */
static void delay_over(void *opaque)
{
    g_free(g_queue_pop_head(&waiting));
    while (waiting.head && !((Waiting *)waiting.head->data)->is_delay) {
        g_autofree Waiting *w = g_queue_pop_head(&waiting);

        input_send_key(w->key, w->down);
    }
    if (waiting.head) {
        wait_for(((Waiting *)waiting.head->data)->ms);
    }
}

static void append(Waiting w)
{
    if (g_queue_get_length(&waiting) < WAITING_MAX) {
        g_queue_push_tail(&waiting, g_memdup2(&w, sizeof(w)));
    }
}

void input_queue_key(QKeyCode key, bool down)
{
    if (!waiting.head) {
        input_send_key(key, down);
        return;
    }
    append((Waiting) { .key = key, .down = down });
}

void input_queue_delay(uint32_t ms)
{
    if (!takes_input()) {
        return;
    }
    ms = ms ? ms : DEFAULT_DELAY_MS;
    if (!timer) {
        timer = aio_timer_new(aio_main_context(), AIO_CLOCK_VIRTUAL, delay_over, NULL);
    }
    append((Waiting) { .is_delay = true, .ms = ms });
    if (waiting.length == 1) {
        wait_for(ms);
    }
}

/* --- pointing devices ---------------------------------------------------------------------------------------- */

#define POINTING (1u << INPUT_EVENT_KIND_REL | 1u << INPUT_EVENT_KIND_ABS)

MouseInfoList *input_mice(void)
{
    MouseInfoList *list = MouseInfoList_new();
    const Handler *current = find(POINTING);

    for (guint i = 0; handlers && i < handlers->len; i++) {
        const Handler *h = g_ptr_array_index(handlers, i);
        MouseInfo *m;

        if (!(h->ops->kinds & POINTING)) {
            continue;
        }
        m = MouseInfo_new();
        m->name = g_strdup(h->ops->name);
        m->index = h->index;
        m->absolute = h->ops->kinds & 1u << INPUT_EVENT_KIND_ABS;
        m->current = h == current;
        MouseInfoList_append(list, m);
    }
    return list;
}

bool input_select_mouse(int64_t index, Error **errp)
{
    for (guint i = 0; handlers && i < handlers->len; i++) {
        Handler *h = g_ptr_array_index(handlers, i);

        if (h->index != index) {
            continue;
        }
        if (!(h->ops->kinds & POINTING)) {
            error_setg(errp, "Input device '%s' is not a mouse", h->ops->name);
            return false;
        }
        g_ptr_array_remove_index(handlers, i);
        g_ptr_array_insert(handlers, 0, h);
        return true;
    }
    error_setg(errp, "Mouse at index '%" PRId64 "' not found", index);
    return false;
}
