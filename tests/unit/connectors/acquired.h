/*
 * A partition of a shared source as a lane takes it over: acquired by the sink, and read from where the sink has it.
 */
#ifndef TEST_ACQUIRED_H
#define TEST_ACQUIRED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/engine/component.h"
#include "pipeline/engine/resume.h"

/* The caller's reference. *position: where it is read from. */
static inline struct partition *acquired(struct sink *sink, const char *source, const char *key, uint64_t *position,
                                         struct error *err)
{
    struct positions *found = positions_new();
    if (!sink->ops->acquire(sink, source, &key, 1, found, err))
        fail_msg("%s", err->text);
    struct partition *p = partition_new(key);
    struct resume *resume = resume_new((const struct positions *const[]){found}, 1, source, key);
    p->resume = resume;
    *position = resume->sinks[0].prefix;
    positions_free(found);
    return p;
}

#endif
