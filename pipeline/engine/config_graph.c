/*
 * The edges of the pipeline: who reads whom.
 */
#include "pipeline/engine/config_document.h"
#include "pipeline/engine/option_parse.h"
#include "pipeline/engine/upstream.h"

static const struct component *component_named(const struct config *cfg, struct str name)
{
    for (uint32_t i = 0; i < cfg->count; i++)
        if (str_eq(str_of(cfg->components[i].name), name))
            return &cfg->components[i];
    return NULL;
}

const struct component *config_find(const struct config *cfg, const char *name)
{
    return component_named(cfg, str_of(name));
}

/* 0: one output without a name. */
static uint32_t output_names(const struct component *c, const char *names[TRANSFORM_MAX_OUTPUTS])
{
    if (c->kind != COMPONENT_TRANSFORM || !c->type || !c->transform->outputs)
        return 0;
    return c->transform->outputs(c, names);
}

/* ---- one entry of inputs ----------------------------------------------------------------------------------------- */

static const char *known_inputs(struct config *cfg, const struct component *reader, const char **names, uint32_t most,
                                uint32_t *count)
{
    const char *list = "";
    *count = 0;
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (c == reader || c->kind == COMPONENT_SINK)
            continue;
        const char *outputs[TRANSFORM_MAX_OUTPUTS];
        uint32_t n = output_names(c, outputs);
        for (uint32_t o = 0; o < (n ? n : 1) && *count < most; o++) {
            const char *name = n ? arena_printf(cfg->arena, "%s.%s", c->name, outputs[o]) : c->name;
            names[(*count)++] = name;
            list = arena_printf(cfg->arena, "%s%s%s", list, *list ? ", " : "", name);
        }
    }
    return list;
}

static bool report_unknown_input(struct config *cfg, const struct component *reader, const struct toml_node *node,
                                 struct problems *p)
{
    const char *names[256];
    uint32_t count;
    const char *list = known_inputs(cfg, reader, names, 256, &count);
    struct problem *problem = problem_at_value(p, node, "no source or transform gives \"%s\"", node->text.data);
    problem_nearest(p, problem, node->text.data, names, count);
    if (!problem->hint && *list)
        problem->hint = arena_printf(cfg->arena, "known: %s", list);
    return false;
}

static bool resolve_output(struct config *cfg, const struct component *reader, const struct component *from,
                           struct str output, const struct toml_node *node, struct problems *p, struct input *in)
{
    const char *names[TRANSFORM_MAX_OUTPUTS];
    uint32_t count = output_names(from, names);
    if (str_eq(output, STR("rejected"))) {
        in->output = INPUT_REJECTED;
        return true;
    }
    for (uint32_t i = 0; i < count; i++)
        if (str_eq(output, str_of(names[i]))) {
            in->output = (int32_t)i;
            return true;
        }
    if (output.len)
        return report_unknown_input(cfg, reader, node, p);
    if (from->kind == COMPONENT_SINK) {
        problem_at_value(p, node, "\"%s\" is a sink: only %s.rejected can be read", from->name, from->name);
        return false;
    }
    if (count == 0)
        return true;
    const char *list = "";
    for (uint32_t i = 0; i < count; i++)
        list = arena_printf(cfg->arena, "%s%s%s.%s", list, i ? ", " : "", from->name, names[i]);
    problem_at_value(p, node, "\"%s\" has several outputs", from->name)->hint =
        arena_printf(cfg->arena, "name one: %s", list);
    return false;
}

static bool resolve_input(struct config *cfg, const struct component *reader, const struct toml_node *node,
                          struct problems *p, struct input *in)
{
    *in = (struct input){.text = node->text.data, .place = node->origin ? (struct place){0} : node->place};
    const char *dot = memchr(node->text.data, '.', node->text.len);
    struct str name = {node->text.data, dot ? (size_t)(dot - node->text.data) : node->text.len};
    const struct component *from = component_named(cfg, name);
    if (!from)
        return report_unknown_input(cfg, reader, node, p);
    in->component = from->index;
    struct str output = {dot ? dot + 1 : "", dot ? node->text.len - name.len - 1 : 0};
    if (!resolve_output(cfg, reader, from, output, node, p, in))
        return false;
    for (uint32_t i = 0; i < reader->input_count; i++)
        if (reader->inputs[i].component == in->component && reader->inputs[i].output == in->output) {
            problem_at_value(p, node, "\"%s\" is listed twice", in->text);
            return false;
        }
    return true;
}

