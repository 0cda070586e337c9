#include "pipeline/cli/sql_config.h"

#include "pipeline/cli/catalog.h"
#include "pipeline/cli/command.h"

/* ---- the file in memory ------------------------------------------------------------------------------------------ */

/* The query stands at the start of the first line, behind this; its escapes put no line break there. */
#define QUERY_PREFIX "transforms.query.query = \""
enum { QUERY_LINE = 1 };

/* How a character of the query is written between quotes. */
static void put_escaped(struct buffer *out, const char *at, size_t left)
{
    unsigned char c = (unsigned char)*at;
    if (c == '"' || c == '\\')
        buffer_printf(out, "\\%c", c);
    else if (c < ' ' || c == 127)
        buffer_printf(out, "\\u%04x", c);
    else if (c == '$' && left > 1 && at[1] == '{')
        buffer_printf(out, "$$");
    else
        buffer_add_byte(out, (char)c);
}

static void put_text(struct buffer *out, struct str text)
{
    buffer_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++)
        put_escaped(out, text.data + i, text.len - i);
    buffer_add_byte(out, '"');
}

static void put_option(struct buffer *out, const char *name, const char *text)
{
    if (!text)
        return;
    buffer_printf(out, "%s = ", name);
    put_text(out, str_of(text));
    buffer_add_byte(out, '\n');
}

/* A file's name is no pattern. */
static void put_paths(struct buffer *out, const struct text_list *paths)
{
    buffer_printf(out, "path = [");
    for (uint32_t i = 0; i < paths->count; i++) {
        struct buffer literal = {0};
        for (const char *c = paths->items[i]; *c; c++) {
            if (strchr("\\*?[", *c))
                buffer_add_byte(&literal, '\\');
            buffer_add_byte(&literal, *c);
        }
        if (i)
            buffer_add(out, ", ", 2);
        put_text(out, (struct str){literal.data, literal.len});
        buffer_release(&literal);
    }
    buffer_printf(out, "]\n");
}

static const char *format_name(enum sql_format f)
{
    return f == SQL_CSV ? "csv" : f == SQL_TEXT ? "text" : "json";
}

/* "NAME=TYPE": [sources.x.columns]; the rest stays open. */
static void put_types(struct buffer *out, const struct text_list *types)
{
    if (types->count == 0)
        return;
    buffer_printf(out, "extra = \"keep\"\ncolumns = {");
    for (uint32_t i = 0; i < types->count; i++) {
        const char *equals = strrchr(types->items[i], '=');
        if (i)
            buffer_add(out, ", ", 2);
        put_text(out, (struct str){types->items[i], (size_t)(equals - types->items[i])});
        buffer_printf(out, " = ");
        put_text(out, str_of(equals + 1));
    }
    buffer_printf(out, "}\n");
}

static void put_csv(struct buffer *out, const struct sql_pipeline *p, const struct sql_input *in)
{
    put_option(out, "csv.delimiter", in->delimiter);
    put_option(out, "csv.null", p->null);
    if (p->names.count == 0)
        return;
    buffer_printf(out, "csv.names = [");
    for (uint32_t i = 0; i < p->names.count; i++) {
        if (i)
            buffer_add(out, ", ", 2);
        put_text(out, str_of(p->names.items[i]));
    }
    buffer_printf(out, "]\n");
}

static void put_input(struct buffer *out, const struct sql_pipeline *p, uint32_t i)
{
    const struct sql_input *in = &p->inputs[i];
    buffer_printf(out, "[sources.input%s]\ntype = \"%s\"\n", i ? format_name(in->format) : "", in->paths.count ? "file" : "stdin");
    put_option(out, "format", format_name(in->format));
    if (in->paths.count)
        put_paths(out, &in->paths);
    if (in->format == SQL_CSV)
        put_csv(out, p, in);
    put_types(out, &p->types);
}

