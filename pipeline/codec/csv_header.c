#include "pipeline/codec/csv.h"

#include <stdlib.h>

#include "pipeline/codec/json.h"

/* How far the first record goes. Headers are short and read once: a plain loop will do. */
struct first_record {
    size_t start, end; /* the record */
    size_t next;       /* behind its line end */
    uint32_t lines;    /* line ends before `next` */
};

enum find { FIND_FOUND, FIND_MORE, FIND_NONE };

static size_t skip_blank(const char *data, size_t len, uint32_t *lines)
{
    size_t at = len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (; at < len && csv_is_break(data[at]); at++)
        *lines += data[at] == '\r' || at == 0 || data[at - 1] != '\r';
    return at;
}

static enum find find_first(const struct csv_dialect *dialect, const char *data, size_t len, bool last,
                            struct first_record *r)
{
    *r = (struct first_record){0};
    r->start = skip_blank(data, len, &r->lines);
    bool quoted = false;
    size_t closed = 0; /* behind the last closing quote: a quote there was a doubled one, and opens again */
    for (size_t at = r->start; at < len; at++) {
        char c = data[at];
        if (c == dialect->quote) {
            if (quoted)
                closed = at + 1;
            if (quoted || at == r->start || at == closed || data[at - 1] == dialect->delimiter)
                quoted = !quoted;
        } else if (csv_is_break(c)) {
            r->lines += c == '\r' || data[at - 1] != '\r';
            if (quoted)
                continue;
            r->end = at;
            if (c == '\r' && at + 1 == len && !last)
                return FIND_MORE;
            r->next = at + 1 + (c == '\r' && at + 1 < len && data[at + 1] == '\n');
            return FIND_FOUND;
        }
    }
    r->end = r->next = len;
    if (!last)
        return FIND_MORE;
    return r->start < len ? FIND_FOUND : FIND_NONE;
}

/* Names and their bytes in one block, so that free() ends it. */
static struct csv_names *header_new(const struct value *cells, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += value_is_null(cells[i]) ? 0 : cells[i].len;
    struct csv_names *h = mem_alloc(sizeof(*h) + count * sizeof(h->names[0]) + bytes);
    char *to = (char *)&h->names[count];
    h->count = count;
    for (uint32_t i = 0; i < count; i++) {
        h->names[i] = (struct str){to, value_is_null(cells[i]) ? 0 : cells[i].len};
        if (h->names[i].len)
            memcpy(to, cells[i].ptr, h->names[i].len);
        to += h->names[i].len;
    }
    return h;
}

static struct csv_names *parse_header(struct csv_dialect dialect, struct str record, struct arena *arena,
                                      struct error *err)
{
    dialect.has_null = false; /* a column may be called what stands for NULL elsewhere */
    record = csv_to_utf8(dialect.encoding, record, arena);
    size_t offset = utf8_valid_prefix(record);
    if (offset < record.len) {
        error_set(err, ERROR_REJECT, "csv header: invalid UTF-8 or a NUL byte at byte %zu", offset);
        return NULL;
    }
    uint32_t room = 1, count;
    for (size_t i = 0; i < record.len; i++)
        room += record.data[i] == dialect.delimiter;
    struct value *cells = arena_array(arena, struct value, room);
    const char *why = csv_split(&dialect, record, arena, cells, room, &count, &offset);
    if (why) {
        error_set(err, ERROR_REJECT, "csv header: %s at byte %zu", why, offset);
        return NULL;
    }
    return header_new(cells, count);
}

ssize_t csv_prime(struct framer *f, const char *data, size_t len, bool last, struct error *err)
{
    if (!csv_expects_header(f->options))
        return 0;
    struct csv_dialect dialect;
    if (!csv_dialect_of(f->options, &dialect, err))
        return PRIME_ERROR;
    struct first_record r;
    enum find found = find_first(&dialect, data, len, last, &r);
    if (r.end - r.start > f->max_record) {
        error_set(err, ERROR_REJECT,
                  "csv header: longer than max_record (%zu bytes), perhaps a quote that is never closed",
                  f->max_record);
        return PRIME_ERROR;
    }
    if (found == FIND_MORE)
        return PRIME_MORE;
    if (found == FIND_FOUND && f->options->csv_names.count == 0 && !f->partition->format_state) {
        struct arena arena = ARENA_INIT;
        f->partition->format_state = parse_header(dialect, (struct str){data + r.start, r.end - r.start}, &arena, err);
        f->partition->format_state_free = free;
        arena_release(&arena);
        if (!f->partition->format_state)
            return PRIME_ERROR;
    }
    if (f->line)
        f->line += r.lines;
    return (ssize_t)r.next;
}

void csv_save_start(const struct partition *p, struct buffer *out)
{
    const struct csv_names *header = p->format_state;
    for (uint32_t i = 0; i < header->count; i++) {
        buffer_printf(out, i ? ",\"" : "[\"");
        json_escape(out, header->names[i]);
        buffer_add_byte(out, '"');
    }
    buffer_add_byte(out, ']');
}

bool csv_load_start(struct partition *p, struct str json)
{
    struct arena arena = ARENA_INIT;
    struct error err;
    struct json_members m;
    struct str element;
    struct value *names = arena_array(&arena, struct value, json.len + 1);
    uint32_t count = 0;
    bool ok = json_array_open(&m, json);
    while (ok && json_array_next(&m, &element)) {
        names[count] = json_to_value(element);
        ok = names[count].kind == VALUE_TEXT && value_unescape(&arena, &names[count], &err);
        count++;
    }
    if (ok) {
        p->format_state = header_new(names, count);
        p->format_state_free = free;
    }
    arena_release(&arena);
    return ok;
}
