#include "pipeline/cli/reference.h"

#include "pipeline/cli/catalog.h"
#include "pipeline/engine/config_document.h"
#include "pipeline/engine/option_value.h"
#include "pipeline/sql/sql.h"

enum { TEXT_WIDTH = 100, OPTION_INDENT = 6 };

/* ---- options ----------------------------------------------------------------------------------------------------- */

static const char *const option_type_names[] = {
    [OPTION_TEXT] = "text",          [OPTION_SECRET] = "secret text",   [OPTION_PATH] = "path",
    [OPTION_BOOL] = "true or false", [OPTION_INTEGER] = "whole number", [OPTION_NUMBER] = "number",
    [OPTION_SIZE] = "size",          [OPTION_DURATION] = "duration",    [OPTION_CHOICE] = "",
    [OPTION_LIST] = "list of texts", [OPTION_PATHS] = "list of paths",  [OPTION_TABLE] = "table of texts",
};

static void print_bound(const struct option *o, int64_t bound, struct buffer *out)
{
    if (o->kind == OPTION_SIZE)
        size_print((uint64_t)bound, out);
    else if (o->kind == OPTION_DURATION)
        duration_print(bound, out);
    else
        buffer_printf(out, "%lld", (long long)bound);
}

void reference_option_type(const struct option *o, struct buffer *out)
{
    if (o->kind == OPTION_CHOICE) {
        for (const struct option_choice *c = o->choices; c->name; c++)
            buffer_printf(out, "%s%s", c == o->choices ? "" : " | ", c->name);
        return;
    }
    buffer_printf(out, "%s", option_type_names[o->kind]);
    bool upper = o->max != 0 && o->max != INT64_MAX;
    if (o->min == 0 && !upper)
        return;
    buffer_printf(out, upper ? ", " : ", at least ");
    print_bound(o, o->min, out);
    if (upper) {
        buffer_printf(out, " to ");
        print_bound(o, o->max, out);
    }
}

/* A preset that means "none" is not shown. */
static bool has_preset(const struct option *o)
{
    return o->preset && *o->preset && strcmp(o->preset, "-1") != 0;
}

/* Breaks at blanks; every line after the first is indented. */
static void print_wrapped(const char *text, size_t indent, struct buffer *out)
{
    size_t column = indent;
    while (*text) {
        size_t len = strcspn(text, " \n");
        if (column > indent && column + 1 + len > TEXT_WIDTH) {
            buffer_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            buffer_add_byte(out, ' ');
            column++;
        }
        buffer_add(out, text, len);
        column += len;
        text += len;
        while (*text == ' ')
            text++;
        if (*text == '\n') {
            buffer_printf(out, "\n%*s", (int)indent, "");
            column = indent;
            text++;
        }
    }
}

static void print_option_text(const struct option *o, struct buffer *out)
{
    buffer_printf(out, "  %s  (", o->name);
    reference_option_type(o, out);
    if (o->required)
        buffer_printf(out, "; required");
    else if (has_preset(o))
        buffer_printf(out, "; default %s", o->preset);
    buffer_printf(out, ")\n%*s", OPTION_INDENT, "");
    print_wrapped(o->doc ? o->doc : "", OPTION_INDENT, out);
    if (o->kind == OPTION_CHOICE)
        for (const struct option_choice *c = o->choices; c->name; c++)
            if (c->doc) {
                buffer_printf(out, "\n%*s%s: ", OPTION_INDENT, "", c->name);
                print_wrapped(c->doc, OPTION_INDENT + 2, out);
            }
    if (o->example)
        buffer_printf(out, "\n%*s%s = %s", OPTION_INDENT, "", o->name, o->example);
    buffer_add_byte(out, '\n');
}

/* In a table cell: '|' would end it. */
static void print_cell(const char *text, struct buffer *out)
{
    for (; *text; text++) {
        if (*text == '|')
            buffer_add_byte(out, '\\');
        buffer_add_byte(out, *text == '\n' ? ' ' : *text);
    }
}

static void print_option_markdown(const struct option *o, struct buffer *out)
{
    struct buffer type = {0};
    reference_option_type(o, &type);
    buffer_printf(out, "| `%s` | ", o->name);
    print_cell(buffer_cstr(&type), out);
    buffer_release(&type);
    buffer_printf(out, " | ");
    if (o->required)
        buffer_printf(out, "required");
    else if (has_preset(o)) {
        buffer_add_byte(out, '`');
        print_cell(o->preset, out);
        buffer_add_byte(out, '`');
    }
    buffer_printf(out, " | ");
    print_cell(o->doc ? o->doc : "", out);
    if (o->kind == OPTION_CHOICE)
        for (const struct option_choice *c = o->choices; c->name; c++)
            if (c->doc) {
                buffer_printf(out, " `%s`: ", c->name);
                print_cell(c->doc, out);
            }
    if (o->example) {
        buffer_printf(out, " Example: `");
        print_cell(o->example, out);
        buffer_add_byte(out, '`');
    }
    buffer_printf(out, " |\n");
}

static void print_options(const struct option *options, bool markdown, struct buffer *out)
{
    if (markdown)
        buffer_printf(out, "| option | type | default | |\n|---|---|---|---|\n");
    for (const struct option *o = options; o->name; o++) {
        if (markdown)
            print_option_markdown(o, out);
        else
            print_option_text(o, out);
    }
    buffer_add_byte(out, '\n');
}

