#include "pipeline/engine/option_value.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "pipeline/base/file.h"

enum { NUMBER_TEXT = 64 };

/* ---- numbers with units ------------------------------------------------------------------------------------------ */

struct unit {
    const char *name;
    uint64_t factor;
};

/* The largest first, for printing. */
static const struct unit size_units[] = {
    {"TiB", UINT64_C(1) << 40},
    {"TB", UINT64_C(1000000000000)},
    {"GiB", UINT64_C(1) << 30},
    {"GB", 1000000000},
    {"MiB", UINT64_C(1) << 20},
    {"MB", 1000000},
    {"KiB", 1024},
    {"KB", 1000},
    {"B", 1},
    {NULL, 0},
};
static const struct unit duration_units[] = {
    {"d", UINT64_C(86400000000)},
    {"h", UINT64_C(3600000000)},
    {"m", 60000000},
    {"s", 1000000},
    {"ms", 1000},
    {"us", 1},
    {"µs", 1},
    {NULL, 0},
};

static const struct unit *find_unit(const struct unit *units, struct str name)
{
    for (; units->name; units++)
        if (str_eq_nocase(str_of(units->name), name))
            return units;
    return NULL;
}

static struct str skip_blanks(struct str s)
{
    while (s.len && s.data[0] == ' ')
        s = (struct str){s.data + 1, s.len - 1};
    return s;
}

/* The number and unit that `s` starts with, taken off it. */
static bool take_quantity(struct str *s, const struct unit *units, long double *number, const struct unit **unit)
{
    char digits[NUMBER_TEXT];
    size_t n = 0;
    while (n < s->len && n < sizeof digits - 1 && (isdigit((unsigned char)s->data[n]) || s->data[n] == '.')) {
        digits[n] = s->data[n];
        n++;
    }
    digits[n] = '\0';
    char *end;
    if (n == 0 || !isdigit((unsigned char)digits[0]))
        return false;
    *number = strtold(digits, &end);
    if (*end)
        return false;

    struct str rest = skip_blanks((struct str){s->data + n, s->len - n});
    size_t len = 0;
    while (len < rest.len && !isdigit((unsigned char)rest.data[len]) && rest.data[len] != ' ')
        len++;
    *unit = len ? find_unit(units, (struct str){rest.data, len}) : NULL;
    if (len && !*unit)
        return false;
    *s = (struct str){rest.data + len, rest.len - len};
    return true;
}

bool size_parse(struct str text, uint64_t *bytes)
{
    long double number;
    const struct unit *unit;
    if (!take_quantity(&text, size_units, &number, &unit) || text.len)
        return false;
    number *= unit ? unit->factor : 1;
    if (number >= (long double)UINT64_MAX || number != floorl(number))
        return false;
    *bytes = (uint64_t)number;
    return true;
}

bool duration_parse(struct str text, int64_t *us)
{
    if (str_eq(text, STR("0"))) {
        *us = 0;
        return true;
    }
    long double sum = 0;
    do {
        long double number;
        const struct unit *unit;
        if (!take_quantity(&text, duration_units, &number, &unit) || !unit)
            return false;
        sum += number * unit->factor;
        text = skip_blanks(text);
    } while (text.len);
    if (sum >= (long double)INT64_MAX)
        return false;
    *us = (int64_t)(sum + 0.5L);
    return true;
}

static void print_with_unit(uint64_t value, const struct unit *unit, struct buffer *out)
{
    while (unit->factor > 1 && (value == 0 || value % unit->factor))
        unit++;
    buffer_printf(out, "%llu%s", (unsigned long long)(value / unit->factor), unit->name);
}

void size_print(uint64_t bytes, struct buffer *out)
{
    print_with_unit(bytes, size_units, out);
}

void duration_print(int64_t us, struct buffer *out)
{
    if (us == 0)
        buffer_add_byte(out, '0');
    else
        print_with_unit((uint64_t)us, duration_units, out);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

const char *option_takes(const struct option *o, struct arena *arena)
{
    switch (o->kind) {
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_PATH:
        return "text in quotes";
    case OPTION_BOOL:
        return "true or false";
    case OPTION_INTEGER:
        return "a whole number";
    case OPTION_NUMBER:
        return "a number";
    case OPTION_SIZE:
        return "a size like \"64MiB\"";
    case OPTION_DURATION:
        return "a duration like \"500ms\" or \"1h30m\"";
    case OPTION_LIST:
    case OPTION_PATHS:
        return "a list of texts";
    case OPTION_TABLE:
        return "a table of texts";
    case OPTION_CHOICE:
        break;
    }
    const char *text = "one of";
    for (const struct option_choice *c = o->choices; c->name; c++)
        text = arena_printf(arena, "%s%s \"%s\"", text, c == o->choices ? "" : ",", c->name);
    return text;
}

static bool refuse(const struct option *o, struct str text, const struct option_values *how, struct error *err)
{
    const char *takes = option_takes(o, how->arena);
    if (how->secret || o->kind == OPTION_SECRET)
        return error_set(err, ERROR_STOP, "%s takes %s", o->name, takes);
    return error_set(err, ERROR_STOP, "%s takes %s, not \"" STR_FMT "\"", o->name, takes, STR_ARG(text));
}

static void print_bound(const struct option *o, int64_t bound, struct buffer *out)
{
    if (o->kind == OPTION_SIZE)
        size_print((uint64_t)bound, out);
    else if (o->kind == OPTION_DURATION)
        duration_print(bound, out);
    else
        buffer_printf(out, "%lld", (long long)bound);
}

static bool refuse_range(const struct option *o, struct str text, const struct option_values *how, struct error *err)
{
    struct buffer range = {0};
    buffer_printf(&range, o->max ? "between " : "at least ");
    print_bound(o, o->min, &range);
    if (o->max) {
        buffer_printf(&range, " and ");
        print_bound(o, o->max, &range);
    }
    error_set(err, ERROR_STOP, "%s must be %s, not " STR_FMT, o->name, buffer_cstr(&range),
              STR_ARG(how->secret ? STR("what it is") : text));
    buffer_release(&range);
    return false;
}

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

static bool has_range(const struct option *o, const struct option_values *how)
{
    return !how->unchecked && (o->min != 0 || o->max != 0);
}

/* TOML's integers: a sign, underscores, 0x 0o 0b. */
static bool parse_integer(struct str text, int64_t *out)
{
    char digits[NUMBER_TEXT];
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '_')
            continue;
        if (n == sizeof digits - 1 || isspace((unsigned char)text.data[i]))
            return false;
        digits[n++] = text.data[i];
    }
    digits[n] = '\0';
    const char *from = digits;
    int base = 10;
    if (digits[0] == '0' && digits[1] && strchr("xob", digits[1])) {
        base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : 2;
        from += 2;
    }
    char *end;
    errno = 0;
    *out = strtoll(from, &end, base);
    return end != from && *end == '\0' && errno == 0;
}

