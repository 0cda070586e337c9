#include "pipeline/cli/explain_plan.h"

#include <stdio.h>

#include "pipeline/engine/plan.h"
#include "pipeline/engine/report.h"

static void print_path(const struct path *path, struct buffer *out)
{
    for (uint32_t i = 0; i < path->count; i++)
        buffer_printf(out, "%s" STR_FMT, i ? "." : "", STR_ARG(path->parts[i]));
}

static void print_type(const struct column *c, struct buffer *out)
{
    char name[48];
    if (c->type.id == TYPE_JSON)
        buffer_printf(out, "as needed");
    else if (c->type.id == TYPE_UNKNOWN)
        buffer_printf(out, "untyped text");
    else
        buffer_printf(out, "%s", type_name(c->type, name));
}

/* What the decoder looks for; everything else in a record is skipped. */
static void print_columns_read(const struct route *r, struct buffer *out)
{
    const struct schema *s = r->schema;
    uint32_t read = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct column *c = &s->columns[i];
        if (c->origin != COLUMN_MEMBER)
            continue;
        buffer_printf(out, read++ ? ", " : "  reads ");
        if (c->path.count)
            print_path(&c->path, out);
        else
            buffer_printf(out, STR_FMT, STR_ARG(c->name));
        buffer_printf(out, " (");
        print_type(c, out);
        buffer_add_byte(out, ')');
    }
    if (s->wants_raw)
        buffer_printf(out, read ? ", and passes the whole event on\n" : "  passes the whole event on\n");
    else
        buffer_printf(out, read ? "\n" : "  reads no member\n");
}

static void print_way(const struct route *r, struct edge from, struct buffer *out)
{
    if (from.node == EDGE_SOURCE) {
        buffer_printf(out, "%s%s", r->source->name, from.output == INPUT_REJECTED ? ".rejected" : "");
        return;
    }
    const struct node *n = &r->nodes[from.node];
    const struct component *c = n->step.component;
    print_way(r, n->from, out);
    buffer_printf(out, " -> %s", c->name);
    const char *names[TRANSFORM_MAX_OUTPUTS];
    uint32_t count = c->transform->outputs ? c->transform->outputs(c, names) : 0;
    if (from.output == INPUT_REJECTED)
        buffer_printf(out, ".rejected");
    else if (count)
        buffer_printf(out, ".%s", names[from.output]);
}

static const char *guarantee(const struct component *source, const struct component *sink)
{
    bool spooled = source->source_common->ack == ACK_SPOOLED;
    bool redelivers = source->source->redelivers && source->source->redelivers(source);
    if (!source_is_repeatable(source) && redelivers)
        return "at least once: the sender keeps what is not acknowledged, and it is acknowledged when every sink has it";
    if (!source_is_repeatable(source))
        return "what was read and not yet delivered is lost with the process: the source cannot be read again";
    if (!sink->sink->exactly_once || (sink->sink->commits_for && !config_keeps_positions(sink) && sink->sink_common->exactly_once != EXACTLY_ONCE_FALSE))
        return "at least once: after a crash, what this sink got since the last checkpoint is written again";
    if (sink->sink_common->exactly_once == EXACTLY_ONCE_FALSE)
        return "at least once: exactly_once = false";
    if (sink->sink->commits_for)
        return "exactly once: the sink commits the source's offsets in the transaction that holds its messages";
    if (spooled)
        return "exactly once from the spool on: the sink stores positions in the spool together with the data";
    if (source->source->shared && !sink->sink->acquires)
        return "at least once: partitions move between processes, and this sink cannot take their positions over";
    return "exactly once: the sink stores the source's positions together with the data";
}

static void print_columns_written(const struct schema *s, struct buffer *out)
{
    uint32_t shown = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->columns[i].visible)
            continue;
        buffer_printf(out, "%s" STR_FMT " (", shown++ ? ", " : "    gets ", STR_ARG(s->columns[i].name));
        print_type(&s->columns[i], out);
        buffer_add_byte(out, ')');
    }
    if (s->open)
        buffer_printf(out, shown ? ", and every other member of the event\n" : "    gets the event's members\n");
    else
        buffer_add_byte(out, '\n');
}

static void print_spool(const struct source_common *o, struct buffer *out)
{
    buffer_printf(out, "  is told that a record is safe when it is durable in the spool, which holds at most ");
    print_bytes(out, o->spool_max_size);
    buffer_printf(out, "; a sink that is down holds up no other\n  now() is the time a record was put into the spool\n");
}

static void print_route(const struct route *r, struct buffer *out)
{
    const struct component *source = r->source;
    bool finite = source->source->finite && source->source->finite(source);
    buffer_printf(out, "%s (source %s): %s\n", source->name, source->type->name,
                  finite ? "ends by itself" : "runs until it is stopped");
    print_columns_read(r, out);
    if (source->source_common->ack == ACK_SPOOLED)
        print_spool(source->source_common, out);
    else if (!source_is_repeatable(source))
        buffer_printf(out, "  now() is the time of reading\n");
    for (uint32_t i = 0; i < r->node_count; i++) {
        const struct node *n = &r->nodes[i];
        struct buffer before = {0};
        buffer_printf(&before, "  %s ", n->step.component->name);
        if (n->step.component->transform->explain)
            n->step.component->transform->explain(&n->step, buffer_cstr(&before), out);
        buffer_release(&before);
    }
    for (uint32_t i = 0; i < r->leaf_count; i++) {
        const struct leaf *leaf = &r->leaves[i];
        buffer_printf(out, "  ");
        print_way(r, leaf->from, out);
        buffer_printf(out, " -> %s (sink %s)\n    %s\n", leaf->binding.component->name,
                      leaf->binding.component->type->name, guarantee(source, leaf->binding.component));
        print_columns_written(leaf->binding.schema, out);
    }
    buffer_add_byte(out, '\n');
}

static void print_end(const struct config *cfg, struct buffer *out)
{
    const struct component *dead = cfg->dead_letter;
    buffer_printf(out, "Rejected records go to %s (sink %s)%s.\n", dead->name, dead->type->name,
                  dead->place.line ? "" : ", a file in the state_dir");
    for (uint32_t i = 0; i < cfg->count; i++)
        for (uint32_t k = 0; component_reads_rejects(&cfg->components[i]) && k < cfg->components[i].input_count; k++)
            buffer_printf(out, "What %s rejects goes to %s (sink %s) instead.\n", cfg->components[cfg->components[i].inputs[k].component].name,
                          cfg->components[i].name, cfg->components[i].type->name);
    buffer_printf(out, "State is kept in %s\n", cfg->pipeline.state_dir);
}

int explain_plan(const struct config_args *args, const struct text_list *operands)
{
    struct arena arena = ARENA_INIT;
    struct problems problems = {0};
    struct buffer out = {0};
    struct error err = {0};
    int code = EXIT_CONFIG;
    const struct config *cfg = command_load(args, operands, &arena, &problems);
    uint32_t before = problems.count;
    const struct plan *plan = cfg ? plan_new(cfg, NULL, ~(sink_mask)0, false, &arena, &problems, &err) : NULL;
    if (cfg && !plan && err.text[0])
        problem_add(&problems, (struct place){0}, "%s", err.text);
    command_print_problems(&problems, before);
    if (plan) {
        for (uint32_t i = 0; i < plan->route_count; i++)
            print_route(&plan->routes[i], &out);
        print_end(cfg, &out);
        code = command_output(&out);
    }
    arena_release(&arena);
    return code;
}
