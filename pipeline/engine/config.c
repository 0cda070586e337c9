#include "pipeline/engine/config.h"

#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/file.h"
#include "pipeline/engine/config_document.h"
#include "pipeline/engine/plan.h"

enum { CONFIG_MAX_COMPONENTS = 1024, CONFIG_MAX_WORKERS = 1024 };

static const char *const top_names[] = {"pipeline", "connections", "sources",     "transforms",
                                        "sinks",    "admin",       "dead_letter", NULL};

/* ---- the file's tables ------------------------------------------------------------------------------------------- */

const struct toml_node *config_table(struct loader *l, const char *name)
{
    const struct toml_node *node = toml_find(l->doc->root, name);
    if (!node || node->kind == TOML_TABLE)
        return node;
    problem_at_value(l->problems, node, "%s is a table, not %s", name, toml_kind_name(node->kind));
    return NULL;
}

static void check_top(struct loader *l)
{
    for (const struct toml_node *n = l->doc->root->children; n; n = n->next) {
        uint32_t i = 0;
        while (top_names[i] && strcmp(top_names[i], n->key) != 0)
            i++;
        if (top_names[i])
            continue;
        struct problem *problem = problem_at_key(l->problems, n, "unknown table \"%s\"", n->key);
        problem->shown = problem->place.column + problem->length - 1;
        problem_nearest(l->problems, problem, n->key, top_names, i);
    }
}

static bool is_name(const char *text, bool capitals)
{
    for (const char *c = text; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || (capitals && *c >= 'A' && *c <= 'Z');
        if (!letter && (c == text || !(*c == '_' || *c == '-' || (capitals && *c == '.'))))
            return false;
    }
    return *text != '\0';
}

struct option_scope config_scope(struct loader *l, const char *name, const struct toml_node *own)
{
    struct place place = {0};
    if (own && !own->origin)
        place = own->key ? own->key_place : own->place;
    return (struct option_scope){.problems = l->problems,
                                 .arena = l->arena,
                                 .directory = l->cfg->directory,
                                 .name = name,
                                 .place = place,
                                 .own = own};
}

/* ---- [pipeline], [admin] ----------------------------------------------------------------------------------------- */

static struct problem *problem_about(struct loader *l, const struct toml_node *table, const char *option,
                                     const char *text)
{
    const struct toml_node *node = toml_find(table, option);
    return node ? problem_at_value(l->problems, node, "%s", text)
                : problem_add(l->problems, (struct place){0}, "%s", text);
}

static void check_workers(struct loader *l, const struct toml_node *table)
{
    const char *workers = l->cfg->pipeline.workers;
    char *end;
    long n = strtol(workers, &end, 10);
    if (strcmp(workers, "auto") != 0 && (*end || end == workers || n < 1 || n > CONFIG_MAX_WORKERS))
        problem_about(l, table, "workers", "workers takes \"auto\" or a number between 1 and 1024");
}

static void default_state_dir(struct loader *l)
{
    struct pipeline_options *o = &l->cfg->pipeline;
    if (o->state_dir)
        return;
    const char *systemd = getenv("STATE_DIRECTORY");
    const char *name = *o->instance ? arena_printf(l->arena, "%s-%s", o->name, o->instance) : o->name;
    if (systemd && *systemd)
        o->state_dir = arena_printf(l->arena, "%.*s/%s", (int)strcspn(systemd, ":"), systemd, name);
    else
        o->state_dir = arena_printf(l->arena, "%s/state/%s", l->cfg->directory, name);
}

static void read_pipeline(struct loader *l)
{
    const struct toml_node *table = config_table(l, "pipeline");
    if (!table && toml_find(l->doc->root, "pipeline"))
        return;
    struct pipeline_options *o = &l->cfg->pipeline;
    struct option_group group = {pipeline_options, o};
    struct option_scope scope = config_scope(l, "pipeline", table);
    scope.groups = &group;
    scope.group_count = 1;
    options_read(&scope);

    l->cfg->zone = zone_utc;
    if (o->name && !is_name(o->name, false))
        problem_about(l, table, "name",
                      "the name takes lower-case letters, digits, '_' and '-', and starts with a letter or digit");
    if (o->instance && *o->instance && !is_name(o->instance, true))
        problem_about(l, table, "instance",
                      "the instance takes letters, digits, '_', '-' and '.', and starts with a letter or digit");
    if (o->workers)
        check_workers(l, table);
    struct error err;
    if (o->timezone && !(l->cfg->zone = zone_find(str_of(o->timezone), &err)))
        problem_about(l, table, "timezone", err.text);
    if (o->name && o->instance)
        default_state_dir(l);
}

