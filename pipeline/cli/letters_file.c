/*
 * Dead letters in an NDJSON file.
 */
#include <errno.h>
#include <unistd.h>

#include "pipeline/base/file.h"
#include "pipeline/cli/letters.h"
#include "pipeline/codec/json.h"

enum { MOST_DEPTH = 512 };

/* NULL where the file is not plain NDJSON. */
static const char *path_of(const struct config *cfg, struct error *err)
{
    const struct component *c = cfg->dead_letter;
    const char *path = NULL;
    bool compressed = false;
    for (const struct option *o = c->type->options; o->name; o++) {
        const void *at = (const char *)c->options + o->offset;
        if (strcmp(o->name, "path") == 0)
            path = *(const char *const *)at;
        else if (strcmp(o->name, "compression") == 0)
            compressed = *(const int *)at != COMPRESSION_NONE;
    }
    if (path && !compressed && formats[c->sink_common->format] == &format_json)
        return path;
    error_set(err, ERROR_STOP,
              "the dead letters of this pipeline are in a file that is compressed or has another format; `pipe dead` "
              "works on plain NDJSON");
    return NULL;
}

static bool parse_letter(struct str line, struct arena *arena, struct letter *out)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    size_t offset;
    const char *why;
    out->line = line;
    if (!json_validate(line, MOST_DEPTH, &offset, &why) || !json_object_open(&m, line))
        return false;
    while (json_object_next(&m, &key, &escaped, &value))
        for (int c = 0; c < DEAD_COLUMNS; c++)
            if (!escaped && str_eq(key, str_of(dead_column_name((enum dead_column)c))))
                out->members[c] = value;
    return letter_name(out, arena);
}

static bool parse_lines(struct str text, struct letters *l, struct error *err)
{
    uint32_t number = 0;
    const char *end = text.data + text.len;
    for (const char *at = text.data, *newline; at < end; at = newline + 1) {
        newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            return true;
        number++;
        if (newline != at && !parse_letter((struct str){at, (size_t)(newline - at)}, l->arena, letters_add(l)))
            return error_set(err, ERROR_STOP, "%s:%u: this is no dead letter", l->place, number);
    }
    return true;
}

static bool read_file(struct letters *l, struct error *err)
{
    struct buffer text = {0};
    l->place = path_of(l->cfg, err);
    if (!l->place)
        return false;
    if (access(l->place, F_OK) != 0 && errno == ENOENT)
        return true;
    bool ok = file_read_all(l->place, (size_t)1 << 40, &text, err) &&
              parse_lines(arena_str(l->arena, (struct str){text.data, text.len}), l, err);
    buffer_release(&text);
    return ok;
}

/* The state_dir is held, so that nothing is written meanwhile. */
static bool keep_lines(const struct letters *l, const bool *keep, struct error *err)
{
    struct buffer text = {0};
    for (uint32_t i = 0; i < l->count; i++) {
        if (!keep[i])
            continue;
        buffer_add_str(&text, l->items[i].line);
        buffer_add_byte(&text, '\n');
    }
    bool ok = file_replace(l->place, text.data, text.len, err);
    buffer_release(&text);
    return ok;
}

const struct letter_store letter_file = {.read = read_file, .keep = keep_lines};
