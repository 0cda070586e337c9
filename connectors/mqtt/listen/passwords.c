#include "connectors/mqtt/listen/passwords.h"

#include <stdlib.h>

#include "pipeline/base/base64.h"
#include "pipeline/base/file.h"

enum {
    FILE_MAX = 64 << 20,
    HASH_BYTES = 64,          /* SHA-512 */
    ITERATIONS_MAX = 1000000, /* a CONNECT is checked by the thread that serves all others: this takes a second */
};

/* What is before the next `end`, or all; it is taken from *rest. */
static struct str next_part(struct str *rest, char end)
{
    const char *at = rest->len ? memchr(rest->data, end, rest->len) : NULL;
    size_t len = at ? (size_t)(at - rest->data) : rest->len, taken = len + (at != NULL);
    struct str part = {rest->data, len};
    *rest = (struct str){rest->data + taken, rest->len - taken};
    return part;
}

static bool read_iterations(struct str text, uint32_t *out)
{
    uint32_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || n > ITERATIONS_MAX)
            return false;
        n = n * 10 + (uint32_t)(text.data[i] - '0');
    }
    *out = n;
    return n >= 1 && n <= ITERATIONS_MAX;
}

static const char *parse_line(struct str line, struct arena *a, struct mqtt_password *out)
{
    struct str rest = line, name = next_part(&rest, ':');
    if (name.len == 0 || name.len == line.len)
        return "it is no NAME:HASH, as mosquitto_passwd writes it";
    next_part(&rest, '$');
    if (!str_eq(next_part(&rest, '$'), STR("7")))
        return "its hash is not of the kind $7$ (PBKDF2): make it anew with mosquitto_passwd";
    out->name = arena_str(a, name);
    if (!read_iterations(next_part(&rest, '$'), &out->iterations))
        return "its hash has no number of iterations, from 1 to 1,000,000";
    if (!base64_decode(next_part(&rest, '$'), a, &out->salt) || !base64_decode(rest, a, &out->hash) ||
        out->hash.len != HASH_BYTES)
        return "its hash is damaged: salt and hash are base 64, and the hash has 64 bytes";
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    struct str x = ((const struct mqtt_password *)a)->name, y = ((const struct mqtt_password *)b)->name;
    int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static bool sort(struct mqtt_passwords *p, struct error *err)
{
    if (p->count)
        qsort(p->all, p->count, sizeof(*p->all), by_name);
    for (size_t i = 1; i < p->count; i++)
        if (str_eq(p->all[i - 1].name, p->all[i].name))
            return error_set(err, ERROR_STOP, "the user \"" STR_FMT "\" is there twice", STR_ARG(p->all[i].name));
    return true;
}

static size_t count_lines(struct str text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

bool mqtt_passwords_parse(struct mqtt_passwords *p, struct str text, struct error *err)
{
    *p = (struct mqtt_passwords){0};
    p->all = arena_array(&p->arena, struct mqtt_password, count_lines(text));
    for (unsigned number = 1; text.len; number++) {
        struct str line = next_part(&text, '\n');
        if (line.len && line.data[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0 || line.data[0] == '#')
            continue;
        const char *wrong = parse_line(line, &p->arena, &p->all[p->count++]);
        if (wrong) {
            mqtt_passwords_release(p);
            return error_set(err, ERROR_STOP, "line %u: %s", number, wrong);
        }
    }
    if (sort(p, err))
        return true;
    mqtt_passwords_release(p);
    return false;
}

bool mqtt_passwords_read(struct mqtt_passwords *p, const char *path, struct error *err)
{
    struct buffer text = {0};
    bool ok = file_read_all(path, FILE_MAX, &text, err);
    if (ok && !mqtt_passwords_parse(p, (struct str){text.data, text.len}, err))
        ok = error_wrap(err, "users_file %s", path);
    buffer_release(&text);
    return ok;
}

void mqtt_passwords_release(struct mqtt_passwords *p)
{
    arena_release(&p->arena);
    *p = (struct mqtt_passwords){0};
}

bool mqtt_passwords_allow(const struct mqtt_passwords *p, const struct mqtt_password_ops *ops, struct str name,
                          struct str password)
{
    if (p->count == 0)
        return false;
    struct mqtt_password key = {.name = name};
    const struct mqtt_password *found = bsearch(&key, p->all, p->count, sizeof(*p->all), by_name);
    return ops->matches(found ? found : &p->all[0], password) && found;
}
