#include "pipeline/engine/upstream.h"

struct walk {
    void (*each)(void *arg, const struct component *source);
    void *arg;
    bool *seen; /* per component of the configuration */
};

static void visit(struct walk *w, const struct config *cfg, uint32_t index)
{
    if (w->seen[index])
        return;
    w->seen[index] = true;
    const struct component *c = &cfg->components[index];
    if (c->kind == COMPONENT_SOURCE)
        w->each(w->arg, c);
    for (uint32_t i = 0; i < c->input_count; i++)
        visit(w, cfg, c->inputs[i].component);
}

void upstream_each_source(const struct component *c, void (*each)(void *arg, const struct component *source), void *arg)
{
    const struct config *cfg = c->config;
    struct arena scratch = ARENA_INIT;
    struct walk w = {each, arg, arena_array(&scratch, bool, cfg->count + 1)};
    memset(w.seen, 0, cfg->count + 1);
    for (uint32_t i = 0; i < c->input_count; i++)
        visit(&w, cfg, c->inputs[i].component);
    for (uint32_t i = 0; i < cfg->count && c->input_count == 0; i++)
        if (cfg->components[i].kind == COMPONENT_SOURCE)
            visit(&w, cfg, i);
    arena_release(&scratch);
}

bool upstream_is_shared(const struct component *c, const char *source)
{
    const struct component *found = config_find(c->config, source);
    return found && found->kind == COMPONENT_SOURCE && found->source->shared;
}

static void find_endless(void *arg, const struct component *source)
{
    const struct component **endless = arg;
    if (!*endless && source->source->finite && !source->source->finite(source))
        *endless = source;
}

const struct component *upstream_endless(const struct component *c)
{
    const struct component *endless = NULL;
    upstream_each_source(c, find_endless, &endless);
    return endless;
}

static void find_spooled(void *arg, const struct component *source)
{
    const struct component **spooled = arg;
    if (source->source_common->ack == ACK_SPOOLED)
        *spooled = source;
}

const struct component *upstream_spooled(const struct component *c)
{
    const struct component *spooled = NULL;
    upstream_each_source(c, find_spooled, &spooled);
    return spooled;
}

static void find_shared(void *arg, const struct component *source)
{
    const struct component **shared = arg;
    if (!*shared && source->source->shared)
        *shared = source;
}

const struct component *upstream_shared(const struct component *c)
{
    const struct component *shared = NULL;
    upstream_each_source(c, find_shared, &shared);
    return shared;
}
