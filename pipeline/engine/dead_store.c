#include "pipeline/engine/dead_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "pipeline/base/log.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/module.h"
#include "pipeline/engine/output.h"

/* Workers wait while this much is unwritten: a file of nothing but bad records must not fill the memory. */
enum { UNWRITTEN_MAX = 8 << 20 };

/* Letters that are written together. Two of them: one is filled while the other is written. */
struct letters {
    struct arena arena;
    struct value (*rows)[DEAD_COLUMNS];
    uint32_t count, capacity;
    size_t bytes;
};

struct dead_store {
    struct engine *engine;
    struct sink sink;
    struct identity identity;
    struct binding binding;
    struct arena arena; /* schema, program */
    struct batch *no_batch;
    pthread_t thread;
    bool sink_open, started;
    atomic_uint_fast64_t *tickets; /* shared by all stores of the run */

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t arrived, written;
    struct letters *filling, *writing;
    uint64_t last_ticket, durable_ticket;
    bool closing, failed;
};

/* ---- writing: the store's own thread ------------------------------------------------------------------------------------- */

static void close_store(struct dead_store *d)
{
    if (d->sink_open && d->sink.ops->close)
        d->sink.ops->close(&d->sink);
    d->sink_open = false;
}

static bool open_store(struct dead_store *d, struct error *err)
{
    if (d->sink_open)
        return true;
    if (d->sink.ops->open && !d->sink.ops->open(&d->sink, err))
        return false;
    d->sink_open = true;
    if (d->binding.program || !d->sink.ops->bind || d->sink.ops->bind(&d->sink, &d->binding, err))
        return true;
    close_store(d);
    return false;
}

void dead_rows_to_slice(struct value (*rows)[DEAD_COLUMNS], uint32_t first, uint32_t count, struct arena *arena, struct slice *s)
{
    uint32_t *record = arena_array(arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        record[i] = first + i;
    *s = (struct slice){
        .arena = arena,
        .rows = count,
        .sel = slice_all_rows,
        .selected = count,
        .record = record,
        .columns = arena_array(arena, struct value *, DEAD_COLUMNS),
        .column_count = DEAD_COLUMNS,
    };
    for (uint32_t c = 0; c < DEAD_COLUMNS; c++) {
        s->columns[c] = arena_array(arena, struct value, count);
        for (uint32_t i = 0; i < count; i++)
            s->columns[c][i] = rows[first + i][c];
    }
}

static bool encode_letters(struct dead_store *d, const struct letters *l, struct arena *arena, struct output *out,
                           struct error *err)
{
    struct rejections rejections = {.arena = arena};
    struct tools tools = {.arena = arena, .compressor = compressor_new()};
    for (uint32_t first = 0; first < l->count; first += SLICE_ROWS) {
        uint32_t count = l->count - first < SLICE_ROWS ? l->count - first : SLICE_ROWS;
        struct slice s;
        dead_rows_to_slice(l->rows, first, count, arena, &s);
        s.batch = d->no_batch;
        d->sink.ops->encode(&d->binding, &s, s.sel, count, &tools, out, &rejections);
        out->rows += count;
    }
    if (d->sink.ops->finish)
        d->sink.ops->finish(&d->sink, &tools, out);
    compressor_free(tools.compressor);
    return rejections.count == 0 ||
           error_set(err, ERROR_STOP, "a dead letter cannot be written: " STR_FMT, STR_ARG(rejections.items[0].text));
}

static bool write_once(struct dead_store *d, const struct letters *l, struct error *err)
{
    const struct sink_ops *ops = d->sink.ops;
    if (!open_store(d, err))
        return false;
    struct arena arena = ARENA_INIT;
    struct output *out = mem_zalloc(sizeof(*out));
    out->batch = batch_ref(d->no_batch);
    bool ok = encode_letters(d, l, &arena, out, err) && ops->write(&d->sink, out, err) &&
              (!ops->prepare || ops->prepare(&d->sink, err));
    if (ok && out->rejection_count)
        ok = error_set(err, ERROR_STOP, "a dead letter was refused: %s", out->rejections[0].text);
    ok = ok && (!ops->commit || ops->commit(&d->sink, &out, 1, err));
    if (!ok && ops->rollback)
        ops->rollback(&d->sink);
    output_free(out);
    arena_release(&arena);
    return ok;
}

/* Sleeps a little before the next try; false when the run is over. */
static bool pause_before_retry(struct dead_store *d, unsigned tries, const struct error *err)
{
    enum { LOOK_UP_NS = 100000000, FIRST_S = 1, LATER_S = 10 };
    if (tries == 1)
        log_warn(d->sink.component->name, "%s; trying again", err->text);
    const struct clock *clock = d->engine->clock;
    int64_t until = clock_now_us(clock) + INT64_C(1000000) * (tries < 10 ? FIRST_S : LATER_S);
    while (clock_now_us(clock) < until && !atomic_load(&d->engine->stop_now))
        nanosleep(&(struct timespec){.tv_nsec = LOOK_UP_NS}, NULL);
    return !atomic_load(&d->engine->stop_now);
}

/* As any sink: retry.for, or else 5 minutes where all sources are finite, else for ever. */
static bool has_time_left(const struct dead_store *d, int64_t since)
{
    int64_t limit = d->sink.component->sink_common->retry_for;
    if (limit == 0 && engine_is_finite(d->engine))
        limit = 300 * INT64_C(1000000);
    return limit == 0 || clock_now_us(d->engine->clock) - since < limit;
}

static bool write_letters(struct dead_store *d, const struct letters *l)
{
    struct error err;
    int64_t since = clock_now_us(d->engine->clock);
    for (unsigned tries = 1; !write_once(d, l, &err); tries++) {
        if (err.kind == ERROR_RETRY) {
            close_store(d);
            if (has_time_left(d, since) && pause_before_retry(d, tries, &err))
                continue;
            if (atomic_load(&d->engine->stop_now))
                return false; /* what is not in is read again by the next run */
        }
        engine_fail(d->engine, d->sink.component, &err);
        return false;
    }
    return true;
}

static void letters_clear(struct letters *l)
{
    arena_reset(&l->arena);
    l->rows = NULL;
    l->count = l->capacity = 0;
    l->bytes = 0;
}

static void *dead_main(void *arg)
{
    struct dead_store *d = arg;
    pthread_mutex_lock(&d->lock);
    for (;;) {
        while (d->filling->count == 0 && !d->closing)
            pthread_cond_wait(&d->arrived, &d->lock);
        if (d->filling->count == 0)
            break;
        struct letters *l = d->filling;
        d->filling = d->writing;
        d->writing = l;
        uint64_t upto = d->last_ticket;
        pthread_cond_broadcast(&d->written); /* there is room again */
        pthread_mutex_unlock(&d->lock);
        bool ok = write_letters(d, l);
        pthread_mutex_lock(&d->lock);
        letters_clear(l);
        d->failed |= !ok;
        d->durable_ticket = ok ? upto : d->durable_ticket;
        pthread_cond_broadcast(&d->written);
        if (!ok)
            break;
    }
    pthread_mutex_unlock(&d->lock);
    close_store(d);
    return NULL;
}

/* ---- opening and closing ------------------------------------------------------------------------------------------------ */

static void init_sink(struct dead_store *d, const struct component *c, const struct sink_ops *ops)
{
    struct engine *e = d->engine;
    d->identity = (struct identity){.pipeline = e->cfg->pipeline.name,
                                    .instance = e->cfg->pipeline.instance,
                                    .sink = c->name,
                                    .incarnation = e->state ? state_id(e->state) : ""};
    d->sink = (struct sink){.component = c,
                            .type = c->sink,
                            .ops = ops,
                            .identity = &d->identity,
                            .state = mem_zalloc(ops->state_size + 1),
                            .zone = e->cfg->zone,
                            .finite = true,
                            .clock = e->clock,
                            .engine = e};
    d->binding = (struct binding){.sink = &d->sink,
                                  .component = c,
                                  .component_index = c->index,
                                  .schema = dead_schema(&d->arena),
                                  .arena = &d->arena,
                                  .source_name = str_of(""),
                                  .zone = zone_utc};
}

struct dead_store *dead_store_new(struct engine *e, const struct component *c, atomic_uint_fast64_t *tickets, bool now, struct error *err)
{
    const struct sink_ops *ops = sink_ops_of(c, err);
    if (!ops)
        return NULL;
    struct dead_store *d = mem_zalloc(sizeof(*d));
    d->engine = e;
    d->tickets = tickets;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->arrived, NULL);
    pthread_cond_init(&d->written, NULL);
    d->filling = mem_zalloc(sizeof(struct letters));
    d->writing = mem_zalloc(sizeof(struct letters));
    d->no_batch = batch_new(0);
    init_sink(d, c, ops);
    /* One that cannot be reached yet may be by the time the first letter is written. */
    if (now && !open_store(d, err) && err->kind != ERROR_RETRY) {
        error_wrap(err, "%s", c->name);
        dead_store_free(d);
        return NULL;
    }
    d->started = pthread_create(&d->thread, NULL, dead_main, d) == 0;
    return d;
}

