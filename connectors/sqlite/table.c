/*
 * The table: what its columns take, and the statements made from them.
 */
#include <stdlib.h>
#include <strings.h>

#include "connectors/sqlite/sqlite.h"

/* ---- types
 * ---------------------------------------------------------------------------------------------------------------- */

static bool has_word(const char *declared, const char *word)
{
    return strcasestr(declared, word) != NULL;
}

/*
 * What a declared type means here. The order of the first four is SQLite's own (datatype3.html, 3.1), so that a value
 * never meets an affinity that would change it; the rest, which SQLite takes for NUMERIC, is what people write there
 * and store as text or 0 and 1.
 */
static struct type column_type(const char *declared)
{
    if (has_word(declared, "INT") && !has_word(declared, "INTERVAL"))
        return TYPE(TYPE_BIGINT);
    if (has_word(declared, "CHAR") || has_word(declared, "CLOB") || has_word(declared, "TEXT"))
        return TYPE(TYPE_TEXT);
    if (*declared == '\0' || has_word(declared, "BLOB"))
        return TYPE(TYPE_UNKNOWN);
    if (has_word(declared, "REAL") || has_word(declared, "FLOA") || has_word(declared, "DOUB"))
        return TYPE(TYPE_DOUBLE);
    if (has_word(declared, "BOOL"))
        return TYPE(TYPE_BOOLEAN);
    if (has_word(declared, "TIMESTAMPTZ") || has_word(declared, "WITH TIME ZONE"))
        return TYPE(TYPE_TIMESTAMPTZ);
    if (has_word(declared, "TIMESTAMP") || has_word(declared, "DATETIME"))
        return TYPE(TYPE_TIMESTAMP);
    if (strcasecmp(declared, "DATE") == 0)
        return TYPE(TYPE_DATE);
    if (strcasecmp(declared, "UUID") == 0)
        return TYPE(TYPE_UUID);
    if (strcasecmp(declared, "JSON") == 0 || strcasecmp(declared, "JSONB") == 0)
        return TYPE(TYPE_JSONB);
    return TYPE(strcasecmp(declared, "ANY") == 0 ? TYPE_UNKNOWN : TYPE_NUMERIC);
}

static const char *declared_type(struct type t)
{
    switch (t.id) {
    case TYPE_JSON:
        return ""; /* each value as what it is */
    case TYPE_BOOLEAN:
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
    case TYPE_BIGINT:
        return " INTEGER";
    case TYPE_NUMERIC:
        return " NUMERIC";
    case TYPE_REAL:
    case TYPE_DOUBLE:
        return " REAL";
    case TYPE_BYTEA:
        return " BLOB";
    case TYPE_UNKNOWN:
    case TYPE_TEXT:
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
    case TYPE_INTERVAL:
    case TYPE_UUID:
    case TYPE_JSONB:
    case TYPE_COUNT:
        break;
    }
    return " TEXT";
}

/* ---- reading
 * ---------------------------------------------------------------------------------------------------------------- */

static const char *text_at(struct sq_shared *shared, sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return arena_strdup(&shared->arena, text ? text : "");
}

enum { MOST_COLUMNS = 32767 }; /* SQLITE_MAX_COLUMN's own limit */

/* pragma_table_xinfo: name, type, notnull, default, hidden (2 and 3: generated). */
static bool read_columns(struct sq_shared *shared, sqlite3_stmt *stmt)
{
    struct sq_column *columns = mem_alloc(MOST_COLUMNS * sizeof(*columns));
    struct table_column *named = mem_alloc(MOST_COLUMNS * sizeof(*named));
    uint32_t n = 0;
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW && n < MOST_COLUMNS) {
        bool not_null = sqlite3_column_int(stmt, 2), has_default = sqlite3_column_type(stmt, 3) != SQLITE_NULL;
        bool generated = sqlite3_column_int(stmt, 4) > 1;
        columns[n] = (struct sq_column){
            .name = text_at(shared, stmt, 0), .declared = text_at(shared, stmt, 1), .required = not_null};
        columns[n].type = column_type(columns[n].declared);
        named[n] = (struct table_column){columns[n].name, generated, not_null && !has_default && !generated};
        n++;
    }
    shared->columns = memcpy(arena_array(&shared->arena, struct sq_column, n + 1), columns, n * sizeof(*columns));
    shared->table.columns = memcpy(arena_array(&shared->arena, struct table_column, n + 1), named, n * sizeof(*named));
    shared->table.count = n;
    shared->exists = n > 0;
    free(columns);
    free(named);
    return code == SQLITE_DONE;
}

bool sq_table_read(struct sink *s, struct error *err)
{
    struct sq_shared *shared = s->shared;
    const struct sqlite_options *o = sq_options(s);
    sqlite3_stmt *stmt = sq_prepare(
        s,
        "SELECT name, type, \"notnull\", dflt_value, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid",
        err);
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, o->table, -1, SQLITE_STATIC);
    shared->table = (struct table_columns){.name = o->table, .unknown = o->unknown};
    if (o->write != SQ_APPEND)
        shared->table.key = o->key;
    bool done = read_columns(shared, stmt) || sq_fail(s, NULL, err);
    sqlite3_finalize(stmt);
    return done;
}

/* ---- create = true
 * ---------------------------------------------------------------------------------------------------------- */

