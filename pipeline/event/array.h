/*
 * Arrays as Postgres has them (manual, 8.15): up to six dimensions, each with a lower bound, and the items in row-major order.
 * The struct and its items live in one arena; what items point to is borrowed as for other values.
 */
#ifndef PIPE_ARRAY_H
#define PIPE_ARRAY_H

#include "pipeline/event/convert.h"

enum { ARRAY_MAX_DIMENSIONS = 6, ARRAY_MAX_ITEMS = 1 << 26 };

struct array {
    uint32_t count;      /* of items: the product of the lengths */
    uint32_t dimensions; /* 0: empty */
    int32_t lengths[ARRAY_MAX_DIMENSIONS], lower[ARRAY_MAX_DIMENSIONS];
    struct value items[];
};

static inline const struct array *value_array(struct value v)
{
    return (const struct array *)(const void *)v.ptr;
}
static inline struct value value_of_array(const struct array *a)
{
    return (struct value){.kind = VALUE_ARRAY, .ptr = (const char *)a};
}

/* One dimension from 1 on (none where count is 0); the items are for the caller to fill. */
struct array *array_new(struct arena *arena, uint32_t count);
/* The same dimensions as `shape`, items to fill. */
struct array *array_like(struct arena *arena, const struct array *shape);

/* '{1,2}'::type. */
bool array_parse(const struct convert_context *cx, struct str text, struct type type, struct value *out, struct error *err);
/* A cast from one type of array to another, item by item. */
bool array_cast(const struct convert_context *cx, struct value v, struct type from, struct type to, struct value *out, struct error *err);
/* A JSON array (nested ones are dimensions) as an array. Its elements are cast; or, where a signature demands the type, must be of its JSON type. */
enum array_items { ARRAY_ITEMS_CAST, ARRAY_ITEMS_DEMANDED };
bool array_from_json(const struct convert_context *cx, struct str json, struct type to, enum array_items how,
                     struct value *out, struct error *err);

/* {1,2,NULL} */
void array_print(struct value v, struct type type, const struct zone *zone, struct buffer *out);
/* [1,2,null]; dimensions are nested. */
void array_print_json(struct value v, struct type type, const struct zone *zone, struct buffer *out);

static inline struct type array_element_type(struct type t)
{
    t.id = type_element(t.id);
    return t;
}

#endif
