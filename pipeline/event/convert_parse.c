#include "pipeline/event/convert_pieces.h"

#include <stdarg.h>
#include <stdio.h>

#include "pipeline/event/array.h"
#include "pipeline/event/datetime_text.h"
#include "pipeline/event/numeric.h"

bool convert_reject(struct error *err, const char *sqlstate, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(err, ERROR_REJECT, "%s", text);
    memcpy(err->sqlstate, sqlstate, sizeof err->sqlstate);
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

static bool bad_syntax(struct error *err, enum type_id id, struct str text)
{
    return convert_reject(err, "22P02", "invalid input syntax for type %s: \"" STR_FMT "\"", type_id_name(id),
                          STR_ARG(text));
}

/* ---- integers
 * -------------------------------------------------------------------------------------------------------- */

static bool int_out_of_range(struct error *err, enum type_id id, struct str text)
{
    return convert_reject(err, "22003", "value \"" STR_FMT "\" is out of range for type %s", STR_ARG(text),
                          type_id_name(id));
}

static uint64_t int_limit(enum type_id id)
{
    return id == TYPE_SMALLINT ? INT16_MAX : id == TYPE_INTEGER ? INT32_MAX : INT64_MAX;
}

static bool int_parse(struct str text, enum type_id id, int64_t *out, struct error *err)
{
    const char *p = text.data, *end = p + text.len;
    while (p < end && is_blank(*p))
        p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const uint64_t limit = int_limit(id) + negative;
    const char *digits = p;
    uint64_t n = 0;
    bool too_large = false;
    for (; p < end; p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (digit > 9)
            break;
        if (p - digits >= 18) /* before that nothing can wrap */
            too_large = too_large || n > limit / 10 || n * 10 + digit > limit;
        n = n * 10 + digit;
    }
    if (too_large || n > limit) /* said before anything that is wrong behind it */
        return int_out_of_range(err, id, text);
    if (p == digits)
        return bad_syntax(err, id, text);
    while (p < end && is_blank(*p))
        p++;
    if (p < end)
        return bad_syntax(err, id, text);
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

/* ---- boolean
 * --------------------------------------------------------------------------------------------------------- */

/* Any beginning of these words that is not a beginning of the other. */
static bool boolean_parse(struct str text, bool *out, struct error *err)
{
    static const struct {
        const char *word;
        size_t least;
        bool value;
    } words[] = {{"true", 1, true}, {"false", 1, false}, {"yes", 1, true}, {"no", 1, false},
                 {"on", 2, true},   {"off", 2, false},   {"1", 1, true},   {"0", 1, false}};
    struct str s = str_trim(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct str word = str_of(words[i].word);
        if (s.len < words[i].least || s.len > word.len)
            continue;
        word.len = s.len;
        if (str_eq_nocase(s, word)) {
            *out = words[i].value;
            return true;
        }
    }
    return bad_syntax(err, TYPE_BOOLEAN, text);
}

/* ---- text
 * ------------------------------------------------------------------------------------------------------------ */

struct str text_apply_typmod(struct str s, int length, bool *fits)
{
    *fits = true;
    if (length < 0 || s.len <= (size_t)length)
        return s;
    size_t cut = 0;
    for (int characters = 0; cut < s.len; cut++) {
        bool starts = ((uint8_t)s.data[cut] & 0xc0) != 0x80;
        if (starts && characters++ == length)
            break;
    }
    for (size_t i = cut; i < s.len; i++)
        *fits = *fits && s.data[i] == ' ';
    return (struct str){s.data, cut};
}

static bool text_parse(struct str text, int length, struct value *out, struct error *err)
{
    bool fits;
    *out = value_text(text_apply_typmod(text, length, &fits));
    return fits || convert_reject(err, "22001", "value too long for type character varying(%d)", length);
}

/* ---- times
 * ------------------------------------------------------------------------------------------------------------- */

int64_t timestamp_round(int64_t us, int precision)
{
    static const int64_t units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    if (precision < 0 || precision >= 6 || us == INT64_MIN || us == INT64_MAX)
        return us;
    int64_t unit = units[precision], half = unit / 2;
    return us >= 0 ? (us + half) / unit * unit : -((-us + half) / unit * unit);
}

static bool date_value(const struct convert_context *cx, struct str text, struct value *out, struct error *err)
{
    int32_t days;
    /* the context matters to "today" only: everything else has the quick way */
    bool good =
        cx->now_us == INT64_MIN ? date_parse(text, &days, err) : date_parse_at(text, cx->zone, cx->now_us, &days, err);
    *out = (struct value){.kind = VALUE_DATE, .i = days};
    return good;
}

static bool timestamp_value(const struct convert_context *cx, struct str text, struct type type, struct value *out,
                            struct error *err)
{
    int64_t us;
    bool with_zone = type.id == TYPE_TIMESTAMPTZ;
    bool good = with_zone ? timestamptz_parse_at(text, cx->zone, cx->now_us, &us, err)
                          : timestamp_parse_at(text, cx->zone, cx->now_us, &us, err);
    if (!good)
        return false;
    *out = (struct value){.kind = with_zone ? VALUE_TIMESTAMPTZ : VALUE_TIMESTAMP,
                          .i = timestamp_round(us, type.precision)};
    return true;
}

/* ---- numeric, JSON
 * ----------------------------------------------------------------------------------------------------- */

static bool numeric_value(const struct convert_context *cx, struct str text, struct type type, struct value *out,
                          struct error *err)
{
    if (!numeric_parse(cx->arena, text, out, err))
        return false;
    return type.precision < 0 || numeric_apply_typmod(cx->arena, *out, type.precision, type.scale, out, err);
}

/* A checked JSON text as the value of an undeclared member. */
static struct value json_value(struct str s)
{
    s = str_trim(s);
    switch (s.data[0]) {
    case '"':
        return (struct value){
            .kind = VALUE_TEXT, .flags = VALUE_ESCAPED, .ptr = s.data + 1, .len = (uint32_t)s.len - 2};
    case 't':
    case 'f':
        return value_bool(s.data[0] == 't');
    case 'n':
        return value_null();
    case '{':
    case '[':
        return (struct value){.kind = VALUE_JSON, .ptr = s.data, .len = (uint32_t)s.len};
    default:
        return (struct value){.kind = VALUE_NUMBER, .ptr = s.data, .len = (uint32_t)s.len};
    }
}

static bool json_parse(struct str text, enum type_id id, struct value *out, struct error *err)
{
    if (!json_check(text, err))
        return false;
    struct str s = str_trim(text);
    *out = id == TYPE_JSON ? json_value(s) : (struct value){.kind = VALUE_JSON, .ptr = s.data, .len = (uint32_t)s.len};
    return true;
}

/* ---- every type
 * ---------------------------------------------------------------------------------------------------------- */

static bool float_value(struct str text, enum type_id id, struct value *out, struct error *err)
{
    double d;
    if (!float_parse(text, id, &d, err))
        return false;
    *out = (struct value){.kind = id == TYPE_REAL ? VALUE_REAL : VALUE_DOUBLE, .d = d};
    return true;
}

bool value_parse(const struct convert_context *cx, struct str text, struct type type, struct value *out,
                 struct error *err)
{
    switch (type.id) {
    case TYPE_UNKNOWN:
        *out = value_text(text);
        return true;
    case TYPE_TEXT:
        return text_parse(text, type.precision, out, err);
    case TYPE_BOOLEAN: {
        bool b = false;
        bool good = boolean_parse(text, &b, err);
        *out = value_bool(b);
        return good;
    }
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
    case TYPE_BIGINT:
        *out = value_int(0);
        return int_parse(text, type.id, &out->i, err);
    case TYPE_NUMERIC:
        return numeric_value(cx, text, type, out, err);
    case TYPE_REAL:
    case TYPE_DOUBLE:
        return float_value(text, type.id, out, err);
    case TYPE_DATE:
        return date_value(cx, text, out, err);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return timestamp_value(cx, text, type, out, err);
    case TYPE_INTERVAL:
        return interval_parse(cx, text, type, out, err);
    case TYPE_UUID:
        return uuid_parse(cx, text, out, err);
    case TYPE_BYTEA:
        return bytea_parse(cx, text, out, err);
    case TYPE_JSON:
    case TYPE_JSONB:
        return json_parse(text, type.id, out, err);
    case TYPE_COUNT:
        break;
    }
    if (type_is_array(type.id))
        return array_parse(cx, text, type, out, err);
    return error_set(err, ERROR_STOP, "no such type");
}
