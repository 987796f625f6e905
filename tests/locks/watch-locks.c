/*
 * Preloaded into a program under test: learns in which order its threads take mutexes, and sees who waits with one held.
 *
 * Mutexes that are locked by the same line of code are one kind (and so are the kinds of all lines that lock the same
 * mutex).  Told at exit, into WATCH_LOCKS/PID: "order FROM TO" for a kind taken while another was held, each by the place
 * (module+offset) that took it, and "wait LOCK CALL PLACE" for a call that can sleep with a mutex held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PLACES 1024u
#define MUTEXES 65536u
#define DEPTH 16u
#define DEAD ((void *)1)                    /* destroyed: stays in the chain of its hash, matches nobody */

typedef struct Held { void *mutex, *place; } Held;

static __thread Held held[DEPTH];
static __thread unsigned depth;
static __thread bool inside;                 /* our own code runs in this thread */
static bool active;
static volatile char guard;                  /* spin lock over all below */
static void *places[PLACES];                 /* hashed; a place's index is its name */
static unsigned kind_of[PLACES];             /* union-find over places */
static struct { void *mutex; unsigned place; } mutexes[MUTEXES];
static unsigned char order[PLACES][PLACES];  /* place -> place seen */
static struct { void *lock, *place; const char *call; } waits[256];
static unsigned n_waits, lost;

static void take(void) { while (__atomic_test_and_set(&guard, __ATOMIC_ACQUIRE)) {} }
static void release(void) { __atomic_clear(&guard, __ATOMIC_RELEASE); }

/* The index of a place; PLACES when there are too many. */
static unsigned place_index(void *place)
{
    unsigned i = (unsigned)((uintptr_t)place * 2654435761u % PLACES);

    for (unsigned n = 0; n < PLACES; n++, i = (i + 1) % PLACES) {
        if (!places[i]) {
            places[i] = place;
            kind_of[i] = i;
        }
        if (places[i] == place) {
            return i;
        }
    }
    lost++;
    return PLACES;
}

static unsigned kind(unsigned p)
{
    while (kind_of[p] != p) {
        p = kind_of[p] = kind_of[kind_of[p]];
    }
    return p;
}

/* Whoever locked this mutex before locked the same kind. */
static void same_kind(void *mutex, unsigned p)
{
    unsigned i = (unsigned)((uintptr_t)mutex / 8 * 2654435761u % MUTEXES), free_slot = MUTEXES;

    for (unsigned n = 0; n < 64; n++, i = (i + 1) % MUTEXES) {
        if (mutexes[i].mutex == mutex) {
            kind_of[kind(p)] = kind(mutexes[i].place);
            return;
        }
        if (free_slot == MUTEXES && (!mutexes[i].mutex || mutexes[i].mutex == DEAD)) {
            free_slot = i;
        }
        if (!mutexes[i].mutex) {
            break;
        }
    }
    if (free_slot == MUTEXES) {
        lost++;
        return;
    }
    mutexes[free_slot].mutex = mutex;
    mutexes[free_slot].place = p;
}

static void forget(void *mutex)
{
    unsigned i = (unsigned)((uintptr_t)mutex / 8 * 2654435761u % MUTEXES);

    take();
    for (unsigned n = 0; n < 64; n++, i = (i + 1) % MUTEXES) {
        if (mutexes[i].mutex == mutex) {
            mutexes[i].mutex = DEAD;
        }
    }
    release();
}

static void locked(void *mutex, void *place)
{
    if (!active || inside) {
        return;
    }
    inside = true;
    take();
    unsigned p = place_index(place);

    if (p < PLACES) {
        same_kind(mutex, p);
        for (unsigned i = 0; i < depth && i < DEPTH; i++) {
            unsigned from = place_index(held[i].place);

            if (held[i].mutex != mutex && from < PLACES) {
                order[from][p] = 1;
            }
        }
    }
    release();
    if (depth < DEPTH) {
        held[depth] = (Held){ mutex, place };
    }
    depth++;
    inside = false;
}

static void unlocked(void *mutex)
{
    for (unsigned i = depth < DEPTH ? depth : DEPTH; active && i-- > 0; ) {
        if (held[i].mutex == mutex) {
            memmove(held + i, held + i + 1, (DEPTH - i - 1) * sizeof(Held));
            depth--;
            return;
        }
    }
}

/* except: the mutex that the call itself gives up. */
static void waits_here(const char *call, void *except, void *place)
{
    if (!active || inside) {
        return;
    }
    for (unsigned i = 0; i < depth && i < DEPTH; i++) {
        unsigned n = 0;

        if (held[i].mutex == except) {
            continue;
        }
        take();
        while (n < n_waits && (waits[n].lock != held[i].place || waits[n].call != call)) {
            n++;
        }
        if (n == n_waits && n < 256) {
            waits[n_waits].lock = held[i].place;
            waits[n_waits].place = place;
            waits[n_waits++].call = call;
        }
        release();
    }
}

