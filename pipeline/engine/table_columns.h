/*
 * Members of events ↔ columns of a database table, by name, once per incoming edge. What can be known to fail then
 * fails when the plan is bound; what only an event can show (a member that the table has no column for) is asked per
 * row.
 */
#ifndef PIPE_TABLE_COLUMNS_H
#define PIPE_TABLE_COLUMNS_H

#include "pipeline/engine/component.h"

struct table_column {
    const char *name;
    bool generated;   /* computed by the database: never written */
    bool must_be_set; /* NOT NULL without a default */
};

struct table_columns {
    const char *name; /* the table's, for messages */
    const struct table_column *columns;
    uint32_t count;
    const char *unknown;  /* the option: "error", "ignore", or the column that takes unknown members as a JSON object */
    struct text_list key; /* columns that the events must have */
};

/* A column that is written. */
struct table_field {
    uint32_t column;
    int32_t source; /* column of the slice; -1: the object of unknown members */
};

/* Const after bind; in the binding's arena. */
struct table_match {
    struct table_field *fields; /* in the table's order */
    uint32_t count;
    bool refuses; /* an event may have members without a column, which reject it: table_stray */
    const struct schema *schema;
    const struct str *known; /* open events: members that are no strays, in the order they mostly come */
    uint32_t known_count;
    const uint32_t *collect; /* visible columns that go into the object */
    uint32_t collect_count;
};

/* ERROR_STOP with an SQLSTATE names the column or member, and the nearest one that is there. */
bool table_match(struct table_match *m, const struct table_columns *t, struct binding *b, struct error *err);
int table_find(const struct table_columns *t, const char *name);

/* The first member of the row's event that has no column; false: none. Only where m->refuses. */
bool table_stray(const struct table_match *m, const struct slice *in, uint32_t row, struct arena *arena,
                 struct str *member);
/* The members without a column as one JSON object in the arena; NULL where there are none. */
struct value table_collect(const struct table_match *m, const struct slice *in, uint32_t row,
                           const struct convert_context *cx);

#endif
