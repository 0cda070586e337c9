/*
 * What a source, a transform and a sink are. A component type is one static struct; the visible lists are in pipeline/cli/catalog.c. `check` sees only
 * configuration; `open` touches the world. An absent function means the documented default.
 *
 * Components with a heavy library name a module: the type (options, check) is built in, the ops are loaded from <module>.so on first use,
 * where they are called <type>_source_ops or <type>_sink_ops.
 */
#ifndef PIPE_COMPONENT_H
#define PIPE_COMPONENT_H

#include "pipeline/codec/compress.h"
#include "pipeline/codec/format.h"
#include "pipeline/engine/problem.h"
#include "pipeline/event/slice.h"

struct component;
struct engine;
struct lane;
struct output;
struct piece;
struct positions;
struct sink;

/* What every component type has. */
struct component_type {
    const char *name, *summary; /* "file", "Reads files …": one line */
    const char *doc;            /* the reference page's text below the summary (Markdown); may be NULL */
    const char *example;        /* a TOML fragment that `pipe new` and the reference show: the options only, "path = …\n" */
    const struct option *options; /* the type's own, beside the common ones */
    size_t options_size;
    const char *module; /* NULL: built in */
    bool has_format;    /* takes `format` and the formats' options */
    /* Looks at the options together; reports what is wrong at config_place(). May be NULL. */
    void (*check)(const struct component *c, struct problems *p);
};

/* ---- sources ------------------------------------------------------------------------------------------------------- */

enum source_extra { EXTRA_ERROR, EXTRA_KEEP };
enum source_ack { ACK_DELIVERED, ACK_SPOOLED };

struct source_common {
    int64_t linger; /* µs */
    uint64_t max_record;
    struct text_table columns;
    int extra; /* enum source_extra */
    int ack;   /* enum source_ack */
    uint64_t spool_max_size, spool_segment_size;
    int format; /* index in formats[]; -1: the type has none */
    struct format_options formats;
};
extern const struct option source_common_options[];

struct source_ops {
    /*
     * Once per run, on the main thread, before the first lane starts: makes what all lanes of the source share (lane_shared), such as a listening socket. Lanes
     * run at the same time, so what they change in it is guarded by it. `first` is only there to be asked what it is (lane_component, lane_count,
     * lane_state_dir). false: the run fails. May be NULL.
     */
    bool (*open)(struct lane *first, void **shared, struct error *err);
    /* Once, after the last lane has ended. May be NULL. */
    void (*release)(void *shared);
    /*
     * A lane's own thread (one for each lane of the source), through the calls of lane.h. Returns true when the source has ended (a file source in batch mode has read everything, stdin is
     * closed, lane_draw returned NULL or lane_stopping is true), after releasing what it opened; the engine then waits until everything is settled,
     * still calling `settled`. false: the run
     * fails; what can be tried again, the source tries itself.
     */
    bool (*run)(struct lane *lane, struct error *err);
    /* The lane's thread, from within lane calls: every sink has settled the partition up to `next`. The place for PUBACK, on_done. May be NULL. */
    void (*settled)(struct lane *lane, struct partition *p, uint64_t next);
    /* After everything is settled, or given up. Frees lane_state. May be NULL. */
    void (*close)(struct lane *lane);
    /* `pipe check --connect`: can it be reached? May be NULL. */
    bool (*probe)(const struct component *c, struct error *err);
};

struct source_type {
    struct component_type base;
    bool (*finite)(const struct component *c);     /* ends by itself */
    bool (*rewindable)(const struct component *c); /* can read again from a position */
    bool (*redelivers)(const struct component *c); /* its sender keeps what is not acknowledged, and sends it again. NULL: no */
    uint32_t (*lanes)(const struct component *c); /* how many threads it reads with; NULL: one */
    /* Its partitions are shared out among processes by the source's own system (Kafka): the lane takes them over one by one (lane_acquire), and stored positions
     * belong neither to an instance nor to a state_dir. Batches hold one partition each. */
    bool shared;
    uint64_t (*total_bytes)(const struct component *c); /* for progress; 0: unknown. NULL: unknown */
    const struct source_ops *ops;
    /* Ops that depend on the options; NULL, or where it returns NULL: `ops`, or the module's. */
    const struct source_ops *(*choose_ops)(const struct component *c);
};

/* ---- transforms ---------------------------------------------------------------------------------------------------- */

enum { TRANSFORM_MAX_OUTPUTS = 64 };

/*
 * One transform at one place in the plan: bound to the schema of one incoming edge. Const after bind, used by all workers.
 */
