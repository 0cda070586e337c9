/*
 * Rows as one array per column, for INSERT … SELECT FROM unnest(). The fields of a COPY row and the elements of a
 * binary array have the same form (length, bytes), so this only turns rows into columns.
 */
#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"

/* One dimension, NULLs or none, element type, size, lower bound 1 (array_send). */
static void begin_array(struct buffer *b, const struct pg_column *c, uint32_t count)
{
    buffer_add_be32(b, 1);
    buffer_add_be32(b, 0);
    buffer_add_be32(b, c->element);
    buffer_add_be32(b, count);
    buffer_add_be32(b, 1);
}

static const char *add_element(struct buffer *b, const char *field)
{
    uint32_t len;
    memcpy(&len, field, 4);
    len = __builtin_bswap32(len);
    if (len == UINT32_MAX) {
        b->data[7] = 1; /* there are NULLs */
        len = 0;
    }
    buffer_add(b, field, 4 + len);
    return field + 4 + len;
}

static void turn(const char *const *rows, uint32_t count, struct buffer *arrays, uint32_t columns)
{
    for (uint32_t r = 0; r < count; r++) {
        const char *field = rows[r] + 2;
        for (uint32_t i = 0; i < columns; i++)
            field = add_element(&arrays[i], field);
    }
}

bool pg_insert_rows(struct sink *s, const struct pg_layout *layout, const char *const *rows, uint32_t count,
                    struct error *err)
{
    struct pg_sink *pg = s->state;
    const struct pg_shared *shared = s->shared;
    struct arena arena = ARENA_INIT;
    struct buffer *arrays = arena_array(&arena, struct buffer, layout->count);
    Oid *types = arena_array(&arena, Oid, layout->count);
    const char **values = arena_array(&arena, const char *, layout->count);
    int *lengths = arena_array(&arena, int, layout->count), *is_binary = arena_array(&arena, int, layout->count);
    for (uint32_t i = 0; i < layout->count; i++) {
        arrays[i] = (struct buffer){0};
        begin_array(&arrays[i], &shared->table.columns[layout->columns[i]], count);
    }
    turn(rows, count, arrays, layout->count);
    for (uint32_t i = 0; i < layout->count; i++) {
        types[i] = shared->table.columns[layout->columns[i]].array;
        values[i] = arrays[i].data;
        lengths[i] = (int)arrays[i].len;
        is_binary[i] = 1;
    }
    bool sent = PQsendQueryParams(pg->conn, layout->unnest, (int)layout->count, types, values, lengths, is_binary, 0);
    PGresult *r = sent ? pg_collect(s, err) : NULL;
    if (!sent)
        pg_fail(s, NULL, err);
    bool done = r != NULL;
    PQclear(r);
    for (uint32_t i = 0; i < layout->count; i++)
        buffer_release(&arrays[i]);
    arena_release(&arena);
    return done;
}
