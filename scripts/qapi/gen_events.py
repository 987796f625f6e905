"""events.h, one object file per event (so that an event is in a program only if something sends it), their table.

SPDX-License-Identifier: GPL-2.0-or-later
"""
from output import Features, header, quoted, write


def prototype(event):
    return f"void qapi_event_send_{event.c}({f'const {event.data.c} *arg' if event.data else 'void'})"


def source(event):
    call = f'qapi_event_emit(&{event.data.descriptor}, {quoted(event.name)}, arg)' if event.data else \
        f'qapi_event_emit(NULL, {quoted(event.name)}, NULL)'
    return (f'/* Generated from qapi/{event.module}.json by scripts/qapi. */\n#include "qapi/dispatch.h"\n'
            f'#include "qapi/events-{event.module}.h"\n\n{prototype(event)}\n{{\n    {call};\n}}\n')


def generate(schema, folder):
    for module in schema.modules:
        body = f'#include "qapi/types-{module}.h"\n\n'
        body += "".join(prototype(event) + ";\n" for event in schema.events if event.module == module)
        guard = f"QAPI_EVENTS_{module.upper().replace('-', '_')}_H"
        write(folder, f"events-{module}.h", header(guard, f"events of {module}", body))
    feats = Features()
    rows, weak = "", ""
    for event in schema.events:
        write(folder, f"event-{event.name}.c", source(event))
        data = f"&{event.data.descriptor}" if event.data else "NULL"
        weak += f"#pragma weak qapi_event_send_{event.c}\n"
        rows += (f"    {{ {quoted(event.name)}, {data}, (void (*)(void))qapi_event_send_{event.c}, "
                 f"{feats.use(event.features)} }},\n")
    write(folder, "event-table.c",
          f'/* Generated from the schema by scripts/qapi. */\n#include "qapi/dispatch.h"\n#include "qapi/events.h"\n\n'
          f"{weak}\n{feats.text()}\nconst QapiEvent qapi_events[] = {{\n{rows}    {{ NULL, NULL, NULL, NULL }},\n}};\n")
    everything = "\n".join(f'#include "qapi/events-{module}.h"' for module in schema.modules)
    write(folder, "events.h", header("QAPI_EVENTS_H", "all events", everything + "\n"))