/* ADDRESS:PORT; whether there is such an address shows when it is opened. */
static bool is_listen(const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    return digits > 0 && digits <= 5 && !colon[1 + digits] && strtol(colon + 1, NULL, 10) <= UINT16_MAX;
}

static void read_admin(struct loader *l)
{
    const struct toml_node *table = config_table(l, "admin");
    struct option_group group = {admin_options, &l->cfg->admin};
    struct option_scope scope = config_scope(l, "admin", table);
    scope.groups = &group;
    scope.group_count = 1;
    options_read(&scope);
    const char *listen = l->cfg->admin.listen;
    if (listen && *listen && !is_listen(listen))
        problem_about(l, table, "listen", arena_printf(l->arena, "\"%s\" is no ADDRESS:PORT, as in \"127.0.0.1:9790\"", listen));
}

/* ---- all components ---------------------------------------------------------------------------------------------- */

static void check_name(struct loader *l, const struct component *c, const struct toml_node *table)
{
    if (!is_name(c->name, false) || strcmp(c->name, "dead_letter") == 0) {
        problem_at_key(l->problems, table, "\"%s\" cannot be a name", c->name)->hint =
            "names take lower-case letters, digits, '_' and '-', and start with a letter or digit";
        return;
    }
    for (uint32_t i = 0; i < c->index; i++)
        if (strcmp(l->cfg->components[i].name, c->name) == 0) {
            const struct component *first = &l->cfg->components[i];
            problem_at_key(l->problems, table, "\"%s\" is already a %s (line %u)", c->name,
                           component_kind_name(first->kind), first->place.line)
                ->hint = "names are unique over sources, transforms and sinks";
        }
}

static void add_components(struct loader *l, enum component_kind kind)
{
    const struct toml_node *section = config_table(l, component_section_name(kind));
    for (const struct toml_node *n = section ? section->children : NULL; n; n = n->next) {
        if (n->kind != TOML_TABLE) {
            problem_at_value(l->problems, n, "%s.%s is a table, not %s", component_section_name(kind), n->key,
                             toml_kind_name(n->kind));
            continue;
        }
        struct component *c = &l->cfg->components[l->cfg->count];
        *c = (struct component){.config = l->cfg,
                                .kind = kind,
                                .index = l->cfg->count++,
                                .name = n->key,
                                .place = n->origin ? (struct place){0} : n->key_place};
        l->doc->own[c->index] = n;
        l->doc->shared[c->index] = NULL;
        check_name(l, c, n);
    }
    if ((!section || !section->children) && kind != COMPONENT_TRANSFORM)
        problem_add(l->problems, section ? section->key_place : (struct place){0}, "the pipeline has no %s",
                    component_kind_name(kind))
            ->hint = arena_printf(l->arena, "it needs a [%s.NAME] table", component_section_name(kind));
}

static uint32_t count_tables(struct loader *l, enum component_kind kind)
{
    const struct toml_node *section = toml_find(l->doc->root, component_section_name(kind));
    uint32_t count = 0;
    for (const struct toml_node *n = section ? section->children : NULL; n; n = n->next)
        count++;
    return count;
}

static bool too_many(struct loader *l, uint32_t count, const char *what, uint32_t most)
{
    if (count > most)
        problem_add(l->problems, (struct place){0}, "%u %s are more than %u", count, what, most);
    return count > most;
}

static bool read_components(struct loader *l)
{
    uint32_t most = 0;
    for (enum component_kind kind = COMPONENT_SOURCE; kind <= COMPONENT_SINK; kind++)
        most += count_tables(l, kind);
    if (too_many(l, most, "components", CONFIG_MAX_COMPONENTS) ||
        too_many(l, count_tables(l, COMPONENT_SINK), "sinks", PLAN_MAX_SINKS))
        return false;
    l->cfg->components = arena_array(l->arena, struct component, most + 1);
    l->doc->own = arena_array(l->arena, const struct toml_node *, most + 1);
    l->doc->shared = arena_array(l->arena, const struct toml_node *, most + 1);
    l->good = arena_array(l->arena, bool, most + 1);
    for (enum component_kind kind = COMPONENT_SOURCE; kind <= COMPONENT_SINK; kind++)
        add_components(l, kind);
    for (uint32_t i = 0; i < l->cfg->count; i++) {
        struct component *c = &l->cfg->components[i];
        const char *name = arena_printf(l->arena, "%s.%s", component_section_name(c->kind), c->name);
        l->good[i] = config_read_component(l, c, name, NULL);
    }
    return true;
}

