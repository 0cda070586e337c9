#include "connectors/file/glob.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "connectors/file/glob_private.h"

bool glob_is_literal(const char *pattern)
{
    return strpbrk(pattern, "*?[\\") == NULL;
}

static enum glob_kind kind_of(const char *text)
{
    if (strcmp(text, "**") == 0)
        return GLOB_ANY_DEPTH;
    return glob_is_literal(text) ? GLOB_LITERAL : GLOB_WILDCARD;
}

static struct glob_node *child_of(struct glob *g, struct glob_node *parent, const char *text)
{
    struct glob_node **at = &parent->children;
    for (; *at; at = &(*at)->next)
        if (strcmp((*at)->text, text) == 0)
            return *at;
    *at = arena_new(&g->arena, struct glob_node);
    (*at)->text = text;
    (*at)->kind = kind_of(text);
    return *at;
}

static void add_pattern(struct glob *g, const char *pattern)
{
    struct glob_node *node = &g->root;
    char *text = arena_strdup(&g->arena, pattern), *save = NULL;
    for (char *part = strtok_r(text, "/", &save); part; part = strtok_r(NULL, "/", &save))
        if (strcmp(part, ".") != 0)
            node = child_of(g, node, part);
    if (node->kind == GLOB_ANY_DEPTH)
        node = child_of(g, node, "*");
    node->terminal = true;
}

struct glob *glob_new(const struct text_list *patterns)
{
    struct glob *g = mem_zalloc(sizeof(*g));
    for (uint32_t i = 0; i < patterns->count; i++)
        add_pattern(g, patterns->items[i]);
    return g;
}

void glob_free(struct glob *g)
{
    if (!g)
        return;
    arena_release(&g->arena);
    free(g);
}

static void set_add(struct glob_set *s, const struct glob_node *node)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->nodes[i] == node)
            return;
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 8;
        s->nodes = mem_realloc(s->nodes, s->capacity * sizeof(const struct glob_node *));
    }
    s->nodes[s->count++] = node;
}

/* `**` matches no directory as well, so what follows it applies here. */
static void set_enter(struct glob_set *s, const struct glob_node *node)
{
    set_add(s, node);
    for (const struct glob_node *c = node->children; c; c = c->next)
        if (c->kind == GLOB_ANY_DEPTH)
            set_enter(s, c);
}

void glob_start(const struct glob *g, struct glob_set *out)
{
    out->count = 0;
    set_enter(out, &g->root);
}

static bool name_matches(const struct glob_node *node, const char *name)
{
    switch (node->kind) {
    case GLOB_LITERAL:
        return strcmp(node->text, name) == 0;
    case GLOB_WILDCARD:
        return fnmatch(node->text, name, FNM_PERIOD) == 0;
    case GLOB_ANY_DEPTH:
        return false;
    }
    return false;
}

bool glob_step(const struct glob_set *in, const char *name, bool link, struct glob_set *out)
{
    bool terminal = false;
    out->count = 0;
    for (uint32_t i = 0; i < in->count; i++) {
        const struct glob_node *node = in->nodes[i];
        if (node->kind == GLOB_ANY_DEPTH && name[0] != '.' && !link)
            set_enter(out, node);
        for (const struct glob_node *c = node->children; c; c = c->next) {
            if (!name_matches(c, name))
                continue;
            terminal |= c->terminal;
            set_enter(out, c);
        }
    }
    return terminal;
}

/* Walks a path's parts through the set; *base: bytes of it that only literal nodes have matched, as far as its last
 * '/'. */
static bool match_path(const struct glob *g, const char *path, size_t *base)
{
    struct glob_set now = {0}, then = {0};
    glob_start(g, &now);
    bool matches = false, literal = true;
    *base = 0;
    for (const char *p = path; *p && now.count > 0;) {
        while (*p == '/')
            p++;
        size_t len = strcspn(p, "/");
        char name[256];
        if (len == 0 || len >= sizeof(name))
            break;
        memcpy(name, p, len);
        name[len] = '\0';
        if (literal)
            *base = (size_t)(p - path);
        matches = glob_step(&now, name, false, &then) && p[len] == '\0';
        bool spelt_out = false;
        for (uint32_t i = 0; i < then.count; i++)
            spelt_out |= then.nodes[i]->kind == GLOB_LITERAL;
        literal &= spelt_out;
        struct glob_set swap = now;
        now = then;
        then = swap;
        p += len;
    }
    free(now.nodes);
    free(then.nodes);
    return matches;
}

bool glob_matches(const struct glob *g, const char *path)
{
    size_t base;
    return match_path(g, path, &base);
}

size_t glob_base(const struct glob *g, const char *path)
{
    size_t base;
    match_path(g, path, &base);
    return base;
}
