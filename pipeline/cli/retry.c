#include "pipeline/cli/retry.h"

#include <inttypes.h>
#include <stdlib.h>

#include "pipeline/base/base64.h"
#include "pipeline/codec/json.h"
#include "pipeline/engine/lane.h"
#include "pipeline/event/datetime.h"

#define KEY_PREFIX "dead-letter/"

/* What stands for a source's options while its letters are read. */
struct retry_options {
    struct retry *retry;
};

static struct retry *retry_of(struct lane *lane)
{
    return ((const struct retry_options *)lane_component(lane)->options)->retry;
}

/* The letter's time is part of it: one that died again is a new letter, which nobody has had. */
static const char *key_of(const struct letter *l, struct arena *a)
{
    return arena_printf(a, KEY_PREFIX "%s@%s", l->id, l->time);
}

/* ---- one letter → one record -------------------------------------------------------------------------------------------- */

static struct str meta_member(const struct letter *l, const char *name)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    if (json_object_open(&m, l->members[DEAD_META]))
        while (json_object_next(&m, &key, &escaped, &value))
            if (str_eq(key, str_of(name)))
                return value;
    return STR("");
}

/* Owned by the caller; NULL where the letter has no such text. */
static char *meta_text(const struct letter *l, const char *name, struct arena *a)
{
    struct error err;
    struct str json = meta_member(l, name);
    struct value v = json.len ? json_to_value(json) : value_null();
    if (v.kind != VALUE_TEXT || !value_unescape(a, &v, &err))
        return NULL;
    return strndup(v.ptr, v.len);
}

static uint64_t meta_number(const struct letter *l, const char *name)
{
    struct str json = meta_member(l, name);
    return json.len ? strtoull(json.data, NULL, 10) : 0; /* a JSON number's text ends where no digit follows */
}

static bool payload_of(const struct letter *l, struct arena *a, struct str *out)
{
    struct str base64 = str_of(letter_text(l, DEAD_PAYLOAD_BASE64, a));
    if (base64.len)
        return base64_decode(base64, a, out);
    struct error err;
    struct value v = l->members[DEAD_PAYLOAD].len ? json_to_value(l->members[DEAD_PAYLOAD]) : value_null();
    if (v.kind != VALUE_TEXT || !value_unescape(a, &v, &err))
        return false;
    *out = value_str(v);
    return true;
}

/* Of a record that was too long only the beginning was kept. */
static bool is_cut(const struct letter *l, struct arena *a)
{
    return strcmp(letter_text(l, DEAD_CLASS, a), "decode") == 0 && strcmp(letter_text(l, DEAD_SQLSTATE, a), "54000") == 0;
}

static struct partition *partition_for(struct lane *lane, const struct letter *l, uint32_t number, struct arena *a)
{
    struct partition *p = lane_partition(lane, key_of(l, a));
    p->origin = meta_text(l, "partition", a);
    p->file = meta_text(l, "file", a);
    p->topic = meta_text(l, "topic", a);
    p->source_state = (void *)(uintptr_t)number;
    struct error err;
    char *timestamp = meta_text(l, "timestamp", a);
    if (timestamp && !timestamptz_parse(str_of(timestamp), zone_utc, &p->timestamp, &err))
        p->timestamp = INT64_MIN;
    free(timestamp);
    int format = lane_component(lane)->source_common->format;
    struct str start = meta_member(l, "start");
    if (start.len && format >= 0 && formats[format]->load_start && !formats[format]->load_start(p, start)) {
        partition_unref(p);
        return NULL;
    }
    return p;
}

static void add_record(struct batch *b, struct partition *p, const struct letter *l, struct str payload)
{
    uint64_t position = meta_number(l, "offset");
    struct span *s = batch_add_span(b, p, position);
    struct record *r = batch_add_record(b);
    *r = (struct record){.position = position,
                         .offset = (uint32_t)b->len,
                         .length = (uint32_t)payload.len,
                         .line = (uint32_t)meta_number(l, "line"),
                         .span = (uint16_t)(b->span_count - 1)};
    if (payload.len)
        memcpy(b->bytes + b->len, payload.data, payload.len);
    b->len += payload.len;
    s->count = 1;
    s->next = position + 1;
}

