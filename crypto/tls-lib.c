/*
 * The TLS library, loaded when the first credentials are made.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dlfcn.h>
#include "crypto/tls-lib.h"

/* The interface has been this one since 2015. */
#define LIBRARY "libgnutls.so.30"

TlsLib tls_lib;

static bool find(void *library, const char *name, void *where, Error **errp)
{
    void *function = dlsym(library, name);

    if (!function) {
        error_setg(errp, "TLS is not available: %s", dlerror());
        return false;
    }
    *(void **)where = function;
    return true;
}

bool tls_lib_load(Error **errp)
{
    static bool loaded;
    void *library;
    bool ok = true;

    if (loaded) {
        return true;
    }
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        error_setg(errp, "TLS is not available: %s", dlerror());
        return false;
    }
#define FIND(name) ok = ok && find(library, "gnutls_" #name, &tls_lib.name, errp);
    TLS_LIB_FUNCTIONS(FIND)
#undef FIND
    loaded = ok;
    return ok;
}
