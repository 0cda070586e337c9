/*
 * A reference file as a table: the formats' own framers and decoders do the reading, as they would for a source.
 */
#include <stdlib.h>

#include "pipeline/base/file.h"
#include "pipeline/codec/json.h"
#include "pipeline/event/numeric.h"
#include "pipeline/codec/format.h"
#include "pipeline/sql/lookup_table.h"

enum { MOST_BYTES = 512 << 20, LONGEST_RECORD = 16 << 20, MOST_COLUMNS = 1024 };

struct reader {
    const char *path;
    const struct format *format;
    struct format_options options;
    struct lookup_table *table;
    struct partition *partition;
    struct str names[MOST_COLUMNS]; /* that the file has */
    uint32_t name_count;
    const struct zone *zone;
    struct error *err;
};

static const struct format *format_of(const char *path, const struct buffer *bytes)
{
    const char *dot = strrchr(path, '.');
    if (dot && (strcmp(dot, ".csv") == 0 || strcmp(dot, ".tsv") == 0))
        return &format_csv;
    if (dot && (strcmp(dot, ".json") == 0 || strcmp(dot, ".ndjson") == 0 || strcmp(dot, ".jsonl") == 0))
        return &format_json;
    size_t at = 0;
    while (at < bytes->len && (bytes->data[at] == ' ' || (bytes->data[at] >= '\t' && bytes->data[at] <= '\r')))
        at++;
    return at < bytes->len && (bytes->data[at] == '{' || bytes->data[at] == '[') ? &format_json : &format_csv;
}

/* The file's bytes, cut into records. */
static bool cut(struct reader *r)
{
    struct buffer bytes = {0};
    if (!file_read_all(r->path, MOST_BYTES, &bytes, r->err)) {
        buffer_release(&bytes);
        return false;
    }
    r->format = format_of(r->path, &bytes);
    struct batch *b = r->table->batch = batch_new(bytes.len + 1);
    if (bytes.len)
        memcpy(b->bytes, bytes.data, bytes.len);
    b->len = bytes.len;
    buffer_release(&bytes);
    batch_add_span(b, r->partition, 0);
    struct framer f = {
        .format = r->format, .options = &r->options, .max_record = LONGEST_RECORD, .line = 1, .partition = r->partition};
    ssize_t from = r->format->prime ? r->format->prime(&f, b->bytes, b->len, true, r->err) : 0;
    if (from < 0)
        return false;
    r->format->frame(&f, b, (size_t)from, true, UINT32_MAX);
    return true;
}

static bool add_name(struct reader *r, struct str name)
{
    for (uint32_t i = 0; i < r->name_count; i++)
        if (str_eq(r->names[i], name))
            return true;
    if (r->name_count == MOST_COLUMNS)
        return error_set(r->err, ERROR_STOP, "more than %d columns", MOST_COLUMNS);
    r->names[r->name_count++] = name;
    return true;
}

static bool add_quoted_name(struct reader *r, struct str inside, bool escaped)
{
    struct value v = value_text(inside);
    v.flags = escaped ? VALUE_ESCAPED : 0;
    return value_unescape(&r->table->arena, &v, r->err) && add_name(r, value_str(v));
}

/* The header, as the format tells it. */
static bool names_of_header(struct reader *r)
{
    struct buffer json = {0};
    struct json_members m;
    struct str element;
    bool good = true;
    if (!r->partition->format_state)
        return error_set(r->err, ERROR_STOP, "the file is empty: its first line is to name the columns");
    r->format->save_start(r->partition, &json);
    struct str copy = arena_str(&r->table->arena, (struct str){json.data, json.len});
    buffer_release(&json);
    for (json_array_open(&m, copy); good && json_array_next(&m, &element);)
        good = add_quoted_name(r, (struct str){element.data + 1, element.len - 2}, true);
    return good;
}

/* The members of all the objects, in the order in which they are met. */
static bool names_of_objects(struct reader *r)
{
    const struct batch *b = r->table->batch;
    bool good = true;
    for (uint32_t i = 0; good && i < b->record_count; i++) {
        struct json_members m;
        struct str key, value;
        bool escaped;
        if (json_object_open(&m, (struct str){b->bytes + b->records[i].offset, b->records[i].length}))
            while (good && json_object_next(&m, &key, &escaped, &value))
                good = add_quoted_name(r, key, escaped);
    }
    return good;
}

static bool has_name(const struct reader *r, struct str name)
{
    for (uint32_t i = 0; i < r->name_count; i++)
        if (str_eq(r->names[i], name))
            return true;
    return false;
}

static bool no_column(const struct reader *r, struct str name)
{
    return error_set(r->err, ERROR_STOP, "there is no column \"" STR_FMT "\"", STR_ARG(name));
}

static struct type type_of(const struct reader *r, struct str name, const struct lookup_column *declared, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (str_eq(declared[i].name, name))
            return declared[i].type;
    return TYPE(r->format == &format_json ? TYPE_JSON : TYPE_UNKNOWN);
}

