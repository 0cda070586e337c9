#include "pipeline/event/array.h"

#include <inttypes.h>

#include "pipeline/event/convert_pieces.h"
#include "pipeline/event/json_walk.h"
#include "pipeline/event/numeric.h"

static struct array *allocate(struct arena *arena, uint32_t count)
{
    struct array *a = arena_alloc(arena, sizeof(*a) + count * sizeof(struct value));
    memset(a, 0, sizeof(*a));
    a->count = count;
    return a;
}

struct array *array_new(struct arena *arena, uint32_t count)
{
    struct array *a = allocate(arena, count);
    a->dimensions = count > 0;
    a->lengths[0] = (int32_t)count;
    a->lower[0] = 1;
    return a;
}

struct array *array_like(struct arena *arena, const struct array *shape)
{
    struct array *a = allocate(arena, shape->count);
    memcpy(a, shape, sizeof(*a));
    return a;
}

/* ---- conversions --------------------------------------------------------------------------------------------------- */

bool array_cast(const struct convert_context *cx, struct value v, struct type from, struct type to, struct value *out,
                struct error *err)
{
    const struct array *in = value_array(v);
    struct array *a = array_like(cx->arena, in);
    struct type element = array_element_type(from), wanted = array_element_type(to);
    for (uint32_t i = 0; i < in->count; i++)
        if (!value_cast(cx, in->items[i], element, wanted, &a->items[i], err) ||
            !value_unescape(cx->arena, &a->items[i], err))
            return false;
    *out = value_of_array(a);
    return true;
}

struct json_reader {
    const struct convert_context *cx;
    struct type element;
    struct array *array;
    uint32_t filled;
    enum array_items how;
    struct error *err;
};

static bool uneven(struct error *err)
{
    return convert_reject(err, "22P02", "a JSON array whose arrays differ in length is no array of SQL");
}

/* The dimensions, as the first elements have them. */
static bool measure(struct str json, struct array *shape, struct error *err)
{
    uint64_t count = 1;
    struct json_members m;
    while (json_array_open(&m, json)) {
        struct str element, first = {0};
        uint32_t length = 0;
        for (; json_array_next(&m, &element); length++)
            first = length == 0 ? element : first;
        if (length == 0)
            return shape->dimensions == 0 || uneven(err);
        if (shape->dimensions == ARRAY_MAX_DIMENSIONS)
            return convert_reject(err, "54000", "number of array dimensions exceeds the maximum allowed (%d)",
                                  ARRAY_MAX_DIMENSIONS);
        shape->lengths[shape->dimensions] = (int32_t)length;
        shape->lower[shape->dimensions++] = 1;
        count *= length;
        if (count > ARRAY_MAX_ITEMS)
            return convert_reject(err, "54000", "array size exceeds the maximum allowed (%d)", ARRAY_MAX_ITEMS);
        json = first;
    }
    shape->count = shape->dimensions ? (uint32_t)count : 0;
    return true;
}

static bool has_json_type(struct value v, enum type_id wanted)
{
    switch (wanted) {
    case TYPE_JSON:
    case TYPE_JSONB:
        return true;
    case TYPE_BOOLEAN:
        return v.kind == VALUE_BOOL;
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
    case TYPE_BIGINT:
    case TYPE_NUMERIC:
    case TYPE_REAL:
    case TYPE_DOUBLE:
        return v.kind == VALUE_NUMBER;
    default:
        return v.kind == VALUE_TEXT;
    }
}

static bool read_item(struct json_reader *r, struct str json)
{
    struct value v = json_to_value(json), *item = &r->array->items[r->filled++];
    bool refused = r->how == ARRAY_ITEMS_DEMANDED && !value_is_null(v) && !has_json_type(v, r->element.id);
    if (refused)
        return convert_reject(r->err, "22023", "cannot cast JSON element %.*s to type %s", json.len > 60 ? 60 : (int)json.len,
                              json.data, type_id_name(r->element.id));
    if (!value_cast(r->cx, v, TYPE(TYPE_JSON), r->element, item, r->err) ||
        !value_unescape(r->cx->arena, item, r->err))
        return false;
    if (item->kind == VALUE_NUMBER)
        *item = numeric_normalise(r->cx->arena, *item);
    return true;
}

static bool read_level(struct json_reader *r, struct str json, uint32_t dimension)
{
    struct json_members m;
    struct str element;
    uint32_t length = 0;
    if (!json_array_open(&m, json))
        return uneven(r->err);
    for (; json_array_next(&m, &element); length++) {
        if (length == (uint32_t)r->array->lengths[dimension])
            return uneven(r->err);
        if (dimension + 1 < r->array->dimensions) {
            if (!read_level(r, element, dimension + 1))
                return false;
            continue;
        }
        if (!read_item(r, element))
            return false;
    }
    return length == (uint32_t)r->array->lengths[dimension] || uneven(r->err);
}

