/*
 * The inside of the postgres sink. Who uses what:
 *
 *   struct pg_shared   made by connection 0's open. The table and the layouts are written by the main thread while it
 * binds and const afterwards; epochs are behind the lock. struct pg_sink     one connection: its sink thread only.
 *   struct pg_program  one binding: const after bind, all workers.
 *
 * A layout is a list of table columns; its pieces hold rows in the format of binary COPY, all with these fields. Most
 * sinks have one; two incoming edges with different members make two. A piece's target says where it belongs: "" or two
 * bytes {'0' + route, '0' + layout}; see pg_route.
 */
#ifndef PIPE_PG_H
#define PIPE_PG_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "connectors/postgres/postgres.h"
#include "pipeline/base/buffer.h"
#include "pipeline/engine/config.h"
#include "pipeline/engine/output.h"
#include "pipeline/engine/position.h"

/* ---- the catalog ------------------------------------------------------------------------------------------------ */

/* How a column's values are written into a row. */
enum pg_form {
    PG_BOOL,
    PG_INT2,
    PG_INT4,
    PG_INT8,
    PG_FLOAT4,
    PG_FLOAT8,
    PG_NUMERIC,
    PG_TEXT,
    PG_BYTEA,
    PG_DATE,
    PG_TIMESTAMP,
    PG_TIMESTAMPTZ,
    PG_INTERVAL,
    PG_UUID,
    PG_JSON,
    PG_JSONB,
    PG_ARRAY, /* binary; only where rows go straight into the table: unnest() would take it apart */
    PG_CAST, /* as text, which the server casts: types without a binary form of ours */
};

struct pg_column {
    const char *name, *quoted;
    const char *type_name; /* as format_type() prints it, for casts and messages */
    Oid declared;          /* the column's type itself, where `type` and `element` look through a domain */
    enum pg_form form;
    struct type type;   /* ours: what a value must become before it is written */
    Oid element, array; /* the type of what is sent (text for PG_CAST), and of an array of it */
    int32_t most;       /* varchar(n), char(n): characters; 0: any */
    bool blank_padded;  /* char(n) */
    bool required;      /* NOT NULL */
    bool has_default, generated;
    bool numbered; /* serial or identity */
    const struct pg_column *item; /* of an array: what its elements are; element is their type */
};

struct pg_table {
    const char *name;   /* for messages: as configured */
    const char *quoted; /* for statements */
    bool exists;
    struct pg_column *columns;
    uint32_t count;
};

struct pg_layout {
    const uint32_t *columns; /* indices in the table */
    uint32_t count;
    const char *copy; /* COPY table or stage (…) FROM STDIN BINARY */
    /* Only where rows can't go straight into the table; else NULL: */
    const char *stage, *truncate, *move;
    const char *unnest; /* INSERT … SELECT … FROM unnest($1, …) */
};

/* ---- one sink --------------------------------------------------------------------------------------------------- */

enum pg_routing {
    PG_ROUTE_NONE,      /* one connection, or any */
    PG_ROUTE_PARTITION, /* ordered append over several connections: by source partition */
    PG_ROUTE_SHARD,     /* ordered upsert and insert over several connections: by key */
};

struct pg_epoch {
    const char *source;
    int64_t number;
};

enum { PG_MOST_LAYOUTS = 64 };

struct pg_shared {
    struct arena arena;
    pthread_mutex_t lock;
    struct pg_epoch *epochs;
    uint32_t epoch_count;
    bool epochs_taken; /* counted up and committed: from now on they only have to stay */
    bool table_known;  /* read from the catalog */
    struct pg_table table;
    struct pg_layout layouts[PG_MOST_LAYOUTS];
    uint32_t layout_count;
    enum pg_routing routing;
    uint32_t connections;
    bool no_positions; /* replace, or exactly_once = false */
    atomic_uint silent_hosts; /* how often connecting timed out: the hosts of the url are tried from this one on */
};

/* How many ranges were inserted for a partition since its last merge. */
struct pg_hot {
    uint64_t hash;
    uint32_t inserted;
};
enum { PG_HOT = 256 };

/* A piece of a written output. */
struct pg_waiting {
    struct output *output;
    uint32_t piece;
};

