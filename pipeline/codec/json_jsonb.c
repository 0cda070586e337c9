/*
 * jsonb's normal form (PostgreSQL's manual, 8.14): members by the length of their key, then its bytes; of equal keys
 * the last one; numbers as numeric prints them; one blank behind ',' and ':'.
 */
#include <stdlib.h>

#include "pipeline/codec/json.h"
#include "pipeline/event/numeric.h"

struct printer {
    struct arena *arena; /* unescaped texts and sorted members of all levels */
    struct buffer *out;
    bool good; /* jsonb can hold it */
    struct error *err;
};

struct pair {
    struct str key, value;
    size_t order;
    bool escaped; /* still: see characters() */
};

static void print_value(struct printer *x, struct str text);

/* "\u0000" has no text: such a string stays as it is written. */
static struct str characters(struct printer *x, struct str inside, bool escaped, bool *good)
{
    struct value v = value_text(inside);
    *good = true;
    if (!escaped)
        return inside;
    v.flags = VALUE_ESCAPED;
    *good = value_unescape(x->arena, &v, x->err);
    x->good &= *good;
    return *good ? value_str(v) : inside;
}

static void print_string(struct printer *x, struct str inside, bool escaped)
{
    bool good;
    struct str text = characters(x, inside, escaped, &good);
    buffer_add_byte(x->out, '"');
    if (good)
        json_escape(x->out, text);
    else
        buffer_add_str(x->out, text);
    buffer_add_byte(x->out, '"');
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->key.len != y->key.len)
        return x->key.len < y->key.len ? -1 : 1;
    int order = x->key.len ? memcmp(x->key.data, y->key.data, x->key.len) : 0;
    if (order == 0)
        order = x->order < y->order ? -1 : 1;
    return order;
}

static size_t count_members(struct str object)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    size_t count = 0;
    json_object_open(&m, object);
    while (json_object_next(&m, &key, &escaped, &value))
        count++;
    return count;
}

static void print_object(struct printer *x, struct str object)
{
    struct json_members m;
    struct str key, value;
    bool escaped, good;
    size_t count = count_members(object), n = 0;
    struct pair *pairs = arena_array(x->arena, struct pair, count);
    json_object_open(&m, object);
    for (; json_object_next(&m, &key, &escaped, &value); n++) {
        struct str name = characters(x, key, escaped, &good);
        pairs[n] = (struct pair){name, value, n, !good};
    }
    if (count > 1)
        qsort(pairs, count, sizeof(*pairs), compare_pairs);
    const char *separator = "{";
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && str_eq(pairs[i].key, pairs[i + 1].key))
            continue;
        buffer_add_str(x->out, str_of(separator));
        print_string(x, pairs[i].key, pairs[i].escaped);
        buffer_add(x->out, ": ", 2);
        print_value(x, pairs[i].value);
        separator = ", ";
    }
    buffer_add_str(x->out, count ? STR("}") : STR("{}"));
}

static void print_array(struct printer *x, struct str array)
{
    struct json_members m;
    struct str element;
    buffer_add_byte(x->out, '[');
    json_array_open(&m, array);
    for (bool first = true; json_array_next(&m, &element); first = false) {
        if (!first)
            buffer_add(x->out, ", ", 2);
        print_value(x, element);
    }
    buffer_add_byte(x->out, ']');
}

static void print_number(struct printer *x, struct value v)
{
    const size_t plain = 1000; /* one that numeric cannot hold has an exponent or is very long */
    bool doubtful = v.len > plain || memchr(v.ptr, 'e', v.len) || memchr(v.ptr, 'E', v.len);
    if (doubtful && !numeric_check(v, x->err)) {
        x->good = false;
        buffer_add_str(x->out, value_str(v));
        return;
    }
    numeric_print(v, x->out);
}

/* As deep as the text is nested, which its validation has bounded. */
static void print_value(struct printer *x, struct str text)
{
    struct value v = json_to_value(text);
    if (v.kind == VALUE_NUMBER)
        print_number(x, v);
    else if (v.kind == VALUE_TEXT)
        print_string(x, value_str(v), v.flags & VALUE_ESCAPED);
    else if (v.kind == VALUE_BOOL)
        buffer_add_str(x->out, v.i ? STR("true") : STR("false"));
    else if (v.kind != VALUE_JSON)
        buffer_add(x->out, "null", 4);
    else if (v.ptr[0] == '{')
        print_object(x, value_str(v));
    else
        print_array(x, value_str(v));
}

bool json_print_normal(struct str text, struct arena *arena, struct buffer *out, struct error *err)
{
    struct printer x = {.arena = arena, .out = out, .good = true, .err = err};
    print_value(&x, text);
    return x.good;
}

void json_print_jsonb(struct str text, struct buffer *out)
{
    struct arena arena = ARENA_INIT;
    struct error ignored;
    json_print_normal(text, &arena, out, &ignored);
    arena_release(&arena);
}