/* Of json without a type the elements stay as they are, arrays among them. */
static bool read_elements(const struct convert_context *cx, struct str json, struct value *out, struct error *err)
{
    struct json_members m;
    struct str element;
    uint32_t count = 0;
    json_array_open(&m, json);
    while (json_array_next(&m, &element))
        count++;
    struct array *a = array_new(cx->arena, count);
    json_array_open(&m, json);
    for (uint32_t i = 0; i < count && json_array_next(&m, &element); i++) {
        a->items[i] = json_to_value(element);
        if (!value_unescape(cx->arena, &a->items[i], err))
            return false;
    }
    *out = value_of_array(a);
    return true;
}

bool array_from_json(const struct convert_context *cx, struct str json, struct type to, enum array_items how,
                     struct value *out, struct error *err)
{
    struct json_members m;
    struct array shape = {0};
    if (!json_array_open(&m, json))
        return convert_reject(err, "22023", "cannot cast a JSON object to type %s", type_id_name(to.id));
    if (type_element(to.id) == TYPE_JSON)
        return read_elements(cx, json, out, err);
    if (!measure(json, &shape, err))
        return false;
    struct json_reader r = {.cx = cx, .element = array_element_type(to), .how = how, .err = err};
    r.array = array_like(cx->arena, &shape);
    *out = value_of_array(r.array);
    return shape.count == 0 || read_level(&r, json, 0);
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

/* An item stands in quotes where it would read as something else: "array_out" in arrayfuncs.c. */
static bool needs_quotes(struct str s)
{
    if (s.len == 0 || str_eq_nocase(s, STR("NULL")))
        return true;
    for (size_t i = 0; i < s.len; i++)
        if (strchr("\"\\{}, \t\n\r\v\f", s.data[i]))
            return true;
    return false;
}

static void print_item(struct value v, struct type type, const struct zone *zone, struct buffer *out)
{
    size_t start = out->len;
    if (value_is_null(v)) {
        buffer_add(out, "NULL", 4);
        return;
    }
    value_print(v, type, zone, out);
    struct str text = {out->data + start, out->len - start};
    if (!needs_quotes(text))
        return;
    size_t more = 2;
    for (size_t i = 0; i < text.len; i++)
        more += text.data[i] == '"' || text.data[i] == '\\';
    buffer_reserve(out, more);
    char *from = out->data + out->len, *to = from + more;
    out->len += more;
    *--to = '"';
    while (from > out->data + start) {
        *--to = *--from;
        if (*from == '"' || *from == '\\')
            *--to = '\\';
    }
    *--to = '"';
}

struct printer {
    const struct array *array;
    struct type element;
    const struct zone *zone;
    struct buffer *out;
    uint32_t printed;
    char open, close;
    void (*item)(struct value v, struct type type, const struct zone *zone, struct buffer *out);
};

static void print_level(struct printer *p, uint32_t dimension)
{
    buffer_add_byte(p->out, p->open);
    for (int32_t i = 0; i < p->array->lengths[dimension]; i++) {
        if (i)
            buffer_add_byte(p->out, ',');
        if (dimension + 1 < p->array->dimensions)
            print_level(p, dimension + 1);
        else
            p->item(p->array->items[p->printed++], p->element, p->zone, p->out);
    }
    buffer_add_byte(p->out, p->close);
}

static void print_bounds(const struct array *a, struct buffer *out)
{
    bool plain = true;
    for (uint32_t d = 0; d < a->dimensions; d++)
        plain &= a->lower[d] == 1;
    for (uint32_t d = 0; d < a->dimensions && !plain; d++)
        buffer_printf(out, "[%d:%" PRId64 "]%s", a->lower[d], (int64_t)a->lower[d] + a->lengths[d] - 1,
                      d + 1 == a->dimensions ? "=" : "");
}

void array_print(struct value v, struct type type, const struct zone *zone, struct buffer *out)
{
    const struct array *a = value_array(v);
    struct printer p = {a, array_element_type(type), zone, out, 0, '{', '}', print_item};
    print_bounds(a, out);
    print_level(&p, 0);
}

void array_print_json(struct value v, struct type type, const struct zone *zone, struct buffer *out)
{
    struct printer p = {value_array(v), array_element_type(type), zone, out, 0, '[', ']', value_print_json};
    print_level(&p, 0);
}
