/*
 * Order and containment of jsonb: compareJsonbContainers() and JsonbDeepContains() in jsonb_util.c.
 */
#include "pipeline/event/numeric.h"
#include "pipeline/sql/function.h"
#include "pipeline/sql/jsonb.h"

enum jsonb_type jsonb_type(struct str json)
{
    switch (json.data[0]) {
    case 'n':
        return JSONB_NULL;
    case '"':
        return JSONB_STRING;
    case 't':
    case 'f':
        return JSONB_BOOLEAN;
    case '[':
        return JSONB_ARRAY;
    case '{':
        return JSONB_OBJECT;
    default:
        return JSONB_NUMBER;
    }
}

/* ---- strings: the bytes behind the escapes that the normal form has ------------------------------------------------- */

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10);
}

static unsigned char next_byte(const char **p)
{
    const char *s = *p;
    if (*s != '\\') {
        *p = s + 1;
        return (unsigned char)*s;
    }
    *p = s + 2;
    switch (s[1]) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        *p = s + 6;
        return (unsigned char)(hex_digit(s[4]) << 4 | hex_digit(s[5]));
    default:
        return (unsigned char)s[1];
    }
}

/* Both: what is between the quotes. */
static int compare_strings(struct str a, struct str b)
{
    const char *p = a.data, *q = b.data, *p_end = p + a.len, *q_end = q + b.len;
    while (p < p_end && q < q_end) {
        unsigned char x = next_byte(&p), y = next_byte(&q);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (p < p_end) - (q < q_end);
}

static struct str inside(struct str string)
{
    return (struct str){string.data + 1, string.len - 2};
}

/* ---- order --------------------------------------------------------------------------------------------------------- */

static uint32_t count_of(struct str container)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    uint32_t count = 0;
    if (json_array_open(&m, container))
        while (json_array_next(&m, &value))
            count++;
    else if (json_object_open(&m, container))
        while (json_object_next(&m, &key, &escaped, &value))
            count++;
    return count;
}

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_scalars(struct str a, struct str b)
{
    switch (jsonb_type(a)) {
    case JSONB_STRING:
        return compare_strings(inside(a), inside(b));
    case JSONB_NUMBER:
        return sql_compare_values(json_to_value(a), json_to_value(b));
    case JSONB_BOOLEAN:
        return order(a.data[0] == 't', b.data[0] == 't');
    case JSONB_NULL:
    case JSONB_ARRAY:
    case JSONB_OBJECT:
        break;
    }
    return 0;
}

static int compare_nested(struct str a, struct str b);

static int compare_arrays(struct str a, struct str b)
{
    struct json_members m, n;
    struct str x, y;
    int result = order(count_of(a), count_of(b));
    json_array_open(&m, a);
    json_array_open(&n, b);
    while (result == 0 && json_array_next(&m, &x) && json_array_next(&n, &y))
        result = compare_nested(x, y);
    return result;
}

static int compare_objects(struct str a, struct str b)
{
    struct json_members m, n;
    struct str key, other, x, y;
    bool escaped;
    int result = order(count_of(a), count_of(b));
    json_object_open(&m, a);
    json_object_open(&n, b);
    while (result == 0 && json_object_next(&m, &key, &escaped, &x) && json_object_next(&n, &other, &escaped, &y)) {
        result = compare_strings(key, other);
        result = result ? result : compare_nested(x, y);
    }
    return result;
}

static int compare_nested(struct str a, struct str b)
{
    enum jsonb_type x = jsonb_type(a), y = jsonb_type(b);
    if (x != y)
        return x < y ? -1 : 1;
    if (x == JSONB_ARRAY)
        return compare_arrays(a, b);
    return x == JSONB_OBJECT ? compare_objects(a, b) : compare_scalars(a, b);
}

/* At the top a scalar is an array of one element that is less than any other of that length, so that only the empty
 * array is less than it. */
int jsonb_compare(struct str a, struct str b)
{
    bool scalar_a = jsonb_type(a) < JSONB_ARRAY, scalar_b = jsonb_type(b) < JSONB_ARRAY;
    if (scalar_a == scalar_b)
        return compare_nested(a, b);
    struct str other = scalar_a ? b : a;
    int result = jsonb_type(other) == JSONB_ARRAY && count_of(other) == 0 ? 1 : -1;
    return scalar_a ? result : -result;
}

/* ---- containment --------------------------------------------------------------------------------------------------- */

static bool contains_nested(struct str a, struct str b);

static bool array_has(struct str array, struct str wanted)
{
    struct json_members m;
    struct str element;
    bool scalar = jsonb_type(wanted) < JSONB_ARRAY;
    json_array_open(&m, array);
    while (json_array_next(&m, &element)) {
        if (jsonb_type(element) != jsonb_type(wanted))
            continue;
        if (scalar ? compare_scalars(element, wanted) == 0 : contains_nested(element, wanted))
            return true;
    }
    return false;
}

static bool object_has(struct str object, struct str name, struct str wanted)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    json_object_open(&m, object);
    while (json_object_next(&m, &key, &escaped, &value)) {
        if (!str_eq(key, name))
            continue;
        if (jsonb_type(value) != jsonb_type(wanted))
            return false;
        return jsonb_type(wanted) < JSONB_ARRAY ? compare_scalars(value, wanted) == 0 : contains_nested(value, wanted);
    }
    return false;
}

/* Two objects or two arrays. */
static bool contains_nested(struct str a, struct str b)
{
    struct json_members m;
    struct str key, value;
    bool escaped, all = true;
    if (json_object_open(&m, b)) {
        while (all && json_object_next(&m, &key, &escaped, &value))
            all = object_has(a, key, value);
        return all;
    }
    json_array_open(&m, b);
    while (all && json_array_next(&m, &value))
        all = array_has(a, value);
    return all;
}

bool jsonb_contains(struct str a, struct str b)
{
    enum jsonb_type x = jsonb_type(a), y = jsonb_type(b);
    if (x == JSONB_ARRAY && y < JSONB_ARRAY)
        return array_has(a, b);
    if (x < JSONB_ARRAY && y < JSONB_ARRAY)
        return x == y && compare_scalars(a, b) == 0;
    return x == y && contains_nested(a, b);
}