struct pg_sink {
    PGconn *conn;
    bool in_transaction;
    const struct pg_layout *copying; /* a COPY is under way */
    uint64_t staged_made,
        staged_used;         /* bit per layout: its stage exists; holds rows already moved in this transaction */
    struct output **written; /* since BEGIN, in order; the runner's */
    uint32_t written_count, written_capacity;
    struct pg_waiting *waiting; /* for tables with a stage: not sent yet, because few */
    uint32_t waiting_count, waiting_capacity;
    uint64_t waiting_rows;
    bool careful;          /* with savepoints, after a bad row */
    uint32_t clean_slices; /* in a row */
    struct pg_hot hot[PG_HOT];
};

static inline const struct postgres_options *pg_options(const struct sink *s)
{
    return s->component->options;
}

/* ---- connection.c: errors and statements. The sink's thread, or the main thread while that idles. --------------- */

bool pg_connect(struct sink *s, struct error *err);
/* Fills err from a failed result, or from the connection where result is NULL. Returns false. */
bool pg_fail(struct sink *s, const PGresult *result, struct error *err);
enum error_kind pg_error_kind(const char *sqlstate);
/* Hands what is buffered to the server. Notices a server that is gone. */
bool pg_flush(struct sink *s, struct error *err);
/* Waits for the next result; NULL with *err untouched at a command's end, false in *ok when the connection is lost. */
PGresult *pg_next_result(struct sink *s, bool *ok, struct error *err);
/* Runs one command to its end. */
bool pg_run(struct sink *s, const char *sql, struct error *err);
/* Runs one command with text parameters; the caller clears the result. NULL on error. */
PGresult *pg_query(struct sink *s, const char *sql, int count, const char *const *values, struct error *err);
/* Collects the results of a command that was sent; the last one, or NULL on error. */
PGresult *pg_collect(struct sink *s, struct error *err);
/* Appends an element to a text[] literal under way: pg_array_open, pg_array_add …, pg_array_close. */
void pg_array_open(struct buffer *b);
void pg_array_add(struct buffer *b, const char *text);
const char *pg_array_close(struct buffer *b);
/* "name" with quotes; in the arena. */
const char *pg_quote(struct arena *a, const char *name);

/* ---- catalog.c -------------------------------------------------------------------------------------------------- */

/* Takes apart "schema.table" and quotes it. */
bool pg_table_name(struct pg_shared *shared, const char *text, struct error *err);
/* Reads the table's columns; table.exists says whether there is one. */
bool pg_table_read(struct sink *s, struct error *err);
/*
 * Have the columns that COPY writes still the types that rows are encoded for? The server would take the bytes of one
 * type for those of another. Inside of a transaction that has copied, the answer is good until its end: COPY's lock
 * keeps ALTER TABLE out.
 */
bool pg_table_check(struct sink *s, struct error *err);
/* Is there a unique index on exactly the key's columns? */
bool pg_check_key(struct sink *s, struct error *err);
int pg_table_find(const struct pg_table *t, const char *name);

/* ---- create.c --------------------------------------------------------------------------------------------------- */

/* CREATE TABLE for the columns of the schema. `quoted` is the table. */
bool pg_create_statement(const struct sink *s, struct schema *schema, const char *quoted, struct buffer *out,
                         struct error *err);
bool pg_create_table(struct sink *s, struct schema *schema, struct error *err);
/* Runs CREATE … IF NOT EXISTS, which fails when two sessions do it at once: the loser looks again. */
bool pg_create(struct sink *s, const char *sql, struct error *err);

/* ---- bind.c, encode.c, route.c: the workers' side --------------------------------------------------------------- */

/* One field of a row. */
struct pg_field {
    const struct pg_column *column;
    int32_t source; /* column of the slice; -1: the object of unknown members */
    struct type from;
    uint32_t ready; /* mask of value kinds that need no conversion */
    bool key;
    const struct pg_field *item; /* PG_ARRAY: how an element is written */
};

/* Members that the table has no column for. */
enum pg_unknown { PG_UNKNOWN_NONE, PG_UNKNOWN_ERROR, PG_UNKNOWN_COLLECT };

struct pg_program {
    const struct pg_shared *shared;
    const char *source;
    uint32_t layout;
    struct pg_field *fields;
    uint32_t count;
    size_t fixed; /* no field without variable length takes more than this in total */
    enum pg_unknown unknown;
    const struct str *known; /* open events: members that have a column, in the order they are met mostly */
    uint32_t known_count;
    const uint32_t *collect; /* closed events: visible columns that go into the object */
    uint32_t collect_count;
    bool open;
};