static void read_inputs(struct config *cfg, struct component *c, struct problems *p)
{
    const struct config_document *doc = cfg->document;
    const struct toml_node *node = toml_find(doc->own[c->index], "inputs");
    if (c->kind == COMPONENT_SOURCE) {
        if (node)
            problem_at_key(p, node, "a source has no inputs");
        return;
    }
    if (!node || (node->kind == TOML_ARRAY && !node->children)) {
        const char *names[256];
        uint32_t count;
        const char *list = known_inputs(cfg, c, names, 256, &count);
        struct problem *problem =
            problem_add(p, c->place, "%s \"%s\" needs inputs", component_kind_name(c->kind), c->name);
        if (*list)
            problem->hint = arena_printf(cfg->arena, "known: %s", list);
        return;
    }
    if (node->broken)
        return;
    bool list = node->kind == TOML_ARRAY;
    uint32_t count = 0;
    for (const struct toml_node *n = list ? node->children : node; n; n = list ? n->next : NULL)
        count++;
    c->inputs = arena_array(cfg->arena, struct input, count);
    for (const struct toml_node *n = list ? node->children : node; n; n = list ? n->next : NULL) {
        if (n->kind != TOML_STRING)
            problem_at_value(p, n, "inputs takes a list of names, not %s", toml_kind_name(n->kind));
        else if (resolve_input(cfg, c, n, p, &c->inputs[c->input_count]))
            c->input_count++;
    }
}

bool component_reads_rejects(const struct component *c)
{
    return c->kind == COMPONENT_SINK && c->input_count && c->config->components[c->inputs[0].component].kind == COMPONENT_SINK;
}

/* What a sink's server refuses is known only when the workers are long through with it: no transform can take it up again. */
static void check_sinks_rejected(const struct config *cfg, struct problems *p)
{
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        for (uint32_t k = 0; k < c->input_count; k++) {
            const struct component *from = &cfg->components[c->inputs[k].component];
            if (from->kind == COMPONENT_SINK && c->kind == COMPONENT_TRANSFORM)
                problem_add(p, c->inputs[k].place, "a transform cannot read what a sink rejects: give %s to a sink", c->inputs[k].text);
            else if (from->kind == COMPONENT_SINK && component_reads_rejects(from))
                problem_add(p, c->inputs[k].place, "what %s itself rejects stops the run: nothing is left that could take it", from->name);
            else if (c->kind == COMPONENT_SINK && (from->kind == COMPONENT_SINK) != component_reads_rejects(c))
                problem_add(p, c->inputs[k].place, "sink \"%s\" reads what a sink rejects, and so nothing else: make a second sink for the other inputs",
                            c->name);
        }
    }
}

/* ---- cycles ------------------------------------------------------------------------------------------------------ */

enum colour { UNSEEN, ON_PATH, DONE };

struct walk {
    struct config *cfg;
    struct problems *problems;
    uint8_t *colours;
    uint32_t *path;
    uint32_t depth;
};

/* The path runs from readers to what they read; data flows the other way. */
static void report_cycle(struct walk *w, const struct input *closing)
{
    const char *flow = w->cfg->components[closing->component].name;
    for (uint32_t i = w->depth; i > 0; i--) {
        flow = arena_printf(w->cfg->arena, "%s -> %s", flow, w->cfg->components[w->path[i - 1]].name);
        if (w->path[i - 1] == closing->component)
            break;
    }
    problem_add(w->problems, closing->place, "a cycle: %s", flow)->length = (uint32_t)strlen(closing->text) + 2;
}

static void visit(struct walk *w, uint32_t index)
{
    const struct component *c = &w->cfg->components[index];
    w->colours[index] = ON_PATH;
    w->path[w->depth++] = index;
    for (uint32_t i = 0; i < c->input_count; i++) {
        uint32_t from = c->inputs[i].component;
        if (w->colours[from] == ON_PATH)
            report_cycle(w, &c->inputs[i]);
        else if (w->colours[from] == UNSEEN)
            visit(w, from);
    }
    w->depth--;
    w->colours[index] = DONE;
}

