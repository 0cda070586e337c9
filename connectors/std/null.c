#include "connectors/std/null.h"

/* No pieces: the records count as delivered, and nothing is encoded. */
static bool null_bind(struct sink *s, struct binding *b, struct error *err)
{
    (void)s;
    (void)b;
    (void)err;
    return true;
}

static void null_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count, struct tools *tools,
                        struct output *out, struct rejections *r)
{
    (void)b;
    (void)in;
    (void)rows;
    (void)count;
    (void)tools;
    (void)out;
    (void)r;
}

static const struct sink_ops null_ops = {.bind = null_bind, .encode = null_encode};

static const struct option null_options[] = {OPT_END};

const struct sink_type null_sink_type = {
    .base = {.name = "null",
             .summary = "Throw events away, after everything before it has been computed.",
             .doc = "For measuring and for trying out. Nothing is encoded; records count as delivered.",
             .example = "",
             .options = null_options},
    .ops = &null_ops,
};
