/*
 * Where things are in the file. A value's escapes, line continuations and ${…} make its offsets differ from those in
 * the file, so the literal is read again, counting what each piece of it stands for (TOML 1.0, "String").
 */
#include "pipeline/engine/config_document.h"
#include "pipeline/engine/option_parse.h"

/* ---- a cursor over the source that knows its line and column ----------------------------------------------------- */

struct cursor {
    const char *at, *end;
    struct place place;
};

static void step(struct cursor *c)
{
    if (c->at == c->end)
        return;
    if (*c->at == '\n') {
        c->place.line++;
        c->place.column = 1;
        c->at++;
        return;
    }
    c->at++;
    while (c->at < c->end && ((unsigned char)*c->at & 0xc0) == 0x80)
        c->at++;
    c->place.column++;
}

static struct cursor cursor_at(struct str source, struct place place)
{
    struct cursor c = {source.data, source.data + source.len, {1, 1}};
    if (source.len >= 3 && memcmp(source.data, "\xef\xbb\xbf", 3) == 0)
        c.at += 3;
    while (c.at < c.end && c.place.line < place.line) {
        const char *newline = memchr(c.at, '\n', (size_t)(c.end - c.at));
        c.at = newline ? newline + 1 : c.end;
        c.place.line++;
    }
    while (c.at < c.end && c.place.column < place.column && *c.at != '\n')
        step(&c);
    return c;
}

static bool looking_at(const struct cursor *c, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(c->end - c->at) >= len && memcmp(c->at, text, len) == 0;
}

static void skip(struct cursor *c, uint32_t characters)
{
    while (characters--)
        step(c);
}

/* ---- what a literal stands for ----------------------------------------------------------------------------------- */

static size_t utf8_length(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/* Steps over the hex digits of \u or \U and returns the bytes of its character. */
static size_t skip_code_point(struct cursor *c, uint32_t digits)
{
    uint32_t code = 0;
    for (; digits; digits--) {
        char d = c->at < c->end ? *c->at : '0';
        code = code * 16 + (uint32_t)(d <= '9' ? d - '0' : (d | 0x20) - 'a' + 10);
        step(c);
    }
    return utf8_length(code);
}

/* A backslash at the end of a line: everything up to the next character that is no white space stands for nothing. */
static void skip_continuation(struct cursor *c)
{
    while (c->at < c->end && strchr(" \t\r\n", *c->at))
        step(c);
}

/* Steps over one piece of the literal; returns how many bytes of the value it is. */
static size_t skip_piece(struct cursor *c, bool escapes)
{
    if (looking_at(c, "\r\n")) {
        skip(c, 2);
        return 1;
    }
    if (!escapes || *c->at != '\\') {
        const char *from = c->at;
        step(c);
        return (size_t)(c->at - from);
    }
    step(c);
    char kind = c->at < c->end ? *c->at : '\0';
    if (strchr(" \t\r\n", kind)) {
        skip_continuation(c);
        return 0;
    }
    step(c);
    return kind == 'u' ? skip_code_point(c, 4) : kind == 'U' ? skip_code_point(c, 8) : 1;
}

static size_t written_offset(const struct toml_node *node, size_t offset)
{
    for (uint32_t i = 0; i < node->segment_count; i++) {
        const struct toml_segment *s = &node->segments[i];
        if (offset < s->at + s->length || i + 1 == node->segment_count)
            return s->copied ? s->from + (offset > s->at ? offset - s->at : 0) : s->from;
    }
    return offset;
}

struct place toml_place_in(struct str source, const struct toml_node *node, size_t offset)
{
    if (node->origin || node->place.line == 0)
        return (struct place){0};
    if (node->kind != TOML_STRING)
        return node->place;

    struct cursor c = cursor_at(source, node->place);
    bool multi_line = looking_at(&c, "\"\"\"") || looking_at(&c, "'''");
    bool escapes = looking_at(&c, "\"");
    skip(&c, multi_line ? 3 : 1);
    if (multi_line && looking_at(&c, "\r\n"))
        skip(&c, 2);
    else if (multi_line && looking_at(&c, "\n"))
        skip(&c, 1);

    size_t left = written_offset(node, offset);
    while (c.at < c.end) {
        while (multi_line && escapes && looking_at(&c, "\\")) {
            struct cursor after = c;
            if (skip_piece(&after, true) != 0)
                break;
            c = after;
        }
        if (left == 0 || c.at == c.end)
            break;
        size_t bytes = skip_piece(&c, escapes);
        left -= bytes < left ? bytes : left;
    }
    return c.place;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static const struct config_document *document_of(const struct component *c)
{
    return c->config->document;
}

static const struct toml_node *find_node(const struct component *c, const char *option)
{
    const struct config_document *doc = document_of(c);
    uint32_t i = c->index == COMPONENT_DEAD_LETTER ? c->config->count : c->index;
    const struct toml_node *node = toml_find(doc->own[i], option);
    return node ? node : toml_find(doc->shared[i], option);
}

struct place config_place(const struct component *c, const char *option)
{
    const struct toml_node *node = find_node(c, option);
    if (!node)
        return c->place;
    return node->origin ? (struct place){0} : node->place;
}

struct place config_place_in(const struct component *c, const char *option, size_t offset)
{
    const struct toml_node *node = find_node(c, option);
    return node ? toml_place_in(document_of(c)->source, node, offset) : c->place;
}
