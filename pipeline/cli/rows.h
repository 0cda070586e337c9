/*
 * `pipe sql`: rows for people. A sink that lays them out as an aligned table, as psql does, or writes CSV whose header is only known once the first
 * row is there (SELECT * over events whose members nobody listed); and one that says on stderr which records were rejected, and why.
 *
 * Owned by the command, filled by the sinks' threads, read when the engine has ended.
 */
#ifndef PIPE_ROWS_H
#define PIPE_ROWS_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"
#include "pipeline/engine/component.h"

enum rows_style { ROWS_TABLE, ROWS_CSV };

/* Column widths come from this many rows; those behind them are laid out as they come. */
enum { ROWS_SAMPLE = 1000 };

struct rows_column {
    struct str name;
    uint32_t width; /* places on the screen */
    bool right;     /* numbers */
    bool seen;      /* it had a value: `right` says something */
};

struct rows {
    enum rows_style style;
    char delimiter;
    bool header;
    const char *null; /* what NULL is shown as */

    struct arena arena; /* names and sampled cells */
    struct rows_column *columns;
    uint32_t column_count;
    struct str **sample; /* per row: its cells; data NULL: NULL */
    uint32_t *sample_counts; /* cells of that row: later rows may have brought further columns */
    uint32_t sampled;
    bool begun; /* the header is out */
    bool open, closed; /* what sorts of events were bound */
    uint64_t count;
    struct buffer line;
};

struct rejected {
    uint64_t count;
    uint64_t most;      /* so many are shown */
    struct buffer text; /* what is shown of them */
    bool other; /* not all of them were rejected by the decoder */
};

void rows_init(struct rows *r, enum rows_style style);
/* What has not been written yet, and the table's last line. false: standard output cannot be written. */
bool rows_finish(struct rows *r, struct error *err);
void rows_release(struct rows *r);

void rejected_release(struct rejected *r);

/* Sink types whose component->options are &struct rows, &struct rejected. */
extern const struct sink_type rows_sink_type, rejected_sink_type;

#endif
