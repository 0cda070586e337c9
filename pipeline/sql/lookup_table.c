#include "pipeline/sql/lookup_table.h"

#include <math.h>
#include <stdlib.h>

#include "pipeline/base/hash.h"
#include "pipeline/event/numeric.h"
#include "pipeline/sql/function.h"

void lookup_unref(void *table)
{
    struct lookup_table *t = table;
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (t->batch)
        batch_unref(t->batch);
    arena_release(&t->arena);
    free(t);
}

/* ---- hashing: values that compare equal have one hash --------------------------------------------------------------- */

static uint64_t hash_double(double d, uint64_t seed)
{
    if (isnan(d))
        d = NAN;
    d += 0.0; /* -0 is 0 */
    return hash64(&d, sizeof(d), seed);
}

static uint64_t hash_value(struct value v, uint64_t seed)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_TEXT:
    case VALUE_BYTES:
        return hash64(v.ptr, v.len, seed);
    case VALUE_UUID:
        return hash64(v.ptr, 16, seed);
    case VALUE_DECIMAL:
    case VALUE_NUMBER:
        return hash_double(numeric_to_double(v), seed);
    case VALUE_DOUBLE:
    case VALUE_REAL:
        return hash_double(v.d, seed);
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_DATE:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        return hash64(&v.i, sizeof(v.i), seed);
    case VALUE_NULL:
    case VALUE_JSON:
    case VALUE_INTERVAL:
    case VALUE_ARRAY:
        break;
    }
    return seed;
}

static uint64_t hash_key(const struct value *key, uint32_t count)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < count; i++)
        hash = hash_value(key[i], hash);
    return hash;
}

static bool has_null(const struct value *key, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (value_is_null(key[i]))
            return true;
    return false;
}

static bool same_key(const struct value *a, const struct value *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!sql_same_kind(a[i], b[i]) || sql_compare_values(a[i], b[i]) != 0)
            return false;
    return true;
}

/* The bucket of that key, or the empty one where it would stand. */
static uint32_t *bucket_of(const struct lookup_index *x, const struct value *key, uint64_t hash)
{
    for (uint32_t at = (uint32_t)hash & x->mask;; at = (at + 1) & x->mask) {
        uint32_t row = x->buckets[at];
        bool same = row && x->hashes[row - 1] == hash &&
                    same_key(&x->keys[(size_t)(row - 1) * x->key_count], key, x->key_count);
        if (!row || same)
            return &x->buckets[at];
    }
}

const struct value *lookup_search(const struct lookup_table *t, uint32_t index, const struct value *key)
{
    const struct lookup_index *x = &t->indexes[index];
    if (t->rows == 0 || has_null(key, x->key_count))
        return NULL;
    uint32_t row = *bucket_of(x, key, hash_key(key, x->key_count));
    return row ? &t->values[(size_t)(row - 1) * t->column_count] : NULL;
}

/* ---- making the index ----------------------------------------------------------------------------------------------- */

static bool convert(struct lookup_table *t, uint32_t row, uint32_t column, struct type to, const struct zone *zone,
                    struct value *out, struct error *err)
{
    struct convert_context cx = {.arena = &t->arena, .zone = zone, .now_us = INT64_MIN};
    struct value v = t->values[(size_t)row * t->column_count + column];
    struct type from = t->columns[column].type;
    struct error why;
    bool same = from.id == to.id || (from.id == TYPE_UNKNOWN && to.id == TYPE_TEXT);
    *out = v;
    if (value_is_null(v) || same)
        return true;
    bool good = from.id == TYPE_UNKNOWN ? value_parse(&cx, value_str(v), to, out, &why) : value_cast(&cx, v, from, to, out, &why);
    if (good && out->kind == VALUE_NUMBER)
        *out = numeric_normalise(&t->arena, *out);
    return good || error_set(err, ERROR_STOP, "line %u: column \"" STR_FMT "\": %s", t->lines[row],
                             STR_ARG(t->columns[column].name), why.text);
}

static bool twice(const struct lookup_table *t, uint32_t row, uint32_t first, const struct lookup_key *key,
                  struct error *err)
{
    struct buffer text = {0};
    for (uint32_t k = 0; k < key->count; k++) {
        uint32_t column = key->columns[k];
        buffer_printf(&text, "%s" STR_FMT " = ", k ? ", " : "", STR_ARG(t->columns[column].name));
        value_print(t->values[(size_t)row * t->column_count + column], t->columns[column].type, zone_utc, &text);
    }
    error_set(err, ERROR_STOP, "line %u: the key %.200s is there already, in line %u", t->lines[row],
              buffer_cstr(&text), t->lines[first]);
    buffer_release(&text);
    return false;
}

static struct lookup_index *add_index(struct lookup_table *t, uint32_t key_count)
{
    struct lookup_index *indexes = arena_array(&t->arena, struct lookup_index, t->index_count + 1);
    if (t->index_count)
        memcpy(indexes, t->indexes, t->index_count * sizeof(*indexes));
    t->indexes = indexes;
    struct lookup_index *x = &indexes[t->index_count++];
    uint32_t size = 16;
    while (size < 2 * (uint64_t)t->rows)
        size *= 2;
    *x = (struct lookup_index){.key_count = key_count,
                               .mask = size - 1,
                               .buckets = arena_array(&t->arena, uint32_t, size),
                               .hashes = arena_array(&t->arena, uint64_t, t->rows + 1),
                               .keys = arena_array(&t->arena, struct value, (size_t)t->rows * key_count + 1)};
    memset(x->buckets, 0, size * sizeof(*x->buckets));
    return x;
}

bool lookup_index(struct lookup_table *t, const struct lookup_key *key, const struct zone *zone, struct error *err)
{
    struct lookup_index *x = add_index(t, key->count);
    for (uint32_t row = 0; row < t->rows; row++) {
        struct value *values = &x->keys[(size_t)row * key->count];
        for (uint32_t k = 0; k < key->count; k++)
            if (!convert(t, row, key->columns[k], key->types[k], zone, &values[k], err))
                return false;
        if (has_null(values, key->count))
            continue;
        x->hashes[row] = hash_key(values, key->count);
        uint32_t *bucket = bucket_of(x, values, x->hashes[row]);
        if (*bucket)
            return twice(t, row, *bucket - 1, key, err);
        *bucket = row + 1;
    }
    return true;
}
