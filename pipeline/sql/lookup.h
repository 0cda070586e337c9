/*
 * Reference data: a file (CSV with a header, or JSON lines) as a table with a hash index for each key that it is
 * searched by. It is read when the plan is made, once for all its queries, and again when the file has changed, which
 * is looked at once a second at most by whoever comes to use it. A new reading replaces the old one as a whole; who is
 * using the old one keeps it. A file that cannot be read again leaves the table as it was, with a warning.
 */
#ifndef PIPE_SQL_LOOKUP_H
#define PIPE_SQL_LOOKUP_H

#include "pipeline/event/convert.h"

struct lookup; /* a file, and what it is searched by */
struct lookup_file;
struct lookup_table; /* one reading of the file: const */

/* The files that a plan has read so far. Queries that are compiled with one set share them. */
struct lookup_set {
    struct lookup_file *first;
};

struct lookup_column {
    struct str name;
    struct type type; /* UNKNOWN in CSV and JSON in JSON, unless declared */
};

/* The file of the set, or else read, with these columns of declared types. It ends with the plan. NULL: *err says what
 * is wrong, and in which line. */
struct lookup *lookup_open(struct arena *plan, struct lookup_set *set, const char *path,
                           const struct lookup_column *declared, uint32_t count, const struct zone *zone,
                           struct error *err);
const struct lookup_column *lookup_columns(const struct lookup *l, uint32_t *count);

/*
 * The columns that rows are found by, compared as these types. False: a value is none of its type, or a key is there
 * twice. Once, before any use of the file.
 */
bool lookup_set_key(struct lookup *l, const uint32_t *columns, const struct type *types, uint32_t count, struct error *err);

/* Any thread. The table as the file is now; it lives until the arena is reset. */
const struct lookup_table *lookup_use(struct lookup *l, struct arena *arena);
/* The values of the row with that key, one per column; NULL: there is none. NULLs find nothing. */
const struct value *lookup_find(const struct lookup *l, const struct lookup_table *t, const struct value *key);
uint32_t lookup_rows(struct lookup *l);
const char *lookup_path(const struct lookup *l);

#endif
