/*
 * Records into columns. A record without quotes, backslashes and control characters, which is nearly every one, is
 * split by the bit masks of csv_scan.h; any other by csv_split. Fields go through `cells`, one row's worth, from where
 * the wanted ones are spread over the columns.
 */
#include <stdio.h>

#include "pipeline/codec/csv.h"
#include "pipeline/codec/csv_scan.h"

/* A member column: the name a header must have for it. */
struct wanted {
    struct str name;
    uint32_t column;
    bool converted; /* declared with a type: parsed after splitting */
    struct type type;
};

/* Which field goes into which column, for one header. */
struct map {
    uint32_t fields;  /* of every record */
    uint32_t needed;  /* fields behind this many are only counted; cells[needed] is NULL */
    uint32_t *source; /* per wanted column: its field, or `needed` */
    struct str *keys; /* where the whole event is wanted, per field: `,"name":` */
};

struct csv_program {
    struct csv_dialect dialect;
    const struct csv_scanner *scanner;
    const struct wanted *wanted;
    uint32_t wanted_count;
    bool wants_raw;
    const struct map *positional; /* the fields' names are in the configuration; NULL: in every stream's header */
};

/* ---- binding ------------------------------------------------------------------------------------------------------
 */

/* "loc", "lat" asks for a header `loc.lat`. */
static struct str dotted(struct arena *a, const struct path *path)
{
    struct str name = path->parts[0];
    for (uint32_t i = 1; i < path->count; i++)
        name = str_of(arena_printf(a, STR_FMT "." STR_FMT, STR_ARG(name), STR_ARG(path->parts[i])));
    return name;
}

static struct str json_key(struct arena *a, bool first, struct str name)
{
    struct buffer b = {0};
    buffer_add_str(&b, first ? STR("\"") : STR(",\""));
    json_escape(&b, name);
    buffer_add_str(&b, STR("\":"));
    struct str key = arena_str(a, (struct str){b.data, b.len});
    buffer_release(&b);
    return key;
}

/* Of equal names the last wins. */
static uint32_t find_name(const struct str *names, uint32_t count, struct str name)
{
    while (count-- > 0)
        if (str_eq(names[count], name))
            return count;
    return UINT32_MAX;
}

static void map_names(const struct csv_program *p, const struct str *names, uint32_t count, struct arena *a,
                      struct map *map)
{
    map->fields = count;
    map->needed = p->wants_raw ? count : 0;
    map->source = arena_array(a, uint32_t, p->wanted_count);
    for (uint32_t i = 0; i < p->wanted_count; i++) {
        map->source[i] = find_name(names, count, p->wanted[i].name);
        if (map->source[i] != UINT32_MAX && map->source[i] >= map->needed)
            map->needed = map->source[i] + 1;
    }
    for (uint32_t i = 0; i < p->wanted_count; i++)
        if (map->source[i] == UINT32_MAX)
            map->source[i] = map->needed;
    map->keys = NULL;
    if (!p->wants_raw)
        return;
    map->keys = arena_array(a, struct str, count);
    for (uint32_t i = 0; i < count; i++)
        map->keys[i] = json_key(a, i == 0, names[i]);
}

/* Without a header: the configured names, else the declared columns in their order. */
static const struct map *positional_map(const struct csv_program *p, const struct decoder *d, struct arena *plan)
{
    const struct text_list *given = &d->options->csv_names;
    const struct schema *s = d->schema;
    if (given->count == 0 && csv_expects_header(d->options))
        return NULL;
    struct str *names = arena_array(plan, struct str, given->count ? given->count : s->count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < given->count; i++)
        names[count++] = str_of(given->items[i]);
    for (uint32_t i = 0; i < s->count && given->count == 0; i++)
        if (s->columns[i].origin == COLUMN_MEMBER && s->columns[i].declared)
            names[count++] = dotted(plan, &s->columns[i].path);
    struct map *map = arena_new(plan, struct map);
    map_names(p, names, count, plan, map);
    return map;
}

bool csv_bind_decoder(struct decoder *d, struct arena *plan, struct error *err)
{
    struct csv_program *p = arena_new(plan, struct csv_program);
    if (!csv_dialect_of(d->options, &p->dialect, err))
        return false;
    p->scanner = csv_scanner_best();
    p->wants_raw = d->schema->wants_raw;
    struct wanted *wanted = arena_array(plan, struct wanted, d->schema->count);
    for (uint32_t i = 0; i < d->schema->count; i++) {
        const struct column *c = &d->schema->columns[i];
        if (c->origin != COLUMN_MEMBER)
            continue;
        bool as_it_is = c->type.id == TYPE_UNKNOWN || (c->type.id == TYPE_TEXT && c->type.precision < 0);
        wanted[p->wanted_count++] = (struct wanted){
            .name = dotted(plan, &c->path),
            .column = i,
            .converted = !as_it_is,
            .type = c->type,
        };
    }
    p->wanted = wanted;
    p->positional = positional_map(p, d, plan);
    d->program = p;
    return true;
}

