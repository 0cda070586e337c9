#include "pipeline/engine/dead.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/engine/dead_store.h"
#include "pipeline/engine/engine.h"

struct tally {
    uint64_t count;
    char first_reason[256];
};

/* A sink that reads what other sinks reject. */
struct reader {
    const struct component *component;
    struct dead_store *store;
};

struct dead_letters {
    struct engine *engine;
    atomic_uint_fast64_t tickets;
    struct dead_store *store; /* for all that no reader asks for */
    struct reader *readers;
    uint32_t reader_count;
    pthread_mutex_t lock;
    struct tally *tallies; /* per component; under the lock */
};

/* ---- opening and closing ------------------------------------------------------------------------------------------------ */

static bool open_readers(struct dead_letters *d, struct error *err)
{
    const struct config *cfg = d->engine->cfg;
    d->readers = mem_zalloc((cfg->count + 1) * sizeof(*d->readers));
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (!component_reads_rejects(c))
            continue;
        struct dead_store *store = dead_store_new(d->engine, c, &d->tickets, true, err);
        if (!store)
            return false;
        d->readers[d->reader_count++] = (struct reader){c, store};
    }
    return true;
}

struct dead_letters *dead_new(struct engine *e, struct error *err)
{
    struct dead_letters *d = mem_zalloc(sizeof(*d));
    d->engine = e;
    pthread_mutex_init(&d->lock, NULL);
    d->tallies = mem_zalloc((e->cfg->count + 1) * sizeof(*d->tallies));
    const struct component *c = e->cfg->dead_letter;
    d->store = dead_store_new(e, c, &d->tickets, c->place.line != 0, err);
    if (d->store && open_readers(d, err))
        return d;
    dead_free(d);
    return NULL;
}

void dead_free(struct dead_letters *d)
{
    if (!d)
        return;
    for (uint32_t i = 0; i < d->reader_count; i++)
        dead_store_free(d->readers[i].store);
    dead_store_free(d->store);
    free(d->readers);
    free(d->tallies);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* ---- putting ------------------------------------------------------------------------------------------------------------ */

static bool reads_from(const struct component *reader, uint32_t component)
{
    for (uint32_t i = 0; i < reader->input_count; i++)
        if (reader->inputs[i].component == component)
            return true;
    return false;
}

/* Enough letters to give up? */
static void check_limits(struct dead_letters *d)
{
    struct engine *e = d->engine;
    const struct dead_letter_options *limits = &e->cfg->dead;
    counter_add(&e->stats->dead_letters, 1);
    uint64_t dead = counter_get(&e->stats->dead_letters), read = 0;
    for (uint32_t i = 0; i < e->stats->source_count; i++)
        read += counter_get(&e->stats->sources[i].read);
    struct error err;
    if (engine_is_finite(e) && limits->max_records >= 0 && dead > (uint64_t)limits->max_records) {
        error_set(&err, ERROR_STOP, "more than %" PRId64 " dead letters: [dead_letter] max_records", limits->max_records);
        engine_fail(e, NULL, &err);
    } else if (limits->max_ratio >= 0 && read >= 1000 && (double)dead > limits->max_ratio * (double)read) {
        error_set(&err, ERROR_STOP, "%" PRIu64 " dead letters of %" PRIu64 " records read: more than [dead_letter] max_ratio = %g",
                  dead, read, limits->max_ratio);
        engine_fail(e, NULL, &err);
    }
}

static void tally(struct dead_letters *d, const struct dead_record *r)
{
    pthread_mutex_lock(&d->lock);
    struct tally *t = &d->tallies[r->component];
    if (t->count++ == 0)
        snprintf(t->first_reason, sizeof(t->first_reason), STR_FMT, STR_ARG(r->reason));
    pthread_mutex_unlock(&d->lock);
}

static uint64_t put(struct dead_letters *d, const struct batch *b, const struct dead_record *r)
{
    struct partition *p = b->spans[b->records[r->record].span].partition;
    atomic_store_explicit(&p->has_dead, true, memory_order_relaxed);
    tally(d, r);
    uint64_t last = 0;
    for (uint32_t i = 0; i < d->reader_count; i++)
        if (reads_from(d->readers[i].component, r->component))
            last = dead_store_put(d->readers[i].store, b, r);
    if (last)
        return last;
    check_limits(d);
    return dead_store_put(d->store, b, r);
}

uint64_t dead_put_rejection(struct dead_letters *d, const struct batch *b, const struct rejection *r)
{
    struct dead_record record = dead_record_of(r);
    return put(d, b, &record);
}

uint64_t dead_put_record(struct dead_letters *d, const struct batch *b, uint32_t record, const struct component *c,
                         const char *sqlstate, const char *reason)
{
    return put(d, b, &(struct dead_record){.record = record,
                                           .component = c->index,
                                           .offset = UINT32_MAX,
                                           .class_name = "sink",
                                           .sqlstate = sqlstate,
                                           .reason = str_of(reason)});
}

bool dead_wait(struct dead_letters *d, uint64_t ticket)
{
    bool durable = dead_store_wait(d->store, ticket);
    for (uint32_t i = 0; i < d->reader_count; i++)
        durable = dead_store_wait(d->readers[i].store, ticket) && durable;
    return durable;
}

void dead_slice(struct dead_letters *d, const struct batch *b, const struct rejection *items, uint32_t count,
                struct arena *arena, struct slice *out)
{
    struct value(*rows)[DEAD_COLUMNS] = arena_alloc(arena, (count + 1) * sizeof(*rows));
    uint32_t *record = arena_array(arena, uint32_t, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        struct dead_record r = dead_record_of(&items[i]);
        dead_row_fill(d->engine, b, &r, arena, rows[i]);
        record[i] = items[i].record;
    }
    dead_rows_to_slice(rows, 0, count, arena, out);
    out->batch = b;
    out->record = record;
    out->repeats = true; /* as far as sinks are concerned: the records need not be in order */
}

uint64_t dead_count(struct dead_letters *d, uint32_t component, char first_reason[256])
{
    pthread_mutex_lock(&d->lock);
    uint64_t count = d->tallies[component].count;
    memcpy(first_reason, d->tallies[component].first_reason, 256);
    pthread_mutex_unlock(&d->lock);
    return count;
}