/* ---- [dead_letter] ----------------------------------------------------------------------------------------------- */

static void add_text(struct loader *l, struct toml_node *table, const char *key, const char *text)
{
    struct toml_node *node = arena_new(l->arena, struct toml_node);
    *node = (struct toml_node){
        .kind = TOML_STRING, .key = key, .text = str_of(text), .origin = "the default", .next = table->children};
    table->children = node;
}

/* A copy of the table in which the defaults are written out: a file in state_dir. */
static const struct toml_node *dead_letter_table(struct loader *l, const struct toml_node *written)
{
    struct toml_node *table = arena_new(l->arena, struct toml_node);
    *table = written ? *written : (struct toml_node){.kind = TOML_TABLE, .origin = "dead_letter"};
    const struct toml_node *type = toml_find(table, "type");
    if (!type)
        add_text(l, table, "type", "file");
    bool file = !type || (type->kind == TOML_STRING && strcmp(type->text.data, "file") == 0);
    const char *state_dir = l->cfg->pipeline.state_dir ? l->cfg->pipeline.state_dir : ".";
    if (file && !toml_find(table, "path"))
        add_text(l, table, "path", arena_printf(l->arena, "%s/dead-letters.ndjson", state_dir));
    return table;
}

static void read_dead_letter(struct loader *l)
{
    const struct toml_node *written = config_table(l, "dead_letter");
    struct component *c = arena_new(l->arena, struct component);
    *c = (struct component){.config = l->cfg,
                            .kind = COMPONENT_SINK,
                            .index = COMPONENT_DEAD_LETTER,
                            .name = "dead_letter",
                            .place = written && !written->origin ? written->key_place : (struct place){0}};
    l->cfg->dead_letter = c;
    l->doc->own[l->cfg->count] = dead_letter_table(l, written);
    struct option_group group = {dead_letter_common_options, &l->cfg->dead};
    l->good[l->cfg->count] = config_read_component(l, c, "dead_letter", &group);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* Symbolic links are left alone: a mounted ConfigMap is one, and what it points to changes. */
static void set_path(struct config *cfg, const char *path)
{
    char *here = getcwd(NULL, 0);
    char *absolute = file_join(here ? here : "/", path);
    cfg->path = arena_strdup(cfg->arena, absolute);
    const char *slash = strrchr(cfg->path, '/');
    cfg->directory = slash == cfg->path ? "/" : arena_printf(cfg->arena, "%.*s", (int)(slash - cfg->path), cfg->path);
    free(absolute);
    free(here);
}

/* Looks at a component's options together, where there is something to look at. */
static bool check_component(struct loader *l, const struct component *c)
{
    uint32_t errors = l->problems->errors;
    if (c->type->check)
        c->type->check(c, l->problems);
    return l->problems->errors == errors;
}

static void check_components(struct loader *l)
{
    for (uint32_t i = 0; i < l->cfg->count; i++)
        l->good[i] = l->good[i] && check_component(l, &l->cfg->components[i]);
    if (l->good[l->cfg->count])
        check_component(l, l->cfg->dead_letter);
}

const struct config *config_load(const struct config_sources *from, const struct catalog *catalog, struct arena *arena,
                                 struct problems *problems)
{
    struct config *cfg = arena_new(arena, struct config);
    cfg->arena = arena;
    cfg->catalog = catalog;
    set_path(cfg, from->path);
    struct config_document *doc = config_document_read(from, cfg->directory, arena, problems);
    if (!doc)
        return NULL;
    cfg->document = doc;

    struct loader l = {.cfg = cfg, .doc = doc, .problems = problems, .arena = arena};
    check_top(&l);
    read_pipeline(&l);
    config_check_connections(&l);
    if (!read_components(&l))
        return NULL;
    read_dead_letter(&l);
    read_admin(&l);
    bool can_walk = config_link(cfg, problems);
    check_components(&l);
    if (problems->errors == 0)
        return cfg;
    if (can_walk)
        plan_report(cfg, l.good, arena, problems);
    return NULL;
}
