/*
 * PostgreSQL's type resolution (manual, chapter 10; parse_func.c and parse_oper.c for what the manual leaves open),
 * with two kinds of operands added: a json scalar takes what the signature demands, and an untyped member of a record
 * is numeric beside an integer.
 */
#include "pipeline/sql/bind.h"

#include <strings.h>

char bind_category(enum type_id t)
{
    if (type_is_array(t))
        return 'A';
    if (t > TYPE_COUNT)
        return 'P';
    switch (t) {
    case TYPE_BOOLEAN:
        return 'B';
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
    case TYPE_BIGINT:
    case TYPE_NUMERIC:
    case TYPE_REAL:
    case TYPE_DOUBLE:
        return 'N';
    case TYPE_TEXT:
        return 'S';
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return 'D';
    case TYPE_INTERVAL:
        return 'T';
    case TYPE_BYTEA:
    case TYPE_UUID:
    case TYPE_JSONB:
        return 'U';
    case TYPE_UNKNOWN:
    case TYPE_JSON:
        return 'X';
    case TYPE_COUNT:
        break;
    }
    return 'P';
}

bool bind_is_preferred(enum type_id t)
{
    return t == TYPE_BOOLEAN || t == TYPE_DOUBLE || t == TYPE_TEXT || t == TYPE_TIMESTAMPTZ || t == TYPE_INTERVAL;
}

bool bind_is_integer(enum type_id t)
{
    return t == TYPE_SMALLINT || t == TYPE_INTEGER || t == TYPE_BIGINT;
}

/* pg_cast's rows with castcontext 'i': along the numbers, and along the dates. */
bool bind_casts_implicitly(enum type_id from, enum type_id to)
{
    if (from == to || to == TYPE_ANY)
        return true;
    if (to > TYPE_COUNT && !type_is_array(to))
        return bind_polymorph_takes(to, from);
    if (type_is_array(from) && type_is_array(to))
        return bind_casts_implicitly(type_element(from), type_element(to));
    if (bind_category(from) == 'N' && bind_category(to) == 'N')
        return from < to;
    return bind_category(from) == 'D' && bind_category(to) == 'D' && from < to;
}

bool bind_casts_explicitly(enum type_id from, enum type_id to)
{
    char f = bind_category(from), t = bind_category(to);
    if (from == to || f == 'X' || f == 'S' || t == 'S')
        return true;
    if (f == 'N' && t == 'N')
        return true;
    if (f == 'D' && t == 'D')
        return true;
    if (f == 'A' && t == 'A')
        return bind_casts_explicitly(type_element(from), type_element(to));
    if (from == TYPE_JSONB)
        return t == 'N' || t == 'B';
    return (from == TYPE_BOOLEAN && to == TYPE_INTEGER) || (from == TYPE_INTEGER && to == TYPE_BOOLEAN);
}

static bool is_open(enum type_id t)
{
    return t == TYPE_UNKNOWN || t == TYPE_JSON;
}

static enum type_id parameter(const struct function *f, uint32_t i)
{
    return f->args[i < f->count ? i : f->count - 1];
}

static bool takes_count(const struct function *f, uint32_t count)
{
    return f->count == count || (f->variadic && count >= f->count);
}

enum { MAX_CANDIDATES = 64 };

struct candidates {
    const struct function *items[MAX_CANDIDATES];
    uint32_t count;
};

static void collect(struct candidates *c, const struct function *table, uint32_t rows, struct str name,
                    const enum type_id *types, uint32_t count)
{
    c->count = 0;
    for (uint32_t r = 0; r < rows; r++) {
        const struct function *f = &table[r];
        if (!takes_count(f, count) || strncasecmp(f->name, name.data, name.len) != 0 || f->name[name.len] != '\0')
            continue;
        bool fits = true;
        for (uint32_t i = 0; i < count && fits; i++)
            fits = is_open(types[i]) || bind_casts_implicitly(types[i], parameter(f, i));
        enum type_id element;
        fits = fits && bind_polymorph(f, types, NULL, count, &element) != POLYMORPH_CLASHES;
        if (fits && c->count < MAX_CANDIDATES)
            c->items[c->count++] = f;
    }
}

/* Keeps the candidates with the highest score, if any scores at all. */
static void keep_best(struct candidates *c, const enum type_id *types, uint32_t count, bool with_preferred)
{
    uint32_t scores[MAX_CANDIDATES], best = 0, kept = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        scores[k] = 0;
        for (uint32_t i = 0; i < count; i++) {
            enum type_id p = parameter(c->items[k], i);
            if (is_open(types[i]))
                continue;
            scores[k] += p == types[i] ||
                         (with_preferred && bind_is_preferred(p) && bind_category(p) == bind_category(types[i]));
        }
        best = scores[k] > best ? scores[k] : best;
    }
    for (uint32_t k = 0; k < c->count; k++)
        if (scores[k] == best)
            c->items[kept++] = c->items[k];
    c->count = kept;
}

static void keep_parameter(struct candidates *c, uint32_t i, enum type_id type, char category)
{
    uint32_t kept = 0;
    for (uint32_t k = 0; k < c->count; k++) {
        enum type_id p = parameter(c->items[k], i);
        if (type != TYPE_UNKNOWN ? p == type : bind_category(p) == category)
            c->items[kept++] = c->items[k];
    }
    c->count = kept;
}

static bool any_takes(const struct candidates *c, uint32_t i, enum type_id type)
{
    for (uint32_t k = 0; k < c->count; k++)
        if (parameter(c->items[k], i) == type)
            return true;
    return false;
}

/* What the open arguments are taken for: text where it fits, else the category all candidates agree on, and in it the
 * preferred type. */