static bool refuse_cycles(struct config *cfg, struct problems *p)
{
    uint32_t errors = p->errors;
    struct walk w = {cfg, p, arena_array(cfg->arena, uint8_t, cfg->count),
                     arena_array(cfg->arena, uint32_t, cfg->count), 0};
    memset(w.colours, UNSEEN, cfg->count);
    for (uint32_t i = 0; i < cfg->count; i++)
        if (w.colours[i] == UNSEEN)
            visit(&w, i);
    return p->errors == errors;
}

/* ---- ways -------------------------------------------------------------------------------------------------------- */

/* Each way from a source to a component is a step of the plan of its own, and delivers every event once more. */
enum { MOST_WAYS = 16384 };

static uint32_t count_ways(struct config *cfg, uint32_t *ways, uint32_t index)
{
    const struct component *c = &cfg->components[index];
    if (ways[index] || c->input_count == 0)
        return ways[index] ? ways[index] : 1;
    for (uint32_t i = 0; i < c->input_count && ways[index] <= MOST_WAYS; i++)
        ways[index] += count_ways(cfg, ways, c->inputs[i].component);
    return ways[index];
}

/* Only the first: those behind it have as many. */
static bool refuse_many_ways(struct config *cfg, struct problems *p)
{
    uint32_t *ways = arena_array(cfg->arena, uint32_t, cfg->count + 1);
    memset(ways, 0, (cfg->count + 1) * sizeof(*ways));
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (count_ways(cfg, ways, i) <= MOST_WAYS)
            continue;
        problem_add(p, c->inputs[0].place, "more than %d ways lead from the sources to \"%s\": it would get every event once for each", MOST_WAYS,
                    c->name);
        return false;
    }
    return true;
}

/* ---- what nobody reads ------------------------------------------------------------------------------------------- */

static bool is_read(const struct config *cfg, uint32_t component, int32_t output)
{
    for (uint32_t i = 0; i < cfg->count; i++)
        for (uint32_t k = 0; k < cfg->components[i].input_count; k++) {
            const struct input *in = &cfg->components[i].inputs[k];
            if (in->component == component && in->output == output)
                return true;
        }
    return false;
}

static void warn_about_unread(const struct config *cfg, struct problems *p)
{
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (c->kind == COMPONENT_SINK)
            continue;
        const char *names[TRANSFORM_MAX_OUTPUTS];
        uint32_t count = output_names(c, names);
        if (count == 0 && !is_read(cfg, i, 0))
            problem_warn(p, c->place, "nobody reads %s \"%s\"", component_kind_name(c->kind), c->name)->length =
                (uint32_t)strlen(c->name);
        /* `else` is what is left: leaving it unread is what a filter does. */
        for (uint32_t o = 0; o < count; o++)
            if (strcmp(names[o], "else") != 0 && !is_read(cfg, i, (int32_t)o))
                problem_warn(p, c->place, "nobody reads \"%s.%s\": what goes there counts as filtered", c->name,
                             names[o])
                    ->length = (uint32_t)strlen(c->name);
    }
}

/* ---- promises ------------------------------------------------------------------------------------------------------
 */

static bool is_rewindable(const struct component *source)
{
    return source->source->rewindable && source->source->rewindable(source);
}

bool source_is_repeatable(const struct component *source)
{
    return is_rewindable(source) || source->source_common->ack == ACK_SPOOLED;
}

/* A spool is for what would be lost otherwise, and its sinks go on from where they were. */
static void check_spools(const struct config *cfg, struct problems *p)
{
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (c->kind == COMPONENT_SOURCE && c->source_common->ack == ACK_SPOOLED && is_rewindable(c))
            problem_add(p, config_place(c, "ack"), "source \"%s\" can be read again from where a sink is: it needs no spool", c->name);
    }
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (c->kind != COMPONENT_SINK || !c->sink->one_commit || !c->sink->one_commit(c))
            continue;
        const struct component *spooled = upstream_spooled(c);
        if (spooled)
            problem_add(p, c->place, "sink \"%s\" replaces everything in each run, but source \"%s\" is spooled: a run gives only what the one before left",
                        c->name, spooled->name);
    }
}

