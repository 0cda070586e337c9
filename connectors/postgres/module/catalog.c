/*
 * What the server knows about the table: columns, types, what must not be NULL, the key's index.
 */
#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* One part of a name: as written up to a dot, or in quotes as in SQL. NULL: malformed. */
static const char *name_part(struct arena *a, const char *text, const char **rest)
{
    char *out = arena_alloc(a, strlen(text) + 1), *to = out;
    if (*text == '"') {
        for (text++; *text && (*text != '"' || text[1] == '"'); text += *text == '"' ? 2 : 1)
            *to++ = *text;
        if (*text++ != '"')
            return NULL;
    } else {
        while (*text && *text != '.')
            *to++ = *text++;
    }
    *to = '\0';
    *rest = text;
    return to > out ? out : NULL;
}

bool pg_table_name(struct pg_shared *shared, const char *text, struct error *err)
{
    struct arena *a = &shared->arena;
    const char *rest = text, *first = name_part(a, text, &rest), *second = NULL;
    bool good = first != NULL;
    if (good && *rest == '.')
        good = (second = name_part(a, rest + 1, &rest)) != NULL;
    if (!good || *rest)
        return error_set(err, ERROR_STOP, "table \"%s\": expected a name, or schema.name", text);
    shared->table.name = text;
    shared->table.quoted =
        second ? arena_printf(a, "%s.%s", pg_quote(a, first), pg_quote(a, second)) : pg_quote(a, first);
    return true;
}

int pg_table_find(const struct pg_table *t, const char *name)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* ---- types ------------------------------------------------------------------------------------------------------ */

static const struct known_type {
    const char *name; /* pg_type.typname, of schema pg_catalog */
    enum pg_form form;
    enum type_id type;
} known_types[] = {
    {"bool", PG_BOOL, TYPE_BOOLEAN},
    {"int2", PG_INT2, TYPE_SMALLINT},
    {"int4", PG_INT4, TYPE_INTEGER},
    {"int8", PG_INT8, TYPE_BIGINT},
    {"float4", PG_FLOAT4, TYPE_REAL},
    {"float8", PG_FLOAT8, TYPE_DOUBLE},
    {"numeric", PG_NUMERIC, TYPE_NUMERIC},
    {"text", PG_TEXT, TYPE_TEXT},
    {"varchar", PG_TEXT, TYPE_TEXT},
    {"bpchar", PG_TEXT, TYPE_TEXT},
    {"citext", PG_TEXT, TYPE_TEXT},
    {"bytea", PG_BYTEA, TYPE_BYTEA},
    {"date", PG_DATE, TYPE_DATE},
    {"timestamp", PG_TIMESTAMP, TYPE_TIMESTAMP},
    {"timestamptz", PG_TIMESTAMPTZ, TYPE_TIMESTAMPTZ},
    {"interval", PG_INTERVAL, TYPE_INTERVAL},
    {"uuid", PG_UUID, TYPE_UUID},
    {"json", PG_JSON, TYPE_JSONB},
    {"jsonb", PG_JSONB, TYPE_JSONB},
};

static const struct known_type *known_type(const char *name)
{
    for (size_t i = 0; i < sizeof(known_types) / sizeof(*known_types); i++)
        if (strcmp(known_types[i].name, name) == 0)
            return &known_types[i];
    return NULL;
}

/* atttypmod: for numeric and character types 4 more than what it means (VARHDRSZ), -1 for none. */
static void apply_typmod(struct pg_column *c, const char *type, int32_t typmod)
{
    if (typmod < 0)
        return;
    if (c->form == PG_NUMERIC) {
        c->type.precision = (int16_t)(((typmod - 4) >> 16) & 0xffff);
        c->type.scale = (int16_t)((((typmod - 4) & 0x7ff) ^ 1024) - 1024); /* 11 bits, signed */
    } else if (c->form == PG_TIMESTAMP || c->form == PG_TIMESTAMPTZ) {
        c->type.precision = (int16_t)typmod;
    } else if (strcmp(type, "varchar") == 0 || strcmp(type, "bpchar") == 0) {
        c->most = typmod - 4;
        c->blank_padded = *type == 'b';
    }
}

