/*
 * What a dead letter says: one row of dead_schema() about one record that one component rejected.
 */
#ifndef PIPE_DEAD_ROW_H
#define PIPE_DEAD_ROW_H

#include "pipeline/engine/plan.h"

struct engine;

struct dead_record {
    uint32_t record, component, offset; /* offset within the record; UINT32_MAX: unknown */
    const char *class_name, *sqlstate;
    struct str reason;
};

static inline struct dead_record dead_record_of(const struct rejection *r)
{
    return (struct dead_record){r->record, r->component, r->offset, r->class_name, r->sqlstate, r->text};
}

/*
 * Fills row with values in the arena. The id is the same whenever the same record is rejected by the same component: a hash of pipeline, instance,
 * source, partition, position and component.
 */
void dead_row_fill(const struct engine *e, const struct batch *b, const struct dead_record *r, struct arena *arena,
                   struct value row[DEAD_COLUMNS]);

#endif
