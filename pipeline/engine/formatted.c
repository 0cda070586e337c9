#include "pipeline/engine/formatted.h"

#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/module.h"

/* A schema registry may be away. */
static bool bind_when_possible(struct sink *s, struct encoder *e, struct arena *arena, struct error *err)
{
    int64_t since_us = clock_now_us(s->clock);
    bool told = false;
    for (; !e->format->bind_encoder(e, arena, err); told = true) {
        if (err->kind != ERROR_RETRY)
            return false;
        if (!told)
            log_warn(s->component->name, "%s; trying again", err->text);
        if (!sink_pause(s, since_us))
            return false;
    }
    if (told)
        log_info(s->component->name, "works again");
    return true;
}

struct encoder *formatted_encoder(struct sink *s, struct binding *b, struct error *err)
{
    const struct sink_common *common = s->component->sink_common;
    struct encoder *e = arena_new(b->arena, struct encoder);
    *e = (struct encoder){
        .format = formats[common->format],
        .options = &common->formats,
        .schema = b->schema,
        .zone = b->zone,
        .component = b->component_index,
    };
    if (!registry_ops_of(e->options, &e->registry, err))
        return NULL;
    if (b->schema->open)
        schema_want_raw(b->schema);
    return bind_when_possible(s, e, b->arena, err) ? e : NULL;
}

bool formatted_bind(struct sink *s, struct binding *b, struct error *err)
{
    b->program = formatted_encoder(s, b, err);
    return b->program != NULL;
}

bool formatted_bind_with_header(struct sink *s, struct binding *b, struct error *err)
{
    if (!formatted_bind(s, b, err))
        return false;
    const struct encoder *e = b->program;
    if (!s->shared) {
        struct buffer *header = s->shared = mem_zalloc(sizeof(*header));
        if (e->format->encode_header)
            e->format->encode_header(e, header);
    }
    return true;
}

void formatted_release_header(struct sink *s)
{
    if (s->shared)
        buffer_release(s->shared);
    free(s->shared);
    s->shared = NULL;
}

void formatted_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count, struct tools *tools,
                      struct output *out, struct rejections *r)
{
    (void)tools;
    const struct encoder *e = b->program;
    struct piece *p = output_piece(out, STR(""));
    uint32_t rejected = r->count;
    e->format->encode(e, in, rows, count, &p->bytes, NULL, r);
    p->rows += count - (r->count - rejected);
}

void formatted_compress(struct tools *tools, struct output *out, enum compression how)
{
    for (uint32_t i = 0; i < out->piece_count; i++) {
        struct piece *p = &out->pieces[i];
        struct buffer packed = {0};
        compressor_run(tools->compressor, how, 0, (struct str){p->bytes.data, p->bytes.len}, &packed);
        buffer_release(&p->bytes);
        p->bytes = packed;
    }
}