enum {
    C_NAME,
    C_TYPE,
    C_KIND,
    C_TYPMOD,
    C_FORMATTED,
    C_REQUIRED,
    C_DEFAULT,
    C_GENERATED,
    C_NUMBERED,
    C_ELEMENT,
    C_ARRAY,
    C_ITEM,
    C_DECLARED
};

static Oid read_oid(const PGresult *r, int row, int column)
{
    return (Oid)strtoul(PQgetvalue(r, row, column), NULL, 10);
}

/* An array of a type of ours: called after it, with _ in front. It is sent as text until it is known that it need not be. */
static void read_item(struct arena *a, const PGresult *r, int row, struct pg_column *c)
{
    const char *type = PQgetvalue(r, row, C_TYPE);
    const struct known_type *k = *type == '_' ? known_type(type + 1) : NULL;
    if (!k)
        return;
    struct pg_column *item = arena_new(a, struct pg_column);
    *item = (struct pg_column){.name = c->name, .type_name = k->name, .form = k->form, .type = TYPE(k->type)};
    apply_typmod(item, type + 1, atoi(PQgetvalue(r, row, C_TYPMOD)));
    item->element = read_oid(r, row, C_ITEM);
    c->item = item;
    c->type = item->type;
    c->type.id = type_array_of(item->type.id);
}

/* Rows that go straight into the table carry arrays in binary. */
static void choose_array_form(struct pg_table *t, const struct postgres_options *o)
{
    bool direct = o->write == POSTGRES_APPEND || o->write == POSTGRES_REPLACE;
    for (uint32_t i = 0; i < t->count; i++)
        direct &= t->columns[i].form != PG_CAST || t->columns[i].item;
    for (uint32_t i = 0; i < t->count && direct; i++)
        if (t->columns[i].item)
            t->columns[i].form = PG_ARRAY;
}

static void read_column(struct arena *a, const PGresult *r, int row, struct pg_column *c)
{
    const char *type = PQgetvalue(r, row, C_TYPE);
    *c = (struct pg_column){
        .name = arena_strdup(a, PQgetvalue(r, row, C_NAME)),
        .type_name = arena_strdup(a, PQgetvalue(r, row, C_FORMATTED)),
        .form = PG_CAST,
        .type = TYPE(TYPE_TEXT),
        .required = *PQgetvalue(r, row, C_REQUIRED) == 't',
        .has_default = *PQgetvalue(r, row, C_DEFAULT) == 't',
        .generated = *PQgetvalue(r, row, C_GENERATED) == 't',
        .numbered = *PQgetvalue(r, row, C_NUMBERED) == 't',
    };
    c->quoted = pg_quote(a, c->name);
    if (*PQgetvalue(r, row, C_KIND) == 'e') /* enum_recv takes the label */
        c->form = PG_TEXT;
    const struct known_type *known = known_type(type);
    if (known) {
        c->form = known->form;
        c->type = TYPE(known->type);
    }
    /* An interval's typmod also restricts its fields: the server's business. */
    if (c->form == PG_INTERVAL && atoi(PQgetvalue(r, row, C_TYPMOD)) >= 0)
        c->form = PG_CAST, c->type = TYPE(TYPE_TEXT);
    apply_typmod(c, type, atoi(PQgetvalue(r, row, C_TYPMOD)));
    read_item(a, r, row, c);
    c->element = read_oid(r, row, C_ELEMENT);
    c->array = read_oid(r, row, C_ARRAY);
    c->declared = read_oid(r, row, C_DECLARED);
    if (c->form == PG_CAST)
        c->element = 25, c->array = 1009; /* text, text[]: fixed in pg_type.dat */
}

/* A domain counts as what it is over; one over another domain, or over a type of ours by another's name, is cast from
 * text. */
static const char columns_sql[] =
    "SELECT a.attname,"
    " CASE WHEN b.typname = 'citext' OR n.nspname = 'pg_catalog' THEN b.typname ELSE '' END,"
    " b.typtype,"
    " CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,"
    " format_type(a.atttypid, a.atttypmod),"
    " a.attnotnull OR t.typnotnull,"
    " a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,"
    " a.attgenerated <> '',"
    " a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false),"
    " b.oid, b.typarray, b.typelem, a.atttypid "
    "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
    " JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END"
    " JOIN pg_namespace n ON n.oid = b.typnamespace"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
    "WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