/* A batch of its own: letters are few, and each may be for other sinks. NULL in *refused: it has been emitted. false: stop. */
static bool emit(struct lane *lane, const struct letter *l, uint32_t number, struct arena *a, const char **refused)
{
    const struct component *failed = config_find(lane_component(lane)->config, l->component);
    struct str payload;
    uint64_t sinks = failed ? lane_sinks_below(lane, failed->index) : 0;
    *refused = NULL;
    if (is_cut(l, a))
        *refused = "only the beginning of the record was kept; read its source again with a larger max_record";
    else if (!sinks)
        *refused = arena_printf(a, "%s leads from %s to no sink any more", l->component, l->source);
    else if (!payload_of(l, a, &payload))
        *refused = "it has no payload";
    if (*refused)
        return true;
    struct partition *p = partition_for(lane, l, number, a);
    if (!p) {
        *refused = "its meta.start cannot be read";
        return true;
    }
    struct batch *b = lane_draw(lane, payload.len ? payload.len : 1);
    if (b) {
        b->only = sinks;
        add_record(b, p, l, payload);
        lane_emit(lane, b);
    }
    partition_unref(p);
    return b != NULL;
}

/* ---- the source --------------------------------------------------------------------------------------------------------- */

struct forgetting {
    const struct retry *retry;
    const char **keys;
    uint32_t count;
    struct arena *arena;
};

static void note_forgettable(void *arg, const char *key, uint64_t lowest)
{
    (void)lowest;
    struct forgetting *f = arg;
    if (strncmp(key, KEY_PREFIX, strlen(KEY_PREFIX)) != 0)
        return;
    const char *id = key + strlen(KEY_PREFIX);
    uint32_t at;
    if (letters_find(f->retry->letters, arena_printf(f->arena, "%.*s", (int)strcspn(id, "@"), id), &at) &&
        strcmp(key_of(&f->retry->letters->items[at], f->arena), key) == 0)
        return;
    const char **keys = arena_array(f->arena, const char *, f->count + 1);
    if (f->count)
        memcpy(keys, f->keys, f->count * sizeof(*keys));
    keys[f->count++] = arena_strdup(f->arena, key);
    f->keys = keys;
}

/* The positions of letters that an earlier retry has delivered, and taken out since. */
static void forget_delivered(struct lane *lane, struct arena *a)
{
    struct forgetting f = {.retry = retry_of(lane), .arena = a};
    lane_stored_keys(lane, note_forgettable, &f);
    lane_forget(lane, f.keys, f.count);
}

static bool retry_run(struct lane *lane, struct error *err)
{
    (void)err;
    struct retry *r = retry_of(lane);
    struct arena arena = ARENA_INIT;
    forget_delivered(lane, &arena);
    bool on = true;
    for (uint32_t i = 0; on && i < r->letters->count; i++)
        if (r->chosen[i] && strcmp(r->letters->items[i].source, lane_component(lane)->name) == 0) {
            const char *refused;
            on = emit(lane, &r->letters->items[i], i, &arena, &refused);
            r->refused[i] = refused ? strdup(refused) : NULL;
            arena_reset(&arena);
        }
    arena_release(&arena);
    return true;
}

static void retry_settled(struct lane *lane, struct partition *p, uint64_t next)
{
    (void)next;
    retry_of(lane)->settled[(uintptr_t)p->source_state] = true;
}

static const struct source_ops retry_ops = {.run = retry_run, .settled = retry_settled};

static bool yes(const struct component *c)
{
    (void)c;
    return true;
}

static void replace_source(struct component *c, struct retry *retry, struct arena *arena)
{
    struct source_type *type = arena_new(arena, struct source_type);
    *type = (struct source_type){.base = *c->type, .finite = yes, .rewindable = yes, .ops = &retry_ops};
    type->base.module = NULL;
    struct retry_options *options = arena_new(arena, struct retry_options);
    options->retry = retry;
    struct source_common *common = arena_new(arena, struct source_common);
    *common = *c->source_common;
    common->ack = ACK_DELIVERED; /* where the letters are kept is their spool */
    c->source = type;
    c->options = options;
    c->source_common = common;
}

const struct config *retry_config(const struct config *cfg, struct retry *retry, struct arena *arena)
{
    struct config *copy = arena_new(arena, struct config);
    *copy = *cfg;
    copy->dead.max_records = -1;
    copy->dead.max_ratio = -1;
    copy->components = arena_array(arena, struct component, cfg->count);
    memcpy(copy->components, cfg->components, cfg->count * sizeof(struct component));
    for (uint32_t i = 0; i < cfg->count; i++) {
        copy->components[i].config = copy;
        if (copy->components[i].kind == COMPONENT_SOURCE)
            replace_source(&copy->components[i], retry, arena);
    }
    return copy;
}
