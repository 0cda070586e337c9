/*
 * A transaction's rows. Straight into the table they are streamed as one COPY that lasts until prepare. For tables with
 * a stage, few rows wait for prepare and go in by one INSERT from arrays; as soon as there are many, they are streamed
 * into the stage, and moved at prepare.
 *
 * The runner keeps all outputs until the commit. So after a bad row the transaction is rolled back and written again,
 * carefully.
 */
#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"

/* Fewer go in as arrays: one statement, and no temporary table to be emptied at the commit. */
enum { FEW_ROWS = 2000 };

/* ---- transactions ----------------------------------------------------------------------------------------------- */

bool pg_begin(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    const struct pg_shared *shared = s->shared;
    if (pg->in_transaction)
        return true;
    struct buffer sql = {0};
    /* Deferred constraints must fail at their row, not at the commit. */
    buffer_printf(&sql, "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE");
    /* The lock keeps two runs apart, and lets readers see the old rows until the commit. */
    if (pg_options(s)->write == POSTGRES_REPLACE)
        buffer_printf(&sql, "; LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE; DELETE FROM %s", shared->table.quoted,
                      shared->table.quoted);
    pg->in_transaction = pg_run(s, buffer_cstr(&sql), err);
    buffer_release(&sql);
    return pg->in_transaction;
}

void pg_forget_transaction(struct pg_sink *pg)
{
    pg->in_transaction = false;
    pg->copying = NULL;
    pg->staged_used = 0;
    pg->written_count = pg->waiting_count = 0;
    pg->waiting_rows = 0;
}

void pg_rollback(struct sink *s)
{
    struct pg_sink *pg = s->state;
    struct error ignored;
    if (pg->conn && PQstatus(pg->conn) == CONNECTION_OK && pg->in_transaction) {
        if (pg->copying && PQputCopyEnd(pg->conn, "rolled back") == 1)
            PQclear(pg_collect(s, &ignored));
        if (!pg_run(s, "ROLLBACK", &ignored)) {
            PQfinish(pg->conn);
            pg->conn = NULL;
        }
    }
    pg->staged_made = 0;
    pg_forget_transaction(pg);
}

/* ---- COPY ------------------------------------------------------------------------------------------------------- */

/* Signature, flags, length of the header's extension. */
static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
static const char copy_trailer[] = "\377\377";

bool pg_copy_begin(struct sink *s, const char *sql, struct error *err)
{
    struct pg_sink *pg = s->state;
    bool ok;
    if (!PQsendQuery(pg->conn, sql))
        return pg_fail(s, NULL, err);
    PGresult *r = pg_next_result(s, &ok, err);
    bool ready = ok && PQresultStatus(r) == PGRES_COPY_IN;
    if (ok && !ready) {
        pg_fail(s, r, err);
        struct error ignored;
        PQclear(pg_collect(s, &ignored));
    }
    PQclear(r);
    return ready && pg_copy_rows(s, copy_header, 19, err);
}

bool pg_copy_rows(struct sink *s, const char *data, size_t len, struct error *err)
{
    struct pg_sink *pg = s->state;
    enum { CHUNK = 128 << 10 }; /* libpq copies what it is given: in pieces that stay in the cache */
    while (len) {
        size_t now = len < CHUNK ? len : CHUNK;
        int taken = PQputCopyData(pg->conn, data, (int)now);
        if (taken < 0)
            return pg_fail(s, NULL, err);
        if (!pg_flush(s, err))
            return false;
        data += taken ? now : 0;
        len -= taken ? now : 0;
    }
    return true;
}

/* "COPY readings, line 3777, column s". Other languages are not understood: the caller then has to search. */
static uint32_t line_of(const PGresult *r)
{
    const char *context = PQresultErrorField(r, PG_DIAG_CONTEXT);
    const char *line = context && strncmp(context, "COPY ", 5) == 0 ? strstr(context, ", line ") : NULL;
    unsigned long number = line ? strtoul(line + 7, NULL, 10) : 0;
    return number ? (uint32_t)number - 1 : UINT32_MAX;
}