static bool choose_columns(struct reader *r, const struct lookup_column *declared, uint32_t declared_count,
                           const struct lookup_column *wanted, uint32_t wanted_count)
{
    struct lookup_table *t = r->table;
    for (uint32_t i = 0; i < declared_count; i++)
        if (!has_name(r, declared[i].name))
            return no_column(r, declared[i].name);
    t->column_count = wanted ? wanted_count : r->name_count;
    t->columns = arena_array(&t->arena, struct lookup_column, t->column_count + 1);
    for (uint32_t i = 0; i < t->column_count; i++) {
        struct str name = wanted ? wanted[i].name : r->names[i];
        if (wanted && !has_name(r, name) && r->format != &format_json)
            return no_column(r, name);
        name = arena_str(&t->arena, name);
        t->columns[i] = (struct lookup_column){name, type_of(r, name, declared, declared_count)};
    }
    return true;
}

static void make_schema(const struct reader *r, struct schema *s, struct arena *arena)
{
    *s = (struct schema){.arena = arena};
    for (uint32_t i = 0; i < r->table->column_count; i++) {
        const struct lookup_column *from = &r->table->columns[i];
        struct str name = from->name;
        struct column c = {.name = name, .type = from->type, .visible = true, .origin = COLUMN_MEMBER, .path = {&name, 1}};
        c.declared = from->type.id != TYPE_UNKNOWN && from->type.id != TYPE_JSON;
        schema_add(s, c);
    }
}

static bool bad_record(const struct reader *r, const struct rejection *why)
{
    bool says_where = why->text.len > 5 && memcmp(why->text.data, "line ", 5) == 0;
    if (says_where)
        return error_set(r->err, ERROR_STOP, STR_FMT, STR_ARG(why->text));
    return error_set(r->err, ERROR_STOP, "line %u: " STR_FMT, r->table->batch->records[why->record].line,
                     STR_ARG(why->text));
}

static bool keep_row(struct reader *r, const struct slice *s, uint32_t row)
{
    struct lookup_table *t = r->table;
    struct value *to = &t->values[(size_t)t->rows * t->column_count];
    t->lines[t->rows++] = t->batch->records[s->record[row]].line;
    for (uint32_t c = 0; c < t->column_count; c++) {
        to[c] = s->columns[c][row];
        if (!value_unescape(&t->arena, &to[c], r->err))
            return false;
        if (to[c].kind == VALUE_NUMBER)
            to[c] = numeric_normalise(&t->arena, to[c]);
    }
    return true;
}

static bool decode(struct reader *r)
{
    struct lookup_table *t = r->table;
    struct schema *schema = arena_new(&t->arena, struct schema);
    make_schema(r, schema, &t->arena);
    struct decoder d = {.format = r->format, .options = &r->options, .schema = schema, .convert = {.zone = r->zone, .now_us = INT64_MIN}};
    if (!r->format->bind_decoder(&d, &t->arena, r->err))
        return false;
    t->values = arena_array(&t->arena, struct value, (size_t)t->batch->record_count * t->column_count + 1);
    t->lines = arena_array(&t->arena, uint32_t, t->batch->record_count + 1);
    for (uint32_t first = 0; first < t->batch->record_count; first += SLICE_ROWS) {
        uint32_t left = t->batch->record_count - first;
        struct slice s = {0};
        struct rejections bad = {.arena = &t->arena};
        decoder_run(&d, t->batch, first, left < SLICE_ROWS ? left : SLICE_ROWS, &t->arena, &s, &bad);
        if (bad.count)
            return bad_record(r, &bad.items[0]);
        for (uint32_t i = 0; i < s.selected; i++)
            if (!keep_row(r, &s, s.sel[i]))
                return false;
    }
    return true;
}

struct lookup_table *lookup_read(const char *path, const struct lookup_column *declared, uint32_t declared_count,
                                 const struct lookup_column *wanted, uint32_t wanted_count, const struct zone *zone,
                                 struct error *err)
{
    struct reader *r = mem_zalloc(sizeof(*r));
    *r = (struct reader){.path = path, .zone = zone, .err = err};
    r->options = (struct format_options){.csv_delimiter = ",", .csv_quote = "\"", .json_max_depth = 128, .text_column = "line"};
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".tsv") == 0)
        r->options.csv_delimiter = "\t";
    r->partition = partition_new(path);
    r->table = mem_zalloc(sizeof(*r->table));
    atomic_init(&r->table->refs, 1);
    bool good = cut(r) && (r->format == &format_json ? names_of_objects(r) : names_of_header(r)) &&
                choose_columns(r, declared, declared_count, wanted, wanted_count) && decode(r);
    struct lookup_table *t = r->table;
    partition_unref(r->partition);
    free(r);
    if (good)
        return t;
    lookup_unref(t);
    return NULL;
}
