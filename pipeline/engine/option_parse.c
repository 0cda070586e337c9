#include "pipeline/engine/option_parse.h"

#include <stdarg.h>
#include <stdio.h>

#include "pipeline/engine/option_value.h"

/* ---- problems at nodes ------------------------------------------------------------------------------------------- */

static struct problem *add_problem(struct problems *p, const struct toml_node *node, struct place place,
                                   uint32_t length, const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    if (node->origin)
        return problem_add(p, (struct place){0}, "%s: %s", node->origin, text);
    struct problem *problem = problem_add(p, place, "%s", text);
    problem->length = length;
    return problem;
}

struct problem *problem_at_value(struct problems *p, const struct toml_node *node, const char *format, ...)
{
    uint32_t length = 1;
    if (node->kind != TOML_TABLE && node->end.line == node->place.line && node->end.column > node->place.column)
        length = node->end.column - node->place.column;
    va_list args;
    va_start(args, format);
    struct problem *problem = add_problem(p, node, node->place, length, format, args);
    va_end(args);
    return problem;
}

struct problem *problem_at_key(struct problems *p, const struct toml_node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct problem *problem = add_problem(p, node, node->key_place, node->key_length, format, args);
    va_end(args);
    return problem;
}

const char *toml_kind_name(enum toml_kind kind)
{
    switch (kind) {
    case TOML_TABLE:
        return "a table";
    case TOML_ARRAY:
        return "a list";
    case TOML_STRING:
        return "text";
    case TOML_INTEGER:
        return "a whole number";
    case TOML_FLOAT:
        return "a number with a point";
    case TOML_BOOLEAN:
        return "true or false";
    case TOML_DATE:
        return "a date";
    }
    return "";
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

const struct toml_node *toml_find(const struct toml_node *table, const char *name)
{
    if (!table || table->kind != TOML_TABLE)
        return NULL;
    for (const struct toml_node *n = table->children; n; n = n->next) {
        if (strcmp(n->key, name) == 0)
            return n;
        size_t len = strlen(n->key);
        if (strncmp(n->key, name, len) != 0 || name[len] != '.')
            continue;
        const struct toml_node *found = toml_find(n, name + len + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const struct option *find_option(const struct option_scope *s, const char *name)
{
    for (uint32_t g = 0; g < s->group_count; g++)
        for (const struct option *o = s->groups[g].options; o->name; o++)
            if (strcmp(o->name, name) == 0)
                return o;
    return NULL;
}

/* Some option's name starts with "name." */
static bool is_prefix(const struct option_scope *s, const char *name)
{
    size_t len = strlen(name);
    for (uint32_t g = 0; g < s->group_count; g++)
        for (const struct option *o = s->groups[g].options; o->name; o++)
            if (strncmp(o->name, name, len) == 0 && o->name[len] == '.')
                return true;
    return false;
}

static bool is_reserved(const struct option_scope *s, const char *name)
{
    for (const char *const *r = s->reserved; r && *r; r++)
        if (strcmp(*r, name) == 0)
            return true;
    return false;
}

/* ---- unknown keys ------------------------------------------------------------------------------------------------ */

static uint32_t known_names(const struct option_scope *s, const char **names, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t g = 0; g < s->group_count; g++)
        for (const struct option *o = s->groups[g].options; o->name && count < most; o++)
            names[count++] = o->name;
    for (const char *const *r = s->reserved; r && *r && count < most; r++)
        names[count++] = *r;
    return count;
}

static void report_unknown(const struct option_scope *s, const struct toml_node *node, const char *name)
{
    const char *names[256];
    uint32_t count = known_names(s, names, 256);
    struct problem *problem = problem_at_key(s->problems, node, "unknown option \"%s\" in %s", name, s->name);
    problem->shown = problem->place.column + problem->length - 1;
    problem_nearest(s->problems, problem, name, names, count);
}

static void report_not_a_table(const struct option_scope *s, const struct toml_node *node, const char *name)
{
    struct problem *problem =
        problem_at_value(s->problems, node, "%s is a table, not %s", name, toml_kind_name(node->kind));
    size_t len = strlen(name);
    const char *members = "";
    for (uint32_t g = 0; g < s->group_count; g++)
        for (const struct option *o = s->groups[g].options; o->name; o++)
            if (strncmp(o->name, name, len) == 0 && o->name[len] == '.')
                members = arena_printf(s->arena, "%s%s%s", members, *members ? ", " : "", o->name);
    problem->hint = arena_printf(s->arena, "known: %s", members);
}

static void check_keys(const struct option_scope *s, const struct toml_node *table, const char *prefix)
{
    for (const struct toml_node *n = table->children; n; n = n->next) {
        const char *name = *prefix ? arena_printf(s->arena, "%s.%s", prefix, n->key) : n->key;
        if (find_option(s, name) || (!*prefix && is_reserved(s, name)))
            continue;
        if (!is_prefix(s, name))
            report_unknown(s, n, name);
        else if (n->kind == TOML_TABLE)
            check_keys(s, n, name);
        else
            report_not_a_table(s, n, name);
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool fits(enum option_kind kind, const struct toml_node *node)
{
    if (node->kind == TOML_TABLE || node->kind == TOML_ARRAY)
        return false;
    if (node->loose)
        return true;
    switch (kind) {
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_LIST:
    case OPTION_TABLE:
        return node->kind != TOML_BOOLEAN;
    case OPTION_PATH:
    case OPTION_PATHS:
        return node->kind == TOML_STRING;
    case OPTION_BOOL:
        return node->kind == TOML_BOOLEAN;
    case OPTION_INTEGER:
        return node->kind == TOML_INTEGER;
    case OPTION_NUMBER:
        return node->kind == TOML_INTEGER || node->kind == TOML_FLOAT;
    case OPTION_SIZE:
    case OPTION_DURATION:
        return node->kind == TOML_STRING || node->kind == TOML_INTEGER;
    case OPTION_CHOICE:
        return node->kind == TOML_STRING || node->kind == TOML_BOOLEAN || node->kind == TOML_INTEGER;
    }
    return false;
}

static bool report_kind(const struct option_scope *s, const struct option *o, const struct toml_node *node)
{
    const char *takes = node->key ? option_takes(o, s->arena) : "texts in quotes";
    struct problem *problem;
    if (o->kind == OPTION_SECRET) {
        problem = problem_at_key(s->problems, node, "%s takes %s, not %s", o->name, takes, toml_kind_name(node->kind));
        problem->shown = problem->place.column + problem->length - 1;
        return false;
    }
    problem = problem_at_value(s->problems, node, "%s takes %s, not %s", o->name, takes, toml_kind_name(node->kind));
    bool bare = o->kind == OPTION_INTEGER || o->kind == OPTION_NUMBER || o->kind == OPTION_BOOL;
    if (node->kind == TOML_STRING && bare)
        problem->hint = "write it without quotes";
    return false;
}

static struct option_values values_of(const struct option_scope *s, const struct toml_node *node)
{
    return (struct option_values){.arena = s->arena, .directory = s->directory, .secret = node && node->secret};
}

static bool read_scalar(const struct option_scope *s, const struct option *o, void *base, const struct toml_node *node)
{
    if (!fits(o->kind, node))
        return report_kind(s, o, node);
    struct option_values how = values_of(s, node);
    struct error err;
    if (option_store(o, base, node->text, &how, &err))
        return true;
    struct problem *problem = problem_at_value(s->problems, node, "%s", err.text);
    if (o->kind == OPTION_CHOICE && !node->secret) {
        const char *names[64];
        uint32_t count = 0;
        for (const struct option_choice *c = o->choices; c->name && count < 64; c++)
            names[count++] = c->name;
        problem_nearest(s->problems, problem, node->text.data, names, count);
    }
    return false;
}

static bool read_list(const struct option_scope *s, const struct option *o, void *base, const struct toml_node *node)
{
    if (node->kind != TOML_ARRAY)
        return read_scalar(s, o, base, node);
    struct text_list list = {0};
    for (const struct toml_node *n = node->children; n; n = n->next)
        list.count++;
    list.items = arena_array(s->arena, const char *, list.count ? list.count : 1);
    uint32_t i = 0;
    for (const struct toml_node *n = node->children; n; n = n->next) {
        if (!fits(o->kind, n))
            return report_kind(s, o, n);
        struct option_values how = values_of(s, n);
        list.items[i++] = o->kind == OPTION_PATHS ? option_path(n->text.data, &how) : n->text.data;
    }
    *(struct text_list *)((char *)base + o->offset) = list;
    return true;
}

static uint32_t count_leaves(const struct toml_node *table)
{
    uint32_t count = 0;
    for (const struct toml_node *n = table->children; n; n = n->next)
        count += n->kind == TOML_TABLE ? count_leaves(n) : 1;
    return count;
}

/* Tables inside are dotted keys that were written without quotes. */
static bool read_entries(const struct option_scope *s, const struct option *o, const struct toml_node *table,
                         const char *prefix, struct text_table *out)
{
    for (const struct toml_node *n = table->children; n; n = n->next) {
        const char *key = *prefix ? arena_printf(s->arena, "%s.%s", prefix, n->key) : n->key;
        if (n->kind == TOML_TABLE) {
            if (!read_entries(s, o, n, key, out))
                return false;
            continue;
        }
        if (n->kind == TOML_ARRAY) {
            problem_at_value(s->problems, n, "%s.%s takes text, not a list", o->name, key);
            return false;
        }
        out->items[out->count++] =
            (struct text_entry){.key = key, .value = n->text.data, .key_place = n->key_place, .value_place = n->place};
    }
    return true;
}

static bool has_broken(const struct toml_node *table)
{
    for (const struct toml_node *n = table->children; n; n = n->next)
        if (n->broken || has_broken(n))
            return true;
    return false;
}

static bool read_table(const struct option_scope *s, const struct option *o, void *base, const struct toml_node *node)
{
    if (node->kind != TOML_TABLE)
        return report_kind(s, o, node);
    struct text_table table = {.items = arena_array(s->arena, struct text_entry, count_leaves(node) + 1)};
    if (!read_entries(s, o, node, "", &table))
        return false;
    *(struct text_table *)((char *)base + o->offset) = table;
    return !has_broken(node); /* the names are good all the same: others may refer to them */
}

static bool read_value(const struct option_scope *s, const struct option *o, void *base, const struct toml_node *node)
{
    switch (o->kind) {
    case OPTION_LIST:
    case OPTION_PATHS:
        return read_list(s, o, base, node);
    case OPTION_TABLE:
        return read_table(s, o, base, node);
    default:
        return read_scalar(s, o, base, node);
    }
}

/* A preset is ours: one that cannot be read is a bug in the table, reported as such. */
static bool read_preset(const struct option_scope *s, const struct option *o, void *base, const char *preset)
{
    if (!preset)
        return true;
    if (preset[0] == '[' && (o->kind == OPTION_LIST || o->kind == OPTION_PATHS)) {
        struct toml_error syntax;
        const struct toml_node *root = toml_parse(str_of(arena_printf(s->arena, "v = %s", preset)), s->arena, &syntax);
        return root && read_list(s, o, base, root->children);
    }
    struct option_values how = values_of(s, NULL);
    how.unchecked = true;
    struct error err;
    if (option_store(o, base, str_of(preset), &how, &err))
        return true;
    problem_add(s->problems, s->place, "the preset of %s is wrong: %s", o->name, err.text);
    return false;
}

/* False where the value is not to be used: it is wrong, or was reported before. */
static bool read_option(const struct option_scope *s, const struct option *o, void *base)
{
    const struct option *first = find_option(s, o->name);
    const struct toml_node *node = toml_find(s->own, o->name);
    if (!node)
        node = toml_find(s->shared, o->name);
    if (node && node->broken)
        return false;
    if (node)
        return read_value(s, o, base, node);
    if (!first->required)
        return read_preset(s, o, base, first->preset);
    problem_add(s->problems, s->place, "%s needs the option \"%s\"", s->name, o->name);
    return false;
}

bool options_read(const struct option_scope *s)
{
    uint32_t errors = s->problems->errors;
    bool whole = true;
    if (s->own)
        check_keys(s, s->own, "");
    for (uint32_t g = 0; g < s->group_count; g++)
        for (const struct option *o = s->groups[g].options; o->name; o++)
            whole &= read_option(s, o, s->groups[g].base);
    return whole && s->problems->errors == errors;
}

void options_check_keys(const struct option_scope *s)
{
    check_keys(s, s->own, "");
}
