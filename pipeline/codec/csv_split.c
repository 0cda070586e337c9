#include "pipeline/codec/csv.h"

/* A quoted field's characters: doubled quotes become single ones. */
static struct str undouble(struct str inside, char quote, struct arena *arena)
{
    char *out = arena_alloc(arena, inside.len);
    size_t len = 0;
    for (size_t i = 0; i < inside.len; i++) {
        out[len++] = inside.data[i];
        if (inside.data[i] == quote)
            i++;
    }
    return (struct str){out, len};
}

/* p is behind the opening quote. Returns the closing quote, or NULL. */
static const char *find_closing(const char *p, const char *end, char quote, bool *doubled)
{
    *doubled = false;
    for (;;) {
        p = memchr(p, quote, (size_t)(end - p));
        if (!p || p + 1 == end || p[1] != quote)
            return p;
        *doubled = true;
        p += 2;
    }
}

static const char *find_break(const char *p, const char *end)
{
    while (p < end && !csv_is_break(*p))
        p++;
    return p < end ? p : NULL;
}

const char *csv_split(const struct csv_dialect *dialect, struct str record, struct arena *arena, struct value *cells,
                      uint32_t room, uint32_t *count, size_t *offset)
{
    const char *p = record.data, *end = p + record.len;
    const char quote = dialect->quote, delimiter = dialect->delimiter;
    /* Framed records have no line end outside quotes; whole messages may, and nobody has looked. */
    bool has_break = memchr(p, '\n', record.len) || memchr(p, '\r', record.len);
    uint32_t fields = 0;
    for (;;) {
        struct value cell;
        const char *start = p;
        if (p < end && *p == quote) {
            bool doubled;
            p = find_closing(start + 1, end, quote, &doubled);
            if (!p) {
                *offset = (size_t)(start - record.data);
                return "quoted field is not closed";
            }
            struct str inside = {start + 1, (size_t)(p - start - 1)};
            if (fields < room)
                cell = value_text(doubled ? undouble(inside, quote, arena) : inside);
            p++;
            if (p < end && *p != delimiter) {
                *offset = (size_t)(p - record.data);
                return "text behind a closing quote";
            }
        } else {
            p = memchr(p, delimiter, (size_t)(end - p));
            if (!p)
                p = end;
            const char *stray = has_break ? find_break(start, p) : NULL;
            if (stray) {
                *offset = (size_t)(stray - record.data);
                return "line end inside a record";
            }
            if (fields < room)
                cell = csv_bare(dialect, start, (size_t)(p - start), 0);
        }
        if (fields < room)
            cells[fields] = cell;
        fields++;
        if (p == end)
            break;
        p++;
    }
    *count = fields;
    return NULL;
}

/* WHATWG's windows-1252: 0x80 to 0x9f; the five without a character stay C1 controls. */
static const uint16_t windows_1252_high[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

struct str csv_to_utf8(enum csv_encoding encoding, struct str text, struct arena *arena)
{
    size_t high = 0;
    for (size_t i = 0; i < text.len; i++)
        high += (unsigned char)text.data[i] >> 7;
    if (encoding == CSV_UTF8 || high == 0)
        return text;
    char *out = arena_alloc(arena, text.len + 2 * high);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned c = (unsigned char)text.data[i];
        if (encoding == CSV_WINDOWS_1252 && c >= 0x80 && c < 0xa0)
            c = windows_1252_high[c - 0x80];
        if (c < 0x80) {
            out[len++] = (char)c;
        } else if (c < 0x800) {
            out[len++] = (char)(0xc0 | c >> 6);
            out[len++] = (char)(0x80 | (c & 0x3f));
        } else {
            out[len++] = (char)(0xe0 | c >> 12);
            out[len++] = (char)(0x80 | (c >> 6 & 0x3f));
            out[len++] = (char)(0x80 | (c & 0x3f));
        }
    }
    return (struct str){out, len};
}