/* ---- components -------------------------------------------------------------------------------------------------- */

static const struct option *common_options(enum component_kind kind)
{
    return kind == COMPONENT_SOURCE ? source_common_options : sink_common_options;
}

static void print_example(enum component_kind kind, const struct component_type *type, bool markdown,
                          struct buffer *out)
{
    static const char *const names[] = {"in", "readings", "out"};
    buffer_printf(out, markdown ? "```toml\n" : "Example:\n\n");
    const char *indent = markdown ? "" : "  ";
    buffer_printf(out, "%s[%s.%s]\n%stype = \"%s\"\n", indent, component_section_name(kind), names[kind], indent,
                  type->name);
    if (kind != COMPONENT_SOURCE)
        buffer_printf(out, "%sinputs = [\"%s\"]\n", indent, kind == COMPONENT_SINK ? "readings" : "in");
    for (const char *line = type->example; line && *line;) {
        size_t len = strcspn(line, "\n");
        buffer_printf(out, "%s%.*s\n", indent, (int)len, line);
        line += len + (line[len] == '\n');
    }
    buffer_printf(out, markdown ? "```\n\n" : "\n");
}

void reference_component(enum component_kind kind, const struct component_type *type, bool markdown, struct buffer *out)
{
    if (markdown)
        buffer_printf(out, "### %s %s\n\n%s\n\n", component_kind_name(kind), type->name, type->summary);
    else
        buffer_printf(out, "%s %s: %s\n\n", component_kind_name(kind), type->name, type->summary);
    if (type->doc) {
        if (markdown)
            buffer_printf(out, "%s", type->doc);
        else
            print_wrapped(type->doc, 0, out);
        buffer_printf(out, "\n\n");
    }
    print_example(kind, type, markdown, out);
    if (type->options && type->options->name) {
        if (!markdown)
            buffer_printf(out, "Options:\n\n");
        print_options(type->options, markdown, out);
    }
    if (markdown)
        return;
    if (type->has_format) {
        buffer_printf(out, "Format:\n\n");
        print_options(kind == COMPONENT_SOURCE ? source_format_options : sink_format_options, false, out);
        print_options(format_options, false, out);
    }
    if (kind != COMPONENT_TRANSFORM) {
        buffer_printf(out, "Every %s has:\n\n", component_kind_name(kind));
        print_options(common_options(kind), false, out);
    }
}

/* ---- the whole reference ----------------------------------------------------------------------------------------- */

static void print_components(enum component_kind kind, const char *title, struct buffer *out)
{
    buffer_printf(out, "## %s\n\n", title);
    if (kind != COMPONENT_TRANSFORM) {
        buffer_printf(out, "Every %s has:\n\n", component_kind_name(kind));
        print_options(common_options(kind), true, out);
    }
    const struct component_type *type;
    for (uint32_t i = 0; (type = catalog_type(&catalog, kind, i)); i++)
        reference_component(kind, type, true, out);
}

static void print_formats(struct buffer *out)
{
    buffer_printf(out, "## Formats\n\nSources and sinks that read or write bytes have `format`:\n\n");
    for (const struct format *const *f = formats; *f; f++)
        buffer_printf(out, "- `%s`: %s\n", (*f)->name, (*f)->summary);
    buffer_printf(out, "\nand the formats' own options:\n\n");
    print_options(format_options, true, out);
}

static void print_function_row(const struct sql_function_doc *d, struct buffer *out)
{
    buffer_printf(out, "| `");
    print_cell(d->signature, out);
    buffer_printf(out, "` | ");
    print_cell(d->summary, out);
    buffer_printf(out, " | `");
    print_cell(d->example, out);
    buffer_printf(out, "` | `");
    print_cell(d->result, out);
    buffer_printf(out, "` |\n");
}

uint32_t reference_functions(const char *name, bool markdown, struct buffer *out)
{
    uint32_t count, found = 0;
    const struct sql_function_doc *docs = sql_function_docs(&count);
    if (markdown)
        buffer_printf(out, "| | | example | result |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < count; i++) {
        const struct sql_function_doc *d = &docs[i];
        if (name && !str_eq_nocase(str_of(name), str_of(d->name)))
            continue;
        found++;
        if (markdown)
            print_function_row(d, out);
        else
            buffer_printf(out, "  %s\n      %s\n      %s → %s\n", d->signature, d->summary, d->example, d->result);
    }
    return found;
}

void reference_all(struct buffer *out)
{
    buffer_printf(
        out, "# Reference\n\nMade by `pipe explain --all --markdown` from the tables that the program itself reads; "
             "do not edit.\n\n");
    buffer_printf(out, "## [pipeline]\n\n");
    print_options(pipeline_options, true, out);
    print_components(COMPONENT_SOURCE, "Sources", out);
    print_components(COMPONENT_TRANSFORM, "Transforms", out);
    print_components(COMPONENT_SINK, "Sinks", out);
    buffer_printf(out,
                  "## [dead_letter]\n\nThe `type` and options of any sink, without inputs. Without it, an NDJSON file "
                  "`dead-letters.ndjson` in the state_dir.\n\n");
    print_options(dead_letter_common_options, true, out);
    buffer_printf(out, "## [admin]\n\n");
    print_options(admin_options, true, out);
    print_formats(out);
    buffer_printf(out, "## SQL functions\n\n");
    reference_functions(NULL, true, out);
}