bool pg_table_read(struct sink *s, struct error *err)
{
    struct pg_shared *shared = s->shared;
    PGresult *found = pg_query(s, "SELECT to_regclass($1) IS NOT NULL", 1, &shared->table.quoted, err);
    if (!found)
        return false;
    shared->table.exists = *PQgetvalue(found, 0, 0) == 't';
    PQclear(found);
    if (!shared->table.exists)
        return true;
    PGresult *r = pg_query(s, columns_sql, 1, &shared->table.quoted, err);
    if (!r)
        return false;
    shared->table.count = (uint32_t)PQntuples(r);
    shared->table.columns = arena_array(&shared->arena, struct pg_column, shared->table.count + 1);
    for (uint32_t i = 0; i < shared->table.count; i++)
        read_column(&shared->arena, r, (int)i, &shared->table.columns[i]);
    choose_array_form(&shared->table, pg_options(s));
    PQclear(r);
    return true;
}

/* ---- changes while the pipeline runs ---------------------------------------------------------------------------- */

static bool has_copied_layout(const struct pg_shared *shared)
{
    bool any = false;
    for (uint32_t i = 0; i < shared->layout_count; i++)
        any |= !shared->layouts[i].stage;
    return any;
}

static bool is_copied(const struct pg_shared *shared, uint32_t column)
{
    bool copied = false;
    for (uint32_t i = 0; i < shared->layout_count; i++)
        for (uint32_t k = 0; k < shared->layouts[i].count && !shared->layouts[i].stage; k++)
            copied |= shared->layouts[i].columns[k] == column;
    return copied;
}

/* A column that is gone is the server's to complain about. */
static bool compare_types(const struct pg_shared *shared, const PGresult *r, struct error *err)
{
    for (int i = 0; i < PQntuples(r); i++) {
        int column = pg_table_find(&shared->table, PQgetvalue(r, i, 0));
        if (column < 0 || !is_copied(shared, (uint32_t)column))
            continue;
        const struct pg_column *c = &shared->table.columns[column];
        if (c->declared == read_oid(r, i, 1))
            continue;
        error_set(err, ERROR_STOP,
                  "table %s: column \"%s\" has become %s while the pipeline was running, and was %s when it started: "
                  "start it again",
                  shared->table.name, c->name, PQgetvalue(r, i, 2), c->type_name);
        memcpy(err->sqlstate, "42804", 6);
        return false;
    }
    return true;
}

bool pg_table_check(struct sink *s, struct error *err)
{
    const struct pg_shared *shared = s->shared;
    if (!has_copied_layout(shared))
        return true;
    PGresult *r = pg_query(s,
                           "SELECT attname, atttypid, format_type(atttypid, atttypmod) FROM pg_attribute "
                           "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
                           1, &shared->table.quoted, err);
    bool same = r && compare_types(shared, r, err);
    PQclear(r);
    return same;
}

/* ---- the key ---------------------------------------------------------------------------------------------------- */

static const char key_sql[] =
    "SELECT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND "
    "i.indimmediate"
    " AND i.indpred IS NULL AND i.indexprs IS NULL"
    " AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\") FROM pg_attribute a"
    "  WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))"
    " = (SELECT array_agg(k ORDER BY k COLLATE \"C\") FROM unnest($2::text[]) k))";

bool pg_check_key(struct sink *s, struct error *err)
{
    struct pg_shared *shared = s->shared;
    const struct postgres_options *o = pg_options(s);
    if (o->key.count == 0 || o->write == POSTGRES_APPEND || o->write == POSTGRES_REPLACE)
        return true;
    struct buffer keys = {0}, names = {0};
    pg_array_open(&keys);
    for (uint32_t i = 0; i < o->key.count; i++) {
        pg_array_add(&keys, o->key.items[i]);
        buffer_printf(&names, "%s%s", i ? ", " : "", o->key.items[i]);
    }
    PGresult *r = pg_query(s, key_sql, 2, (const char *const[]){shared->table.quoted, pg_array_close(&keys)}, err);
    bool found = r && *PQgetvalue(r, 0, 0) == 't';
    if (r && !found) {
        error_set(err, ERROR_STOP, "table %s has no unique index on the key (%s): create one, or a primary key",
                  o->table, buffer_cstr(&names));
        memcpy(err->sqlstate, "42P10", 6);
    }
    PQclear(r);
    buffer_release(&keys);
    buffer_release(&names);
    return found;
}
