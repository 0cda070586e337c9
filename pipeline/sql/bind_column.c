/*
 * Names: members of the event, meta.*, and the qualifiers of FROM.
 */
#include <stdio.h>

#include "pipeline/sql/stage.h"

struct expr *bind_plain_column(struct binder *b, uint32_t column, const struct node *n)
{
    struct expr *e = bind_new(b, EXPR_COLUMN, b->in->columns[column].type.id, n, 0);
    e->type = b->in->columns[column].type;
    e->column = column;
    e->is_member = true;
    return bind_finish(b, e);
}

struct expr *bind_member(struct binder *b, struct expr *e, const struct path *path)
{
    struct expr *m = bind_new(b, EXPR_KERNEL, TYPE_JSON, NULL, 1);
    struct path *kept = arena_new(b->plan, struct path);
    *kept = path_copy(b->plan, path);
    m->kernel = kernel_member;
    m->args[0] = e;
    m->data = kept;
    return bind_finish(b, m);
}

static struct expr *no_meta(struct binder *b, struct str name, const struct node *n)
{
    const char *names[META_COUNT];
    for (int i = 0; i < META_COUNT; i++)
        names[i] = meta_field_name((enum meta_field)i);
    char wanted[64];
    snprintf(wanted, sizeof(wanted), STR_FMT, STR_ARG(name));
    sql_fail(b->err, "42703", n->at, n->at_length, "column meta.%s does not exist", wanted);
    const char *nearest = str_nearest(wanted, names, META_COUNT);
    if (nearest)
        sql_hint(b->err, "Perhaps you meant meta.%s.", nearest);
    else
        sql_hint(b->err,
                 "meta has source, input, file, line, topic, partition, offset, key, timestamp, headers, properties. "
                 "A member of the event called meta is input.meta.");
    return NULL;
}

static struct expr *bind_meta(struct binder *b, const struct node *n)
{
    if (n->path.count < 2) {
        sql_fail(b->err, "42703", n->at, n->at_length, "meta is not a column");
        sql_hint(b->err, "Name one of its members, as meta.file; a member of the event called meta is input.meta.");
        return NULL;
    }
    int field = meta_field_find(n->path.parts[1]);
    if (field < 0)
        return no_meta(b, n->path.parts[1], n);
    int column = schema_meta(b->in, (enum meta_field)field);
    if (column < 0)
        return no_meta(b, n->path.parts[1], n);
    struct expr *e = bind_plain_column(b, (uint32_t)column, n);
    e->is_member = false;
    if (n->path.count == 2)
        return e;
    if (e->type.id != TYPE_JSONB)
        return no_meta(b, n->path.parts[1], n);
    return bind_member(b, e, &(struct path){n->path.parts + 2, n->path.count - 2});
}

static struct expr *no_column(struct binder *b, const struct path *path, const struct node *n)
{
    const char *names[1024];
    uint32_t count = schema_names(b->in, names, 1024);
    char name[256];
    size_t len = 0;
    for (uint32_t i = 0; i < path->count && len < sizeof(name); i++)
        len += (size_t)snprintf(name + len, sizeof(name) - len, "%s" STR_FMT, i ? "." : "", STR_ARG(path->parts[i]));
    if (path->count == 1)
        sql_fail(b->err, "42703", n->at, n->at_length, "column \"%s\" does not exist", name);
    else
        sql_fail(b->err, "42703", n->at, n->at_length, "column %s does not exist", name);
    const char *nearest = str_nearest(name, names, count < 1024 ? count : 1024);
    if (nearest)
        sql_hint(b->err, "Perhaps you meant \"%s\".", nearest);
    return NULL;
}

bool bind_is_input(const struct binder *b, struct str name)
{
    if (b->alias.data && str_eq(name, b->alias))
        return true;
    return str_eq(name, STR("input")) || (b->options->input && str_eq(name, str_of(b->options->input)));
}

/* The member at the rest of the path inside a column. */
static struct expr *inside(struct binder *b, uint32_t column, struct path rest, const struct path *path,
                           const struct node *n)
{
    struct expr *e = bind_plain_column(b, column, n);
    if (rest.count == 0)
        return e;
    if (e->type.id != TYPE_JSON && e->type.id != TYPE_JSONB)
        return no_column(b, path, n);
    return bind_member(b, e, &rest);
}

/* ---- names of what stands in FROM behind the input ----------------------------------------------------------------- */

static int own_column(const struct stage *s, struct str name)
{
    for (uint32_t i = 0; i < s->own_count; i++)
        if (str_eq(s->out->columns[s->first_own + i].name, name))
            return (int)(s->first_own + i);
    return -1;
}

