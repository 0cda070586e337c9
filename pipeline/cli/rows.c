#include "pipeline/cli/rows.h"
#include "pipeline/engine/config.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#include "pipeline/base/file.h"
#include "pipeline/codec/json.h"
#include "pipeline/engine/formatted.h"
#include "pipeline/engine/output.h"

void rows_init(struct rows *r, enum rows_style style)
{
    *r = (struct rows){.style = style, .delimiter = ',', .header = true, .null = ""};
}

void rows_release(struct rows *r)
{
    free(r->columns);
    free(r->sample);
    free(r->sample_counts);
    arena_release(&r->arena);
    buffer_release(&r->line);
}

static bool flush(struct rows *r, struct error *err)
{
    bool good = file_write_all(STDOUT_FILENO, r->line.data, r->line.len, "standard output", err);
    buffer_clear(&r->line);
    if (!good)
        err->kind = ERROR_STOP;
    return good;
}

/* ---- a cell on the screen ---------------------------------------------------------------------------------------- */

/* Places that the text takes. Control characters are shown as escapes: data must not be able to steer a terminal. */
static uint32_t show(struct str text, struct buffer *out)
{
    static locale_t utf8; /* only ever the sink's thread, then the main one */
    if (!utf8)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    locale_t before = uselocale(utf8 ? utf8 : LC_GLOBAL_LOCALE);
    mbstate_t state = {0};
    uint32_t width = 0;
    for (size_t i = 0; i < text.len;) {
        wchar_t c;
        size_t n = mbrtowc(&c, text.data + i, text.len - i, &state);
        int places = n == 0 || n > 4 ? -1 : wcwidth(c);
        if (places >= 0) {
            buffer_add(out, text.data + i, n);
            width += (uint32_t)places;
            i += n;
            continue;
        }
        unsigned char byte = (unsigned char)text.data[i++];
        size_t start = out->len;
        if (byte == '\n' || byte == '\t' || byte == '\r')
            buffer_printf(out, "\\%c", byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r');
        else
            buffer_printf(out, "\\x%02x", byte);
        width += (uint32_t)(out->len - start);
        state = (mbstate_t){0};
    }
    uselocale(before);
    return width;
}

static void pad(struct buffer *out, uint32_t places, char with)
{
    for (; places; places--)
        buffer_add_byte(out, with);
}

static struct str cell_text(const struct rows *r, struct str cell)
{
    return cell.data ? cell : str_of(r->null);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void put_table_cell(struct rows *r, const struct rows_column *c, struct str cell, bool last)
{
    struct buffer shown = {0};
    uint32_t width = show(cell_text(r, cell), &shown);
    uint32_t room = c->width > width ? c->width - width : 0;
    buffer_add_byte(&r->line, ' ');
    if (c->right)
        pad(&r->line, room, ' ');
    buffer_add(&r->line, shown.data, shown.len);
    if (!last) {
        pad(&r->line, c->right ? 1 : room + 1, ' ');
        buffer_add_byte(&r->line, '|');
    }
    buffer_release(&shown);
}

static void put_table_row(struct rows *r, const struct str *cells, uint32_t count)
{
    for (uint32_t i = 0; i < r->column_count; i++)
        put_table_cell(r, &r->columns[i], i < count ? cells[i] : (struct str){0}, i + 1 == r->column_count);
    buffer_add_byte(&r->line, '\n');
}

static void put_table_header(struct rows *r)
{
    for (uint32_t i = 0; i < r->column_count; i++) {
        struct buffer shown = {0};
        uint32_t room = r->columns[i].width - show(r->columns[i].name, &shown);
        pad(&r->line, 1 + room / 2, ' ');
        buffer_add(&r->line, shown.data, shown.len);
        if (i + 1 < r->column_count) {
            pad(&r->line, room - room / 2 + 1, ' ');
            buffer_add_byte(&r->line, '|');
        }
        buffer_release(&shown);
    }
    buffer_add_byte(&r->line, '\n');
    for (uint32_t i = 0; i < r->column_count; i++) {
        pad(&r->line, r->columns[i].width + 2, '-');
        buffer_add_byte(&r->line, i + 1 < r->column_count ? '+' : '\n');
    }
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

static void put_csv_cell(struct rows *r, struct str cell)
{
    bool quoted = cell.data && cell.len == 0;
    for (size_t i = 0; i < cell.len && !quoted; i++)
        quoted = cell.data[i] == r->delimiter || strchr("\"\r\n", cell.data[i]);
    if (!quoted) {
        buffer_add_str(&r->line, cell_text(r, cell));
        return;
    }
    buffer_add_byte(&r->line, '"');
    for (size_t i = 0; i < cell.len; i++) {
        if (cell.data[i] == '"')
            buffer_add_byte(&r->line, '"');
        buffer_add_byte(&r->line, cell.data[i]);
    }
    buffer_add_byte(&r->line, '"');
}

static void put_csv_row(struct rows *r, const struct str *cells, uint32_t count)
{
    for (uint32_t i = 0; i < r->column_count; i++) {
        if (i)
            buffer_add_byte(&r->line, r->delimiter);
        put_csv_cell(r, i < count ? cells[i] : (struct str){0});
    }
    buffer_add_byte(&r->line, '\n');
}

static void put_row(struct rows *r, const struct str *cells, uint32_t count)
{
    if (r->style == ROWS_TABLE)
        put_table_row(r, cells, count);
    else
        put_csv_row(r, cells, count);
}

/* ---- rows as they come ------------------------------------------------------------------------------------------- */

static struct rows_column *add_column(struct rows *r, struct str name, bool right)
{
    struct buffer shown = {0};
    r->columns = mem_realloc(r->columns, (r->column_count + 1) * sizeof(*r->columns));
    struct rows_column *c = &r->columns[r->column_count++];
    *c = (struct rows_column){.name = arena_str(&r->arena, name), .right = right};
    c->width = show(c->name, &shown);
    buffer_release(&shown);
    return c;
}

/* The sample is complete, or there is no more: the widths are known. */
static void begin(struct rows *r)
{
    if (r->begun)
        return;
    r->begun = true;
    if (r->style == ROWS_TABLE) {
        put_table_header(r);
    } else if (r->header && r->column_count) {
        struct str *names = arena_array(&r->arena, struct str, r->column_count);
        for (uint32_t i = 0; i < r->column_count; i++)
            names[i] = r->columns[i].name;
        put_csv_row(r, names, r->column_count);
    }
    for (uint32_t i = 0; i < r->sampled; i++)
        put_row(r, r->sample[i], r->sample_counts[i]);
    r->sampled = 0;
}

static void sample(struct rows *r, const struct str *cells, uint32_t count)
{
    if (!r->sample) {
        r->sample = mem_alloc(ROWS_SAMPLE * sizeof(*r->sample));
        r->sample_counts = mem_alloc(ROWS_SAMPLE * sizeof(*r->sample_counts));
    }
    struct str *copy = arena_array(&r->arena, struct str, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = (struct str){0};
        if (cells[i].data)
            copy[i] = arena_str(&r->arena, cells[i]);
        struct buffer shown = {0};
        uint32_t width = show(cell_text(r, cells[i]), &shown);
        buffer_release(&shown);
        if (width > r->columns[i].width)
            r->columns[i].width = width;
    }
    r->sample[r->sampled] = copy;
    r->sample_counts[r->sampled++] = count;
}

static void add_row(struct rows *r, const struct str *cells, uint32_t count)
{
    r->count++;
    if (!r->begun && r->style == ROWS_TABLE) {
        sample(r, cells, count);
        if (r->sampled == ROWS_SAMPLE)
            begin(r);
        return;
    }
    begin(r);
    put_row(r, cells, count);
}

bool rows_finish(struct rows *r, struct error *err)
{
    if (r->column_count)
        begin(r);
    if (r->style == ROWS_TABLE)
        buffer_printf(&r->line, "(%llu row%s)\n", (unsigned long long)r->count, r->count == 1 ? "" : "s");
    return flush(r, err);
}

/* ---- the sink: workers turn rows into cells, its thread lays them out ---------------------------------------------- */

struct rows_program {
    const struct encoder *json; /* open events: rows are JSON objects */
    uint32_t *columns;          /* else: the visible ones, each cell a length and its bytes */
    uint32_t count;
    const struct schema *schema;
    const struct zone *zone;
    uint32_t component;
};

static const uint32_t null_cell = UINT32_MAX;
#define JSON_ROWS STR("json")

static bool is_number(enum type_id t)
{
    return t == TYPE_SMALLINT || t == TYPE_INTEGER || t == TYPE_BIGINT || t == TYPE_NUMERIC || t == TYPE_REAL || t == TYPE_DOUBLE;
}

static int find_column(const struct rows *r, struct str name)
{
    for (uint32_t i = 0; i < r->column_count; i++)
        if (str_eq(r->columns[i].name, name))
            return (int)i;
    return -1;
}

/* Only * gives inputs different columns. */
static bool same_columns(const struct rows *r, const struct rows_program *p)
{
    if (r->open && r->closed)
        return false;
    bool same = r->open || p->count == r->column_count;
    for (uint32_t i = 0; same && i < p->count; i++)
        same = str_eq(r->columns[i].name, p->schema->columns[p->columns[i]].name);
    return same;
}

static bool different_columns(struct error *err)
{
    return error_set(err, ERROR_STOP, "the inputs have different columns: name them in the SELECT instead of *");
}

static bool rows_bind(struct sink *s, struct binding *b, struct error *err)
{
    struct rows *r = s->component->options;
    struct rows_program *p = arena_new(b->arena, struct rows_program);
    *p = (struct rows_program){.schema = b->schema, .zone = b->zone, .component = b->component_index};
    b->program = p;
    if (b->schema->open) {
        r->open = true;
        p->json = formatted_encoder(s, b, err);
        return p->json && (same_columns(r, p) || different_columns(err));
    }
    r->closed = true;
    p->columns = arena_array(b->arena, uint32_t, b->schema->count + 1);
    bool first = r->column_count == 0; /* several inputs give the same columns */
    for (uint32_t i = 0; i < b->schema->count; i++) {
        const struct column *c = &b->schema->columns[i];
        if (!c->visible)
            continue;
        p->columns[p->count++] = i;
        if (first)
            add_column(r, c->name, is_number(c->type.id))->seen = true;
    }
    return same_columns(r, p) || different_columns(err);
}

static bool put_cells(const struct rows_program *p, const struct slice *in, uint32_t row, struct buffer *out, struct rejections *r)
{
    size_t start = out->len;
    for (uint32_t i = 0; i < p->count; i++) {
        struct value v = in->columns[p->columns[i]][row];
        struct error err;
        size_t at = out->len;
        buffer_add(out, &null_cell, sizeof(null_cell));
        if (value_is_null(v))
            continue;
        if (!value_unescape(in->arena, &v, &err)) {
            out->len = start;
            reject_record(r, in->record[row], p->component, "encode", "column " STR_FMT ": %s",
                          STR_ARG(p->schema->columns[p->columns[i]].name), err.text);
            return false;
        }
        value_print(v, p->schema->columns[p->columns[i]].type, p->zone, out);
        uint32_t len = (uint32_t)(out->len - at - sizeof(len));
        memcpy(out->data + at, &len, sizeof(len));
    }
    return true;
}

static void rows_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count, struct tools *tools,
                        struct output *out, struct rejections *r)
{
    const struct rows_program *p = b->program;
    (void)tools;
    struct piece *piece = output_piece(out, p->json ? JSON_ROWS : STR(""));
    if (p->json) {
        uint32_t before = r->count;
        p->json->format->encode(p->json, in, rows, count, &piece->bytes, NULL, r);
        piece->rows += count - (r->count - before);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        piece->rows += put_cells(p, in, rows[i], &piece->bytes, r);
}

static void add_cells(struct rows *r, const struct piece *p)
{
    struct str *cells = mem_alloc((r->column_count + 1) * sizeof(*cells));
    const char *at = p->bytes.data;
    for (uint32_t row = 0; row < p->rows; row++) {
        for (uint32_t i = 0; i < r->column_count; i++) {
            uint32_t len;
            memcpy(&len, at, sizeof(len));
            at += sizeof(len);
            cells[i] = len == null_cell ? (struct str){0} : (struct str){at, len};
            at += len == null_cell ? 0 : len;
        }
        add_row(r, cells, r->column_count);
    }
    free(cells);
}

/* A member's text: strings bare, the rest as JSON; data NULL for null. */
static struct str member_text(struct str json, struct arena *arena, bool *number)
{
    struct value v = json_to_value(json);
    struct error err;
    *number = v.kind == VALUE_NUMBER;
    if (value_is_null(v))
        return (struct str){0};
    if (v.kind == VALUE_TEXT && !value_unescape(arena, &v, &err))
        return json; /* \u0000 has no text */
    return v.kind == VALUE_TEXT ? value_str(v) : json;
}

static bool add_object(struct rows *r, struct str object, struct str **cells, struct arena *arena, struct error *err)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    uint32_t room = r->column_count;
    memset(*cells, 0, room * sizeof(**cells));
    json_object_open(&m, object);
    while (json_object_next(&m, &key, &escaped, &value)) {
        struct value name = value_text(key);
        name.flags = escaped ? VALUE_ESCAPED : 0;
        if (value_unescape(arena, &name, err))
            key = value_str(name);
        int at = find_column(r, key);
        if (at < 0 && r->begun)
            return error_set(err, ERROR_STOP,
                             "a row has the member \"" STR_FMT "\", which the first ones had not: name the columns in the SELECT instead of *",
                             STR_ARG(key));
        if (at < 0) {
            at = (int)r->column_count;
            add_column(r, key, false);
            *cells = mem_realloc(*cells, (r->column_count + 1) * sizeof(**cells));
            room = r->column_count;
        }
        bool number;
        (*cells)[at] = member_text(value, arena, &number);
        struct rows_column *c = &r->columns[at];
        if ((*cells)[at].data) {
            c->right = number && (c->right || !c->seen);
            c->seen = true;
        }
    }
    add_row(r, *cells, room);
    return true;
}

static bool add_objects(struct rows *r, const struct piece *p, struct error *err)
{
    struct str *cells = mem_alloc((r->column_count + 1) * sizeof(*cells));
    struct arena arena = ARENA_INIT;
    const char *end = p->bytes.data + p->bytes.len;
    bool good = true;
    for (const char *at = p->bytes.data, *newline; good && at < end; at = newline + 1) {
        newline = memchr(at, '\n', (size_t)(end - at));
        good = add_object(r, (struct str){at, (size_t)(newline - at)}, &cells, &arena, err);
        arena_reset(&arena);
    }
    arena_release(&arena);
    free(cells);
    return good;
}

static bool rows_write(struct sink *s, struct output *o, struct error *err)
{
    struct rows *r = s->component->options;
    for (uint32_t i = 0; i < o->piece_count; i++) {
        const struct piece *p = &o->pieces[i];
        if (p->rows == 0)
            continue;
        if (!p->target.len)
            add_cells(r, p);
        else if (!add_objects(r, p, err))
            return false;
        if (!flush(r, err))
            return false;
    }
    return true;
}

static const struct sink_ops rows_ops = {.bind = rows_bind, .encode = rows_encode, .write = rows_write};
static const struct option no_options[] = {OPT_END};

const struct sink_type rows_sink_type = {
    .base = {.name = "rows", .summary = "Rows for people.", .options = no_options, .has_format = true},
    .ops = &rows_ops,
};
