/*
 * What glob.c and walk.c share: patterns as a tree of names, and sets of its nodes. A set stands for a directory: its
 * nodes are what the path so far has matched, so their children say what is looked for inside.
 */
#ifndef PIPE_GLOB_PRIVATE_H
#define PIPE_GLOB_PRIVATE_H

#include "connectors/file/glob.h"
#include "pipeline/base/arena.h"

enum glob_kind { GLOB_LITERAL, GLOB_WILDCARD, GLOB_ANY_DEPTH };

struct glob_node {
    const char *text;
    enum glob_kind kind;
    bool terminal; /* a pattern ends here */
    struct glob_node *children, *next;
};

struct glob {
    struct glob_node root;
    struct arena arena;
};

struct glob_set {
    const struct glob_node **nodes;
    uint32_t count, capacity;
};

/* The set of "/". */
void glob_start(const struct glob *g, struct glob_set *out);
/* The set of what is called `name` in there; empty: nothing of interest. True: a file of that name matches. link: `**`
 * does not pass it. */
bool glob_step(const struct glob_set *in, const char *name, bool link, struct glob_set *out);

#endif
