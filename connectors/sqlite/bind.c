/*
 * Members of events ↔ columns of the table: which conversion each field needs.
 */
#include "connectors/sqlite/sqlite.h"

#define KIND(k) (1u << VALUE_##k)

/* What a column of that type stores as it comes. */
static uint32_t ready_kinds(struct type t)
{
    switch (t.id) {
    case TYPE_UNKNOWN: /* anything, as what it is */
    case TYPE_JSON:
        return UINT32_MAX;
    case TYPE_BIGINT:
        return KIND(INT) | KIND(BOOL);
    case TYPE_DOUBLE:
        return KIND(DOUBLE) | KIND(REAL);
    case TYPE_NUMERIC:
        return KIND(DECIMAL) | KIND(NUMBER) | KIND(INT) | KIND(DOUBLE) | KIND(REAL) | KIND(BOOL);
    case TYPE_BOOLEAN:
        return KIND(BOOL);
    case TYPE_TEXT:
        return KIND(TEXT) | KIND(DATE) | KIND(TIMESTAMP) | KIND(TIMESTAMPTZ) | KIND(ARRAY);
    case TYPE_DATE:
        return KIND(DATE);
    case TYPE_TIMESTAMP:
        return KIND(TIMESTAMP);
    case TYPE_TIMESTAMPTZ:
        return KIND(TIMESTAMPTZ);
    case TYPE_UUID:
        return KIND(UUID);
    case TYPE_JSONB:
        return KIND(JSON) | KIND(ARRAY);
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
    case TYPE_REAL:
    case TYPE_BYTEA:
    case TYPE_INTERVAL:
    case TYPE_COUNT:
        break;
    }
    return 0;
}

enum family { FAMILY_NUMBER, FAMILY_TIME, FAMILY_OTHER };

static enum family family_of(enum type_id id)
{
    if ((id >= TYPE_SMALLINT && id <= TYPE_DOUBLE) || id == TYPE_BOOLEAN)
        return FAMILY_NUMBER;
    return id == TYPE_DATE || id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ ? FAMILY_TIME : FAMILY_OTHER;
}

/* What has no type of its own yet (CSV, undeclared JSON) takes the column's. */
static bool is_assignable(struct type from, struct type to)
{
    if (from.id == TYPE_UNKNOWN || from.id == TYPE_JSON || to.id == TYPE_UNKNOWN || to.id == TYPE_TEXT ||
        from.id == to.id || (type_is_array(from.id) && to.id == TYPE_JSONB))
        return true;
    return family_of(from.id) != FAMILY_OTHER && family_of(from.id) == family_of(to.id);
}

static bool is_key(const struct sink *s, const char *name)
{
    const struct sqlite_options *o = sq_options(s);
    for (uint32_t i = 0; i < o->key.count; i++)
        if (strcmp(o->key.items[i], name) == 0)
            return o->write == SQ_UPSERT || o->write == SQ_INSERT;
    return false;
}

static bool bind_field(const struct sink *s, const struct schema *schema, const struct table_field *f,
                       struct sq_field *out, struct error *err)
{
    const struct sq_shared *shared = s->shared;
    const struct sq_column *c = &shared->columns[f->column];
    struct type from = f->source < 0 ? TYPE(TYPE_JSONB) : schema->columns[f->source].type;
    if (!is_assignable(from, c->type)) {
        char name[48];
        error_set(err, ERROR_STOP,
                  "table %s: column \"%s\" is declared %s but the events have %s: cast it in the query",
                  shared->table.name, c->name, c->declared, type_name(from, name));
        memcpy(err->sqlstate, "42804", 6);
        return false;
    }
    *out = (struct sq_field){
        .column = c,
        .source = f->source,
        .from = from,
        .ready = ready_kinds(c->type),
        .required = c->required || is_key(s, c->name),
    };
    return true;
}

bool sq_bind(struct sink *s, struct binding *b, struct error *err)
{
    struct sq_shared *shared = s->shared;
    if (!shared->exists && !sq_create_table(s, b->schema, err))
        return false;
    struct sq_program *p = arena_new(b->arena, struct sq_program);
    if (!table_match(&p->match, &shared->table, b, err))
        return false;
    p->count = p->match.count;
    p->fields = arena_array(b->arena, struct sq_field, p->count);
    uint32_t *columns = arena_array(b->arena, uint32_t, p->count);
    for (uint32_t i = 0; i < p->count; i++) {
        columns[i] = p->match.fields[i].column;
        if (!bind_field(s, b->schema, &p->match.fields[i], &p->fields[i], err))
            return false;
    }
    p->layout = sq_layout(s, columns, p->count, err);
    b->program = p;
    return p->layout != UINT32_MAX;
}
