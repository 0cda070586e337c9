/*
 * pipeline.toml, parsed, interpolated, checked: the pipeline's own settings and its components with their options filled in. Const once loaded; owned
 * by its arena. Nothing here opens anything but the file itself (and ${file:…}, ${secret:…}).
 */
#ifndef PIPE_CONFIG_H
#define PIPE_CONFIG_H

#include "pipeline/engine/component.h"

enum component_kind { COMPONENT_SOURCE, COMPONENT_TRANSFORM, COMPONENT_SINK };

/* One entry of `inputs`: NAME, ROUTE.OUTPUT or NAME.rejected. */
struct input {
    uint32_t component;  /* index in config.components */
    int32_t output;      /* 0 …: which of a transform's outputs; INPUT_REJECTED */
    const char *text;    /* as written */
    struct place place;
};
enum { INPUT_REJECTED = -1 };

struct component {
    const struct config *config;
    enum component_kind kind;
    uint32_t index; /* in config.components: the number in rejections */
    const char *name;
    struct place place;
    union {
        const struct component_type *type;
        const struct source_type *source;
        const struct transform_type *transform;
        const struct sink_type *sink;
    };
    void *options; /* type->options_size bytes */
    union {
        struct source_common *source_common;
        struct sink_common *sink_common;
    };
    struct input *inputs;
    uint32_t input_count;
};

enum catch_up { CATCH_UP_LAST, CATCH_UP_ALL, CATCH_UP_NONE };

struct pipeline_options {
    const char *name, *instance;
    const char *workers;      /* "auto" or a number, checked */
    uint64_t memory;
    const char *timezone;
    const char *state_dir;    /* absolute */
    int64_t drain_timeout;
    const char *schedule;
    int catch_up;
};
extern const struct option pipeline_options[];

struct dead_letter_options {
    int64_t max_records; /* -1: none */
    double max_ratio;    /* < 0: none */
    int64_t exit;
};
extern const struct option dead_letter_common_options[];

struct admin_options {
    const char *listen; /* NULL: off */
};
extern const struct option admin_options[];

/* The visible lists: NULL-ended; pipeline/cli/catalog.c. */
struct catalog {
    const struct source_type *const *sources;
    const struct transform_type *const *transforms;
    const struct sink_type *const *sinks;
};

/* The i-th type of a kind; NULL behind the last. */
const struct component_type *catalog_type(const struct catalog *catalog, enum component_kind kind, uint32_t i);
const char *component_kind_name(enum component_kind kind);    /* "source" */
const char *component_section_name(enum component_kind kind); /* "sources" */

struct config {
    struct arena *arena;
    const char *path, *directory; /* absolute; directory: what relative paths start at */
    const struct catalog *catalog;
    struct pipeline_options pipeline;
    struct dead_letter_options dead;
    struct admin_options admin;
    const struct zone *zone;
    struct component *components; /* sources, transforms, sinks, each in the file's order */
    uint32_t count;
    struct component *dead_letter; /* a sink component named "dead_letter", not among components; its index is UINT32_MAX - 1 */
    uint64_t places;               /* private */
    const void *document;          /* private */
};

enum { COMPONENT_ENGINE = 0xffffffff, COMPONENT_DEAD_LETTER = 0xfffffffe };

struct config_sources {
    const char *path;          /* the file; NULL: text is given */
    struct str text;           /* with path as its name */
    const char *const *sets;   /* --set a.b=c, in order */
    uint32_t set_count;
    const char *env_file;      /* --env-file; NULL: none */
};

/*
 * Loads, interpolates, parses options, resolves inputs (unknown names, cycles, unread outputs), runs the types' checks. All problems go to *problems (its arena
 * is set by the caller); returns NULL if there are errors. The config lives in `arena`.
 */
const struct config *config_load(const struct config_sources *from, const struct catalog *catalog, struct arena *arena,
                                 struct problems *problems);

/* Where an option of a component is written (its value); the component's own place where it is not. */
struct place config_place(const struct component *c, const char *option);
/* The place of a byte offset within a text option's value: inside multi-line strings too. */
struct place config_place_in(const struct component *c, const char *option, size_t offset);

/* A sink that reads what other sinks reject (its inputs are all SINK.rejected): it stands outside of the plan, as the dead letters' sink does. */
bool component_reads_rejects(const struct component *c);
/* Can the sinks be served again from a position: because the source can be read again, or because it is spooled? */
bool source_is_repeatable(const struct component *source);

const struct component *config_find(const struct config *cfg, const char *name);

/* Does the sink keep positions itself, with its data or in its sources' system? */
bool config_keeps_positions(const struct component *sink);

#endif