/* The first source above a component that cannot be read again from a position; NULL: none. `seen` is per component. */
static const struct component *unrepeatable_source(const struct config *cfg, const struct component *c, uint8_t *seen)
{
    if (seen[c->index])
        return NULL;
    seen[c->index] = 1;
    if (c->kind == COMPONENT_SOURCE)
        return c->type && !source_is_repeatable(c) ? c : NULL;
    for (uint32_t i = 0; i < c->input_count; i++) {
        const struct component *found = unrepeatable_source(cfg, &cfg->components[c->inputs[i].component], seen);
        if (found)
            return found;
    }
    return NULL;
}

bool config_keeps_positions(const struct component *sink)
{
    int wanted = sink->sink_common->exactly_once;
    return sink->sink->exactly_once && (sink->sink->commits_for ? wanted == EXACTLY_ONCE_TRUE : wanted != EXACTLY_ONCE_FALSE);
}

struct commit_check {
    const struct component *sink;
    struct problems *problems;
};

static void find_source(void *arg, const struct component *source)
{
    const struct component **wanted = arg;
    if (*wanted == source)
        *wanted = NULL;
}

/* The source's system keeps one position for all sinks: the others have to keep their own. */
static void check_commits_for(void *arg, const struct component *source)
{
    const struct commit_check *check = arg;
    const struct component *sink = check->sink;
    const struct config *cfg = sink->config;
    const char *why = sink->sink->commits_for(sink, source);
    if (why)
        problem_add(check->problems, config_place(sink, "exactly_once"), "exactly_once = true cannot be kept: source \"%s\" %s", source->name, why);
    for (uint32_t i = 0; !why && i < cfg->count; i++) {
        const struct component *other = &cfg->components[i], *found = source;
        if (other == sink || other->kind != COMPONENT_SINK)
            continue;
        upstream_each_source(other, find_source, &found);
        if (!found && (!config_keeps_positions(other) || !other->sink->acquires || other->sink->commits_for))
            problem_add(check->problems, config_place(sink, "exactly_once"),
                        "exactly_once = true cannot be kept: sink \"%s\" reads source \"%s\", too, and does not store positions of its own with its data", other->name,
                        source->name);
    }
}

/* exactly_once = true is an error where it cannot be kept. Asks sources about their options: they must have been read.
 */
static void check_exactly_once(const struct config *cfg, struct problems *p)
{
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (c->kind != COMPONENT_SINK || c->sink_common->exactly_once != EXACTLY_ONCE_TRUE)
            continue;
        uint8_t *seen = memset(arena_alloc(cfg->arena, cfg->count), 0, cfg->count);
        const struct component *source = unrepeatable_source(cfg, c, seen);
        if (!c->sink->exactly_once)
            problem_add(p, config_place(c, "exactly_once"),
                        "a %s sink cannot keep exactly_once = true: it has no place for positions", c->type->name);
        else if (c->sink->commits_for)
            upstream_each_source(c, check_commits_for, &(struct commit_check){c, p});
        else if (!c->sink->acquires && upstream_shared(c))
            problem_add(p, config_place(c, "exactly_once"),
                        "exactly_once = true cannot be kept: the partitions of source \"%s\" move between processes, and a %s sink cannot take "
                        "their positions over",
                        upstream_shared(c)->name, c->type->name);
        else if (source)
            problem_add(p, config_place(c, "exactly_once"),
                        "exactly_once = true cannot be kept: source \"%s\" cannot be read again from a position",
                        source->name);
    }
}

bool config_link(struct config *cfg, struct problems *problems)
{
    uint32_t errors = problems->errors;
    for (uint32_t i = 0; i < cfg->count; i++)
        read_inputs(cfg, &cfg->components[i], problems);
    bool resolved = problems->errors == errors;
    bool can_walk = refuse_cycles(cfg, problems) && refuse_many_ways(cfg, problems);
    if (resolved) {
        warn_about_unread(cfg, problems);
        check_sinks_rejected(cfg, problems);
    }
    if (problems->errors == 0)
        check_spools(cfg, problems);
    if (problems->errors == 0)
        check_exactly_once(cfg, problems);
    return can_walk;
}