static bool is_key(const struct sqlite_options *o, struct str name)
{
    for (uint32_t i = 0; i < o->key.count; i++)
        if (str_eq(str_of(o->key.items[i]), name))
            return true;
    return false;
}

static bool collects(const struct sqlite_options *o)
{
    return strcmp(o->unknown, "error") != 0 && strcmp(o->unknown, "ignore") != 0;
}

static uint32_t add_columns(const struct sqlite_options *o, const struct schema *schema, struct buffer *out)
{
    uint32_t n = 0;
    struct arena scratch = ARENA_INIT;
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct column *c = &schema->columns[i];
        if (!c->visible || schema_visible(schema, c->name) != (int)i)
            continue;
        buffer_printf(out, "%s\n    ", n++ ? "," : "");
        sq_quote(out, arena_str(&scratch, c->name).data);
        buffer_printf(out, "%s%s", declared_type(c->type), is_key(o, c->name) ? " NOT NULL" : "");
    }
    if (n && collects(o) && schema_visible(schema, str_of(o->unknown)) < 0) {
        buffer_printf(out, ",\n    ");
        sq_quote(out, o->unknown);
        buffer_printf(out, " TEXT");
    }
    arena_release(&scratch);
    return n;
}

bool sq_create_statement(const struct sink *s, const struct schema *schema, struct buffer *out, struct error *err)
{
    const struct sqlite_options *o = sq_options(s);
    buffer_printf(out, "CREATE TABLE IF NOT EXISTS ");
    sq_quote(out, o->table);
    buffer_printf(out, " (");
    if (add_columns(o, schema, out) == 0)
        return error_set(err, ERROR_STOP,
                         "create = true can't know the columns of table %s: select them in a query, or declare the "
                         "source's columns",
                         o->table);
    for (uint32_t i = 0; i < o->key.count; i++) {
        buffer_printf(out, i ? ", " : ",\n    PRIMARY KEY (");
        sq_quote(out, o->key.items[i]);
    }
    buffer_printf(out, o->key.count ? ")\n)" : "\n)");
    return true;
}

bool sq_create_table(struct sink *s, const struct schema *schema, struct error *err)
{
    struct buffer sql = {0};
    bool done = sq_create_statement(s, schema, &sql, err) && sq_run(s, buffer_cstr(&sql), err) && sq_table_read(s, err);
    buffer_release(&sql);
    return done;
}

/* ---- layouts
 * ------------------------------------------------------------------------------------------------------------------ */

static void add_names(struct buffer *sql, const struct sq_shared *shared, const uint32_t *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        buffer_printf(sql, i ? ", " : " (");
        sq_quote(sql, shared->columns[columns[i]].name);
    }
    buffer_printf(sql, ") VALUES (");
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(sql, i ? ", ?" : "?");
    buffer_add_byte(sql, ')');
}

static void add_conflict(struct buffer *sql, const struct sqlite_options *o, const struct sq_shared *shared,
                         const uint32_t *columns, uint32_t count)
{
    buffer_printf(sql, " ON CONFLICT");
    for (uint32_t i = 0; i < o->key.count; i++) {
        buffer_printf(sql, i ? ", " : " (");
        sq_quote(sql, o->key.items[i]);
    }
    buffer_printf(sql, o->key.count ? ") DO " : " DO ");
    uint32_t set = 0;
    for (uint32_t i = 0; i < count && o->write == SQ_UPSERT; i++) {
        const char *name = shared->columns[columns[i]].name;
        if (is_key(o, str_of(name)))
            continue;
        buffer_printf(sql, set++ ? ", " : "UPDATE SET ");
        sq_quote(sql, name);
        buffer_printf(sql, " = excluded.");
        sq_quote(sql, name);
    }
    if (set == 0)
        buffer_printf(sql, "NOTHING");
}

static const char *insert_statement(const struct sqlite_options *o, struct sq_shared *shared, const uint32_t *columns,
                                    uint32_t count)
{
    struct buffer sql = {0};
    buffer_printf(&sql, "INSERT INTO ");
    sq_quote(&sql, o->table);
    add_names(&sql, shared, columns, count);
    if (o->write == SQ_UPSERT || o->write == SQ_INSERT)
        add_conflict(&sql, o, shared, columns, count);
    const char *text = arena_strdup(&shared->arena, buffer_cstr(&sql));
    buffer_release(&sql);
    return text;
}

uint32_t sq_layout(struct sink *s, const uint32_t *columns, uint32_t count, struct error *err)
{
    struct sq_shared *shared = s->shared;
    for (uint32_t i = 0; i < shared->layout_count; i++)
        if (shared->layouts[i].count == count &&
            memcmp(shared->layouts[i].columns, columns, count * sizeof(*columns)) == 0)
            return i;
    if (shared->layout_count == SQ_MOST_LAYOUTS) {
        error_set(err, ERROR_STOP, "table %s: more than %d different sets of members come in", sq_options(s)->table,
                  SQ_MOST_LAYOUTS);
        return UINT32_MAX;
    }
    uint32_t *copy = memcpy(arena_array(&shared->arena, uint32_t, count), columns, count * sizeof(*columns));
    shared->layouts[shared->layout_count] = (struct sq_layout){
        .columns = copy, .count = count, .insert = insert_statement(sq_options(s), shared, columns, count)};
    return shared->layout_count++;
}