/* ---- splitting ----------------------------------------------------------------------------------------------------
 */

enum { WINDOW_BLOCKS = 64, WINDOW_BYTES = WINDOW_BLOCKS * 64 };

/* The masks of a run of the batch's bytes: a few dozen records, made at once. */
struct window {
    const char *base;
    size_t len;
    uint64_t plain[WINDOW_BLOCKS + 1], special[WINDOW_BLOCKS + 1]; /* one more, so that an end may be looked up */
};

/* One call of csv_decode. */
struct decoding {
    const struct decoder *decoder;
    const struct csv_program *program;
    const struct batch *batch;
    uint32_t first;
    struct arena *arena;
    struct rejections *rejections;
    struct value **values; /* per wanted column */
    struct value *cells;   /* of one row */
    struct map map;
    bool map_valid;
    bool text_valid;    /* the slice's bytes, taken together, are valid UTF-8 without NUL */
    struct buffer json; /* the whole events */
    struct str *raw;    /* data counts from json.data until the end */
    struct window window;
};

static void window_move(struct decoding *c, const char *to)
{
    struct window *w = &c->window;
    size_t blocks = ((size_t)(c->batch->bytes + c->batch->len - to) + 63) / 64;
    if (blocks > WINDOW_BLOCKS)
        blocks = WINDOW_BLOCKS;
    c->program->scanner->fields(to, blocks, c->program->dialect.delimiter, c->program->dialect.quote, w->plain,
                                w->special);
    w->plain[blocks] = w->special[blocks] = 0;
    w->base = to;
    w->len = blocks * 64;
}

static inline uint64_t bits_from(size_t at)
{
    return UINT64_MAX << (at & 63);
}

static inline uint64_t bits_below(size_t at)
{
    return (UINT64_C(1) << (at & 63)) - 1;
}

static inline bool any_special(const struct window *w, size_t start, size_t end)
{
    size_t word = start >> 6, last = end >> 6;
    uint64_t found = w->special[word] & bits_from(start);
    while (word < last) {
        if (found)
            return true;
        found = w->special[++word];
    }
    return (found & bits_below(end)) != 0;
}

/* Returns the number of fields; 0 where the record wants csv_split. */
static inline uint32_t split_fast(struct decoding *c, struct str record)
{
    struct window *w = &c->window;
    if (!w->base || record.data < w->base || record.data + record.len > w->base + w->len) {
        if (record.len > WINDOW_BYTES)
            return 0;
        window_move(c, record.data);
    }
    size_t start = (size_t)(record.data - w->base);
    const size_t end = start + record.len, last = end >> 6;
    if (any_special(w, start, end))
        return 0;
    size_t word = start >> 6;
    uint64_t bits = w->plain[word] & bits_from(start);
    if (word == last)
        bits &= bits_below(end);
    const uint32_t needed = c->map.needed;
    uint32_t fields = 0;
    for (;;) {
        while (bits == 0) {
            if (word == last) {
                if (fields < needed)
                    c->cells[fields] = csv_bare(&c->program->dialect, w->base + start, end - start, VALUE_JSON_SAFE);
                return fields + 1;
            }
            bits = w->plain[++word];
            if (word == last)
                bits &= bits_below(end);
        }
        if (fields >= needed) {
            fields += (uint32_t)__builtin_popcountll(bits);
            bits = 0;
            continue;
        }
        size_t at = word * 64 + (unsigned)__builtin_ctzll(bits);
        bits &= bits - 1;
        c->cells[fields++] = csv_bare(&c->program->dialect, w->base + start, at - start, VALUE_JSON_SAFE);
        start = at + 1;
    }
}

/* ---- rejecting ----------------------------------------------------------------------------------------------------
 */

static bool reject(struct decoding *c, uint32_t row, const char *sqlstate, size_t offset, const char *text)
{
    const struct record *rec = &c->batch->records[c->first + row];
    char line[32] = "";
    if (rec->line)
        snprintf(line, sizeof(line), "line %u: ", rec->line);
    struct rejection *r =
        reject_record(c->rejections, c->first + row, c->decoder->component, "decode", "%s%s", line, text);
    memcpy(r->sqlstate, sqlstate, sizeof(r->sqlstate));
    r->offset = (uint32_t)offset;
    return false;
}

