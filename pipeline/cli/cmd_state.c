#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/file.h"
#include "pipeline/cli/command.h"
#include "pipeline/engine/state.h"
#include "pipeline/engine/stream.h"
#include "pipeline/engine/upstream.h"

struct state_args {
    struct config_args config;
    const char *sink;
};

static const struct arg state_arguments[] = {
    CONFIG_ARGS(struct state_args, config),
    ARG(TEXT, struct state_args, sink, "sink", .value = "NAME", .doc = "Only this sink's positions."),
    ARG_END,
};

struct state_work {
    const struct state_args *args;
    const struct config *cfg;
    const char *uuid;
    struct state *state;
};

/* ---- list ----------------------------------------------------------------------------------------------------------
 */

struct state_list {
    const char *only, *sink;
    struct buffer out;
};

static void list_position(void *arg, const struct position *p)
{
    struct state_list *list = arg;
    char next[24] = "end";
    if (p->range.next < STREAM_END)
        snprintf(next, sizeof(next), "%" PRIu64, p->range.next);
    buffer_printf(&list->out, "%-16s  %-16s  %" PRIu64 "-%-20s  %s\n", list->sink, p->source, p->range.first, next,
                  p->partition);
}

static void list_sink(void *arg, const char *sink, const struct positions *p)
{
    struct state_list *list = arg;
    list->sink = sink;
    if (!list->only || strcmp(list->only, sink) == 0)
        positions_each(p, list_position, list);
}

static bool keeps_own_positions(const struct component *c)
{
    return c->kind == COMPONENT_SINK && config_keeps_positions(c);
}

static bool is_meant(const struct state_work *w, const struct component *c)
{
    return keeps_own_positions(c) && (!w->args->sink || strcmp(w->args->sink, c->name) == 0);
}

static int list(struct state_work *w)
{
    struct state_list list = {.only = w->args->sink};
    buffer_printf(&list.out, "%-16s  %-16s  %-22s  %s\n", "SINK", "SOURCE", "RANGE", "PARTITION");
    fprintf(stderr, "state_dir %s, id %s\n", state_directory(w->state), state_id(w->state));
    if (state_is_damaged(w->state))
        fprintf(stderr, "part of its positions is damaged: what is missing here is delivered again\n");
    state_each_sink(w->state, list_sink, &list);
    int code = command_output(&list.out);
    for (uint32_t i = 0; i < w->cfg->count; i++)
        if (is_meant(w, &w->cfg->components[i]))
            fprintf(stderr, "%s (%s) keeps its positions with its data\n", w->cfg->components[i].name,
                    w->cfg->components[i].type->name);
    return code;
}

/* ---- reset ---------------------------------------------------------------------------------------------------------
 */

/* Whose rows a sink has: this instance's, and those of shared sources, which belong to no instance. */
struct owners {
    const struct component *shared;
    bool own;
};

static void find_owner(void *arg, const struct component *source)
{
    struct owners *found = arg;
    if (source->source->shared)
        found->shared = source;
    else
        found->own = true;
}

static void print_delete(const struct pipeline_options *p, const char *instance, const char *sink)
{
    fprintf(stderr, "  DELETE FROM pipe_positions WHERE pipeline = '%s' AND instance = '%s' AND sink = '%s';\n", p->name, instance, sink);
}

static void explain_rows(const struct pipeline_options *p, const char *instance, const char *sink, struct owners owners)
{
    fprintf(stderr, " In its database:\n");
    if (owners.own)
        print_delete(p, instance, sink);
    if (owners.shared && (!owners.own || *instance))
        print_delete(p, "", sink);
}

static void explain_files(const struct pipeline_options *p, const char *instance, const char *sink, struct owners owners)
{
    fprintf(stderr, " In its directory:\n");
    if (owners.own)
        fprintf(stderr, "  rm .pipe/%s%s%s/%s/positions\n", p->name, *instance ? "-" : "", instance, sink);
    if (owners.shared)
        fprintf(stderr, "  rm -r .pipe/%s/%s/shared/%s\n", p->name, sink, owners.shared->name);
}

/* Only whoever owns the data may forget how far it goes: said, not done. */
static void explain_own(const struct state_work *w, const struct component *c)
{
    const struct pipeline_options *p = &w->cfg->pipeline;
    const char *type = c->type->name, *instance = p->instance ? p->instance : "";
    struct owners owners = {0};
    upstream_each_source(c, find_owner, &owners);
    fprintf(stderr, "%s (%s) keeps its positions with its data: they are not reset.", c->name, type);
    if (strcmp(type, "postgres") == 0 || strcmp(type, "sqlite") == 0)
        explain_rows(p, instance, c->name, owners);
    else if (strcmp(type, "object") == 0)
        explain_files(p, instance, c->name, owners);
    else
        fputc('\n', stderr);
    if (owners.shared)
        fprintf(stderr,
                "Stop all processes of the pipeline first. Source %s then goes on where its own system has it: for Kafka the offsets of its consumer group, which "
                "kafka-consumer-groups.sh --reset-offsets sets.\n",
                owners.shared->name);
}

