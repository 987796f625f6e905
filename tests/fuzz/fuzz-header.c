/*
 * Fuzzing entry: qcow2 header parsing on arbitrary bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "../../block/qcow2.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Error) err = NULL;
    Qcow2Header header;

    qcow2_header_parse(data, size, &header, &err);
    return 0;
}