bool pg_copy_end(struct sink *s, uint32_t *line, struct error *err)
{
    struct pg_sink *pg = s->state;
    *line = UINT32_MAX;
    if (!pg_copy_rows(s, copy_trailer, 2, err))
        return false;
    if (PQputCopyEnd(pg->conn, NULL) != 1)
        return pg_fail(s, NULL, err);
    bool ok, good = true;
    for (PGresult *r; (r = pg_next_result(s, &ok, err)); PQclear(r))
        if (good && PQresultStatus(r) != PGRES_COMMAND_OK) {
            *line = line_of(r);
            good = pg_fail(s, r, err);
        }
    return ok && good;
}

/* ---- streaming -------------------------------------------------------------------------------------------------- */

static bool end_copy(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    const struct pg_layout *layout = pg->copying;
    if (!layout)
        return true;
    uint32_t line;
    pg->copying = NULL;
    if (!pg_copy_end(s, &line, err))
        return false;
    return !layout->stage || pg_run(s, layout->move, err);
}

static bool make_stage(struct sink *s, const struct pg_layout *layout, struct error *err)
{
    struct pg_sink *pg = s->state;
    const struct pg_shared *shared = s->shared;
    uint64_t bit = UINT64_C(1) << (layout - shared->layouts);
    if (!(pg->staged_made & bit) && !pg_run(s, layout->stage, err))
        return false;
    if (pg->staged_used & bit && !pg_run(s, layout->truncate, err))
        return false;
    pg->staged_made |= bit;
    pg->staged_used |= bit;
    return true;
}

static bool start_copy(struct sink *s, const struct pg_layout *layout, struct error *err)
{
    struct pg_sink *pg = s->state;
    if (pg->copying == layout)
        return true;
    if (!end_copy(s, err) || (layout->stage && !make_stage(s, layout, err)) || !pg_copy_begin(s, layout->copy, err))
        return false;
    pg->copying = layout;
    return true;
}

static const struct pg_layout *layout_of(const struct sink *s, const struct piece *p)
{
    const struct pg_shared *shared = s->shared;
    return &shared->layouts[pg_piece_layout(p)];
}

static bool stream(struct sink *s, struct output *o, const struct piece *p, struct error *err)
{
    if (!start_copy(s, layout_of(s, p), err))
        return false;
    uint32_t from = 0; /* rows of rejected records are passed over */
    bool has_rejected = o->rejection_count > 0;
    for (uint32_t i = 0; has_rejected && i < p->rows; i++)
        if (output_is_rejected(o, p->row_record[i])) {
            if (!pg_copy_rows(s, p->bytes.data + from, pg_row_start(p, i) - from, err))
                return false;
            from = p->row_end[i];
        }
    return pg_copy_rows(s, p->bytes.data + from, p->bytes.len - from, err);
}

static bool stream_waiting(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    for (uint32_t i = 0; i < pg->waiting_count; i++)
        if (!stream(s, pg->waiting[i].output, &pg->waiting[i].output->pieces[pg->waiting[i].piece], err))
            return false;
    pg->waiting_count = 0;
    pg->waiting_rows = 0;
    return true;
}

static bool send_piece(struct sink *s, struct output *o, uint32_t index, struct error *err)
{
    struct pg_sink *pg = s->state;
    const struct piece *p = &o->pieces[index];
    const struct pg_layout *layout = layout_of(s, p);
    if (!layout->stage || pg->copying == layout)
        return stream(s, o, p, err);
    if (pg->waiting_count == pg->waiting_capacity) {
        pg->waiting_capacity = pg->waiting_capacity ? 2 * pg->waiting_capacity : 16;
        pg->waiting = mem_realloc(pg->waiting, pg->waiting_capacity * sizeof(*pg->waiting));
    }
    pg->waiting[pg->waiting_count++] = (struct pg_waiting){o, index};
    pg->waiting_rows += p->rows;
    return pg->waiting_rows < FEW_ROWS || stream_waiting(s, err);
}

