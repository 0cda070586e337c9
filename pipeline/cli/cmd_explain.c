/*
 * The reference of one component: `pipe explain postgres`; of a pipeline, what it promises: `pipe explain FILE`.
 */
#include <stdio.h>

#include "pipeline/cli/catalog.h"
#include "pipeline/cli/command.h"
#include "pipeline/cli/explain_plan.h"
#include "pipeline/cli/reference.h"

struct explain_args {
    struct config_args config;
    bool all, markdown;
};

static const struct arg explain_args[] = {
    ARG(FLAG, struct explain_args, all, "all", .doc = "The whole reference."),
    ARG(FLAG, struct explain_args, markdown, "markdown", .doc = "As Markdown."),
    CONFIG_ARGS(struct explain_args, config),
    ARG_END,
};

static int kind_named(const char *name)
{
    for (enum component_kind kind = COMPONENT_SOURCE; kind <= COMPONENT_SINK; kind++)
        if (strcmp(component_kind_name(kind), name) == 0 || strcmp(component_section_name(kind), name) == 0)
            return (int)kind;
    return -1;
}

/* All components of that name, of one kind or any (-1); else the SQL functions of that name. */
static bool explain_named(const char *name, int kind, bool markdown, struct buffer *out)
{
    bool found = false;
    for (enum component_kind k = COMPONENT_SOURCE; k <= COMPONENT_SINK; k++) {
        const struct component_type *type;
        for (uint32_t i = 0; (type = catalog_type(&catalog, k, i)); i++)
            if ((kind < 0 || kind == (int)k) && strcmp(type->name, name) == 0) {
                reference_component(k, type, markdown, out);
                found = true;
            }
    }
    if (kind < 0 && !found)
        return reference_functions(name, false, out) > 0;
    if (found && strcmp(name, "sql") == 0) {
        buffer_printf(out, markdown ? "\n## SQL functions\n\n" : "Functions:\n\n");
        reference_functions(NULL, markdown, out);
    }
    return found;
}

static int unknown_component(const struct command *c, const char *name)
{
    const char *names[256];
    size_t count = 0;
    for (enum component_kind k = COMPONENT_SOURCE; k <= COMPONENT_SINK; k++) {
        const struct component_type *type;
        for (uint32_t i = 0; (type = catalog_type(&catalog, k, i)) && count < 256; i++)
            names[count++] = type->name;
    }
    const char *nearest = str_nearest(name, names, count);
    if (nearest)
        return usage_error(c, "there is no component \"%s\"; did you mean \"%s\"?", name, nearest);
    return usage_error(c, "there is no component \"%s\"; pipe list shows them", name);
}

static bool is_file(const char *name)
{
    return strchr(name, '/') || strchr(name, '.');
}

static int explain(const struct command *c, const void *args, const struct text_list *operands)
{
    const struct explain_args *a = args;
    struct buffer out = {0};
    if (a->all) {
        reference_all(&out);
        return command_output(&out);
    }
    if (operands->count == 0 || (operands->count == 1 && is_file(operands->items[0])))
        return explain_plan(&a->config, operands);

    bool with_kind = operands->count == 2;
    int kind = with_kind ? kind_named(operands->items[0]) : -1;
    if (with_kind && kind < 0)
        return usage_error(c, "\"%s\" is none of source, transform, sink", operands->items[0]);
    const char *name = operands->items[with_kind];
    if (!explain_named(name, kind, a->markdown, &out))
        return unknown_component(c, name);
    return command_output(&out);
}

const struct command command_explain = {
    .name = "explain",
    .summary = "Explain a pipeline's guarantees, a component's options, or a SQL function.",
    .usage = "[FILE | [source|transform|sink] COMPONENT | FUNCTION]",
    .doc = "pipe explain pipeline.toml   what each path promises and why, the columns read, their types\n"
           "pipe explain postgres        the options of a component\n"
           "pipe explain date_trunc      a SQL function; pipe explain sql: all of them\n"
           "pipe explain source file     of the source, where a sink has the same name\n"
           "pipe explain --all --markdown",
    .args = explain_args,
    .args_size = sizeof(struct explain_args),
    .most_operands = 2,
    .run = explain,
};