struct step {
    const struct component *component;
    uint32_t component_index;    /* for rejections */
    struct schema *in;
    struct schema **outs;        /* one per output of the type (component_outputs) */
    void *program;               /* the type's own, in the plan's arena */
    struct str source_name;      /* whose events they are */
    const struct zone *zone;
    struct lookup_set
        *lookups; /* the files that the plan's queries look things up in (sql/lookup.h); while it is bound */
    bool makes_rows;             /* set by bind: one event may become many, so that batches are to be small until it is known how many */
};

/* A slice under way through the plan; an async step resumes it. See job.h. */
struct job;

struct transform_type {
    struct component_type base;
    /* Names of the outputs besides the main one, for a type with several ("hot", "cold", "else"); returns the count. NULL: one, unnamed. */
    uint32_t (*outputs)(const struct component *c, const char **names);
    /* Compiles against step->in, and sets step->outs[…] and step->program. Errors are config problems at their place. */
    bool (*bind)(struct step *step, struct arena *plan, struct problems *p);
    /* For `pipe explain`: lines about what it uses beside the events, each behind `before`. NULL: nothing. */
    void (*explain)(const struct step *step, const char *before, struct buffer *out);
    /* A worker: in → outs[…], same order as `outputs`. */
    void (*run)(const struct step *step, const struct slice *in, struct slice *outs, struct rejections *r);
    /*
     * Instead of run, for a step that waits (a process, a remote call): starts the work and returns at once; the worker takes other work. When done, from any
     * thread: fill `outs` and call job_resume(job). in and outs live until then.
     */
    void (*start)(const struct step *step, struct job *job, const struct slice *in, struct slice *outs, struct rejections *r);
};

/* ---- sinks --------------------------------------------------------------------------------------------------------- */

struct sink_common {
    uint64_t commit_rows, commit_bytes;
    int64_t commit_interval; /* µs: a commit at least this often while there is something */
    int64_t retry_first, retry_max, retry_for; /* µs; retry_for 0: 5 minutes when all sources are finite, else for ever */
    bool backfill;
    int exactly_once; /* enum sink_exactly_once */
    int64_t connections;
    bool ordered;
    int format; /* index in formats[]; -1 */
    struct format_options formats;
};
enum sink_exactly_once { EXACTLY_ONCE_AUTO, EXACTLY_ONCE_TRUE, EXACTLY_ONCE_FALSE };
extern const struct option sink_common_options[];

/* A sink bound to the schema of one incoming edge. Const after bind, used by all workers. */
struct binding {
    struct sink *sink;
    const struct component *component;
    uint32_t component_index;
    struct schema *schema;
    struct arena *arena; /* the plan's */
    struct str source_name;
    const struct zone *zone;
    void *program; /* the type's own */
};

/* What a worker lends to an encoder. */
struct tools {
    struct arena *arena;           /* the slice's */
    struct compressor *compressor; /* the worker's */
};

/*
 * One connection of a sink, with a thread of its own. The runner (runner.c) decides when: it takes outputs in order, writes them, prepares, waits for their dead
 * letters, commits, and settles. On ERROR_RETRY it calls rollback (and close), waits, opens again, drops outputs that load_positions shows to be in, and
 * writes the others again.
 */
struct sink {
    const struct component *component; /* name, options (component->options), sink_common */
    const struct sink_type *type;
    const struct sink_ops *ops;       /* the type's, or its module's */
    const struct identity *identity;
    uint32_t index;      /* among the plan's sinks: bit in masks */
    uint32_t connection; /* 0 … connections - 1 */
    void *state;         /* zeroed, ops->state_size */
    void *shared;        /* one per sink, for all its connections: the same pointer; set by connection 0's open, which runs first and alone */
    const struct positions *stored; /* what load_positions gave at the start of the run; const */
    const struct zone *zone;
    bool finite;         /* all sources that reach it end by themselves */
    const struct clock *clock;
    struct engine *engine;
};

/* Sink thread: runs pure computing (compression at a roll) on the workers, one call per item, and waits for all. */
void sink_compute(struct sink *s, void (*run)(void *item, struct tools *tools), void *const *items, uint32_t count);
/* Nothing is to be waited for any more (a second signal, the drain's limit): a call that waits for a server looks here now and then, and fails. */
bool sink_stopping(const struct sink *s);
/* How long a server that is away is waited for. */
int64_t sink_retry_limit(const struct sink *s);
/* Sleeps before a next try of what does not belong to a connection. false: since_us is too long ago, or nobody waits any more. */
bool sink_pause(struct sink *s, int64_t since_us);
/* What source_ops.open made for all lanes of the source of this name: for a sink of the same module. */
void *sink_source_shared(const struct sink *s, const char *source);

