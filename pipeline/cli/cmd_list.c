#include <stdio.h>

#include "pipeline/cli/catalog.h"
#include "pipeline/cli/command.h"
#include "pipeline/cli/reference.h"
#include "pipeline/sql/sql.h"

static void list_components(enum component_kind kind, struct buffer *out)
{
    const struct component_type *type;
    for (uint32_t i = 0; (type = catalog_type(&catalog, kind, i)); i++)
        buffer_printf(out, "  %-10s %s\n", type->name, type->summary);
}

static void list_formats(struct buffer *out)
{
    for (const struct format *const *f = formats; *f; f++)
        buffer_printf(out, "  %-10s %s\n", (*f)->name, (*f)->summary);
}

static void list_functions(struct buffer *out)
{
    reference_functions(NULL, false, out);
}

/* Every signature with its types, for programs: the differential tester makes its expressions from it. */
static void list_signatures(struct buffer *out)
{
    struct sql_signature s;
    for (uint32_t i = 0; sql_signature(i, &s); i++) {
        buffer_printf(out, "{\"name\":\"");
        json_escape(out, str_of(s.name));
        buffer_printf(out, "\",\"operator\":%s,\"arguments\":[", s.is_operator ? "true" : "false");
        for (uint32_t a = 0; a < s.count; a++)
            buffer_printf(out, "%s\"%s\"", a ? "," : "", s.args[a]);
        buffer_printf(out, "],\"variadic\":%s,\"result\":\"%s\"}\n", s.variadic ? "true" : "false", s.result);
    }
}

static void list_examples(struct buffer *out)
{
    uint32_t count;
    const struct sql_function_doc *docs = sql_function_docs(&count);
    for (uint32_t i = 0; i < count; i++) {
        buffer_printf(out, "{\"name\":\"");
        json_escape(out, str_of(docs[i].name));
        buffer_printf(out, "\",\"example\":\"");
        json_escape(out, str_of(docs[i].example));
        buffer_printf(out, "\",\"result\":\"");
        json_escape(out, str_of(docs[i].result));
        buffer_printf(out, "\"}\n");
    }
}

static void list_sources(struct buffer *out)
{
    list_components(COMPONENT_SOURCE, out);
}

static void list_transforms(struct buffer *out)
{
    list_components(COMPONENT_TRANSFORM, out);
}

static void list_sinks(struct buffer *out)
{
    list_components(COMPONENT_SINK, out);
}

static const struct {
    const char *name;
    void (*list)(struct buffer *out);
    bool always; /* also without a name */
} parts[] = {
    {"sources", list_sources, true}, {"transforms", list_transforms, true}, {"sinks", list_sinks, true},
    {"formats", list_formats, true}, {"functions", list_functions, false},
    {"signatures", list_signatures, false}, {"examples", list_examples, false},
};

static int list(const struct command *c, const void *args, const struct text_list *operands)
{
    (void)args;
    struct buffer out = {0};
    const char *wanted = operands->count ? operands->items[0] : NULL;
    bool found = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (wanted ? strcmp(wanted, parts[i].name) != 0 : !parts[i].always)
            continue;
        found = true;
        if (!wanted)
            buffer_printf(&out, "%s%s:\n", out.len ? "\n" : "", parts[i].name);
        parts[i].list(&out);
    }
    if (!found) {
        buffer_release(&out);
        return usage_error(c, "\"%s\" is none of sources, transforms, sinks, formats, functions, signatures, examples", wanted);
    }
    return command_output(&out);
}

const struct command command_list = {
    .name = "list",
    .summary = "List components, formats, SQL functions.",
    .usage = "[sources|transforms|sinks|formats|functions|signatures|examples]",
    .doc = "signatures and examples are the SQL functions as NDJSON, for programs.",
    .most_operands = 1,
    .run = list,
};
