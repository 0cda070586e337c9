/*
 * One reading of a reference file, and an index for each key. Made by lookup_read.c, indexed and searched by
 * lookup_table.c; for lookup*.c only.
 */
#ifndef PIPE_SQL_LOOKUP_TABLE_H
#define PIPE_SQL_LOOKUP_TABLE_H

#include <stdatomic.h>

#include "pipeline/event/batch.h"
#include "pipeline/sql/lookup.h"

enum { LOOKUP_KEYS = 8 };

/* Columns, and the types that they are compared as. */
struct lookup_key {
    uint32_t count;
    uint32_t columns[LOOKUP_KEYS];
    struct type types[LOOKUP_KEYS];
};

struct lookup_index {
    uint32_t key_count;
    struct value *keys; /* row by row, of the types they are compared as */
    uint64_t *hashes;
    uint32_t *buckets; /* row + 1; 0: empty */
    uint32_t mask;
};

struct lookup_table {
    atomic_uint refs;
    struct arena arena;
    struct batch *batch; /* the file's bytes, which values borrow from */
    struct lookup_column *columns;
    uint32_t column_count, rows;
    struct value *values; /* row by row */
    uint32_t *lines;      /* of each row */
    struct lookup_index *indexes;
    uint32_t index_count;
};

/*
 * Reads the whole file. declared: columns whose types are not the format's own. wanted, where not NULL: exactly these columns, in this
 * order; one that the file lacks is an error. NULL with *err.
 */
struct lookup_table *lookup_read(const char *path, const struct lookup_column *declared, uint32_t declared_count,
                                 const struct lookup_column *wanted, uint32_t wanted_count, const struct zone *zone,
                                 struct error *err);
/* Adds the next index. */
bool lookup_index(struct lookup_table *t, const struct lookup_key *key, const struct zone *zone, struct error *err);
/* The values of the row; NULL: there is none. */
const struct value *lookup_search(const struct lookup_table *t, uint32_t index, const struct value *key);
void lookup_unref(void *table);

#endif
