#include "pipeline/event/type.h"

#include <stdio.h>

#include "pipeline/event/interval.h"

/*
 * Every spelling, with the precision taken out of it: "timestamp(3) with time zone" is looked up as "timestamp with
 * time zone". The first row of a type is its canonical name.
 */
static const struct spelling {
    const char *name, *array;
    enum type_id id;
} spellings[] = {
    {"unknown", "unknown" "[]", TYPE_UNKNOWN},
    {"json", "json" "[]", TYPE_JSON},
    {"boolean", "boolean" "[]", TYPE_BOOLEAN},
    {"bool", "bool" "[]", TYPE_BOOLEAN},
    {"smallint", "smallint" "[]", TYPE_SMALLINT},
    {"int2", "int2" "[]", TYPE_SMALLINT},
    {"integer", "integer" "[]", TYPE_INTEGER},
    {"int", "int" "[]", TYPE_INTEGER},
    {"int4", "int4" "[]", TYPE_INTEGER},
    {"bigint", "bigint" "[]", TYPE_BIGINT},
    {"int8", "int8" "[]", TYPE_BIGINT},
    {"numeric", "numeric" "[]", TYPE_NUMERIC},
    {"decimal", "decimal" "[]", TYPE_NUMERIC},
    {"dec", "dec" "[]", TYPE_NUMERIC},
    {"real", "real" "[]", TYPE_REAL},
    {"float4", "float4" "[]", TYPE_REAL},
    {"double precision", "double precision" "[]", TYPE_DOUBLE},
    {"float8", "float8" "[]", TYPE_DOUBLE},
    {"float", "float" "[]", TYPE_DOUBLE},
    {"text", "text" "[]", TYPE_TEXT},
    {"character varying", "character varying" "[]", TYPE_TEXT},
    {"varchar", "varchar" "[]", TYPE_TEXT},
    {"bytea", "bytea" "[]", TYPE_BYTEA},
    {"date", "date" "[]", TYPE_DATE},
    {"timestamp without time zone", "timestamp without time zone" "[]", TYPE_TIMESTAMP},
    {"timestamp", "timestamp" "[]", TYPE_TIMESTAMP},
    {"timestamp with time zone", "timestamp with time zone" "[]", TYPE_TIMESTAMPTZ},
    {"timestamptz", "timestamptz" "[]", TYPE_TIMESTAMPTZ},
    {"interval", "interval" "[]", TYPE_INTERVAL},
    {"uuid", "uuid" "[]", TYPE_UUID},
    {"jsonb", "jsonb" "[]", TYPE_JSONB},
};
enum { SPELLINGS = sizeof(spellings) / sizeof(spellings[0]), FIRST_OF_USERS = 2, LONGEST_NAME = 64 };

const char *type_id_name(enum type_id id)
{
    bool array = type_is_array(id);
    for (size_t i = 0; i < SPELLINGS; i++)
        if (spellings[i].id == (array ? type_element(id) : id))
            return array ? spellings[i].array : spellings[i].name;
    return "?";
}

