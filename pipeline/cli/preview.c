#include "pipeline/cli/preview.h"

#include <stdio.h>

#include "pipeline/engine/formatted.h"

struct preview_options {
    int64_t rows;
    _Atomic int *wanting; /* sinks that have not shown enough; shared by all. NULL: nobody waits for this one */
};

struct preview_sink {
    int64_t shown;
};

static void show_rows(const struct sink *s, const struct buffer *rows, int64_t *shown, int64_t most)
{
    const char *end = rows->data + rows->len;
    for (const char *at = rows->data, *newline; *shown < most && at < end; at = newline + 1, ++*shown) {
        newline = memchr(at, '\n', (size_t)(end - at));
        printf("%-16s %.*s\n", s->component->name, (int)(newline - at), at);
    }
    fflush(stdout);
}

static bool preview_write(struct sink *s, struct output *o, struct error *err)
{
    (void)err;
    struct preview_sink *state = s->state;
    const struct preview_options *options = s->component->options;
    int64_t before = state->shown;
    for (uint32_t i = 0; i < o->piece_count; i++)
        show_rows(s, &o->pieces[i].bytes, &state->shown, options->rows);
    bool enough = state->shown == options->rows && before < options->rows;
    if (enough && options->wanting && atomic_fetch_sub(options->wanting, 1) == 1)
        engine_drain(s->engine);
    return true;
}

static const struct sink_ops preview_ops = {
    .state_size = sizeof(struct preview_sink),
    .bind = formatted_bind,
    .encode = formatted_encode,
    .write = preview_write,
};

static const struct sink_type preview_type = {
    .base = {.name = "preview",
             .summary = "Show rows.",
             .options_size = sizeof(struct preview_options),
             .has_format = true},
    .ops = &preview_ops,
};

static int json_index(void)
{
    int i = 0;
    while (formats[i] != &format_json)
        i++;
    return i;
}

static void replace_sink(struct component *c, const struct config *cfg, struct preview_options options, struct arena *arena)
{
    struct sink_common *common = arena_new(arena, struct sink_common);
    *common = *c->sink_common;
    common->format = json_index();
    common->connections = 1;
    c->options = memcpy(arena_new(arena, struct preview_options), &options, sizeof(options));
    c->config = cfg;
    c->sink = &preview_type;
    c->sink_common = common;
}

const struct config *preview_config(const struct config *cfg, int64_t rows, struct arena *arena)
{
    struct config *copy = arena_new(arena, struct config);
    *copy = *cfg;
    copy->components = arena_array(arena, struct component, cfg->count);
    memcpy(copy->components, cfg->components, cfg->count * sizeof(struct component));
    copy->dead_letter = arena_new(arena, struct component);
    *copy->dead_letter = *cfg->dead_letter;
    _Atomic int *wanting = (_Atomic int *)arena_new(arena, int);
    for (uint32_t i = 0; i < copy->count; i++) {
        if (copy->components[i].kind != COMPONENT_SINK)
            continue;
        bool planned = !component_reads_rejects(&copy->components[i]); /* nobody waits for what may never be rejected */
        replace_sink(&copy->components[i], copy, (struct preview_options){rows, planned ? wanting : NULL}, arena);
        *wanting += planned;
    }
    replace_sink(copy->dead_letter, copy, (struct preview_options){rows, NULL}, arena);
    return copy;
}
