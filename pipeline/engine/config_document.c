#include "pipeline/engine/config_document.h"

#include <ctype.h>

#include "pipeline/base/file.h"
#include "pipeline/engine/interpolate.h"
#include "pipeline/engine/option_parse.h"

enum { CONFIG_FILE_LIMIT = 16 << 20 };

static bool read_source(const struct config_sources *from, struct arena *arena, struct problems *problems)
{
    if (from->text.data) {
        problems->source = arena_str(arena, from->text);
        return true;
    }
    struct buffer text = {0};
    struct error err;
    bool good = file_read_all(from->path, CONFIG_FILE_LIMIT, &text, &err);
    if (good)
        problems->source = arena_str(arena, (struct str){text.data ? text.data : "", text.len});
    else
        problem_add(problems, (struct place){0}, "%s", err.text);
    buffer_release(&text);
    return good;
}

/* ---- --set ------------------------------------------------------------------------------------------------------- */

static void mark_origin(struct toml_node *node, const char *origin)
{
    node->origin = origin;
    node->loose = true;
    for (struct toml_node *n = node->children; n; n = n->next)
        mark_origin(n, origin);
}

static void merge(struct toml_node *into, struct toml_node *from)
{
    struct toml_node *next;
    for (struct toml_node *n = from->children; n; n = next) {
        next = n->next;
        struct toml_node **at = &into->children;
        while (*at && strcmp((*at)->key, n->key) != 0)
            at = &(*at)->next;
        if (*at && (*at)->kind == TOML_TABLE && n->kind == TOML_TABLE) {
            merge(*at, n);
            continue;
        }
        n->next = *at ? (*at)->next : NULL;
        *at = n;
    }
}

/* "a.b = c" as TOML; where c is no TOML value, it is text. */
static struct toml_node *parse_set(const char *set, struct arena *arena)
{
    const char *equals = strchr(set, '=');
    if (!equals)
        return NULL;
    struct toml_error syntax;
    struct toml_node *tree = toml_parse(str_of(set), arena, &syntax);
    if (tree)
        return tree;
    tree = toml_parse(str_of(arena_printf(arena, "%.*s = \"\"", (int)(equals - set), set)), arena, &syntax);
    if (!tree)
        return NULL;
    struct toml_node *leaf = tree;
    while (leaf->children)
        leaf = leaf->children;
    leaf->text = arena_str(arena, str_of(equals + 1));
    return tree;
}

static void apply_sets(const struct config_sources *from, struct toml_node *root, struct arena *arena,
                       struct problems *problems)
{
    for (uint32_t i = 0; i < from->set_count; i++) {
        const char *set = from->sets[i];
        struct toml_node *tree = parse_set(set, arena);
        if (!tree) {
            problem_add(problems, (struct place){0}, "--set takes NAME=VALUE, as in --set sinks.lake.commit_rows=1000");
            continue;
        }
        mark_origin(tree, arena_printf(arena, "--set %.*s", (int)strcspn(set, "= "), set));
        merge(root, tree);
    }
}

/* ---- interpolation ----------------------------------------------------------------------------------------------- */

struct interpolating {
    struct interpolation how;
    struct str source;
    struct problems *problems;
};

static void report_interpolation(const struct interpolating *in, struct toml_node *node,
                                 const struct interpolation_error *err)
{
    struct problem *problem = problem_at_value(in->problems, node, "%s", err->error.text);
    if (!node->origin) {
        problem->place = toml_place_in(in->source, node, err->offset);
        problem->length = (uint32_t)err->length;
    }
    node->broken = true;
}

static void interpolate_tree(const struct interpolating *in, struct toml_node *node)
{
    if (node->kind == TOML_STRING) {
        struct interpolation_error err;
        if (memchr(node->text.data, '\0', node->text.len)) {
            problem_at_value(in->problems, node, "text with a NUL character in it");
            node->broken = true;
        } else if (!interpolate(&in->how, node, &err)) {
            report_interpolation(in, node, &err);
        }
    }
    for (struct toml_node *n = node->children; n; n = n->next) {
        interpolate_tree(in, n);
        if (node->kind == TOML_ARRAY && n->broken)
            node->broken = true;
    }
}

/* ---- syntax errors ------------------------------------------------------------------------------------------- */

static struct str line_of(struct str source, uint32_t line)
{
    const char *at = source.data, *end = source.data + source.len;
    for (uint32_t n = 1; n < line && at < end; n++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return (struct str){at, (size_t)((newline ? newline : end) - at)};
}

static bool names_a_secret(struct str key)
{
    static const char *const words[] = {"pass", "secret", "token", "key", "credential", "url"};
    char lower[128];
    size_t len = key.len < sizeof lower - 1 ? key.len : sizeof lower - 1;
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)key.data[i]);
    lower[len] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(lower, words[i]))
            return true;
    return false;
}

/* A value that starts like a word, and is none of TOML's. */
static bool is_bare_text(struct str value)
{
    while (value.len && (*value.data == ' ' || *value.data == '\t'))
        value = (struct str){value.data + 1, value.len - 1};
    if (value.len == 0 || !(isalpha((unsigned char)*value.data) || strchr("/.~$*%_", *value.data)))
        return false;
    return strncmp(value.data, "true", 4) != 0 && strncmp(value.data, "false", 5) != 0;
}

static void report_syntax(const struct toml_error *syntax, struct problems *problems)
{
    struct str line = line_of(problems->source, syntax->place.line);
    const char *equals = line.len ? memchr(line.data, '=', line.len) : NULL;
    struct str key = {line.data, equals ? (size_t)(equals - line.data) : 0};
    bool at_end = syntax->place.column > line.len;
    bool unclosed = at_end && strstr(syntax->text, "control characters");

    struct problem *problem =
        problem_add(problems, syntax->place, "%s", unclosed ? "the text's closing quote is missing" : syntax->text);
    problem->length = syntax->length;
    if (equals && names_a_secret(key))
        problem->shown = (uint32_t)key.len + 1;
    if (equals && is_bare_text((struct str){equals + 1, line.len - key.len - 1}))
        problem->hint = "text is written in quotes";
}

struct config_document *config_document_read(const struct config_sources *from, const char *directory,
                                             struct arena *arena, struct problems *problems)
{
    problems->file = from->path;
    if (!read_source(from, arena, problems))
        return NULL;
    struct environment environment = {0};
    struct error err;
    if (from->env_file && !environment_read(&environment, from->env_file, arena, &err))
        problem_add(problems, (struct place){0}, "--env-file: %s", err.text);

    struct config_document *doc = arena_new(arena, struct config_document);
    struct toml_error syntax;
    doc->source = problems->source;
    doc->root = toml_parse(doc->source, arena, &syntax);
    if (!doc->root) {
        report_syntax(&syntax, problems);
        return NULL;
    }
    apply_sets(from, doc->root, arena, problems);
    struct interpolating in = {{arena, &environment, directory}, doc->source, problems};
    interpolate_tree(&in, doc->root);
    return doc;
}