#define HERE __builtin_return_address(0)
#define REAL(type, name) static __typeof__(name) *real_##name; \
    if (!real_##name) { real_##name = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); }

int pthread_mutex_lock(pthread_mutex_t *m)
{
    REAL(, pthread_mutex_lock)
    int ret = real_pthread_mutex_lock(m);

    locked(m, HERE);
    return ret;
}

int pthread_mutex_unlock(pthread_mutex_t *m)
{
    REAL(, pthread_mutex_unlock)
    unlocked(m);
    return real_pthread_mutex_unlock(m);
}

int pthread_mutex_destroy(pthread_mutex_t *m)
{
    REAL(, pthread_mutex_destroy)
    forget(m);
    return real_pthread_mutex_destroy(m);
}

void g_mutex_lock(void *m);
void g_mutex_unlock(void *m);
void g_mutex_clear(void *m);

void g_mutex_lock(void *m)
{
    REAL(, g_mutex_lock)
    real_g_mutex_lock(m);
    locked(m, HERE);
}

void g_mutex_unlock(void *m)
{
    REAL(, g_mutex_unlock)
    unlocked(m);
    real_g_mutex_unlock(m);
}

void g_mutex_clear(void *m)
{
    REAL(, g_mutex_clear)
    forget(m);
    real_g_mutex_clear(m);
}

int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    REAL(, pthread_cond_wait)
    waits_here("pthread_cond_wait", m, HERE);
    return real_pthread_cond_wait(c, m);
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t)
{
    REAL(, pthread_cond_timedwait)
    waits_here("pthread_cond_timedwait", m, HERE);
    return real_pthread_cond_timedwait(c, m, t);
}

/* A call that can sleep, whatever is held. */
#define SLEEPS(ret, name, params, args) ret name params { REAL(, name) waits_here(#name, NULL, HERE); return real_##name args; }

SLEEPS(int, pthread_join, (pthread_t t, void **r), (t, r))
SLEEPS(int, epoll_wait, (int f, struct epoll_event *e, int n, int ms), (f, e, n, ms))
SLEEPS(int, ppoll, (struct pollfd *f, nfds_t n, const struct timespec *t, const sigset_t *s), (f, n, t, s))
SLEEPS(int, usleep, (useconds_t us), (us))
SLEEPS(int, nanosleep, (const struct timespec *t, struct timespec *r), (t, r))
SLEEPS(int, fsync, (int f), (f))
SLEEPS(int, fdatasync, (int f), (f))
SLEEPS(pid_t, waitpid, (pid_t p, int *s, int o), (p, s, o))
SLEEPS(ssize_t, preadv, (int f, const struct iovec *v, int n, off_t at), (f, v, n, at))
SLEEPS(ssize_t, pwritev, (int f, const struct iovec *v, int n, off_t at), (f, v, n, at))
SLEEPS(ssize_t, pread, (int f, void *b, size_t n, off_t at), (f, b, n, at))
SLEEPS(ssize_t, pwrite, (int f, const void *b, size_t n, off_t at), (f, b, n, at))
SLEEPS(int, fallocate, (int f, int m, off_t at, off_t n), (f, m, at, n))
SLEEPS(int, ftruncate, (int f, off_t n), (f, n))

/* A poll that does not wait is a question. */
int poll(struct pollfd *f, nfds_t n, int ms)
{
    REAL(, poll)
    if (ms) {
        waits_here("poll", NULL, HERE);
    }
    return real_poll(f, n, ms);
}

static void put_place(FILE *out, void *place)
{
    Dl_info info;

    if (dladdr(place, &info) && info.dli_fname) {
        fprintf(out, " %s+0x%zx", info.dli_fname, (size_t)((char *)place - (char *)info.dli_fbase) - 1);
    } else {
        fprintf(out, " ?+0x0");
    }
}

__attribute__((destructor)) static void tell(void)
{
    char path[4096];
    FILE *out;

    if (!active) {
        return;
    }
    inside = true;
    active = false;
    snprintf(path, sizeof(path), "%s/%d", getenv("WATCH_LOCKS"), getpid());
    out = fopen(path, "w");
    for (unsigned i = 0; out && i < PLACES; i++) {
        if (places[i]) {
            fprintf(out, "kind %u", kind(i));
            put_place(out, places[i]);
            fprintf(out, "\n");
        }
        for (unsigned j = 0; j < PLACES; j++) {
            if (order[i][j]) {
                fprintf(out, "order");
                put_place(out, places[i]);
                put_place(out, places[j]);
                fprintf(out, "\n");
            }
        }
    }
    for (unsigned i = 0; out && i < n_waits; i++) {
        fprintf(out, "wait");
        put_place(out, waits[i].lock);
        fprintf(out, " %s", waits[i].call);
        put_place(out, waits[i].place);
        fprintf(out, "\n");
    }
    if (out) {
        fprintf(out, "end %u\n", lost);
        fclose(out);
    }
}

/* Only the programs under test are watched, not those that test them. */
__attribute__((constructor)) static void begin(void)
{
    char self[4096] = "";
    const char *build = getenv("BUILD_DIR");

    active = getenv("WATCH_LOCKS") && build && readlink("/proc/self/exe", self, sizeof(self) - 1) > 0 && !strncmp(self, build, strlen(build));
}