static bool reject_ragged(struct decoding *c, uint32_t row, size_t len, uint32_t fields)
{
    char text[80];
    snprintf(text, sizeof(text), "expected %u field%s, got %u", c->map.fields, c->map.fields == 1 ? "" : "s", fields);
    return reject(c, row, "22P04", len, text);
}

/* A record that framing gave up: was it for a quote? */
static bool reject_fault(struct decoding *c, uint32_t row, struct str record)
{
    const struct record *rec = &c->batch->records[c->first + row];
    uint32_t fields;
    size_t offset;
    const char *why = csv_split(&c->program->dialect, record, c->arena, NULL, 0, &fields, &offset);
    if (rec->fault == RECORD_CORRUPT || !why) {
        decoder_fault(c->decoder, c->batch, c->first + row, c->rejections);
        return false;
    }
    char text[256];
    snprintf(text, sizeof(text), "%s: %s", record_fault_text(c->batch, rec), why);
    return reject(c, row, rec->fault == RECORD_TOO_LONG ? "54000" : "22P04", offset, text);
}

static inline bool utf8_continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static bool text_valid(struct decoding *c, uint32_t row, struct str record)
{
    if (c->program->dialect.encoding != CSV_UTF8) {
        const char *nul = memchr(record.data, 0, record.len);
        return !nul || reject(c, row, "22021", (size_t)(nul - record.data), "NUL byte");
    }
    /* No part of a character is missing: then what is valid together is valid alone. */
    if (c->text_valid && !utf8_continues(record.data[0]) && !utf8_continues(record.data[record.len]))
        return true;
    size_t valid = utf8_valid_prefix(record);
    if (valid == record.len)
        return true;
    if (record.data[valid] == '\0')
        return reject(c, row, "22021", valid, "NUL byte");
    char text[80];
    snprintf(text, sizeof(text), "invalid byte sequence for encoding \"UTF8\": 0x%02x",
             (unsigned char)record.data[valid]);
    return reject(c, row, "22021", valid, text);
}

/* ---- rows ---------------------------------------------------------------------------------------------------------
 */

/* Whole messages may bring their line end along. */
static struct str without_line_end(struct str record)
{
    if (record.len && record.data[record.len - 1] == '\n')
        record.len--;
    if (record.len && record.data[record.len - 1] == '\r')
        record.len--;
    return record;
}

static void cells_to_utf8(struct decoding *c)
{
    for (uint32_t i = 0; i < c->map.needed; i++)
        if (!value_is_null(c->cells[i])) {
            struct str text = csv_to_utf8(c->program->dialect.encoding, value_str(c->cells[i]), c->arena);
            c->cells[i].ptr = text.data;
            c->cells[i].len = (uint32_t)text.len;
        }
}

static void add_event(struct decoding *c, uint32_t row)
{
    struct buffer *json = &c->json;
    size_t start = json->len;
    buffer_add_byte(json, '{');
    for (uint32_t i = 0; i < c->map.fields; i++) {
        struct value v = c->cells[i];
        buffer_add_str(json, c->map.keys[i]);
        if (value_is_null(v)) {
            buffer_add_str(json, STR("null"));
            continue;
        }
        buffer_add_byte(json, '"');
        if (v.flags & VALUE_JSON_SAFE)
            buffer_add_str(json, value_str(v));
        else
            json_escape(json, value_str(v));
        buffer_add_byte(json, '"');
    }
    buffer_add_byte(json, '}');
    /* An offset for now: the buffer may still move. */
    c->raw[row] = (struct str){(const char *)start, json->len - start};
}

static bool decode_row(struct decoding *c, uint32_t row)
{
    const struct csv_program *p = c->program;
    struct str record = batch_record_bytes(c->batch, c->first + row);
    if (c->batch->records[c->first + row].fault != RECORD_OK)
        return reject_fault(c, row, record);
    if (!text_valid(c, row, record))
        return false;
    uint32_t fields = split_fast(c, record);
    if (fields == 0) {
        size_t offset;
        record = without_line_end(record);
        const char *why = csv_split(&p->dialect, record, c->arena, c->cells, c->map.needed, &fields, &offset);
        if (why)
            return reject(c, row, "22P04", offset, why);
    }
    if (fields != c->map.fields)
        return reject_ragged(c, row, record.len, fields);
    if (p->dialect.encoding != CSV_UTF8)
        cells_to_utf8(c);
    for (uint32_t i = 0; i < p->wanted_count; i++)
        c->values[i][row] = c->cells[c->map.source[i]];
    if (p->wants_raw)
        add_event(c, row);
    return true;
}

