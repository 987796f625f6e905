/*
 * Stopping another context's thread for a moment.
 *
 * A bottom half in that thread says that it has arrived and waits to be let go.  A thread that stops
 * a context which it has stopped already just goes on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <pthread.h>
#include "util/aio.h"

struct AioPause {
    AioContext *ctx;
    AioPause *next;                /* others that the same thread holds */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool arrived, let_go, left;
};

static __thread AioPause *held;

static bool is_held(const AioContext *ctx)
{
    for (const AioPause *p = held; p; p = p->next) {
        if (p->ctx == ctx) {
            return true;
        }
    }
    return false;
}

static void hold(void *opaque)
{
    AioPause *p = opaque;

    pthread_mutex_lock(&p->lock);
    p->arrived = true;
    pthread_cond_broadcast(&p->cond);
    while (!p->let_go) {
        pthread_cond_wait(&p->cond, &p->lock);
    }
    p->left = true;
    pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

AioPause *aio_context_pause(AioContext *ctx)
{
    AioPause *p;

    if (!ctx || ctx == aio_current_context() || is_held(ctx)) {
        return NULL;
    }
    p = g_new0(AioPause, 1);
    p->ctx = ctx;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->cond, NULL);
    aio_bh_oneshot(ctx, hold, p);
    pthread_mutex_lock(&p->lock);
    while (!p->arrived) {
        pthread_cond_wait(&p->cond, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    p->next = held;
    held = p;
    return p;
}

/* Last stopped, first resumed.  Waits until the other thread has let go of p, which is freed here. */
void aio_context_resume(AioPause *p)
{
    if (!p) {
        return;
    }
    held = p->next;
    pthread_mutex_lock(&p->lock);
    p->let_go = true;
    pthread_cond_broadcast(&p->cond);
    while (!p->left) {
        pthread_cond_wait(&p->cond, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    pthread_cond_destroy(&p->cond);
    pthread_mutex_destroy(&p->lock);
    g_free(p);
}