static void put_output(struct buffer *out, const struct sql_pipeline *p)
{
    buffer_printf(out, "[sinks.output]\ntype = \"stdout\"\ninputs = [\"query\"]\n");
    put_option(out, "format", format_name(p->to));
    if (p->to != SQL_CSV)
        return;
    put_option(out, "csv.delimiter", p->to_delimiter);
    put_option(out, "csv.null", p->null);
    if (p->no_header)
        buffer_printf(out, "csv.header = false\n");
}

static void put_pipeline(struct buffer *out, const struct sql_pipeline *p)
{
    buffer_printf(out, QUERY_PREFIX);
    for (size_t i = 0; i < p->query.len; i++)
        put_escaped(out, p->query.data + i, p->query.len - i);
    buffer_printf(out, "\"\ntransforms.query.type = \"sql\"\ntransforms.query.inputs = [\"input\"");
    for (uint32_t i = 1; i < p->input_count; i++)
        buffer_printf(out, ", \"input%s\"", format_name(p->inputs[i].format));
    buffer_printf(out, "]\n[pipeline]\nname = \"sql\"\n");
    put_option(out, "timezone", p->timezone);
    for (uint32_t i = 0; i < p->input_count; i++)
        put_input(out, p, i);
    if (p->input_count == 0) /* one event that has no members */
        buffer_printf(out, "[sources.input]\ntype = \"generate\"\ncount = 1\ntemplate = \"-\"\nformat = \"text\"\ntext.column = \"\"\n");
    put_output(out, p);
}

const struct config *sql_config_load(const struct sql_pipeline *p, struct arena *arena, struct problems *problems)
{
    struct buffer text = {0};
    put_pipeline(&text, p);
    const struct config_sources from = {
        .path = "query", .text = {text.data, text.len}, .sets = p->sets.items, .set_count = p->sets.count};
    problems->arena = arena;
    const struct config *cfg = config_load(&from, &catalog, arena, problems);
    buffer_release(&text);
    sql_config_print(p, problems, 0);
    return cfg;
}

/* ---- problems, where the user wrote what they are about ------------------------------------------------------------ */

/* The byte of the query that stands at this column of the file's first line. */
static size_t query_offset(const struct sql_pipeline *p, uint32_t column)
{
    uint32_t at = sizeof(QUERY_PREFIX);
    struct buffer written = {0};
    size_t i = 0;
    while (i < p->query.len && at < column) {
        buffer_clear(&written);
        put_escaped(&written, p->query.data + i, p->query.len - i);
        at += (uint32_t)written.len;
        for (i++; i < p->query.len && ((unsigned char)p->query.data[i] & 0xc0) == 0x80; i++)
            ;
    }
    buffer_release(&written);
    return i;
}

static struct place query_place(const struct sql_pipeline *p, uint32_t column)
{
    size_t offset = query_offset(p, column);
    struct place place = {1, 1};
    for (size_t i = 0; i < offset; i++) {
        if (p->query.data[i] == '\n')
            place = (struct place){place.line + 1, 1};
        else
            place.column += ((unsigned char)p->query.data[i] & 0xc0) != 0x80;
    }
    return place;
}

void sql_config_print(const struct sql_pipeline *p, const struct problems *problems, uint32_t from)
{
    struct problems query = {.arena = problems->arena, .file = "query", .source = p->query};
    struct problems rest = {.arena = problems->arena, .file = "pipe sql"};
    for (uint32_t i = from; i < problems->count; i++) {
        const struct problem *item = &problems->items[i];
        bool in_query = item->place.line == QUERY_LINE && item->place.column >= sizeof(QUERY_PREFIX);
        struct place place = in_query ? query_place(p, item->place.column) : (struct place){0};
        struct problem *copy = item->warning ? problem_warn(in_query ? &query : &rest, place, "%s", item->text)
                                             : problem_add(in_query ? &query : &rest, place, "%s", item->text);
        copy->length = item->length;
        copy->hint = item->hint;
    }
    command_print_problems(&query, 0);
    command_print_problems(&rest, 0);
}