static bool decide_open(struct candidates *c, const enum type_id *types, uint32_t count)
{
    for (uint32_t i = 0; i < count && c->count > 1; i++) {
        if (!is_open(types[i]))
            continue;
        if (any_takes(c, i, TYPE_TEXT)) {
            keep_parameter(c, i, TYPE_TEXT, 0);
            continue;
        }
        if (types[i] == TYPE_JSON && any_takes(c, i, TYPE_NUMERIC)) {
            keep_parameter(c, i, TYPE_NUMERIC, 0);
            continue;
        }
        if (types[i] == TYPE_JSON && any_takes(c, i, TYPE_JSONB)) {
            keep_parameter(c, i, TYPE_JSONB, 0);
            continue;
        }
        char category = bind_category(parameter(c->items[0], i));
        for (uint32_t k = 1; k < c->count; k++)
            if (bind_category(parameter(c->items[k], i)) != category)
                return false;
        for (enum type_id t = 0; t < TYPE_COUNT; t++)
            if (bind_is_preferred(t) && bind_category(t) == category && any_takes(c, i, t)) {
                keep_parameter(c, i, t, 0);
                break;
            }
    }
    return true;
}

static bool takes_all(const struct function *f, enum type_id type, uint32_t count)
{
    enum type_id types[64], element;
    for (uint32_t i = 0; i < count && i < 64; i++) {
        types[i] = type;
        if (!bind_casts_implicitly(type, parameter(f, i)))
            return false;
    }
    return count <= 64 && bind_polymorph(f, types, NULL, count, &element) != POLYMORPH_CLASHES;
}

/* The last resort: open arguments take the type that all the others have. */
static void assume_known(struct candidates *c, const enum type_id *types, uint32_t count)
{
    enum type_id known = TYPE_UNKNOWN;
    for (uint32_t i = 0; i < count; i++) {
        if (is_open(types[i]))
            continue;
        if (known != TYPE_UNKNOWN && known != types[i])
            return;
        known = types[i];
    }
    if (known == TYPE_UNKNOWN)
        return;
    uint32_t kept = 0;
    for (uint32_t k = 0; k < c->count; k++)
        if (takes_all(c->items[k], known, count))
            c->items[kept++] = c->items[k];
    c->count = kept;
}

static const struct function *choose(const struct function *table, uint32_t rows, struct str name,
                                     const enum type_id *types, uint32_t count, bool *ambiguous)
{
    struct candidates c;
    *ambiguous = false;
    collect(&c, table, rows, name, types, count);
    if (c.count > 1)
        keep_best(&c, types, count, false);
    if (c.count > 1)
        keep_best(&c, types, count, true);
    if (c.count > 1) {
        struct candidates before = c;
        if (!decide_open(&c, types, count) || c.count == 0)
            c = before;
    }
    if (c.count > 1) {
        struct candidates before = c;
        assume_known(&c, types, count);
        if (c.count == 0)
            c = before;
    }
    *ambiguous = c.count > 1;
    return c.count == 1 ? c.items[0] : NULL;
}

/* A first guess for what the rules leave open; false: there is nothing to guess. */
static bool guess_open(const enum type_id *types, const bool *is_member, uint32_t count, bool is_operator,
                       enum type_id *guessed)
{
    bool changed = false, has_integer = false;
    enum type_id known = TYPE_UNKNOWN;
    for (uint32_t i = 0; i < count; i++) {
        has_integer |= bind_is_integer(types[i]);
        known = is_open(types[i]) ? known : types[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        guessed[i] = types[i];
        bool as_number = types[i] == TYPE_JSON || (types[i] == TYPE_UNKNOWN && is_member[i] && has_integer);
        if (!is_open(types[i]))
            continue;
        if (is_operator && known != TYPE_UNKNOWN && !(as_number && bind_is_integer(known)))
            guessed[i] = known;
        else if (as_number)
            guessed[i] = TYPE_NUMERIC;
        changed |= guessed[i] != types[i];
    }
    return changed;
}

/* A row that is made for json scalars where these are. */
static const struct function *takes_members(const struct function *table, uint32_t rows, struct str name,
                                            const enum type_id *types, uint32_t count)
{
    for (uint32_t r = 0; r < rows; r++) {
        const struct function *f = &table[r];
        if (!takes_count(f, count) || !str_eq_nocase(name, str_of(f->name)))
            continue;
        bool any = false, fits = true;
        for (uint32_t i = 0; i < count && fits; i++) {
            bool json = types[i] == TYPE_JSON, takes = parameter(f, i) == TYPE_JSON;
            any |= json && takes;
            fits = json == takes && (json || is_open(types[i]) || bind_casts_implicitly(types[i], parameter(f, i)));
        }
        if (any && fits)
            return f;
    }
    return NULL;
}

const struct function *bind_resolve(const struct function *table, uint32_t rows, struct str name,
                                    const enum type_id *types, const bool *is_member, uint32_t count, bool is_operator,
                                    bool *ambiguous)
{
    enum type_id guessed[64];
    const struct function *own = takes_members(table, rows, name, types, count);
    if (own)
        return own;
    if (count <= 64 && guess_open(types, is_member, count, is_operator, guessed)) {
        const struct function *f = choose(table, rows, name, guessed, count, ambiguous);
        if (f)
            return f;
    }
    const struct function *f = choose(table, rows, name, types, count, ambiguous);
    if (f || !*ambiguous || is_operator || count > 64)
        return f;
    /* extract(hour FROM member): of a time rather than of an interval */
    for (uint32_t i = 0; i < count; i++)
        guessed[i] = is_member[i] && is_open(types[i]) ? TYPE_TIMESTAMPTZ : types[i];
    return choose(table, rows, name, guessed, count, ambiguous);
}
