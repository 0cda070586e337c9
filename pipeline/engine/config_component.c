/*
 * One component's table: its type, its connection, its options.
 */
#include "pipeline/engine/config_document.h"

/* ---- component types --------------------------------------------------------------------------------------------- */

static const struct component_type *type_named(const struct catalog *catalog, enum component_kind kind,
                                               const char *name)
{
    const struct component_type *type;
    for (uint32_t i = 0; (type = catalog_type(catalog, kind, i)); i++)
        if (strcmp(type->name, name) == 0)
            return type;
    return NULL;
}

static uint32_t type_names(struct loader *l, enum component_kind kind, const char *names[64], const char **list)
{
    const struct component_type *type;
    uint32_t count = 0;
    *list = "";
    for (uint32_t i = 0; (type = catalog_type(l->cfg->catalog, kind, i)) && count < 64; i++) {
        names[count++] = type->name;
        *list = arena_printf(l->arena, "%s%s%s", *list, i ? ", " : "", type->name);
    }
    return count;
}

static const struct component_type *read_type(struct loader *l, const struct component *c,
                                              const struct toml_node *table)
{
    const char *names[64], *list;
    uint32_t count = type_names(l, c->kind, names, &list);
    const struct toml_node *node = toml_find(table, "type");
    if (!node) {
        problem_add(l->problems, c->place, "%s \"%s\" needs a type", component_kind_name(c->kind), c->name)->hint =
            arena_printf(l->arena, "known: %s", list);
        return NULL;
    }
    if (node->broken)
        return NULL;
    const struct component_type *type =
        node->kind == TOML_STRING ? type_named(l->cfg->catalog, c->kind, node->text.data) : NULL;
    if (type)
        return type;
    struct problem *problem =
        problem_at_value(l->problems, node, "there is no %s type \"%s\"", component_kind_name(c->kind),
                         node->kind == TOML_STRING ? node->text.data : "");
    problem_nearest(l->problems, problem, node->text.data ? node->text.data : "", names, count);
    if (!problem->hint)
        problem->hint = arena_printf(l->arena, "known: %s", list);
    return NULL;
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

enum { MOST_GROUPS = 256 };

/* Every option that any type has: what a connection may hold. */
static uint32_t all_groups(const struct catalog *catalog, struct option_group groups[MOST_GROUPS])
{
    uint32_t count = 0;
    const struct option *const common[] = {source_common_options, sink_common_options, source_format_options,
                                           format_options};
    for (uint32_t i = 0; i < sizeof common / sizeof *common; i++)
        groups[count++] = (struct option_group){common[i], NULL};
    for (enum component_kind kind = COMPONENT_SOURCE; kind <= COMPONENT_SINK; kind++) {
        const struct component_type *type;
        for (uint32_t i = 0; (type = catalog_type(catalog, kind, i)) && count < MOST_GROUPS; i++)
            if (type->options)
                groups[count++] = (struct option_group){type->options, NULL};
    }
    return count;
}

void config_check_connections(struct loader *l)
{
    const struct toml_node *connections = config_table(l, "connections");
    struct option_group groups[MOST_GROUPS];
    uint32_t count = all_groups(l->cfg->catalog, groups);
    for (const struct toml_node *n = connections ? connections->children : NULL; n; n = n->next) {
        if (n->kind != TOML_TABLE) {
            problem_at_value(l->problems, n, "connections.%s is a table, not %s", n->key, toml_kind_name(n->kind));
            continue;
        }
        struct option_scope scope = config_scope(l, arena_printf(l->arena, "connections.%s", n->key), n);
        scope.groups = groups;
        scope.group_count = count;
        options_check_keys(&scope);
    }
}

static const struct toml_node *read_connection(struct loader *l, const struct toml_node *table)
{
    const struct toml_node *node = toml_find(table, "connection");
    if (!node || node->broken)
        return NULL;
    if (node->kind != TOML_STRING) {
        problem_at_value(l->problems, node, "connection takes the name of a [connections.NAME] table, not %s",
                         toml_kind_name(node->kind));
        return NULL;
    }
    const struct toml_node *connections = toml_find(l->doc->root, "connections");
    const char *names[64];
    uint32_t count = 0;
    for (const struct toml_node *n = connections ? connections->children : NULL; n; n = n->next) {
        if (strcmp(n->key, node->text.data) == 0)
            return n->kind == TOML_TABLE ? n : NULL;
        if (count < 64)
            names[count++] = n->key;
    }
    struct problem *problem = problem_at_value(l->problems, node, "there is no [connections.%s]", node->text.data);
    problem_nearest(l->problems, problem, node->text.data, names, count);
    return NULL;
}

/* ---- one component ----------------------------------------------------------------------------------------------- */

/* Makes the kind's common options and returns how many groups they are. */
static uint32_t common_groups(struct loader *l, struct component *c, struct option_group *groups)
{
    uint32_t count = 0;
    if (c->kind == COMPONENT_SOURCE) {
        struct source_common *common = c->source_common = arena_new(l->arena, struct source_common);
        common->format = -1;
        groups[count++] = (struct option_group){source_common_options, common};
        if (c->type->has_format) {
            groups[count++] = (struct option_group){source_format_options, common};
            groups[count++] = (struct option_group){format_options, &common->formats};
        }
    } else if (c->kind == COMPONENT_SINK) {
        struct sink_common *common = c->sink_common = arena_new(l->arena, struct sink_common);
        common->format = -1;
        groups[count++] = (struct option_group){sink_common_options, common};
        if (c->type->has_format) {
            groups[count++] = (struct option_group){sink_format_options, common};
            groups[count++] = (struct option_group){format_options, &common->formats};
        }
    }
    return count;
}

static bool check_columns(struct loader *l, const struct component *c)
{
    uint32_t errors = l->problems->errors;
    const struct text_table *columns = &c->source_common->columns;
    for (uint32_t i = 0; i < columns->count; i++) {
        struct type type;
        struct error err;
        if (!type_parse(str_of(columns->items[i].value), &type, &err))
            problem_add(l->problems, columns->items[i].value_place, "column \"%s\": %s", columns->items[i].key,
                        err.text)
                ->length = (uint32_t)strlen(columns->items[i].value) + 2;
    }
    return l->problems->errors == errors;
}

static void check_common(struct loader *l, const struct component *c)
{
    if (c->kind == COMPONENT_SOURCE) {
        if (c->source_common->format >= 0 && !formats[c->source_common->format]->bind_decoder)
            problem_add(l->problems, config_place(c, "format"), "format \"%s\" can be written but not read",
                        formats[c->source_common->format]->name);
    } else if (c->kind == COMPONENT_SINK) {
        if (c->sink_common->format >= 0 && !formats[c->sink_common->format]->bind_encoder)
            problem_add(l->problems, config_place(c, "format"), "format \"%s\" can be read but not written",
                        formats[c->sink_common->format]->name);
        if (c->sink_common->retry_first > c->sink_common->retry_max)
            problem_add(l->problems, config_place(c, "retry.first"), "retry.first is longer than retry.max");
    }
}

/* `extra`: a further group in front, or NULL. */
bool config_read_component(struct loader *l, struct component *c, const char *scope_name,
                           const struct option_group *extra)
{
    static const char *const reserved[] = {"type", "inputs", "connection", NULL};
    static const char *const reserved_dead[] = {"type", "connection", NULL};
    uint32_t at = c->index == COMPONENT_DEAD_LETTER ? l->cfg->count : c->index;
    const struct toml_node *own = l->doc->own[at];
    c->type = read_type(l, c, own);
    l->doc->shared[at] = read_connection(l, own);
    if (!c->type)
        return false;

    struct option_group groups[5];
    uint32_t count = 0;
    if (extra)
        groups[count++] = *extra;
    c->options = arena_alloc(l->arena, c->type->options_size + 1);
    memset(c->options, 0, c->type->options_size + 1);
    if (c->type->options)
        groups[count++] = (struct option_group){c->type->options, c->options};
    count += common_groups(l, c, groups + count);
    struct option_scope scope = config_scope(l, scope_name, own);
    scope.place = c->place;
    scope.groups = groups;
    scope.group_count = count;
    scope.shared = l->doc->shared[at];
    scope.reserved = extra ? reserved_dead : reserved;
    bool good = options_read(&scope);
    if (good)
        check_common(l, c);
    return (c->kind != COMPONENT_SOURCE || check_columns(l, c)) && good;
}