static bool send_output(struct sink *s, struct output *o, struct error *err)
{
    for (uint32_t i = 0; i < o->piece_count; i++)
        if (o->pieces[i].rows && pg_piece_is_mine(s, &o->pieces[i]) && !send_piece(s, o, i, err))
            return false;
    return true;
}

/* Runs of waiting pieces with one layout go in with one statement. */
static bool insert_waiting(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    const char **rows = mem_alloc(sizeof(*rows) * (pg->waiting_rows + 1));
    bool done = true;
    for (uint32_t i = 0, next; i < pg->waiting_count && done; i = next) {
        uint32_t count = 0;
        const struct pg_layout *layout = NULL;
        for (next = i; next < pg->waiting_count; next++) {
            struct output *o = pg->waiting[next].output;
            const struct piece *p = &o->pieces[pg->waiting[next].piece];
            if (layout && layout_of(s, p) != layout)
                break;
            layout = layout_of(s, p);
            for (uint32_t k = 0; k < p->rows; k++)
                if (!output_is_rejected(o, p->row_record[k]))
                    rows[count++] = p->bytes.data + pg_row_start(p, k);
        }
        done = count == 0 || pg_insert_rows(s, layout, rows, count, err);
    }
    free(rows);
    pg->waiting_count = 0;
    pg->waiting_rows = 0;
    return done;
}

/* ---- the sink's calls ------------------------------------------------------------------------------------------- */

static void remember(struct pg_sink *pg, struct output *o)
{
    if (pg->written_count == pg->written_capacity) {
        pg->written_capacity = pg->written_capacity ? 2 * pg->written_capacity : 64;
        pg->written = mem_realloc(pg->written, pg->written_capacity * sizeof(struct output *));
    }
    pg->written[pg->written_count++] = o;
}

/* After a bad row somewhere in the transaction: all of it again, with savepoints. */
static bool recover(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    if (err->kind != ERROR_REJECT)
        return false;
    uint32_t count = pg->written_count;
    pg_rollback(s);
    if (!pg->conn)
        return error_set(err, ERROR_RETRY, "table %s: the connection to the server is lost", pg_options(s)->table);
    pg->careful = true;
    pg->clean_slices = 0;
    if (!pg_begin(s, err) || !pg_table_check(s, err))
        return false;
    pg->written_count = count;
    for (uint32_t i = 0; i < count; i++)
        if (!pg_write_carefully(s, pg->written[i], err))
            return false;
    return true;
}

static bool has_rows(const struct sink *s, const struct output *o)
{
    for (uint32_t i = 0; i < o->piece_count; i++)
        if (o->pieces[i].rows && pg_piece_is_mine(s, &o->pieces[i]))
            return true;
    return false;
}

bool pg_write(struct sink *s, struct output *o, struct error *err)
{
    struct pg_sink *pg = s->state;
    if (!has_rows(s, o))
        return true;
    if (!pg_begin(s, err))
        return false;
    /* One commit: what is written is freed at once, so it has to be known to be good. */
    if (pg_options(s)->write == POSTGRES_REPLACE)
        return pg_write_carefully(s, o, err);
    remember(pg, o);
    if (pg->careful) {
        /* What was streamed before comes first. */
        if (!(end_copy(s, err) && insert_waiting(s, err)))
            return recover(s, err);
        return pg_write_carefully(s, o, err);
    }
    return send_output(s, o, err) || recover(s, err);
}

bool pg_prepare(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    if (!pg->in_transaction)
        return true;
    return ((end_copy(s, err) && insert_waiting(s, err)) || recover(s, err)) && pg_table_check(s, err);
}