/* A name cut into its words (lower case, single blanks) and the numbers in its parentheses. */
struct parts {
    char words[LONGEST_NAME];
    size_t len;
    int numbers[2];
    unsigned number_count;
    bool array; /* [] behind it */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static size_t skip_blanks(struct str s, size_t at)
{
    while (at < s.len && is_blank(s.data[at]))
        at++;
    return at;
}

static bool add_char(struct parts *p, char c)
{
    if (p->len + 1 >= sizeof(p->words))
        return false;
    p->words[p->len++] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    return true;
}

/* "10", "-2"; the position behind it, or 0 where there is none */
static size_t cut_number(struct str s, size_t at, int *number)
{
    bool negative = at < s.len && s.data[at] == '-';
    at += negative;
    size_t start = at;
    long n = 0;
    for (; at < s.len && s.data[at] >= '0' && s.data[at] <= '9' && n < 100000000; at++)
        n = n * 10 + (s.data[at] - '0');
    *number = (int)(negative ? -n : n);
    return at > start ? at : 0;
}

/* "(10, 2)" from its bracket on; the position behind it, or 0 */
static size_t cut_numbers(struct str s, size_t at, struct parts *p)
{
    do {
        if (p->number_count == 2)
            return 0;
        at = cut_number(s, skip_blanks(s, at + 1), &p->numbers[p->number_count++]);
        if (at == 0)
            return 0;
        at = skip_blanks(s, at);
    } while (at < s.len && s.data[at] == ',');
    return at < s.len && s.data[at] == ')' ? at + 1 : 0;
}

/* "[]", "[3][]" at the end, as Postgres takes them: an array, of whatever dimensions. Returns what stands before. */
static struct str cut_brackets(struct str s, bool *array)
{
    for (;;) {
        size_t end = s.len;
        while (end > 0 && is_blank(s.data[end - 1]))
            end--;
        if (end == 0 || s.data[end - 1] != ']')
            return s;
        size_t at = end - 1;
        while (at > 0 && ((s.data[at - 1] >= '0' && s.data[at - 1] <= '9') || is_blank(s.data[at - 1])))
            at--;
        if (at == 0 || s.data[at - 1] != '[')
            return s;
        *array = true;
        s.len = at - 1;
    }
}

static bool cut(struct str s, struct parts *p)
{
    bool gap = false;
    s = cut_brackets(s, &p->array);
    for (size_t at = 0; at < s.len;) {
        char c = s.data[at];
        if (is_blank(c)) {
            gap = true;
            at++;
        } else if (c == '(') {
            if (p->number_count || (at = cut_numbers(s, at, p)) == 0)
                return false;
            gap = true;
        } else {
            if (gap && p->len && !add_char(p, ' '))
                return false;
            gap = false;
            if (!add_char(p, c))
                return false;
            at++;
        }
    }
    p->words[p->len] = '\0';
    return p->len > 0;
}

static bool invalid_modifier(struct error *err, const char *format, int number)
{
    error_set(err, ERROR_STOP, format, number);
    memcpy(err->sqlstate, "22023", 6);
    return false;
}

static bool apply_numbers(const struct parts *p, struct type *t, struct error *err)
{
    int n = p->numbers[0], scale = p->number_count > 1 ? p->numbers[1] : 0;
    if (t->id == TYPE_NUMERIC) {
        if (n < 1 || n > 1000)
            return invalid_modifier(err, "NUMERIC precision %d must be between 1 and 1000", n);
        if (scale < -1000 || scale > 1000)
            return invalid_modifier(err, "NUMERIC scale %d must be between -1000 and 1000", scale);
        t->precision = n;
        t->scale = (int16_t)scale;
        return true;
    }
    if (p->number_count == 1 && t->id == TYPE_DOUBLE && strcmp(p->words, "float") == 0) {
        if (n < 1)
            return invalid_modifier(err, "precision for type float must be at least 1 bit, not %d", n);
        if (n > 53)
            return invalid_modifier(err, "precision for type float must be less than 54 bits, not %d", n);
        *t = n <= 24 ? TYPE(TYPE_REAL) : TYPE(TYPE_DOUBLE);
        return true;
    }
    if (p->number_count == 1 && t->id == TYPE_TEXT && strcmp(p->words, "text") != 0) {
        if (n < 1 || n > 10485760)
            return invalid_modifier(err, "length for type varchar must be between 1 and 10485760, not %d", n);
        t->precision = n;
        return true;
    }
    if (p->number_count == 1 && (t->id == TYPE_TIMESTAMP || t->id == TYPE_TIMESTAMPTZ || t->id == TYPE_INTERVAL)) {
        if (n < 0)
            return invalid_modifier(err, "the precision of a time, %d, must not be negative", n);
        t->precision = n > 6 ? 6 : n; /* as Postgres, which only warns */
        return true;
    }
    error_set(err, ERROR_STOP, "type modifier is not allowed for type \"%s\"", p->words);
    memcpy(err->sqlstate, "42601", 6);
    return false;
}

static bool unknown_type(struct str name, const char *words, struct error *err)
{
    const char *names[SPELLINGS];
    for (size_t i = FIRST_OF_USERS; i < SPELLINGS; i++)
        names[i - FIRST_OF_USERS] = spellings[i].name;
    const char *nearest = str_nearest(words, names, SPELLINGS - FIRST_OF_USERS);
    if (nearest)
        error_set(err, ERROR_STOP, "type \"" STR_FMT "\" does not exist; did you mean \"%s\"?", STR_ARG(name), nearest);
    else
        error_set(err, ERROR_STOP, "type \"" STR_FMT "\" does not exist", STR_ARG(name));
    memcpy(err->sqlstate, "42704", 6);
    return false;
}

/* "day to second(3)"; only seconds have a precision. */
static bool interval_type(const struct parts *p, const char *fields, struct str name, struct type *out,
                          struct error *err)
{
    for (enum interval_fields f = 0; f < INTERVAL_FIELDS; f++) {
        if (strcmp(fields, interval_fields_name(f)) != 0)
            continue;
        *out = (struct type){.id = TYPE_INTERVAL, .precision = -1, .scale = (int16_t)f};
        const char *last = strrchr(fields, ' ');
        if (p->number_count && strcmp(last ? last + 1 : fields, "second") != 0)
            break;
        return p->number_count == 0 || apply_numbers(p, out, err);
    }
    return unknown_type(name, "interval", err);
}

/* False, with an explanation, for the time of day, which is no type here. */
static bool no_time_type(const char *words, struct error *err)
{
    static const char *const names[] = {"time", "time without time zone", "timetz", "time with time zone"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(words, names[i]) == 0) {
            error_set(
                err, ERROR_STOP,
                "type \"%s\" is not supported: a time of day is an interval, as in ts - date_trunc('day', ts), or "
                "text, as in to_char(ts, 'HH24:MI:SS')",
                words);
            memcpy(err->sqlstate, "0A000", 6);
            return false;
        }
    return true;
}

bool type_parse(struct str name, struct type *out, struct error *err)
{
    struct parts p = {0};
    if (!cut(name, &p))
        return unknown_type(name, "", err);
    for (size_t i = FIRST_OF_USERS; i < SPELLINGS; i++) {
        if (strcmp(p.words, spellings[i].name) != 0)
            continue;
        *out = TYPE(spellings[i].id);
        if (p.number_count > 0 && !apply_numbers(&p, out, err))
            return false;
        if (p.array)
            out->id = type_array_of(out->id);
        return true;
    }
    if (strncmp(p.words, "interval ", 9) == 0)
        return interval_type(&p, p.words + 9, name, out, err);
    return no_time_type(p.words, err) && unknown_type(name, p.words, err);
}

static const char *interval_name(struct type t, char out[48])
{
    const char *space = t.scale >= 0 ? " " : "", *fields = t.scale >= 0 ? interval_fields_name(t.scale) : "";
    if (t.precision >= 0)
        snprintf(out, 48, "interval%s%s(%d)", space, fields, t.precision);
    else
        snprintf(out, 48, "interval%s%s", space, fields);
    return out;
}

static const char *scalar_name(struct type t, char out[48])
{
    if (t.id == TYPE_INTERVAL && (t.precision >= 0 || t.scale >= 0))
        return interval_name(t, out);
    if (t.precision < 0)
        return type_id_name(t.id);
    if (t.id == TYPE_NUMERIC)
        snprintf(out, 48, "numeric(%d,%d)", t.precision, t.scale);
    else if (t.id == TYPE_TEXT)
        snprintf(out, 48, "character varying(%d)", t.precision);
    else if (t.id == TYPE_TIMESTAMP)
        snprintf(out, 48, "timestamp(%d) without time zone", t.precision);
    else if (t.id == TYPE_TIMESTAMPTZ)
        snprintf(out, 48, "timestamp(%d) with time zone", t.precision);
    else
        return type_id_name(t.id);
    return out;
}

const char *type_name(struct type t, char out[48])
{
    if (!type_is_array(t.id))
        return scalar_name(t, out);
    if (t.precision < 0)
        return type_id_name(t.id);
    char element[48];
    struct type of = t;
    of.id = type_element(t.id);
    snprintf(out, 48, "%.45s[]", scalar_name(of, element));
    return out;
}
