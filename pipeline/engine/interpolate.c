#include "pipeline/engine/interpolate.h"

#include <ctype.h>
#include <stdlib.h>

#include "pipeline/base/buffer.h"
#include "pipeline/base/file.h"

enum { INTERPOLATED_FILE_LIMIT = 1 << 20 };

/* ---- the environment --------------------------------------------------------------------------------------------- */

const char *environment_get(const struct environment *env, const char *name)
{
    const char *value = getenv(name);
    for (uint32_t i = env ? env->count : 0; !value && i > 0; i--)
        if (strcmp(env->entries[i - 1].name, name) == 0)
            value = env->entries[i - 1].value;
    return value;
}

static struct str trim(struct str s)
{
    while (s.len && isspace((unsigned char)s.data[0]))
        s = (struct str){s.data + 1, s.len - 1};
    while (s.len && isspace((unsigned char)s.data[s.len - 1]))
        s.len--;
    return s;
}

static bool is_variable_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c != '_' && !isalpha(c) && !(i > 0 && isdigit(c)))
            return false;
    }
    return s.len > 0;
}

static bool read_entry(struct environment_entry *entry, struct str line, struct arena *arena)
{
    if (line.len > 7 && memcmp(line.data, "export ", 7) == 0)
        line = trim((struct str){line.data + 7, line.len - 7});
    const char *equals = memchr(line.data, '=', line.len);
    if (!equals)
        return false;
    struct str name = trim((struct str){line.data, (size_t)(equals - line.data)});
    struct str value = trim((struct str){equals + 1, line.len - (size_t)(equals + 1 - line.data)});
    if (value.len >= 2 && (value.data[0] == '"' || value.data[0] == '\'') && value.data[value.len - 1] == value.data[0])
        value = (struct str){value.data + 1, value.len - 2};
    if (!is_variable_name(name) || memchr(value.data, '\0', value.len))
        return false;
    *entry = (struct environment_entry){arena_str(arena, name).data, arena_str(arena, value).data};
    return true;
}

bool environment_read(struct environment *env, const char *path, struct arena *arena, struct error *err)
{
    struct buffer text = {0};
    if (!file_read_all(path, INTERPOLATED_FILE_LIMIT, &text, err)) {
        buffer_release(&text);
        return false;
    }
    uint32_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    env->entries = arena_array(arena, struct environment_entry, lines);
    env->count = 0;

    bool good = true;
    size_t at = 0;
    for (uint32_t number = 1; good && number <= lines; number++) {
        const char *newline = at < text.len ? memchr(text.data + at, '\n', text.len - at) : NULL;
        size_t end = newline ? (size_t)(newline - text.data) : text.len;
        struct str line = trim((struct str){text.data + at, end - at});
        at = end + 1;
        if (line.len == 0 || line.data[0] == '#')
            continue;
        good = read_entry(&env->entries[env->count++], line, arena);
        if (!good)
            error_set(err, ERROR_STOP, "%s:%u: expected NAME=VALUE", path, number);
    }
    buffer_release(&text);
    return good;
}

/* ---- one ${…} ---------------------------------------------------------------------------------------------------- */

static bool starts_with(struct str s, const char *prefix)
{
    size_t len = strlen(prefix);
    return s.len >= len && memcmp(s.data, prefix, len) == 0;
}

static bool add_file(const char *path, struct buffer *out, struct error *err)
{
    size_t before = out->len;
    struct buffer text = {0};
    bool good = file_read_all(path, INTERPOLATED_FILE_LIMIT, &text, err);
    if (good) {
        size_t len = text.len;
        if (len && text.data[len - 1] == '\n')
            len--;
        buffer_add(out, text.data, len);
        if (memchr(out->data + before, '\0', len))
            good = error_set(err, ERROR_STOP, "%s has a NUL byte in it", path);
    }
    buffer_release(&text);
    return good;
}

static bool add_named_file(const struct interpolation *cx, struct str name, struct buffer *out, struct error *err)
{
    if (name.len == 0)
        return error_set(err, ERROR_STOP, "${file:} needs a path");
    char *path = file_join(cx->directory, arena_str(cx->arena, name).data);
    bool good = add_file(path, out, err);
    free(path);
    return good;
}

static bool add_secret(const struct interpolation *cx, struct str name, struct buffer *out, struct error *err)
{
    if (name.len == 0 || name.data[0] == '.' || memchr(name.data, '/', name.len))
        return error_set(err, ERROR_STOP, "${secret:…} takes the name of a secret, not a path; ${file:…} takes one");
    const char *file = arena_str(cx->arena, name).data;
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (credentials) {
        char *path = file_join(credentials, file);
        bool good = add_file(path, out, err);
        free(path);
        if (good)
            return true;
    }
    char *path = file_join("/run/secrets", file);
    bool good = add_file(path, out, err);
    free(path);
    if (!good)
        error_set(err, ERROR_STOP, "secret \"%s\" is neither in %s nor in /run/secrets", file,
                  credentials ? credentials : "$CREDENTIALS_DIRECTORY (which is not set)");
    return good;
}

