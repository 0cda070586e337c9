#include "pipeline/engine/plan.h"

#include <stdlib.h>

#include "pipeline/engine/module.h"
#include "pipeline/engine/unseen.h"
#include "pipeline/sql/lookup.h"

/* ---- sinks and their numbers ------------------------------------------------------------------------------------- */

static bool is_planned(const struct component *c)
{
    return c->kind == COMPONENT_SINK && !component_reads_rejects(c);
}

uint32_t plan_sink_count(const struct config *cfg)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < cfg->count; i++)
        n += is_planned(&cfg->components[i]);
    return n;
}

const struct component *plan_sink(const struct config *cfg, uint32_t index)
{
    for (uint32_t i = 0; i < cfg->count; i++)
        if (is_planned(&cfg->components[i]) && index-- == 0)
            return &cfg->components[i];
    return NULL;
}

int plan_sink_index(const struct config *cfg, const struct component *c)
{
    int n = 0;
    for (uint32_t i = 0; i < cfg->count; i++) {
        if (&cfg->components[i] == c)
            return n;
        n += is_planned(&cfg->components[i]);
    }
    return -1;
}

/* ---- schemas --------------------------------------------------------------------------------------------------------- */

static int source_request(struct schema *s, const struct path *path)
{
    if (!s->open)
        return -1;
    const struct format *format = s->owner;
    struct column c = {.name = path->parts[path->count - 1],
                       .type = TYPE(format == &format_json ? TYPE_JSON : TYPE_UNKNOWN),
                       .origin = COLUMN_MEMBER,
                       .path = *path};
    return (int)schema_add(s, c);
}

static int source_request_meta(struct schema *s, enum meta_field field)
{
    struct column c = {.name = str_of(meta_field_name(field)),
                       .type = meta_field_type(field),
                       .origin = COLUMN_META,
                       .meta = field};
    return (int)schema_add(s, c);
}

static const char *const dead_names[DEAD_COLUMNS] = {
    "id", "time", "pipeline", "source", "component", "position", "class", "reason", "sqlstate", "meta", "payload",
    "payload_base64",
};

const char *dead_column_name(enum dead_column c)
{
    return dead_names[c];
}

struct schema *dead_schema(struct arena *arena)
{
    struct schema *s = arena_new(arena, struct schema);
    s->arena = arena;
    for (int i = 0; i < DEAD_COLUMNS; i++) {
        enum type_id type = i == DEAD_TIME ? TYPE_TIMESTAMPTZ : i == DEAD_META ? TYPE_JSONB : TYPE_TEXT;
        schema_add(s, (struct column){.name = str_of(dead_names[i]), .type = TYPE(type), .visible = true,
                                      .origin = COLUMN_DERIVED});
    }
    return s;
}

static bool declare_columns(const struct component *source, struct schema *s, struct problems *problems)
{
    const struct text_table *declared = &source->source_common->columns;
    uint32_t before = problems->errors;
    for (uint32_t i = 0; i < declared->count; i++) {
        const struct text_entry *e = &declared->items[i];
        struct column c = {.name = str_of(e->key), .visible = true, .origin = COLUMN_MEMBER, .declared = true};
        struct error err;
        c.path = (struct path){.parts = &c.name, .count = 1};
        if (type_parse(str_of(e->value), &c.type, &err))
            schema_add(s, c);
        else
            problem_add(problems, e->value_place, "%s", err.text);
    }
    return problems->errors == before;
}

static bool source_schema(const struct component *source, struct route *r, struct arena *arena, struct problems *problems)
{
    const struct source_common *common = source->source_common;
    const struct format *format = formats[common->format];
    struct schema *s = arena_new(arena, struct schema);
    s->arena = arena;
    s->open = common->columns.count == 0 || common->extra == EXTRA_KEEP;
    s->request = source_request;
    s->request_meta = source_request_meta;
    s->owner = (void *)format;
    r->schema = s;
    if (!declare_columns(source, s, problems))
        return false;
    struct error err;
    if (!format->source_schema || format->source_schema(&common->formats, s, &err))
        return true;
    problem_add(problems, source->place, "%s", err.text);
    return false;
}

/* ---- the graph ------------------------------------------------------------------------------------------------------- */

struct builder {
    const struct config *cfg;
    struct arena *arena;
    struct problems *problems;
    struct sink *const *sinks;
    sink_mask wanted;
    bool bind_sinks;
    const bool *good; /* plan_report: those to compile, whatever they lead to; else NULL */
    struct lookup_set lookups;
    struct route *route;
    uint32_t node_capacity, leaf_capacity;
};

