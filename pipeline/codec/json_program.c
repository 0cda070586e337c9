#include "pipeline/codec/json_program.h"

#include <stdlib.h>

/* The tree while it grows: in the order of the schema, before it is sorted and its slots are numbered. */
struct node {
    struct str name;
    uint32_t column;
    struct node *first_child, *last_child, *next;
    uint32_t child_count;
};

struct builder {
    struct arena *plan;
    struct json_program *program;
    uint32_t node_count;
};

static struct node *child_named(struct builder *b, struct node *parent, struct str name)
{
    for (struct node *n = parent->first_child; n; n = n->next)
        if (str_eq(n->name, name))
            return n;
    struct node *n = arena_new(b->plan, struct node);
    n->name = name;
    n->column = JSON_NONE;
    if (parent->last_child)
        parent->last_child->next = n;
    else
        parent->first_child = n;
    parent->last_child = n;
    parent->child_count++;
    b->node_count++;
    return n;
}

static void add_column(struct builder *b, struct node *root, const struct column *c, uint32_t index)
{
    assert(c->path.count > 0);
    struct node *n = root;
    for (uint32_t i = 0; i < c->path.count; i++)
        n = child_named(b, n, c->path.parts[i]);
    if (n->column == JSON_NONE)
        n->column = index;
    else
        b->program->copies[b->program->copy_count++] = (struct json_copy){.from = n->column, .to = index};
}

static int compare_names(struct str a, struct str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return memcmp(a.data, b.data, a.len);
}

static int compare_members(const void *a, const void *b)
{
    return compare_names(((const struct json_member *)a)->name, ((const struct json_member *)b)->name);
}

void json_level_sort(struct json_level *level)
{
    if (level->count > 1)
        qsort(level->members, level->count, sizeof(*level->members), compare_members);
}

/* Lays a node's members out as a level, and theirs below it. Returns its index. */
static uint32_t lay_out(struct builder *b, const struct node *parent)
{
    struct json_program *program = b->program;
    uint32_t index = program->level_count++;
    uint32_t first_slot = program->slot_count;
    struct json_member *members = arena_array(b->plan, struct json_member, parent->child_count);
    uint32_t count = 0;
    for (const struct node *n = parent->first_child; n; n = n->next) {
        struct json_member *m = &members[count++];
        *m = (struct json_member){.name = n->name, .slot = JSON_NONE, .level = JSON_NONE};
        if (n->column != JSON_NONE) {
            m->slot = program->slot_count++;
            program->slot_column[m->slot] = n->column;
        }
        if (n->child_count > 0)
            m->level = lay_out(b, n);
    }
    program->levels[index] = (struct json_level){members, count, first_slot, program->slot_count};
    json_level_sort(&program->levels[index]);
    return index;
}

struct json_program *json_program_new(const struct schema *s, uint32_t max_depth, struct arena *plan)
{
    struct json_program *program = arena_new(plan, struct json_program);
    struct builder b = {.plan = plan, .program = program};
    struct node root = {.column = JSON_NONE};
    program->max_depth = max_depth;
    program->copies = arena_array(plan, struct json_copy, s->count);
    program->conversions = arena_array(plan, uint32_t, s->count);
    program->slot_column = arena_array(plan, uint32_t, s->count);
    for (uint32_t c = 0; c < s->count; c++) {
        if (s->columns[c].origin != COLUMN_MEMBER)
            continue;
        add_column(&b, &root, &s->columns[c], c);
        if (s->columns[c].declared)
            program->conversions[program->conversion_count++] = c;
    }
    program->levels = arena_array(plan, struct json_level, b.node_count + 1);
    lay_out(&b, &root);
    return program;
}

const struct json_member *json_level_find(const struct json_level *level, struct str name)
{
    uint32_t low = 0, high = level->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_names(name, level->members[middle].name);
        if (order == 0)
            return &level->members[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
