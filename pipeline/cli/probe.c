#include "pipeline/cli/probe.h"

#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "pipeline/engine/module.h"
#include "pipeline/engine/position.h"

static bool is_finite(const struct plan *plan, uint32_t sink)
{
    for (uint32_t i = 0; i < plan->route_count; i++) {
        const struct route *r = &plan->routes[i];
        if (r->sinks >> sink & 1 && !(r->source->source->finite && r->source->source->finite(r->source)))
            return false;
    }
    return true;
}

/* The bindings of all edges that lead to the sink, made its own. */
static uint32_t take_bindings(const struct plan *plan, struct sink *s, struct binding ***out)
{
    uint32_t count = 0, most = 1;
    for (uint32_t i = 0; i < plan->route_count; i++)
        most += plan->routes[i].leaf_count;
    *out = mem_alloc(most * sizeof **out);
    for (uint32_t i = 0; i < plan->route_count; i++)
        for (uint32_t k = 0; k < plan->routes[i].leaf_count; k++) {
            struct leaf *leaf = &plan->routes[i].leaves[k];
            if (leaf->sink != s->index)
                continue;
            leaf->binding.sink = s;
            (*out)[count++] = &leaf->binding;
        }
    return count;
}

static bool probe_sink(const struct plan *plan, uint32_t index, const struct sink_ops *ops, struct buffer *ddl,
                       struct error *err)
{
    const struct component *c = plan_sink(plan->config, index);
    const struct identity identity = {.pipeline = plan->config->pipeline.name,
                                      .instance = plan->config->pipeline.instance,
                                      .sink = c->name,
                                      .incarnation = ""};
    struct sink s = {.component = c,
                     .type = c->sink,
                     .ops = ops,
                     .identity = &identity,
                     .index = index,
                     .state = mem_zalloc(ops->state_size + 1),
                     .zone = plan->config->zone,
                     .finite = is_finite(plan, index),
                     .clock = &clock_system};
    struct binding **bindings;
    uint32_t count = take_bindings(plan, &s, &bindings);
    bool good = ops->probe(&s, bindings, count, ddl, err);
    if (ops->release)
        ops->release(&s);
    free(bindings);
    free(s.state);
    return good;
}

static void print_result(const struct component *c, bool can, bool good, const struct error *err, struct buffer *out)
{
    buffer_printf(out, "%s (%s %s): %s\n", c->name, component_kind_name(c->kind), c->type->name,
                  !good  ? err->text
                  : !can ? "nothing to connect to"
                         : "reached");
}

static bool connect_source(const struct component *c, struct buffer *out)
{
    struct error err;
    const struct source_ops *ops = source_ops_of(c, &err);
    bool can = ops && ops->probe;
    bool good = ops && (!can || ops->probe(c, &err));
    print_result(c, can, good, &err, out);
    return good;
}

static bool connect_sink(const struct plan *plan, uint32_t index, struct buffer *out)
{
    struct error err;
    const struct component *c = plan_sink(plan->config, index);
    const struct sink_ops *ops = sink_ops_of(c, &err);
    bool can = ops && ops->probe;
    bool good = ops && (!can || probe_sink(plan, index, ops, NULL, &err));
    print_result(c, can, good, &err, out);
    return good;
}

bool probe_connect(const struct plan *plan, struct buffer *out)
{
    bool good = true;
    for (uint32_t i = 0; i < plan->route_count; i++)
        good &= connect_source(plan->routes[i].source, out);
    for (uint32_t i = 0; i < plan_sink_count(plan->config); i++)
        good &= connect_sink(plan, i, out);
    return good;
}

bool probe_ddl(const struct plan *plan, struct buffer *out)
{
    bool good = true;
    for (uint32_t i = 0; i < plan_sink_count(plan->config); i++) {
        struct error err;
        struct buffer ddl = {0};
        const struct component *c = plan_sink(plan->config, i);
        const struct sink_ops *ops = sink_ops_of(c, &err);
        bool done = ops && (!ops->probe || probe_sink(plan, i, ops, &ddl, &err));
        if (!done)
            buffer_printf(out, "-- %s: %s\n", c->name, err.text);
        else if (ddl.len)
            buffer_printf(out, "-- %s\n%s\n", c->name, buffer_cstr(&ddl));
        buffer_release(&ddl);
        good &= done;
    }
    return good;
}