static void *grow(struct arena *a, void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 8;
    void *grown = arena_alloc(a, *capacity * size);
    if (count)
        memcpy(grown, items, count * size);
    return grown;
}

/* The sinks wanted that this component reaches by any way: what leads nowhere is not even compiled. */
static sink_mask reach(const struct builder *b, const struct component *c)
{
    if (c->kind == COMPONENT_SINK)
        return b->wanted & (sink_mask)1 << plan_sink_index(b->cfg, c);
    sink_mask mask = 0;
    for (uint32_t i = 0; i < b->cfg->count; i++)
        for (uint32_t k = 0; k < b->cfg->components[i].input_count; k++)
            if (b->cfg->components[i].inputs[k].component == c->index)
                mask |= reach(b, &b->cfg->components[i]);
    return mask;
}

static bool reads_rejected(const struct config *cfg, const struct component *c)
{
    for (uint32_t i = 0; i < cfg->count; i++)
        for (uint32_t k = 0; k < cfg->components[i].input_count; k++)
            if (cfg->components[i].inputs[k].component == c->index && cfg->components[i].inputs[k].output == INPUT_REJECTED)
                return true;
    return false;
}

static struct schema *schema_at(const struct route *r, struct edge e)
{
    if (e.node == EDGE_SOURCE)
        return e.output == INPUT_REJECTED ? r->rejected : r->schema;
    return e.output == INPUT_REJECTED ? r->nodes[e.node].rejected : r->nodes[e.node].step.outs[e.output];
}

static bool add_node(struct builder *b, const struct component *c, struct edge from)
{
    struct route *r = b->route;
    const char *names[TRANSFORM_MAX_OUTPUTS];
    struct node n = {
        .step = {.component = c,
                 .component_index = c->index,
                 .in = schema_at(r, from),
                 .source_name = str_of(r->source->name),
                 .zone = b->cfg->zone,
                 .lookups = &b->lookups},
        .from = from,
        .out_count = c->transform->outputs ? c->transform->outputs(c, names) : 1,
        .keeps_rejected = reads_rejected(b->cfg, c),
    };
    n.step.outs = arena_array(b->arena, struct schema *, n.out_count);
    memset(n.step.outs, 0, n.out_count * sizeof(struct schema *));
    if (!c->transform->bind(&n.step, b->arena, b->problems))
        return false;
    if (n.keeps_rejected)
        n.rejected = dead_schema(b->arena);
    r->nodes = grow(b->arena, r->nodes, r->node_count, &b->node_capacity, sizeof(*r->nodes));
    n.slot = r->slots;
    r->makes_rows |= n.step.makes_rows;
    r->slots += n.out_count + 1;
    r->nodes[r->node_count++] = n;
    return true;
}

static void add_leaf(struct builder *b, const struct component *c, struct edge from)
{
    struct route *r = b->route;
    uint32_t sink = (uint32_t)plan_sink_index(b->cfg, c);
    r->leaves = grow(b->arena, r->leaves, r->leaf_count, &b->leaf_capacity, sizeof(*r->leaves));
    r->leaves[r->leaf_count++] = (struct leaf){
        .binding = {.sink = b->sinks ? b->sinks[sink] : NULL,
                    .component = c,
                    .component_index = c->index,
                    .schema = schema_at(r, from),
                    .arena = b->arena,
                    .source_name = str_of(r->source->name),
                    .zone = b->cfg->zone},
        .from = from,
        .sink = sink,
    };
    r->sinks |= (sink_mask)1 << sink;
}

static bool is_compiled(const struct builder *b, const struct component *reader)
{
    return b->good ? b->good[reader->index] && reader->kind == COMPONENT_TRANSFORM : reach(b, reader) != 0;
}

/* Everything that reads from `c`, which stands at node (EDGE_SOURCE: the source itself). */
static bool add_readers(struct builder *b, const struct component *c, int32_t node)
{
    sink_mask below = 0;
    bool ok = true;
    for (uint32_t i = 0; i < b->cfg->count; i++) {
        const struct component *reader = &b->cfg->components[i];
        for (uint32_t k = 0; k < reader->input_count; k++) {
            if (reader->inputs[k].component != c->index || !is_compiled(b, reader))
                continue;
            struct edge from = {node, reader->inputs[k].output};
            sink_mask reached = reach(b, reader);
            if (from.output != INPUT_REJECTED)
                below |= reached;
            if (reader->kind == COMPONENT_SINK) {
                add_leaf(b, reader, from);
            } else { /* go on after a failure: all problems are shown at once */
                ok = add_node(b, reader, from) && add_readers(b, reader, (int32_t)b->route->node_count - 1) && ok;
            }
        }
    }
    if (node != EDGE_SOURCE)
        b->route->nodes[node].below = below;
    return ok;
}

