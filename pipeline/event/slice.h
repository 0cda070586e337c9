/*
 * At most SLICE_ROWS events as columns, on their way through one worker. A slice belongs to the worker; everything in it lives in
 * its arena, in the raw batch or in the plan until the worker resets the arena.
 *
 * columns[c][row]: c as the schema of the edge says. Only rows in sel[0 .. selected) exist, ascending; others hold rubbish.
 * Each step makes a new slice, which may share columns with the one before.
 */
#ifndef PIPE_SLICE_H
#define PIPE_SLICE_H

#include "pipeline/base/arena.h"
#include "pipeline/event/batch.h"
#include "pipeline/event/schema.h"

/* 13 columns of it fit in a core's 2 MiB second-level cache together with the records' own bytes. */
enum { SLICE_ROWS = 2048 };

struct slice {
    const struct batch *batch;
    struct arena *arena;
    uint32_t rows;          /* physical rows: every columns[c] has that many places */
    const uint32_t *sel;    /* the rows that exist */
    uint32_t selected;
    const uint32_t *record; /* per row: index into batch->records; ascending, not strictly (one record may make several rows) */
    bool repeats;           /* some record makes several rows */
    uint32_t until;         /* records of the batch from here on are left for another slice: too many rows were made; 0: none are */
    struct value **columns; /* one per schema column; NULL for one that turned out to be unused */
    uint32_t column_count;
    const struct str *raw;  /* per row: the whole event as JSON object text, where the schema wants_raw; else NULL */
};

/* 0, 1, 2 … SLICE_ROWS - 1: the selection of a slice with all its rows */
extern const uint32_t slice_all_rows[SLICE_ROWS];

/* Fills out[row] for the selected rows with a meta field of their records. `source` is the source's name. */
void slice_meta(const struct slice *s, enum meta_field field, struct str source, struct value *out);

/*
 * Rejections of rows, gathered while a slice is worked on. A rejected record is dead for every sink below the component that rejects it.
 * The text says which expression or member failed on what value; the engine adds source, file, position.
 */
struct rejection {
    uint32_t record;    /* index into batch->records */
    uint32_t component; /* as given to the step when it was bound */
    uint32_t offset;    /* of the offending byte within the record; UINT32_MAX: unknown */
    char sqlstate[6];
    const char *class_name; /* "decode", "expression", "encode", "sink" …: static */
    struct str text;        /* in the arena */
};

struct rejections {
    struct arena *arena;
    struct rejection *items;
    uint32_t count, capacity;
};

/* Adds a rejection; format as printf. Returns it, so that the caller can set sqlstate and offset. */
struct rejection *reject_record(struct rejections *r, uint32_t record, uint32_t component, const char *class_name,
                                const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
