/*
 * The plan: the graph of pipeline.toml, bound to types and columns, as one straight list of nodes per source. A transform that several edges lead to is
 * bound once per edge (transforms are stateless), so that no two schemas ever have to be merged. Const after plan_new; shared by all workers.
 */
#ifndef PIPE_PLAN_H
#define PIPE_PLAN_H

#include "pipeline/engine/config.h"

enum { PLAN_MAX_SINKS = 64 }; /* a mask of them is one word */
typedef uint64_t sink_mask;

/* Where a node or leaf takes its slices from: output `output` of node `node`. */
struct edge {
    int32_t node;   /* index in nodes; EDGE_SOURCE: the decoded source */
    int32_t output; /* INPUT_REJECTED: what the node rejects */
};
enum { EDGE_SOURCE = -1 };

struct unseen;

struct node {
    struct step step;
    struct edge from;
    uint32_t out_count;
    uint32_t slot;              /* of its first output's slice in a job; the rejected slice comes behind the outputs */
    sink_mask below;            /* sinks that its outputs reach */
    bool keeps_rejected;        /* somebody reads NAME.rejected: no dead letters */
    struct schema *rejected;    /* of NAME.rejected, where somebody reads it */
};

struct leaf {
    struct binding binding;
    struct edge from;
    uint32_t sink;
    bool sink_has_others; /* other leaves lead to the same sink */
};

/* One source's part. */
struct route {
    const struct component *source;
    struct decoder decoder;
    struct schema *schema;
    struct unseen *unseen; /* what workers notice about its members */
    bool keeps_rejected;
    struct schema *rejected;
    struct node *nodes; /* each after the one it takes from */
    uint32_t node_count;
    struct leaf *leaves; /* grouped by sink */
    uint32_t leaf_count;
    sink_mask sinks; /* that leaves lead to */
    sink_mask reaches; /* these, and those that were not wanted: late sinks (runner.h) */
    bool makes_rows; /* one of the nodes does */
    uint32_t slots;  /* slices that a job holds: 0 is the source's, 1 what the source rejects, then the nodes' */
};

struct plan {
    struct arena *arena;
    const struct config *config;
    struct route *routes; /* one per source, in the order of the config */
    uint32_t route_count;
};

/*
 * Compiles for the sinks in `wanted`, whose connection 0 (sinks[i]) is open if `bind_sinks`; without, leaves stay unbound (`pipe check`, `graph`).
 * Problems with the configuration go to *problems; a sink that cannot be bound (its table lacks a column) is an error in *err. NULL on either.
 */
struct plan *plan_new(const struct config *cfg, struct sink *const *sinks, sink_mask wanted, bool bind_sinks,
                      struct arena *arena, struct problems *problems, struct error *err);

/*
 * For a configuration that has mistakes elsewhere: compiles the transforms that stand apart from them, so that *problems has the mistakes in queries as well.
 * `good`: per component, nothing is wrong with it alone. The graph has no cycle.
 */
void plan_report(const struct config *cfg, const bool *good, struct arena *arena, struct problems *problems);

/* The sinks that a component (index in the config) leads to on this route: the mask of those below it. */
sink_mask route_sinks_below(const struct route *r, uint32_t component);

/* The columns of NAME.rejected, and of the dead letters: id, time, pipeline, source, component, position, class, reason, sqlstate, meta, payload, payload_base64. */
enum dead_column {
    DEAD_ID, DEAD_TIME, DEAD_PIPELINE, DEAD_SOURCE, DEAD_COMPONENT, DEAD_POSITION, DEAD_CLASS, DEAD_REASON, DEAD_SQLSTATE,
    DEAD_META, DEAD_PAYLOAD, DEAD_PAYLOAD_BASE64, DEAD_COLUMNS,
};
struct schema *dead_schema(struct arena *arena);
const char *dead_column_name(enum dead_column c);

/* Sinks in the order of the config, without those that read what sinks reject: the index used in masks, outputs and struct sink. */
uint32_t plan_sink_count(const struct config *cfg);
const struct component *plan_sink(const struct config *cfg, uint32_t index);
int plan_sink_index(const struct config *cfg, const struct component *c);

#endif