static bool parse_number(struct str text, double *out)
{
    char digits[NUMBER_TEXT];
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '_') {
            if (n == sizeof digits - 1 || !strchr("0123456789+-.eE", text.data[i]))
                return false;
            digits[n++] = text.data[i];
        }
    digits[n] = '\0';
    char *end;
    *out = strtod(digits, &end);
    return n > 0 && *end == '\0' && isfinite(*out);
}

const char *option_path(const char *text, const struct option_values *how)
{
    char *joined = file_join(how->directory, text);
    const char *path = arena_strdup(how->arena, joined);
    free(joined);
    return path;
}

static bool store_integer(const struct option *o, int64_t *to, struct str text, const struct option_values *how,
                          struct error *err)
{
    int64_t value;
    if (!parse_integer(text, &value))
        return refuse(o, text, how, err);
    if (has_range(o, how) && (value < o->min || (o->max && value > o->max)))
        return refuse_range(o, text, how, err);
    *to = value;
    return true;
}

static bool store_number(const struct option *o, double *to, struct str text, const struct option_values *how,
                         struct error *err)
{
    double value;
    if (!parse_number(text, &value))
        return refuse(o, text, how, err);
    if (has_range(o, how) && (value < (double)o->min || (o->max && value > (double)o->max)))
        return refuse_range(o, text, how, err);
    *to = value;
    return true;
}

static bool store_size(const struct option *o, uint64_t *to, struct str text, const struct option_values *how,
                       struct error *err)
{
    int64_t plain;
    uint64_t value;
    if (parse_integer(text, &plain) && plain >= 0)
        value = (uint64_t)plain;
    else if (!size_parse(text, &value))
        return refuse(o, text, how, err);
    if (has_range(o, how) && (value < (uint64_t)o->min || (o->max && value > (uint64_t)o->max)))
        return refuse_range(o, text, how, err);
    *to = value;
    return true;
}

static bool store_duration(const struct option *o, int64_t *to, struct str text, const struct option_values *how,
                           struct error *err)
{
    int64_t value;
    if (!duration_parse(text, &value))
        return refuse(o, text, how, err);
    if (has_range(o, how) && (value < o->min || (o->max && value > o->max)))
        return refuse_range(o, text, how, err);
    *to = value;
    return true;
}

static bool store_bool(const struct option *o, bool *to, struct str text, const struct option_values *how,
                       struct error *err)
{
    *to = str_eq(text, STR("true"));
    return *to || str_eq(text, STR("false")) || refuse(o, text, how, err);
}

static bool store_choice(const struct option *o, int *to, struct str text, const struct option_values *how,
                         struct error *err)
{
    for (const struct option_choice *c = o->choices; c->name; c++)
        if (str_eq(str_of(c->name), text)) {
            *to = c->value;
            return true;
        }
    return refuse(o, text, how, err);
}

static bool store_list(const struct option *o, struct text_list *to, struct str text, const struct option_values *how)
{
    to->items = arena_array(how->arena, const char *, 1);
    to->items[0] = arena_str(how->arena, text).data;
    if (o->kind == OPTION_PATHS)
        to->items[0] = option_path(to->items[0], how);
    to->count = 1;
    return true;
}

bool option_store(const struct option *o, void *base, struct str text, const struct option_values *how,
                  struct error *err)
{
    void *to = (char *)base + o->offset;
    switch (o->kind) {
    case OPTION_TEXT:
    case OPTION_SECRET:
        *(const char **)to = arena_str(how->arena, text).data;
        return true;
    case OPTION_PATH:
        *(const char **)to = option_path(arena_str(how->arena, text).data, how);
        return true;
    case OPTION_BOOL:
        return store_bool(o, to, text, how, err);
    case OPTION_INTEGER:
        return store_integer(o, to, text, how, err);
    case OPTION_NUMBER:
        return store_number(o, to, text, how, err);
    case OPTION_SIZE:
        return store_size(o, to, text, how, err);
    case OPTION_DURATION:
        return store_duration(o, to, text, how, err);
    case OPTION_CHOICE:
        return store_choice(o, to, text, how, err);
    case OPTION_LIST:
    case OPTION_PATHS:
        return store_list(o, to, text, how);
    case OPTION_TABLE:
        break;
    }
    return refuse(o, text, how, err);
}