bool pg_bind(struct sink *s, struct binding *b, struct error *err);
void pg_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
               struct tools *tools, struct output *out, struct rejections *r);

/* encode.c: appends one row. False: *failed can't hold its value, for *err (ERROR_REJECT); nothing is added. */
bool pg_encode_row(const struct pg_program *p, const struct slice *in, const struct schema *schema, uint32_t row,
                   const struct convert_context *cx, struct buffer *out, const struct pg_field **failed,
                   struct error *err);
/* The members without a column, as one JSON object in the arena; NULL: none. */
struct value pg_unknown_members(const struct pg_program *p, const struct slice *in, const struct schema *schema,
                                uint32_t row, const struct convert_context *cx);

/* The layout of a piece, and whether this connection writes it. */
uint32_t pg_piece_layout(const struct piece *p);
bool pg_piece_is_mine(const struct sink *s, const struct piece *p);
/* PG_ROUTE_PARTITION: the connection of a source partition. */
uint32_t pg_partition_route(const struct pg_shared *shared, const char *key);

/* ---- layout.c --------------------------------------------------------------------------------------------------- */

/* The layout with these columns, made if need be: its statements. UINT32_MAX with an error when there are too many. */
uint32_t pg_layout(struct sink *s, const uint32_t *columns, uint32_t count, struct error *err);

/* ---- write.c, careful.c, unnest.c: the sink's thread ------------------------------------------------------------ */

bool pg_begin(struct sink *s, struct error *err);
bool pg_write(struct sink *s, struct output *o, struct error *err);
bool pg_prepare(struct sink *s, struct error *err);
void pg_rollback(struct sink *s);
void pg_forget_transaction(struct pg_sink *pg);

/* One COPY … FROM STDIN BINARY: begin, any number of runs of rows, end. */
bool pg_copy_begin(struct sink *s, const char *sql, struct error *err);
bool pg_copy_rows(struct sink *s, const char *data, size_t len, struct error *err);
/* *line: how many rows came before the one that failed, where the server says so; UINT32_MAX otherwise. */
bool pg_copy_end(struct sink *s, uint32_t *line, struct error *err);

/* Writes an output with savepoints: rows that the server refuses are rejected in it, the others are in. Fails for
 * errors that are not a row's. */
bool pg_write_carefully(struct sink *s, struct output *o, struct error *err);

/* INSERT … SELECT FROM unnest() of rows; each points to its first byte. */
bool pg_insert_rows(struct sink *s, const struct pg_layout *layout, const char *const *rows, uint32_t count,
                    struct error *err);

/* Where a row starts in its piece. */
static inline uint32_t pg_row_start(const struct piece *p, uint32_t row)
{
    return row ? p->row_end[row - 1] : 0;
}

/* ---- positions.c ------------------------------------------------------------------------------------------------ */

bool pg_load_positions(struct sink *s, struct positions *out, struct error *err);
bool pg_store_positions(struct sink *s, const struct positions *p, struct error *err);
bool pg_forget_positions(struct sink *s, const char *source, const char *const *keys, uint32_t count,
                         struct error *err);
bool pg_acquire(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct positions *out,
                struct error *err);
bool pg_has(const struct sink *s, const struct positions *p, const struct output *o);
bool pg_insert_ranges(struct sink *s, const struct position *positions, uint32_t count, struct error *err);
bool pg_is_mine(const struct sink *s, const struct position *p);
void pg_forget_epochs(struct pg_shared *shared);
int64_t pg_epoch_of(struct pg_shared *shared, const char *source);
bool pg_fenced(const struct sink *s, struct error *err);
/* Ranges that touch become one: of one partition, or (NULL) of all of the sink. */
bool pg_merge_ranges(struct sink *s, const char *source, const char *partition, struct error *err);

/* ---- partition_key.c --------------------------------------------------------------------------------------------- */

/* What a partition's key is in pipe_positions, and back; both append to `out` and return all of it. */
const char *pg_stored_key(const char *key, struct buffer *out);
const char *pg_key_of_stored(const char *stored, struct buffer *out);

/* ---- letters.c -------------------------------------------------------------------------------------------------- */

bool pg_read_letters(struct sink *s, void (*each)(void *arg, const struct str *columns), void *arg, struct error *err);
bool pg_remove_letters(struct sink *s, const struct letter_key *keys, uint32_t count, struct error *err);

/* ---- commit.c --------------------------------------------------------------------------------------------------- */

bool pg_commit(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err);

#endif
