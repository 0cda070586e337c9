/*
 * Dead letters in the table of a sink that can read them back, among those of other pipelines perhaps.
 */
#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "pipeline/cli/letters.h"
#include "pipeline/codec/json.h"
#include "pipeline/engine/module.h"
#include "pipeline/engine/position.h"

enum { MOST_DEPTH = 512 };

/* ---- a sink outside of a run ---------------------------------------------------------------------------------------
 */

struct opened {
    struct identity identity;
    struct sink sink;
};

static void close_sink(struct opened *o)
{
    struct sink *s = &o->sink;
    if (s->ops->close)
        s->ops->close(s);
    if (s->ops->release)
        s->ops->release(s);
    free(s->state);
}

static bool open_sink(const struct config *cfg, struct opened *o, struct error *err)
{
    const struct component *c = cfg->dead_letter;
    const struct sink_ops *ops = sink_ops_of(c, err);
    if (!ops)
        return false;
    if (!ops->read_letters)
        return error_set(err, ERROR_STOP,
                         "the dead letters of this pipeline are kept by a %s sink; `pipe dead` works on those in an "
                         "NDJSON file, in SQLite or in Postgres",
                         c->type->name);
    o->identity = (struct identity){
        .pipeline = cfg->pipeline.name, .instance = cfg->pipeline.instance, .sink = c->name, .incarnation = ""};
    o->sink = (struct sink){.component = c,
                            .type = c->sink,
                            .ops = ops,
                            .identity = &o->identity,
                            .state = mem_zalloc(ops->state_size + 1),
                            .zone = cfg->zone,
                            .finite = true,
                            .clock = &clock_system};
    if (!ops->open || ops->open(&o->sink, err))
        return true;
    error_wrap(err, "%s", c->name);
    if (ops->release)
        ops->release(&o->sink);
    free(o->sink.state);
    return false;
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

/* What is no JSON (somebody has changed it) is a text. */
static struct str json_of(struct str text, bool is_json, struct arena *arena)
{
    size_t offset;
    const char *why;
    if (!text.data)
        return STR("");
    if (is_json && json_validate(text, MOST_DEPTH, &offset, &why))
        return arena_str(arena, text);
    struct buffer json = {0};
    buffer_add_byte(&json, '"');
    json_escape(&json, text);
    buffer_add_byte(&json, '"');
    struct str copy = arena_str(arena, (struct str){json.data, json.len});
    buffer_release(&json);
    return copy;
}

static void add_row(void *arg, const struct str *columns)
{
    struct letters *l = arg;
    if (columns[DEAD_ID].len == 0) /* somebody else's row */
        return;
    struct letter *letter = letters_add(l);
    for (int c = 0; c < DEAD_COLUMNS; c++)
        letter->members[c] = json_of(columns[c], c == DEAD_META, l->arena);
    letter_name(letter, l->arena);
}

static const char *table_of(const struct component *c)
{
    for (const struct option *o = c->type->options; o->name; o++)
        if (strcmp(o->name, "table") == 0)
            return *(const char *const *)((const char *)c->options + o->offset);
    return "";
}

static bool read_rows(struct letters *l, struct error *err)
{
    struct opened o;
    if (!open_sink(l->cfg, &o, err))
        return false;
    l->place = arena_printf(l->arena, "%s table %s", l->cfg->dead_letter->type->name, table_of(l->cfg->dead_letter));
    bool done = o.sink.ops->read_letters(&o.sink, add_row, l, err);
    close_sink(&o);
    return done;
}

/* ---- removing ------------------------------------------------------------------------------------------------------
 */

/* A repeat may be the same row written twice: then it is as good as the one that stays. */
static bool is_kept(const struct letter_index *x, const struct letters *l, const bool *keep,
                    const struct letter *repeat)
{
    uint32_t at = letter_index_find(x, repeat->id);
    return keep[at] && strcmp(l->items[at].time, repeat->time) == 0;
}

static bool keep_rows(const struct letters *l, const bool *keep, struct error *err)
{
    struct letter_key *keys = mem_alloc(((size_t)l->count + l->repeat_count + 1) * sizeof(*keys));
    struct letter_index *x = letter_index_new(l);
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->count; i++)
        if (!keep[i])
            keys[n++] = (struct letter_key){l->items[i].id, l->items[i].time};
    for (uint32_t i = 0; i < l->repeat_count; i++)
        if (!is_kept(x, l, keep, &l->repeats[i]))
            keys[n++] = (struct letter_key){l->repeats[i].id, l->repeats[i].time};
    struct opened o;
    bool done = n == 0;
    if (!done && open_sink(l->cfg, &o, err)) {
        done = o.sink.ops->remove_letters(&o.sink, keys, n, err);
        close_sink(&o);
    }
    letter_index_free(x);
    free(keys);
    return done;
}

const struct letter_store letter_sink = {.read = read_rows, .keep = keep_rows};