/* Which letter: both as read_letters gave them. One that was tried again and died again is another letter with the same id. */
struct letter_key {
    const char *id, *time;
};

struct sink_ops {
    size_t state_size;
    /* Sink thread. Connects, creates what is to be created, reads the catalog. */
    bool (*open)(struct sink *s, struct error *err);
    void (*close)(struct sink *s);
    /* Once, after the last close of all connections, when no binding is used any more: frees s->shared, which lives through reconnects. NULL: nothing. */
    void (*release)(struct sink *s);
    /* Sink thread, exactly-once sinks: what is stored for this (pipeline, instance, sink); takes a new epoch for its sources. NULL: the engine keeps positions. */
    bool (*load_positions)(struct sink *s, struct positions *out, struct error *err);
    /* Stores positions outside of a commit: a new sink's starting points. */
    bool (*store_positions)(struct sink *s, const struct positions *p, struct error *err);
    /*
     * Connection 0, between two commits: this process has been given these partitions of a shared source. Takes a new epoch for each, so that whoever had them before can
     * commit no more of them, and adds to *out what is stored and the epochs (positions_set_epoch). A later commit that finds another epoch marks the partition
     * lost and fails with ERROR_RETRY; the runner then goes on without it. NULL: the sink keeps no positions of shared sources.
     */
    bool (*acquire)(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct positions *out, struct error *err);
    /* Partitions that are gone from their source for good. */
    bool (*forget_positions)(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct error *err);

    /* Plan time, after connection 0's open; the sink thread is idle meanwhile. Sets binding->program; asks the schema for columns. */
    bool (*bind)(struct sink *s, struct binding *b, struct error *err);
    /* Workers: encodes rows (a subset of in->sel, ascending) into pieces of `out`. Rejected rows add nothing. */
    void (*encode)(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count, struct tools *tools,
                   struct output *out, struct rejections *r);
    /* Workers, once per output after its last slice (compression of what is large enough). NULL: nothing. */
    void (*finish)(const struct sink *s, struct tools *tools, struct output *out);

    /* Sink thread. Outputs come in order. A bad row: output_reject() and its neighbours go on. */
    bool (*write)(struct sink *s, struct output *o, struct error *err);
    /* Everything written is accepted, all rejections are known. NULL: nothing to do. */
    bool (*prepare)(struct sink *s, struct error *err);
    /*
     * Makes all since the last commit durable, together with their positions where the sink keeps them (positions_of_outputs). `outputs` may contain empty ones.
     * A sink that rolls (object) may keep outputs open: see takes_over.
     */
    bool (*commit)(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err);
    void (*rollback)(struct sink *s);
    /* Is all of an output in what load_positions gave? For sinks that split positions (shards, connections). NULL: every span in SHARD_ALL's ranges. */
    bool (*has)(const struct sink *s, const struct positions *p, const struct output *o);
    /* takes_over sinks: should what is held be committed now (clock, size)? Microseconds until it wants to be asked again in *wait_us. */
    bool (*wants_commit)(struct sink *s, int64_t now_us, int64_t *wait_us);
    /* `pipe check --connect`: logs in and compares; ddl, where not NULL, gets the statements that create = true would run. */
    bool (*probe)(struct sink *s, struct binding *const *bindings, uint32_t count, struct buffer *ddl, struct error *err);

    /*
     * `pipe dead`: the dead letters that identity->pipeline has written here, oldest first, each as DEAD_COLUMNS texts (enum dead_column in plan.h) that live
     * until `each` returns; data is NULL where the column is. Between open and close, no binding, no engine. None where the table does not exist yet.
     * NULL: what was written can't be read back.
     */
    bool (*read_letters)(struct sink *s, void (*each)(void *arg, const struct str *columns), void *arg, struct error *err);
    /* Takes them out again, all or none. */
    bool (*remove_letters)(struct sink *s, const struct letter_key *keys, uint32_t count, struct error *err);
};

struct sink_type {
    struct component_type base;
    bool exactly_once;  /* can store positions together with the data */
    bool acquires;      /* … also those of shared sources: sink_ops.acquire */
    /*
     * Positions are kept only where exactly_once = true says so, by committing them to the sources' own system in the same transaction: then no source commits its own.
     * NULL: this source is of that system; else why it is not. The function NULL: positions are stored with the data.
     */
    const char *(*commits_for)(const struct component *sink, const struct component *source);
    bool takes_over;    /* write() makes the data its own (part files): pieces are freed at once, and a retry does not send them again */
    bool (*one_commit)(const struct component *c); /* write = "replace": one commit at the end of the run; NULL: no */
    const struct sink_ops *ops;
};

#endif
