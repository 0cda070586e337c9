/*
 * A first pipeline from a list of components: `pipe new file,sql,sqlite`. The first is a source; then transforms; then
 * sinks, which all read the last transform. What is printed comes from the components' examples and passes `pipe
 * check`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/cli/catalog.h"
#include "pipeline/cli/command.h"
#include "pipeline/engine/option_parse.h"

enum { MOST_PARTS = 16 };

struct part {
    enum component_kind kind;
    const struct component_type *type;
    char name[64];
};

static const struct component_type *find_type(enum component_kind kind, const char *name)
{
    const struct component_type *type;
    for (uint32_t i = 0; (type = catalog_type(&catalog, kind, i)); i++)
        if (strcmp(type->name, name) == 0)
            return type;
    return NULL;
}

static bool unknown_part(enum component_kind kind, const char *name, struct error *err)
{
    const char *names[64];
    size_t count = 0;
    const struct component_type *type;
    for (uint32_t i = 0; (type = catalog_type(&catalog, kind, i)) && count < 64; i++)
        names[count++] = type->name;
    const char *nearest = str_nearest(name, names, count);
    if (nearest)
        return error_set(err, ERROR_STOP, "there is no %s \"%s\"; did you mean \"%s\"?", component_kind_name(kind),
                         name, nearest);
    return error_set(err, ERROR_STOP, "there is no %s \"%s\"; pipe list shows them", component_kind_name(kind), name);
}

/* "in", "sql", "sql2", "out" … */
static void name_part(struct part *parts, uint32_t index)
{
    struct part *p = &parts[index];
    const char *base = p->kind == COMPONENT_SOURCE ? "in" : p->kind == COMPONENT_SINK ? "out" : p->type->name;
    uint32_t same = 1;
    for (uint32_t i = 0; i < index; i++)
        same += parts[i].kind == p->kind && (p->kind != COMPONENT_TRANSFORM || parts[i].type == p->type);
    if (same == 1)
        snprintf(p->name, sizeof p->name, "%s", base);
    else
        snprintf(p->name, sizeof p->name, "%s%u", base, same);
}

static bool add_part(struct part *parts, uint32_t *count, const char *name, bool last, struct error *err)
{
    if (*count == MOST_PARTS)
        return error_set(err, ERROR_STOP, "more than %d components", MOST_PARTS);
    struct part *p = &parts[*count];
    bool after_sink = *count && parts[*count - 1].kind == COMPONENT_SINK;
    if (*count == 0)
        p->kind = COMPONENT_SOURCE;
    else if (last || after_sink || !find_type(COMPONENT_TRANSFORM, name))
        p->kind = COMPONENT_SINK;
    else
        p->kind = COMPONENT_TRANSFORM;
    p->type = find_type(p->kind, name);
    if (!p->type)
        return unknown_part(p->kind, name, err);
    name_part(parts, (*count)++);
    return true;
}

static bool read_parts(char *list, struct part *parts, uint32_t *count, struct error *err)
{
    *count = 0;
    for (char *name = list; name;) {
        char *comma = strchr(name, ',');
        if (comma)
            *comma = '\0';
        if (!add_part(parts, count, name, !comma, err))
            return false;
        name = comma ? comma + 1 : NULL;
    }
    if (parts[*count - 1].kind != COMPONENT_SINK)
        return error_set(err, ERROR_STOP, "a pipeline needs a source and a sink, as in file,sql,sqlite");
    return true;
}

/* The outputs that a transform's example has: a route's are named by its options. */
static uint32_t example_outputs(const struct component_type *type, struct arena *arena, const char **names)
{
    struct component c = {.kind = COMPONENT_TRANSFORM, .type = type};
    struct toml_error syntax;
    const struct toml_node *example = toml_parse(str_of(type->example ? type->example : ""), arena, &syntax);
    if (!c.transform->outputs || !example)
        return 0;
    struct problems problems = {.arena = arena};
    c.options = memset(arena_alloc(arena, type->options_size + 1), 0, type->options_size + 1);
    struct option_group group = {type->options, c.options};
    struct option_scope scope = {.problems = &problems,
                                 .arena = arena,
                                 .directory = "/",
                                 .name = "example",
                                 .groups = &group,
                                 .group_count = 1,
                                 .own = example};
    return options_read(&scope) ? c.transform->outputs(&c, names) : 0;
}

static void print_inputs(const struct part *from, struct arena *arena, struct buffer *out)
{
    const char *names[TRANSFORM_MAX_OUTPUTS];
    uint32_t count = from->kind == COMPONENT_TRANSFORM ? example_outputs(from->type, arena, names) : 0;
    buffer_printf(out, "inputs = [");
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(out, "%s\"%s.%s\"", i ? ", " : "", from->name, names[i]);
    if (count == 0)
        buffer_printf(out, "\"%s\"", from->name);
    buffer_printf(out, "]\n");
}

static void print_part(const struct part *p, const struct part *from, struct arena *arena, struct buffer *out)
{
    const char *kind = component_kind_name(p->kind);
    buffer_printf(out, "\n# %s All its options: pipe explain %s %s\n[%s.%s]\ntype = \"%s\"\n", p->type->summary, kind,
                  p->type->name, component_section_name(p->kind), p->name, p->type->name);
    if (from)
        print_inputs(from, arena, out);
    if (p->type->example)
        buffer_printf(out, "%s", p->type->example);
}

static void print_pipeline(const char *list, const struct part *parts, uint32_t count, struct buffer *out)
{
    struct arena arena = ARENA_INIT;
    buffer_printf(
        out,
        "# Made by: pipe new %s\n# Check it: pipe check. See what it would do: pipe run --preview 10. Run it: pipe "
        "run.\n\n"
        "[pipeline]\n# With the names below, the identity of all stored positions: keep it.\nname = \"first\"\n",
        list);
    const struct part *from = &parts[0];
    for (uint32_t i = 0; i < count; i++) {
        print_part(&parts[i], i ? from : NULL, &arena, out);
        if (parts[i].kind == COMPONENT_TRANSFORM)
            from = &parts[i];
    }
    arena_release(&arena);
}

static int new_pipeline(const struct command *c, const void *args, const struct text_list *operands)
{
    (void)args;
    if (operands->count == 0)
        return usage_error(c, "name the components, as in file,sql,sqlite");
    struct part parts[MOST_PARTS];
    uint32_t count;
    struct error err;
    struct buffer out = {0};
    char *list = mem_strdup(operands->items[0]);
    bool good = read_parts(list, parts, &count, &err);
    free(list);
    if (!good)
        return usage_error(c, "%s", err.text);
    print_pipeline(operands->items[0], parts, count, &out);
    return command_output(&out);
}

const struct command command_new = {
    .name = "new",
    .summary = "Print a first pipeline made of the components named.",
    .usage = "SOURCE[,TRANSFORM…],SINK[,SINK…]",
    .doc = "pipe new file,sql,sqlite > pipeline.toml",
    .most_operands = 1,
    .run = new_pipeline,
};