static int by_sink(const void *a, const void *b)
{
    const struct leaf *x = a, *y = b;
    return (x->sink > y->sink) - (x->sink < y->sink);
}

static bool bind_leaves(struct builder *b, struct error *err)
{
    struct route *r = b->route;
    if (r->leaf_count)
        qsort(r->leaves, r->leaf_count, sizeof(*r->leaves), by_sink);
    for (uint32_t i = 0; i < r->leaf_count; i++) {
        struct leaf *l = &r->leaves[i];
        l->sink_has_others = (i > 0 && l[-1].sink == l->sink) || (i + 1 < r->leaf_count && l[1].sink == l->sink);
        if (!b->bind_sinks)
            continue;
        const struct sink_ops *ops = l->binding.sink->ops;
        if (ops->bind && !ops->bind(l->binding.sink, &l->binding, err))
            return error_wrap(err, "sink %s", l->binding.component->name);
    }
    return true;
}

static bool bind_source(struct builder *b, struct error *err)
{
    struct route *r = b->route;
    const struct source_common *common = r->source->source_common;
    r->decoder = (struct decoder){
        .format = formats[common->format],
        .options = &common->formats,
        .schema = r->schema,
        .convert = {.zone = b->cfg->zone, .now_us = INT64_MIN},
        .component = r->source->index,
        .source_name = str_of(r->source->name),
    };
    if (b->bind_sinks && !registry_ops_of(r->decoder.options, &r->decoder.registry, err))
        return error_wrap(err, "source %s", r->source->name);
    r->unseen = unseen_new(r->schema, b->arena);
    if (r->decoder.format->bind_decoder(&r->decoder, b->arena, err))
        return true;
    return error_wrap(err, "source %s", r->source->name);
}

static bool start_route(struct builder *b, struct route *r, const struct component *source)
{
    *r = (struct route){.source = source, .slots = 2, .keeps_rejected = reads_rejected(b->cfg, source)};
    b->route = r;
    b->node_capacity = b->leaf_capacity = 0;
    if (r->keeps_rejected)
        r->rejected = dead_schema(b->arena);
    return source_schema(source, r, b->arena, b->problems);
}

static bool build_route(struct builder *b, struct error *err)
{
    struct route *r = b->route;
    struct builder all = *b;
    all.wanted = ~(sink_mask)0;
    r->reaches = reach(&all, r->source);
    /* Consumers first: what they ask for decides what is decoded. */
    return add_readers(b, r->source, EDGE_SOURCE) && bind_leaves(b, err) && bind_source(b, err);
}

sink_mask route_sinks_below(const struct route *r, uint32_t component)
{
    if (r->source->index == component)
        return r->sinks;
    sink_mask below = 0;
    for (uint32_t i = 0; i < r->node_count; i++)
        if (r->nodes[i].step.component_index == component)
            below |= r->nodes[i].below;
    for (uint32_t i = 0; i < r->leaf_count; i++)
        if (r->leaves[i].binding.component_index == component)
            below |= (sink_mask)1 << r->leaves[i].sink;
    return below;
}

struct plan *plan_new(const struct config *cfg, struct sink *const *sinks, sink_mask wanted, bool bind_sinks,
                      struct arena *arena, struct problems *problems, struct error *err)
{
    struct plan *p = arena_new(arena, struct plan);
    *p = (struct plan){.arena = arena, .config = cfg, .routes = arena_array(arena, struct route, cfg->count)};
    struct builder b = {.cfg = cfg, .arena = arena, .problems = problems, .sinks = sinks, .wanted = wanted,
                        .bind_sinks = bind_sinks};
    err->text[0] = '\0';
    bool ok = true;
    for (uint32_t i = 0; i < cfg->count; i++) {
        if (cfg->components[i].kind != COMPONENT_SOURCE)
            continue;
        /* Go on after a failure: all problems are shown at once. */
        ok = start_route(&b, &p->routes[p->route_count++], &cfg->components[i]) && build_route(&b, err) && ok;
    }
    return ok && problems->errors == 0 ? p : NULL;
}

void plan_report(const struct config *cfg, const bool *good, struct arena *arena, struct problems *problems)
{
    struct builder b = {.cfg = cfg, .arena = arena, .problems = problems, .good = good};
    for (uint32_t i = 0; i < cfg->count; i++) {
        struct route route;
        const struct component *c = &cfg->components[i];
        if (c->kind == COMPONENT_SOURCE && good[i] && start_route(&b, &route, c))
            add_readers(&b, c, EDGE_SOURCE);
    }
}