static struct expr *no_own_column(struct binder *b, const struct stage *s, struct str name, const struct node *n)
{
    const char *names[256];
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->own_count && count < 256; i++)
        names[count++] = s->out->columns[s->first_own + i].name.data;
    char wanted[128];
    snprintf(wanted, sizeof(wanted), STR_FMT, STR_ARG(name));
    sql_fail(b->err, "42703", n->at, n->at_length, "column " STR_FMT ".%s does not exist", STR_ARG(s->alias), wanted);
    const char *nearest = str_nearest(wanted, names, count);
    if (nearest)
        sql_hint(b->err, "Perhaps you meant " STR_FMT ".%s.", STR_ARG(s->alias), nearest);
    return NULL;
}

static struct expr *qualified(struct binder *b, const struct stage *s, struct path path, const struct node *n)
{
    if (path.count == 1 && s->own_count != 1) {
        sql_fail(b->err, "42703", n->at, n->at_length, "\"" STR_FMT "\" is not a column", STR_ARG(s->alias));
        sql_hint(b->err, "Name one of its columns, as " STR_FMT ".%s.", STR_ARG(s->alias),
                 s->own_count ? s->out->columns[s->first_own].name.data : "x");
        return NULL;
    }
    int column = path.count == 1 ? (int)s->first_own : own_column(s, path.parts[1]);
    uint32_t used = path.count == 1 ? 1 : 2;
    if (column < 0 && s->own_count == 1) { /* the column is called as the table is: item.price is in it */
        column = (int)s->first_own;
        used = 1;
    }
    if (column < 0)
        return no_own_column(b, s, path.parts[1], n);
    column = stage_carry(b->scope, s, column);
    return inside(b, (uint32_t)column, (struct path){path.parts + used, path.count - used}, &path, n);
}

/* A column of the input, whatever else is called like it. */
static struct expr *of_input(struct binder *b, struct path path, const struct node *n)
{
    struct schema *input = b->scope->input;
    int column = schema_find(input, &path);
    uint32_t used = path.count;
    if (column < 0 && path.count > 1) {
        column = schema_find(input, &(struct path){path.parts, 1});
        used = 1;
    }
    if (column < 0)
        return no_column(b, &path, n);
    column = stage_carry(b->scope, NULL, column);
    return inside(b, (uint32_t)column, (struct path){path.parts + used, path.count - used}, &path, n);
}

/* *e NULL: the name is not one of FROM's items. false: an error. */
static bool from_scope(struct binder *b, struct path path, const struct node *n, struct expr **e)
{
    const struct stage *found = NULL;
    bool doubtful = path.count == 1 && schema_visible(b->scope->input, path.parts[0]) >= 0;
    for (const struct stage *s = b->scope->first; s && !doubtful; s = s->next)
        if (s->alias.data && str_eq(s->alias, path.parts[0])) {
            *e = qualified(b, s, path, n);
            return *e != NULL;
        }
    bool ambiguous = false;
    for (const struct stage *s = b->scope->first; s; s = s->next) {
        int own = s->calls ? -1 : own_column(s, path.parts[0]);
        bool known_twice = own >= 0 && schema_visible(b->scope->input, path.parts[0]) >= 0;
        if (own < 0 || (!s->out->columns[own].visible && !known_twice))
            continue; /* a lookup's key: without its table's name the event's member is meant */
        ambiguous |= found || known_twice;
        found = s;
    }
    if (ambiguous) {
        sql_fail(b->err, "42702", n->at, n->at_length, "column reference \"" STR_FMT "\" is ambiguous",
                 STR_ARG(path.parts[0]));
        return sql_hint(b->err, "Say whose it is: input." STR_FMT " or " STR_FMT "." STR_FMT ".", STR_ARG(path.parts[0]),
                        STR_ARG(found->alias), STR_ARG(path.parts[0]));
    }
    if (!found)
        return true;
    int column = stage_carry(b->scope, found, own_column(found, path.parts[0]));
    *e = inside(b, (uint32_t)column, (struct path){path.parts + 1, path.count - 1}, &path, n);
    return *e != NULL;
}

struct expr *bind_column(struct binder *b, const struct node *n)
{
    struct path path = n->path;
    if (str_eq(path.parts[0], STR("meta")))
        return bind_meta(b, n);
    if (path.count > 1 && bind_is_input(b, path.parts[0])) {
        path.parts++;
        path.count--;
        if (b->scope)
            return of_input(b, path, n);
    } else if (b->scope) {
        struct expr *e = NULL;
        if (!from_scope(b, path, n, &e))
            return NULL;
        if (e)
            return e;
    }
    int column = schema_find(b->in, &path);
    if (column >= 0)
        return bind_plain_column(b, (uint32_t)column, n);
    if (path.count == 1)
        return no_column(b, &path, n);
    struct path first = {path.parts, 1};
    column = schema_find(b->in, &first);
    if (column < 0)
        return no_column(b, &path, n);
    return inside(b, (uint32_t)column, (struct path){path.parts + 1, path.count - 1}, &path, n);
}
