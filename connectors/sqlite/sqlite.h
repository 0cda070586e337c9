/*
 * The sink `sqlite`, and its inside. Who uses what:
 *
 *   struct sq_shared   made by the first open; the table and the layouts are written while bindings are made and const
 * afterwards. struct sq_sink     the one connection: its sink thread only. struct sq_program  one binding: const after
 * bind, all workers.
 *
 * A layout is a list of table columns, and so one INSERT statement. Most sinks have one; two incoming edges with
 * different members make two. A piece's target is its layout: one byte, '0' + number.
 */
#ifndef PIPE_SQLITE_H
#define PIPE_SQLITE_H

#include <sqlite3.h>
#include <sys/stat.h>

#include "pipeline/engine/config.h"
#include "pipeline/engine/output.h"
#include "pipeline/engine/position.h"
#include "pipeline/engine/table_columns.h"

extern const struct sink_type sqlite_sink_type;

enum sq_write { SQ_APPEND, SQ_UPSERT, SQ_INSERT, SQ_REPLACE };

struct sqlite_options {
    const char *path;
    const char *table;
    int write; /* enum sq_write */
    struct text_list key;
    bool create;
    const char *unknown;  /* "error", "ignore", or a column */
    int64_t busy_timeout; /* µs */
};

/* ---- the table
 * -------------------------------------------------------------------------------------------------------- */

struct sq_column {
    const char *name;
    const char *declared; /* the type as the table declares it */
    struct type type;     /* what a value becomes before it is stored; TYPE_UNKNOWN: it stays what it is */
    bool required;        /* NOT NULL */
};

struct sq_layout {
    const uint32_t *columns;
    uint32_t count;
    const char *insert;
};
enum { SQ_MOST_LAYOUTS = 64 };

struct sq_shared {
    struct arena arena;
    bool table_known, exists;
    const struct sq_column *columns;
    struct table_columns table;
    struct sq_layout layouts[SQ_MOST_LAYOUTS];
    uint32_t layout_count;
    int64_t epoch; /* 0: not taken yet */
    bool file_known;
    dev_t device; /* the file that was opened first */
    ino_t inode;
};

struct sq_sink {
    sqlite3 *db;
    sqlite3_stmt *inserts[SQ_MOST_LAYOUTS];
    bool in_transaction;
    bool emptied; /* replace: the old rows have been deleted in this transaction */
    bool keeps_positions;
    int64_t busy_since_us;
    struct row_ref *refs; /* scratch of write */
    uint32_t ref_capacity;
};

static inline const struct sqlite_options *sq_options(const struct sink *s)
{
    return s->component->options;
}

/* ---- database.c: opening, statements, errors. The sink's thread, or the main thread while that idles.
 * ------------------ */

bool sq_connect(struct sink *s, struct error *err);
void sq_disconnect(struct sink *s);
/* Is the file that is open still the one that others find? SQLite goes on writing to one that was removed. */
bool sq_is_in_place(const struct sink *s, struct error *err);
/* Fills err from the database's last error; `doing` may be NULL. Returns false. */
bool sq_fail(const struct sink *s, const char *doing, struct error *err);
bool sq_run(struct sink *s, const char *sql, struct error *err);
/* NULL on error. The caller finalizes. */
sqlite3_stmt *sq_prepare(struct sink *s, const char *sql, struct error *err);
bool sq_begin(struct sink *s, struct error *err);
void sq_rollback(struct sink *s);
/* Was the last error one of the row's own (a constraint, a type)? Then err is ERROR_REJECT with an SQLSTATE. */
bool sq_is_row_error(const struct sink *s, struct error *err);
/* "name" with quotes. */
void sq_quote(struct buffer *out, const char *name);

/* ---- table.c
 * ------------------------------------------------------------------------------------------------------------ */

bool sq_table_read(struct sink *s, struct error *err);
bool sq_create_statement(const struct sink *s, const struct schema *schema, struct buffer *out, struct error *err);
bool sq_create_table(struct sink *s, const struct schema *schema, struct error *err);
/* The layout with these columns, made if need be. UINT32_MAX with an error when there are too many. */
uint32_t sq_layout(struct sink *s, const uint32_t *columns, uint32_t count, struct error *err);

/* ---- bind.c, encode.c: the workers' side
 * ---------------------------------------------------------------------------------- */

struct sq_field {
    const struct sq_column *column;
    int32_t source; /* column of the slice; -1: the object of unknown members */
    struct type from;
    uint32_t ready; /* mask of value kinds that need no conversion */
    bool required;  /* NOT NULL, or part of the key */
};

struct sq_program {
    struct table_match match;
    struct sq_field *fields;
    uint32_t count;
    uint32_t layout;
};

/* A row is its fields one behind the other, each a tag and, in the machine's byte order, */
enum sq_tag {
    SQ_NULL,
    SQ_INTEGER, /* int64_t */
    SQ_REAL,    /* double */
    SQ_TEXT,    /* uint32_t length, bytes */
    SQ_BLOB,    /* the same */
};

bool sq_bind(struct sink *s, struct binding *b, struct error *err);
void sq_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
               struct tools *tools, struct output *out, struct rejections *r);

/* ---- write.c
 * -------------------------------------------------------------------------------------------------------------- */

bool sq_write(struct sink *s, struct output *o, struct error *err);
/* A transaction, in which write = "replace" has deleted the old rows. */
bool sq_begin_writing(struct sink *s, struct error *err);

/* ---- positions.c
 * ------------------------------------------------------------------------------------------------------------ */

bool sq_load_positions(struct sink *s, struct positions *out, struct error *err);
bool sq_store_positions(struct sink *s, const struct positions *p, struct error *err);
bool sq_forget_positions(struct sink *s, const char *source, const char *const *keys, uint32_t count,
                         struct error *err);
bool sq_acquire(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct positions *out,
                struct error *err);
bool sq_commit(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err);
/* Ends the transaction: commits if good, else (and where that fails) rolls back. */
bool sq_end(struct sink *s, bool good, struct error *err);

/* ---- letters.c
 * ------------------------------------------------------------------------------------------------------------ */

bool sq_read_letters(struct sink *s, void (*each)(void *arg, const struct str *columns), void *arg, struct error *err);
bool sq_remove_letters(struct sink *s, const struct letter_key *keys, uint32_t count, struct error *err);

#endif