void dead_store_free(struct dead_store *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->closing = true;
    pthread_cond_broadcast(&d->arrived);
    pthread_mutex_unlock(&d->lock);
    if (d->started)
        pthread_join(d->thread, NULL);
    close_store(d);
    if (d->sink.ops->release)
        d->sink.ops->release(&d->sink);
    batch_unref(d->no_batch);
    free(d->sink.state);
    arena_release(&d->filling->arena);
    arena_release(&d->writing->arena);
    free(d->filling);
    free(d->writing);
    arena_release(&d->arena);
    pthread_cond_destroy(&d->arrived);
    pthread_cond_destroy(&d->written);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* ---- putting ------------------------------------------------------------------------------------------------------------ */

static struct value *add_row(struct letters *l)
{
    if (l->count == l->capacity) {
        uint32_t capacity = l->capacity ? l->capacity * 2 : 64;
        struct value(*rows)[DEAD_COLUMNS] = arena_alloc(&l->arena, capacity * sizeof(*rows));
        if (l->count)
            memcpy(rows, l->rows, l->count * sizeof(*rows));
        l->rows = rows;
        l->capacity = capacity;
    }
    return l->rows[l->count++];
}

uint64_t dead_store_put(struct dead_store *d, const struct batch *b, const struct dead_record *r)
{
    pthread_mutex_lock(&d->lock);
    while (d->filling->bytes > UNWRITTEN_MAX && !d->failed && !d->closing)
        pthread_cond_wait(&d->written, &d->lock);
    d->filling->bytes += batch_record_bytes(b, r->record).len + 512;
    dead_row_fill(d->engine, b, r, &d->filling->arena, add_row(d->filling));
    uint64_t ticket = d->last_ticket = atomic_fetch_add_explicit(d->tickets, 1, memory_order_relaxed) + 1;
    pthread_cond_signal(&d->arrived);
    pthread_mutex_unlock(&d->lock);
    return ticket;
}

bool dead_store_wait(struct dead_store *d, uint64_t ticket)
{
    pthread_mutex_lock(&d->lock);
    while (d->durable_ticket < ticket && d->durable_ticket < d->last_ticket && !d->failed)
        pthread_cond_wait(&d->written, &d->lock);
    bool durable = !d->failed;
    pthread_mutex_unlock(&d->lock);
    return durable;
}
