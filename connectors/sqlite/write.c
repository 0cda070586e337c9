/*
 * Rows into the table. All rows of a record go in, or none: a record with several of them gets a savepoint.
 */
#include <stdlib.h>
#include <string.h>

#include "connectors/sqlite/sqlite.h"

/* One row of an output. */
struct row_ref {
    uint32_t record, piece, row;
};

static int by_record(const void *a, const void *b)
{
    const struct row_ref *x = a, *y = b;
    if (x->record != y->record)
        return x->record < y->record ? -1 : 1;
    if (x->piece != y->piece)
        return x->piece < y->piece ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* All rows in the order of their records. Rows of several edges come one edge after the other. */
static const struct row_ref *gather(struct sq_sink *sq, const struct output *o, uint32_t *count)
{
    uint32_t n = 0, most = 0;
    for (uint32_t i = 0; i < o->piece_count; i++)
        most += o->pieces[i].rows;
    if (most > sq->ref_capacity) {
        sq->ref_capacity = most;
        sq->refs = mem_realloc(sq->refs, most * sizeof(*sq->refs));
    }
    bool sorted = true;
    for (uint32_t i = 0; i < o->piece_count; i++)
        for (uint32_t row = 0; row < o->pieces[i].rows; row++, n++) {
            sq->refs[n] = (struct row_ref){o->pieces[i].row_record[row], i, row};
            sorted &= n == 0 || sq->refs[n - 1].record <= sq->refs[n].record;
        }
    if (!sorted)
        qsort(sq->refs, n, sizeof(*sq->refs), by_record);
    *count = n;
    return sq->refs;
}

/* ---- one row
 * ---------------------------------------------------------------------------------------------------------------- */

/* Texts and blobs are not copied: the piece outlives the step. */
static const char *bind_field(sqlite3_stmt *stmt, int place, const char *at)
{
    int64_t integer;
    double real;
    uint32_t len;
    enum sq_tag tag = (enum sq_tag) * at++;
    switch (tag) {
    case SQ_NULL:
        sqlite3_bind_null(stmt, place);
        return at;
    case SQ_INTEGER:
        memcpy(&integer, at, 8);
        sqlite3_bind_int64(stmt, place, integer);
        return at + 8;
    case SQ_REAL:
        memcpy(&real, at, 8);
        sqlite3_bind_double(stmt, place, real);
        return at + 8;
    case SQ_TEXT:
        memcpy(&len, at, 4);
        sqlite3_bind_text(stmt, place, at + 4, (int)len, SQLITE_STATIC);
        return at + 4 + len;
    case SQ_BLOB:
        memcpy(&len, at, 4);
        sqlite3_bind_blob(stmt, place, at + 4, (int)len, SQLITE_STATIC);
        return at + 4 + len;
    }
    return at;
}

static sqlite3_stmt *statement_of(struct sink *s, uint32_t layout, struct error *err)
{
    struct sq_sink *sq = s->state;
    const struct sq_shared *shared = s->shared;
    if (!sq->inserts[layout])
        sq->inserts[layout] = sq_prepare(s, shared->layouts[layout].insert, err);
    return sq->inserts[layout];
}

/* false: err says whether it is the row's fault (ERROR_REJECT). */
static bool insert_row(struct sink *s, const struct output *o, const struct row_ref *ref, struct error *err)
{
    const struct sq_shared *shared = s->shared;
    const struct piece *p = &o->pieces[ref->piece];
    uint32_t layout = (uint32_t)(p->target.data[0] - '0');
    sqlite3_stmt *stmt = statement_of(s, layout, err);
    if (!stmt)
        return false;
    const char *at = p->bytes.data + (ref->row ? p->row_end[ref->row - 1] : 0);
    for (uint32_t i = 0; i < shared->layouts[layout].count; i++)
        at = bind_field(stmt, (int)i + 1, at);
    bool done = sqlite3_step(stmt) == SQLITE_DONE;
    if (!done && !sq_is_row_error(s, err))
        sq_fail(s, NULL, err);
    sqlite3_reset(stmt);
    return done;
}

/* ---- one record
 * --------------------------------------------------------------------------------------------------------------- */

static bool insert_rows(struct sink *s, const struct output *o, const struct row_ref *refs, uint32_t count,
                        struct error *err)
{
    for (uint32_t i = 0; i < count; i++)
        if (!insert_row(s, o, &refs[i], err))
            return false;
    return true;
}

static bool insert_several(struct sink *s, const struct output *o, const struct row_ref *refs, uint32_t count,
                           struct error *err)
{
    struct error other;
    if (!sq_run(s, "SAVEPOINT record", err))
        return false;
    bool done = insert_rows(s, o, refs, count, err);
    if (!done && err->kind == ERROR_REJECT && !sq_run(s, "ROLLBACK TO record", &other)) {
        *err = other;
        return false;
    }
    if ((done || err->kind == ERROR_REJECT) && !sq_run(s, "RELEASE record", &other)) {
        *err = other;
        return false;
    }
    return done;
}

static bool empty_table(struct sink *s, struct error *err)
{
    struct sq_sink *sq = s->state;
    if (sq_options(s)->write != SQ_REPLACE || sq->emptied)
        return true;
    struct buffer sql = {0};
    buffer_printf(&sql, "DELETE FROM ");
    sq_quote(&sql, sq_options(s)->table);
    sq->emptied = sq_run(s, buffer_cstr(&sql), err);
    buffer_release(&sql);
    return sq->emptied;
}

bool sq_begin_writing(struct sink *s, struct error *err)
{
    return sq_begin(s, err) && empty_table(s, err);
}

bool sq_write(struct sink *s, struct output *o, struct error *err)
{
    if (!sq_begin_writing(s, err))
        return false;
    uint32_t count, n;
    const struct row_ref *refs = gather(s->state, o, &count);
    for (uint32_t i = 0; i < count; i += n) {
        for (n = 1; i + n < count && refs[i + n].record == refs[i].record;)
            n++;
        bool done = n == 1 ? insert_row(s, o, &refs[i], err) : insert_several(s, o, &refs[i], n, err);
        if (done)
            continue;
        if (err->kind != ERROR_REJECT)
            return false;
        output_reject(o, refs[i].record, err);
    }
    return true;
}