static int reset(struct state_work *w)
{
    struct error err;
    if (w->args->sink) {
        const struct component *c = config_find(w->cfg, w->args->sink);
        if ((!c || c->kind != COMPONENT_SINK) && !state_positions(w->state, w->args->sink)) {
            fprintf(stderr, "pipe: there is no sink \"%s\", and nothing is stored of one\n", w->args->sink);
            return EXIT_FAILED;
        }
    }
    if (!state_reset(w->state, w->args->sink ? w->args->sink : "", &err)) {
        fprintf(stderr, "pipe: %s\n", err.text);
        return EXIT_FAILED;
    }
    for (uint32_t i = 0; i < w->cfg->count; i++) {
        const struct component *c = &w->cfg->components[i];
        if (is_meant(w, c))
            explain_own(w, c);
        else if (c->kind == COMPONENT_SINK && (!w->args->sink || strcmp(w->args->sink, c->name) == 0))
            fprintf(stderr, "%s: the next run starts at the beginning\n", c->name);
    }
    return EXIT_COMPLETE;
}

/* ---- adopt ---------------------------------------------------------------------------------------------------------
 */

static int adopt(struct state_work *w)
{
    struct error err;
    char id[37] = "";
    for (int i = 0; i < 36; i++)
        id[i] = (char)tolower((unsigned char)w->uuid[i]);
    char *path = file_join(state_directory(w->state), "id");
    bool ok = file_replace(path, id, 36, &err);
    free(path);
    if (!ok) {
        fprintf(stderr, "pipe: %s\n", err.text);
        return EXIT_FAILED;
    }
    fprintf(stderr, "%s was %s and is now %s\n", state_directory(w->state), state_id(w->state), id);
    return EXIT_COMPLETE;
}

/* ---- the command ---------------------------------------------------------------------------------------------------
 */

static const struct action {
    const char *name;
    bool takes_uuid;
    bool makes; /* a state_dir, where there is none */
    int (*run)(struct state_work *w);
} actions[] = {
    {"list", false, false, list},
    {"reset", false, true, reset},
    {"adopt", true, true, adopt},
};

static const struct action *action_find(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

/* Looking makes nothing: the directory would belong to whoever looked. */
static bool is_there(const char *directory)
{
    bool there = access(directory, F_OK) == 0 || errno != ENOENT;
    if (!there)
        fprintf(stderr, "nothing is stored yet: there is no %s\n", directory);
    return there;
}

static int act(const struct action *a, struct state_work *w)
{
    struct error err;
    if (!a->makes && !is_there(w->cfg->pipeline.state_dir))
        return EXIT_COMPLETE;
    w->state = state_open(w->cfg->pipeline.state_dir, &err);
    if (!w->state) {
        fprintf(stderr, "pipe: %s\n", err.text);
        return EXIT_FAILED;
    }
    int code = a->run(w);
    state_close(w->state);
    return code;
}

static int state(const struct command *c, const void *given, const struct text_list *operands)
{
    const struct state_args *args = given;
    const struct action *a = operands->count ? action_find(operands->items[0]) : NULL;
    if (!a)
        return usage_error(c, "state takes one of list, reset, adopt");
    uint32_t rest = operands->count - 1;
    const char *last = operands->items[operands->count - 1];
    if (a->takes_uuid && (rest == 0 || !state_is_id(last)))
        return usage_error(c, "state adopt takes the UUID that the stored positions belong to");
    if (rest > (a->takes_uuid ? 2 : 1))
        return usage_error(c, "state %s takes a file", a->name);
    struct arena arena = ARENA_INIT;
    struct problems problems = {.arena = &arena};
    struct text_list file = {&operands->items[1], rest - (a->takes_uuid ? 1 : 0)};
    struct state_work w = {.args = args, .uuid = last};
    w.cfg = command_load(&args->config, &file, &arena, &problems);
    int code = w.cfg ? act(a, &w) : EXIT_CONFIG;
    arena_release(&arena);
    return code;
}

const struct command command_state = {
    .name = "state",
    .summary = "Show what is stored of a pipeline's progress, forget it, or take it over.",
    .usage = "list|reset|adopt [FILE] [UUID]",
    .doc = "list shows which ranges of which partitions each sink has. reset forgets them: the next run starts at the "
           "beginning.\n"
           "adopt UUID makes this state_dir the owner of positions that were stored from another one.\n"
           "Only while the pipeline does not run.",
    .args = state_arguments,
    .args_size = sizeof(struct state_args),
    .most_operands = 3,
    .run = state,
};
