#include <pthread.h>
#include <stdlib.h>

#include "pipeline/codec/avro.h"

/* One writer's schema, by the registry's id or the fingerprint. */
struct known {
    struct known *next;
    uint64_t id;
    struct avro_program program;
};

/*
 * Programs are made on the source's thread (prepare), before a worker sees data that needs one, and looked up by workers. Neither they nor the list's items ever
 * change: the lock is for the list's head, and taken once per slice as long as the schema stays the same.
 */
struct avro_decoder {
    const struct schema *schema;
    const struct avro_schema *reader;
    enum avro_framing framing;
    const struct avro_want *wants;
    const struct avro_registry_ops *ops;
    const struct format_options *options;
    pthread_mutex_t learning; /* of the source's lanes one at a time */
    struct avro_registry *registry;
    struct arena arena; /* programs */
    pthread_mutex_t lock;
    struct known *known;
};

static void decoder_end(void *object)
{
    struct avro_decoder *x = object;
    if (x->registry)
        x->ops->close(x->registry);
    arena_release(&x->arena);
    pthread_mutex_destroy(&x->lock);
    pthread_mutex_destroy(&x->learning);
}

bool avro_bind_decoder(struct decoder *d, struct arena *plan, struct error *err)
{
    struct avro_decoder *x = arena_new(plan, struct avro_decoder);
    struct str text;
    x->options = d->options;
    x->schema = d->schema;
    x->framing = (enum avro_framing)d->options->avro_framing;
    x->ops = d->registry;
    pthread_mutex_init(&x->lock, NULL);
    pthread_mutex_init(&x->learning, NULL);
    arena_on_end(plan, decoder_end, x);
    if (d->options->avro_schema && !(x->reader = avro_schema_load(d->options->avro_schema, plan, &text, err)))
        return false;
    x->wants = avro_wants(d->schema, plan);
    d->program = x;
    return true;
}

/* ---- which schema -------------------------------------------------------------------------------------------------------- */

static struct known *find(struct avro_decoder *x, uint64_t id)
{
    pthread_mutex_lock(&x->lock);
    struct known *k = x->known;
    pthread_mutex_unlock(&x->lock);
    while (k && k->id != id)
        k = k->next;
    return k;
}

/* The id in front of a datum, which is left in *bytes. NULL: fine; else what is wrong. */
static const char *take_id(const struct avro_decoder *x, struct str *bytes, uint64_t *id)
{
    const unsigned char *at = (const unsigned char *)bytes->data;
    size_t len = 0;
    *id = 0;
    switch (x->framing) {
    case AVRO_CONFLUENT:
        len = 5;
        if (bytes->len < len || at[0] != 0)
            return "not in the wire format of schema registries: it begins with a byte 0 and the schema's id";
        *id = (uint64_t)at[1] << 24 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 8 | at[4];
        break;
    case AVRO_SINGLE:
        len = 10;
        if (bytes->len < len || at[0] != 0xc3 || at[1] != 0x01)
            return "not a single-object encoding: it begins with the bytes C3 01 and the schema's fingerprint";
        memcpy(id, at + 2, sizeof(*id));
        break;
    case AVRO_BARE:
        break;
    }
    *bytes = (struct str){bytes->data + len, bytes->len - len};
    return NULL;
}

static bool fetch(struct avro_decoder *x, uint64_t id, const struct avro_schema **writer, const char **why, struct error *err)
{
    struct buffer text = {0};
    if (!x->registry && !(x->registry = x->ops->open(x->options, err)))
        return false;
    bool ok = x->ops->fetch(x->registry, (uint32_t)id, &text, err);
    if (ok)
        *writer = avro_schema_parse((struct str){text.data, text.len}, &x->arena, err);
    buffer_release(&text);
    if (*writer || (!ok && err->kind != ERROR_REJECT))
        return ok;
    *why = arena_strdup(&x->arena, err->text);
    return true;
}

/* Makes a program for the id, be it one that says why there is none. false: the registry cannot be asked now. */
static bool learn(struct avro_decoder *x, uint64_t id, struct error *err)
{
    const struct avro_schema *writer = NULL;
    const char *why = NULL;
    if (x->framing == AVRO_CONFLUENT && x->ops) {
        if (!fetch(x, id, &writer, &why, err))
            return false;
    } else if (x->framing == AVRO_SINGLE && id != avro_schema_fingerprint(x->reader)) {
        why = "the schema's fingerprint is not that of avro.schema";
    } else {
        writer = x->reader;
    }
    struct known *k = arena_new(&x->arena, struct known);
    k->id = id;
    if (writer)
        avro_program_new(writer, x->reader, x->schema, x->wants, &x->arena, &k->program);
    else
        k->program.error = why;
    pthread_mutex_lock(&x->lock);
    k->next = x->known;
    x->known = k;
    pthread_mutex_unlock(&x->lock);
    return true;
}