/* For the records of one span. False: its header is unknown. */
static bool choose_map(struct decoding *c, const struct partition *partition)
{
    if (c->program->positional) {
        c->map = *c->program->positional;
    } else {
        const struct csv_names *header = partition->format_state;
        if (!header)
            return false;
        map_names(c->program, header->names, header->count, c->arena, &c->map);
    }
    c->cells = arena_array(c->arena, struct value, c->map.needed + 1);
    c->cells[c->map.needed] = value_null();
    return true;
}

static uint32_t decode_rows(struct decoding *c, uint32_t count, uint32_t *sel)
{
    const struct record *records = c->batch->records + c->first;
    uint32_t selected = 0;
    for (uint32_t row = 0; row < count; row++) {
        if (row == 0 || records[row].span != records[row - 1].span)
            c->map_valid = choose_map(c, batch_record_partition(c->batch, c->first + row));
        bool good = c->map_valid ? decode_row(c, row) : reject(c, row, "22P04", 0, "the stream has no header");
        sel[selected] = row;
        selected += good;
    }
    return selected;
}

/* Parses a declared column; rows that do not fit leave the selection. */
static uint32_t convert_column(struct decoding *c, const struct wanted *w, struct value *values, uint32_t *sel,
                               uint32_t selected)
{
    struct convert_context cx = c->decoder->convert;
    cx.arena = c->arena;
    uint32_t kept = 0;
    for (uint32_t k = 0; k < selected; k++) {
        uint32_t row = sel[k];
        struct value *v = &values[row];
        struct str text = value_str(*v);
        struct error err;
        cx.now_us = batch_record_partition(c->batch, c->first + row)->timestamp;
        if (value_is_null(*v) || value_parse(&cx, text, w->type, v, &err)) {
            sel[kept++] = row;
            continue;
        }
        struct str record = batch_record_bytes(c->batch, c->first + row);
        bool inside = text.data >= record.data && text.data <= record.data + record.len;
        error_wrap(&err, "column " STR_FMT, STR_ARG(w->name));
        reject(c, row, err.sqlstate, inside ? (size_t)(text.data - record.data) : UINT32_MAX, err.text);
    }
    return kept;
}

static bool range_valid(const struct batch *b, uint32_t first, uint32_t count)
{
    uint32_t start = UINT32_MAX, end = 0;
    for (uint32_t i = first; i < first + count; i++) {
        const struct record *r = &b->records[i];
        start = r->offset < start ? r->offset : start;
        end = r->offset + r->length > end ? r->offset + r->length : end;
    }
    struct str range = {b->bytes + start, end - start};
    return utf8_valid_prefix(range) == range.len;
}

/* The events' texts move into the arena. */
static void finish_events(struct decoding *c, struct slice *out)
{
    char *texts = arena_alloc(c->arena, c->json.len);
    if (c->json.len)
        memcpy(texts, c->json.data, c->json.len);
    for (uint32_t k = 0; k < out->selected; k++)
        c->raw[out->sel[k]].data = texts + (size_t)c->raw[out->sel[k]].data;
    out->raw = c->raw;
    buffer_release(&c->json);
}

void csv_decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out,
                struct rejections *r)
{
    const struct csv_program *p = d->program;
    struct arena *arena = out->arena;
    struct decoding c = {.decoder = d, .program = p, .batch = b, .first = first, .arena = arena, .rejections = r};
    uint32_t *record = arena_array(arena, uint32_t, count), *sel = arena_array(arena, uint32_t, count);
    out->column_count = d->schema->count;
    out->columns = arena_array(arena, struct value *, d->schema->count);
    memset(out->columns, 0, d->schema->count * sizeof(out->columns[0]));
    c.values = arena_array(arena, struct value *, p->wanted_count);
    for (uint32_t i = 0; i < p->wanted_count; i++)
        c.values[i] = out->columns[p->wanted[i].column] = arena_array(arena, struct value, count);
    for (uint32_t i = 0; i < count; i++)
        record[i] = first + i;
    if (p->wants_raw)
        c.raw = arena_array(arena, struct str, count);
    c.text_valid = count && p->dialect.encoding == CSV_UTF8 && range_valid(b, first, count);

    uint32_t selected = decode_rows(&c, count, sel);
    for (uint32_t i = 0; i < p->wanted_count; i++)
        if (p->wanted[i].converted)
            selected = convert_column(&c, &p->wanted[i], c.values[i], sel, selected);
    out->rows = count;
    out->record = record;
    out->sel = selected == count ? slice_all_rows : sel;
    out->selected = selected;
    out->raw = NULL;
    if (p->wants_raw)
        finish_events(&c, out);
}