static bool add_variable(const struct interpolation *cx, struct str body, struct buffer *out, struct error *err)
{
    const char *colon = memchr(body.data, ':', body.len);
    struct str name = {body.data, colon ? (size_t)(colon - body.data) : body.len};
    struct str rest = {body.data + name.len, body.len - name.len};
    bool has_default = starts_with(rest, ":-"), must = starts_with(rest, ":?");
    if (!is_variable_name(name) || (rest.len && !has_default && !must))
        return error_set(err, ERROR_STOP,
                         "\"${" STR_FMT "}\" is none of ${VAR}, ${VAR:-default}, ${VAR:?message}, ${file:PATH}, "
                         "${secret:NAME}; a literal ${ is written $${",
                         STR_ARG(body));

    const char *value = environment_get(cx->environment, arena_str(cx->arena, name).data);
    struct str after = rest.len ? (struct str){rest.data + 2, rest.len - 2} : rest;
    if (has_default && (!value || !*value))
        buffer_add_str(out, after);
    else if (must && (!value || !*value))
        return error_set(err, ERROR_STOP, STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(after));
    else if (!value)
        return error_set(err, ERROR_STOP, "environment variable " STR_FMT " is not set", STR_ARG(name));
    else
        buffer_add_str(out, str_of(value));
    return true;
}

static bool add_reference(const struct interpolation *cx, struct toml_node *node, struct str body, struct buffer *out,
                          struct error *err)
{
    if (starts_with(body, "file:")) {
        node->secret = true;
        return add_named_file(cx, (struct str){body.data + 5, body.len - 5}, out, err);
    }
    if (starts_with(body, "secret:")) {
        node->secret = true;
        return add_secret(cx, (struct str){body.data + 7, body.len - 7}, out, err);
    }
    return add_variable(cx, body, out, err);
}

/* ---- a string ---------------------------------------------------------------------------------------------------- */

static bool fail_at(struct interpolation_error *err, size_t offset, size_t length)
{
    err->offset = offset;
    err->length = length;
    return false;
}

static bool replace(const struct interpolation *cx, struct toml_node *node, struct buffer *out,
                    struct toml_segment *segments, uint32_t *count, struct interpolation_error *err)
{
    struct str text = node->text;
    size_t at = 0;
    while (at < text.len) {
        const char *dollar = memmem(text.data + at, text.len - at, "${", 2);
        size_t plain = dollar ? (size_t)(dollar - text.data) : text.len;
        bool escaped = dollar && plain > at && text.data[plain - 1] == '$';
        size_t copied = plain - at - escaped;
        segments[(*count)++] = (struct toml_segment){out->len, copied, at, true};
        buffer_add(out, text.data + at, copied);
        at = plain;
        if (!dollar)
            break;
        if (escaped) {
            segments[(*count)++] = (struct toml_segment){out->len, 2, at, true};
            buffer_add(out, "${", 2);
            at += 2;
            continue;
        }
        const char *close = memchr(text.data + at, '}', text.len - at);
        if (!close) {
            error_set(&err->error, ERROR_STOP, "\"${\" without \"}\"; a literal ${ is written $${");
            return fail_at(err, at, 2);
        }
        struct str body = {text.data + at + 2, (size_t)(close - text.data) - at - 2};
        if (memmem(body.data, body.len, "${", 2)) {
            error_set(&err->error, ERROR_STOP, "a ${…} cannot stand inside another");
            return fail_at(err, at, body.len + 3);
        }
        size_t start = out->len;
        if (!add_reference(cx, node, body, out, &err->error))
            return fail_at(err, at, body.len + 3);
        segments[(*count)++] = (struct toml_segment){start, out->len - start, at, false};
        at += body.len + 3;
    }
    return true;
}

bool interpolate(const struct interpolation *cx, struct toml_node *node, struct interpolation_error *err)
{
    uint32_t most = 1;
    for (size_t i = 0; i + 1 < node->text.len; i++)
        most += node->text.data[i] == '$' && node->text.data[i + 1] == '{' ? 2 : 0;
    if (most == 1)
        return true;

    struct buffer out = {0};
    struct toml_segment *segments = arena_array(cx->arena, struct toml_segment, most);
    uint32_t count = 0;
    bool good = replace(cx, node, &out, segments, &count, err);
    if (good) {
        node->text = arena_str(cx->arena, (struct str){out.data ? out.data : "", out.len});
        node->segments = segments;
        node->segment_count = count;
        node->loose = true;
    }
    buffer_release(&out);
    return good;
}
