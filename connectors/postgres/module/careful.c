/*
 * Writing where rows are known to be bad: with a savepoint before every slice, bisecting inside a slice that fails.
 * Where the server names the line, the rows before it go in first, and then that row alone: nothing is rejected that
 * has not failed by itself.
 */
#include <stdlib.h>

#include "connectors/postgres/module/pg.h"

enum {
    SLICE = 1000,
    CLEAN_SLICES = 50, /* in a row: then back to whole transactions */
};

struct careful {
    struct sink *sink;
    struct output *output;
    const struct piece *piece;
    const struct pg_layout *layout;
    uint32_t *rows; /* of the piece, without those of rejected records */
    uint32_t count;
    bool again; /* a rejected record has other rows: all of the output once more, without it */
};

static bool copy_rows(struct careful *c, uint32_t first, uint32_t count, uint32_t *line, struct error *err)
{
    const struct piece *p = c->piece;
    if (!pg_copy_begin(c->sink, c->layout->copy, err))
        return false;
    for (uint32_t i = first, next; i < first + count; i = next) {
        for (next = i + 1; next < first + count && c->rows[next] == c->rows[next - 1] + 1;)
            next++;
        uint32_t from = pg_row_start(p, c->rows[i]), to = p->row_end[c->rows[next - 1]];
        if (!pg_copy_rows(c->sink, p->bytes.data + from, to - from, err))
            return false;
    }
    return pg_copy_end(c->sink, line, err);
}

static bool insert_rows(struct careful *c, uint32_t first, uint32_t count, struct error *err)
{
    const char **rows = mem_alloc(sizeof(*rows) * count);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = c->piece->bytes.data + pg_row_start(c->piece, c->rows[first + i]);
    bool done = pg_insert_rows(c->sink, c->layout, rows, count, err);
    free(rows);
    return done;
}

/* ERROR_REJECT: none of the rows is in, and one of them is bad. */
static bool try_rows(struct careful *c, uint32_t first, uint32_t count, uint32_t *line, struct error *err)
{
    *line = UINT32_MAX;
    if (!pg_run(c->sink, "SAVEPOINT pipe_slice", err))
        return false;
    bool done = c->layout->stage ? insert_rows(c, first, count, err) : copy_rows(c, first, count, line, err);
    if (done)
        return pg_run(c->sink, "RELEASE pipe_slice", err);
    struct error other;
    if (err->kind == ERROR_REJECT && !pg_run(c->sink, "ROLLBACK TO pipe_slice; RELEASE pipe_slice", &other))
        *err = other;
    return false;
}

static void reject_row(struct careful *c, uint32_t row, const struct error *why)
{
    uint32_t record = c->piece->row_record[row], rows = 0;
    output_reject_by(c->output, c->sink->connection, record, why);
    for (uint32_t i = 0; i < c->output->piece_count; i++)
        for (uint32_t k = 0; k < c->output->pieces[i].rows; k++)
            rows += c->output->pieces[i].row_record[k] == record;
    c->again |= rows > 1;
}

static uint32_t slice_rows(const struct careful *c)
{
    const struct pg_sink *pg = c->sink->state;
    return pg->careful || c->layout->stage ? SLICE : UINT32_MAX;
}

static void note_clean_slice(struct pg_sink *pg)
{
    if (pg->careful && ++pg->clean_slices >= CLEAN_SLICES)
        pg->careful = false;
}

static void note_bad_slice(struct pg_sink *pg)
{
    pg->careful = true;
    pg->clean_slices = 0;
}

/*
 * `first`: rows before it are in or rejected. `step`: how many are tried next. `bad_end`: there is a bad row in [first,
 * bad_end). `suspect`: the row that the server named.
 */
static bool write_rows(struct careful *c, struct error *err)
{
    struct pg_sink *pg = c->sink->state;
    uint32_t first = 0, step = slice_rows(c), bad_end = 0, suspect = UINT32_MAX, line;
    while (first < c->count) {
        uint32_t count = step < c->count - first ? step : c->count - first;
        if (try_rows(c, first, count, &line, err)) {
            first += count;
            if (bad_end == 0)
                note_clean_slice(pg);
            if (first >= bad_end)
                bad_end = 0, step = slice_rows(c);
            else
                step = first == suspect ? 1 : (bad_end - first + 1) / 2;
            continue;
        }
        if (err->kind != ERROR_REJECT)
            return false;
        note_bad_slice(pg);
        if (count == 1) {
            reject_row(c, c->rows[first++], err);
            bad_end = 0;
            step = slice_rows(c);
            continue;
        }
        bad_end = first + count;
        suspect = line < count ? first + line : UINT32_MAX;
        step = line == 0 ? 1 : line < count ? line : count / 2;
    }
    return true;
}

static bool write_piece(struct careful *c, struct error *err)
{
    const struct piece *p = c->piece;
    c->rows = mem_alloc(sizeof(*c->rows) * (p->rows + 1));
    c->count = 0;
    for (uint32_t i = 0; i < p->rows; i++)
        if (!output_is_rejected(c->output, p->row_record[i]))
            c->rows[c->count++] = i;
    bool done = write_rows(c, err);
    free(c->rows);
    return done;
}

static bool write_pieces(struct careful *c, struct error *err)
{
    const struct pg_shared *shared = c->sink->shared;
    for (uint32_t i = 0; i < c->output->piece_count && !c->again; i++) {
        c->piece = &c->output->pieces[i];
        c->layout = &shared->layouts[pg_piece_layout(c->piece)];
        if (pg_piece_is_mine(c->sink, c->piece) && !write_piece(c, err))
            return false;
    }
    return true;
}

bool pg_write_carefully(struct sink *s, struct output *o, struct error *err)
{
    if (!pg_run(s, "SAVEPOINT pipe_output", err))
        return false;
    struct careful c = {.sink = s, .output = o};
    do {
        c.again = false;
        if (!write_pieces(&c, err))
            return false;
        if (c.again && !pg_run(s, "ROLLBACK TO pipe_output", err))
            return false;
    } while (c.again);
    return pg_run(s, "RELEASE pipe_output", err);
}