bool avro_prepare(const struct decoder *d, struct batch *b, struct error *err)
{
    struct avro_decoder *x = (struct avro_decoder *)d->program;
    uint64_t last = 0;
    bool any = false;
    for (uint32_t i = 0; i < b->record_count; i++) {
        struct str bytes = batch_record_bytes(b, i);
        uint64_t id;
        if (b->records[i].fault != RECORD_OK || take_id(x, &bytes, &id) || (any && id == last))
            continue;
        if (!find(x, id)) {
            pthread_mutex_lock(&x->learning);
            bool known = find(x, id) || learn(x, id, err);
            pthread_mutex_unlock(&x->learning);
            if (!known)
                return false;
        }
        last = id;
        any = true;
    }
    return true;
}

/* ---- decoding ------------------------------------------------------------------------------------------------------------ */

struct decoding {
    const struct decoder *d;
    struct avro_decoder *x;
    const struct batch *batch;
    struct slice *out;
    struct rejections *rejections;
    struct convert_context cx;
    const struct known *known;
    uint32_t *record;
    struct str *raw;
    uint32_t row;
};

static void reject(const struct decoding *g, uint32_t record, uint32_t offset, const char *text)
{
    struct rejection *r = reject_record(g->rejections, record, g->d->component, "decode", "%s", text);
    r->offset = offset;
    memcpy(r->sqlstate, "22P03", sizeof(r->sqlstate)); /* invalid_binary_representation */
}

static void reject_datum(const struct decoding *g, uint32_t record, const struct avro_reader *r, uint32_t column, const struct error *err)
{
    struct rejection *added;
    struct str whole = batch_record_bytes(g->batch, record), name = g->d->schema->columns[column].name;
    uint32_t offset = (uint32_t)((const char *)r->at - whole.data);
    if (r->why)
        added = reject_record(g->rejections, record, g->d->component, "decode", "malformed Avro at byte %u: %s", offset, r->why);
    else
        added = reject_record(g->rejections, record, g->d->component, "decode", "member \"" STR_FMT "\": %s", STR_ARG(name), err->text);
    added->offset = offset;
    memcpy(added->sqlstate, r->why ? "22P03" : err->sqlstate, sizeof(added->sqlstate));
}

/* `SELECT *` of a source without a reader's schema: the event as a JSON object. */
static bool print_raw(const struct decoding *g, struct str datum)
{
    struct buffer json = {0};
    struct avro_reader r = avro_reader_of(datum);
    bool ok = avro_read_json(&r, g->known->program.writer, &json);
    if (ok)
        g->raw[g->row] = arena_str(g->out->arena, (struct str){json.data, json.len});
    buffer_release(&json);
    return ok;
}

static void decode_record(struct decoding *g, uint32_t record)
{
    struct str datum = batch_record_bytes(g->batch, record);
    struct error err = {.kind = ERROR_REJECT};
    uint64_t id;
    uint32_t column = 0;
    const char *why = take_id(g->x, &datum, &id);
    if (why) {
        reject(g, record, 0, why);
        return;
    }
    if (!g->known || g->known->id != id)
        g->known = find(g->x, id);
    assert(g->known); /* prepare has seen it */
    const struct avro_program *p = &g->known->program;
    if (p->error) {
        reject(g, record, UINT32_MAX, p->error);
        return;
    }
    struct avro_reader r = avro_reader_of(datum);
    if (!avro_program_run(p, g->d->schema, &r, &g->cx, g->out->columns, g->row, &column, &err)) {
        reject_datum(g, record, &r, column, &err);
        return;
    }
    if (g->raw && !print_raw(g, datum))
        return;
    g->record[g->row++] = record;
}

void avro_decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out, struct rejections *r)
{
    const struct schema *s = d->schema;
    struct decoding g = {.d = d, .x = (struct avro_decoder *)d->program, .batch = b, .out = out, .rejections = r, .cx = d->convert};
    g.cx.arena = out->arena;
    out->columns = arena_array(out->arena, struct value *, s->count);
    out->column_count = s->count;
    for (uint32_t c = 0; c < s->count; c++)
        out->columns[c] = s->columns[c].origin == COLUMN_MEMBER ? arena_array(out->arena, struct value, count) : NULL;
    g.record = arena_array(out->arena, uint32_t, count);
    g.raw = s->wants_raw ? arena_array(out->arena, struct str, count) : NULL;
    for (uint32_t i = first; i < first + count; i++)
        if (b->records[i].fault == RECORD_OK || !decoder_fault(d, b, i, r))
            decode_record(&g, i);
    out->rows = g.row;
    out->record = g.record;
    out->raw = g.raw;
    out->sel = slice_all_rows;
    out->selected = g.row;
}
