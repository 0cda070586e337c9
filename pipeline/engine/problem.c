#include "pipeline/engine/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LINE_SHOWN = 140,  /* characters of a source line; longer ones are shown around the caret */
    CARET_CONTEXT = 60 /* characters left of the caret in such a line */
};

static struct problem *add(struct problems *p, struct place place, bool warning, const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    for (uint32_t i = 0; i < p->count; i++) {
        struct problem *old = &p->items[i];
        if (old->place.line == place.line && old->place.column == place.column && strcmp(old->text, text) == 0)
            return old;
    }

    if (p->count == p->capacity) {
        uint32_t capacity = p->capacity ? p->capacity * 2 : 16;
        struct problem *items = arena_array(p->arena, struct problem, capacity);
        if (p->count)
            memcpy(items, p->items, p->count * sizeof *items);
        p->items = items;
        p->capacity = capacity;
    }
    struct problem *problem = &p->items[p->count++];
    *problem = (struct problem){.place = place, .length = 1, .warning = warning, .text = arena_strdup(p->arena, text)};
    if (!warning)
        p->errors++;
    return problem;
}

struct problem *problem_add(struct problems *p, struct place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct problem *problem = add(p, place, false, format, args);
    va_end(args);
    return problem;
}

struct problem *problem_warn(struct problems *p, struct place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct problem *problem = add(p, place, true, format, args);
    va_end(args);
    return problem;
}

void problem_nearest(struct problems *p, struct problem *problem, const char *name, const char *const *candidates,
                     size_t count)
{
    const char *nearest = str_nearest(name, candidates, count);
    if (nearest)
        problem->hint = arena_printf(p->arena, "did you mean \"%s\"?", nearest);
}

/* The line's text without its end. */
static struct str source_line(struct str source, uint32_t line)
{
    const char *at = source.data, *end = source.data + source.len;
    for (uint32_t n = 1; n < line && at < end; n++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    if (line == 1 && end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    if (at == end)
        return (struct str){at, 0};
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    size_t len = (size_t)((newline ? newline : end) - at);
    if (len && at[len - 1] == '\r')
        len--;
    return (struct str){at, len};
}

static size_t character_length(struct str s, size_t at)
{
    size_t len = 1;
    while (at + len < s.len && ((unsigned char)s.data[at + len] & 0xc0) == 0x80)
        len++;
    return len;
}

static size_t count_characters(struct str s)
{
    size_t count = 0;
    for (size_t at = 0; at < s.len; at += character_length(s, at))
        count++;
    return count;
}

/* Characters [from, to) of the line; control characters become '?', so that a file cannot steer the terminal. */
static void print_characters(struct str line, size_t from, size_t to, struct buffer *out)
{
    size_t n = 0;
    for (size_t at = 0; at < line.len && n < to; n++) {
        size_t len = character_length(line, at);
        if (n >= from) {
            unsigned char c = (unsigned char)line.data[at];
            if ((c < 0x20 && c != '\t') || c == 0x7f)
                buffer_add_byte(out, '?');
            else
                buffer_add(out, line.data + at, len);
        }
        at += len;
    }
}

/* Below each character what keeps the caret under its own: a tab for a tab. */
static void print_padding(struct str line, size_t from, size_t to, struct buffer *out)
{
    size_t n = 0, at = 0;
    while (n < to) {
        bool tab = at < line.len && line.data[at] == '\t';
        if (n >= from)
            buffer_add_byte(out, tab ? '\t' : ' ');
        at += at < line.len ? character_length(line, at) : 1;
        n++;
    }
}

static void print_line_and_caret(struct str line, const struct problem *problem, bool colour, struct buffer *out)
{
    size_t characters = count_characters(line);
    size_t at = problem->place.column ? problem->place.column - 1 : 0;
    if (at > characters)
        at = characters;
    size_t length = problem->length ? problem->length : 1;
    if (length > characters - at)
        length = characters > at ? characters - at : 1;

    size_t from = 0, to = characters;
    if (problem->shown && problem->shown < to)
        to = problem->shown;
    if (characters > LINE_SHOWN && at > CARET_CONTEXT && at - CARET_CONTEXT < to)
        from = at - CARET_CONTEXT;
    if (to - from > LINE_SHOWN)
        to = from + LINE_SHOWN;
    if (at + length > to && to > at)
        length = to - at;

    buffer_add(out, "    ", 4);
    print_characters(line, from, to, out);
    if (problem->shown && to < characters)
        buffer_printf(out, " …");
    buffer_printf(out, "\n    ");
    print_padding(line, from, at, out);
    if (colour)
        buffer_printf(out, problem->warning ? "\033[33m" : "\033[31m");
    for (size_t i = 0; i < length; i++)
        buffer_add_byte(out, '^');
    buffer_printf(out, colour ? "\033[0m\n" : "\n");
}

static void print_problem(const struct problems *p, const struct problem *problem, bool colour, struct buffer *out)
{
    if (colour)
        buffer_printf(out, "\033[1m");
    buffer_printf(out, "%s:", p->file);
    if (problem->place.line)
        buffer_printf(out, "%u:%u:", problem->place.line, problem->place.column);
    if (colour)
        buffer_printf(out, "\033[0m");
    buffer_printf(out, " %s%s\n", problem->warning ? "warning: " : "", problem->text);

    if (problem->place.line) {
        struct str line = source_line(p->source, problem->place.line);
        if (line.len)
            print_line_and_caret(line, problem, colour, out);
    }
    if (problem->hint)
        buffer_printf(out, "    %s\n", problem->hint);
}

static int compare_places(const void *a, const void *b)
{
    const struct problem *x = *(const struct problem *const *)a, *y = *(const struct problem *const *)b;
    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    if (x->place.column != y->place.column)
        return x->place.column < y->place.column ? -1 : 1;
    return x < y ? -1 : x > y;
}

void problems_print(const struct problems *p, bool colour, struct buffer *out)
{
    const struct problem **order = mem_alloc((p->count + 1) * sizeof *order);
    for (uint32_t i = 0; i < p->count; i++)
        order[i] = &p->items[i];
    qsort(order, p->count, sizeof *order, compare_places);
    for (uint32_t i = 0; i < p->count; i++)
        print_problem(p, order[i], colour, out);
    free(order);
}
