#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/cli/command.h"
#include "pipeline/cli/control_client.h"
#include "pipeline/engine/spool.h"
#include "pipeline/engine/spool_list.h"
#include "pipeline/engine/spool_read.h"
#include "pipeline/engine/spool_tail.h"
#include "pipeline/engine/state.h"
#include "pipeline/engine/upstream.h"
#include "pipeline/event/datetime.h"

struct spool_args {
    struct config_args config;
    const char *source, *sink, *from, *time;
};

static const struct arg spool_arguments[] = {
    CONFIG_ARGS(struct spool_args, config),
    ARG(TEXT, struct spool_args, source, "source", .value = "NAME", .doc = "Only this source's spool."),
    ARG(TEXT, struct spool_args, sink, "sink", .value = "NAME", .doc = "replay: only for this sink."),
    ARG(TEXT, struct spool_args, from, "from", .value = "NUMBER", .doc = "replay: from this record on."),
    ARG(TEXT, struct spool_args, time, "time", .value = "TIME", .doc = "replay: from the first record on that came at or after this time."),
    ARG_END,
};

struct spool_work {
    const struct spool_args *args;
    const struct config *cfg;
    struct state *state;
    /* of the spool at hand */
    const struct component *source;
    struct spool_log log;
    char key[SPOOL_KEY_SIZE];
};

static int failed(const char *text)
{
    fprintf(stderr, "pipe: %s\n", text);
    return EXIT_FAILED;
}

struct search {
    const struct component *wanted;
    bool found;
};

static void compare(void *arg, const struct component *source)
{
    struct search *s = arg;
    s->found |= source == s->wanted;
}

static bool is_below(const struct component *sink, const struct component *source)
{
    struct search s = {.wanted = source};
    upstream_each_source(sink, compare, &s);
    return s.found;
}

/* ---- ls ------------------------------------------------------------------------------------------------------------ */

/* Where a sink is, as far as the journal knows. */
static uint64_t settled_of(const struct spool_work *w, const struct component *sink)
{
    const struct positions *p = state_positions(w->state, sink->name);
    uint32_t count = 0;
    const struct range *ranges = p ? positions_ranges(p, w->source->name, w->key, SHARD_ALL, &count) : NULL;
    if (count && ranges[0].first == 0)
        return ranges[0].next;
    return config_keeps_positions(sink) ? UINT64_MAX : 0;
}

static int list_one(struct spool_work *w)
{
    struct spool_cursor cursors[PLAN_MAX_SINKS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->cfg->count && count < PLAN_MAX_SINKS; i++) {
        const struct component *c = &w->cfg->components[i];
        if (c->kind == COMPONENT_SINK && is_below(c, w->source))
            cursors[count++] = (struct spool_cursor){c->name, settled_of(w, c)};
    }
    struct buffer out = {0};
    spool_list(&w->log, w->source->name, cursors, count, &out);
    return command_output(&out);
}

/* ---- check --------------------------------------------------------------------------------------------------------- */

static struct partition *any_partition(void *arg)
{
    const struct spool_work *w = arg;
    return partition_new(w->key);
}

static uint64_t damaged_in(const struct batch *b)
{
    uint64_t damaged = 0;
    for (uint32_t i = 0; i < b->record_count; i++)
        damaged += b->records[i].fault == RECORD_CORRUPT;
    return damaged;
}

/* The reader tells each damage, with its place, in the log. */
static int check_one(struct spool_work *w)
{
    struct spool_reader r;
    struct spool_place place = {.at = spool_log_first(&w->log)};
    uint64_t good = 0, damaged = 0;
    spool_reader_init(&r, &w->log, w->source->name);
    r.partition = any_partition;
    r.arg = w;
    r.looks = true;
    for (size_t room; (room = spool_read_room(&r, &place, 1 << 20)) > 0;) {
        struct batch *b = batch_new(room);
        struct spool_got got;
        spool_read(&r, &place, UINT64_MAX, b, &got);
        uint64_t bad = damaged_in(b);
        good += b->record_count - bad;
        damaged += bad + got.lost;
        batch_unref(b);
    }
    spool_reader_release(&r);
    if (w->log.cut_bytes)
        fprintf(stderr, "%s: the last %" PRIu64 " bytes are torn; the next run cuts them off: they were never acknowledged\n", w->source->name,
                w->log.cut_bytes);
    printf("%s: %" PRIu64 " records are good, %" PRIu64 " are damaged\n", w->source->name, good, damaged);
    return damaged ? EXIT_FAILED : EXIT_COMPLETE;
}

/* ---- replay -------------------------------------------------------------------------------------------------------- */

static bool find_start(struct spool_work *w, uint64_t *number)
{
    const struct spool_args *a = w->args;
    uint64_t first = spool_log_first(&w->log), next = w->log.next;
    char *end = NULL;
    struct error err;
    int64_t us;
    if (a->time) {
        if (!timestamptz_parse(str_of(a->time), w->cfg->zone, &us, &err))
            return failed(err.text) == EXIT_COMPLETE;
        *number = spool_find_time(&w->log, us);
        return true;
    }
    *number = a->from ? strtoull(a->from, &end, 10) : first;
    if (end && (*end || end == a->from))
        return failed("--from takes the number of a record") == EXIT_COMPLETE;
    if (*number < first || *number > next) {
        fprintf(stderr, "pipe: %s: record %" PRIu64 " is not kept; the spool has %" PRIu64 " to %" PRIu64 "\n", w->source->name, *number, first,
                next);
        return false;
    }
    return true;
}

/* Only whoever owns the data may forget how far it goes: said, not done. */
static void explain_own(const struct spool_work *w, const struct component *sink, uint64_t number)
{
    const struct pipeline_options *p = &w->cfg->pipeline;
    const char *instance = p->instance ? p->instance : "";
    if (strcmp(sink->type->name, "postgres") != 0 && strcmp(sink->type->name, "sqlite") != 0) {
        fprintf(stderr, "%s (%s) keeps its place with its data: it cannot be set back from here\n", sink->name, sink->type->name);
        return;
    }
    fprintf(stderr,
            "%s (%s) keeps its place with its data. To give it records %" PRIu64 " and on again (what it has stored of them stays, so an append "
            "gives duplicates), in its database:\n"
            "  DELETE FROM pipe_positions WHERE pipeline = '%s' AND instance = '%s' AND sink = '%s' AND source = '%s' AND partition = '%s';\n",
            sink->name, sink->type->name, number, p->name, instance, sink->name, w->source->name, w->key);
    if (number)
        fprintf(stderr,
                "  INSERT INTO pipe_positions (pipeline, instance, sink, source, partition, shard, incarnation, first, next)\n"
                "    VALUES ('%s', '%s', '%s', '%s', '%s', -1, '%s', 0, %" PRIu64 ");\n",
                p->name, instance, sink->name, w->source->name, w->key, state_id(w->state), number);
}

/* Also of a sink that keeps its own: the journal says where it was while it cannot be reached. */
static bool set_back(struct spool_work *w, const struct component *sink, uint64_t number, struct error *err)
{
    const char *key = w->key;
    const struct position p = {w->source->name, w->key, SHARD_ALL, {0, number}};
    return state_forget(w->state, sink->name, w->source->name, &key, 1, err) &&
           (number == 0 || state_append(w->state, sink->name, &p, 1, err)) && state_sync(w->state, err);
}

static int replay_one(struct spool_work *w)
{
    uint64_t number;
    struct error err;
    bool any = false;
    if (!find_start(w, &number))
        return EXIT_FAILED;
    for (uint32_t i = 0; i < w->cfg->count; i++) {
        const struct component *c = &w->cfg->components[i];
        if (c->kind != COMPONENT_SINK || !is_below(c, w->source) || (w->args->sink && strcmp(c->name, w->args->sink) != 0))
            continue;
        any = true;
        if (!set_back(w, c, number, &err))
            return failed(err.text);
        if (config_keeps_positions(c))
            explain_own(w, c, number);
        else
            fprintf(stderr, "%s: the next run gives it records %" PRIu64 " to %" PRIu64 " of %s again\n", c->name, number, w->log.next,
                    w->source->name);
    }
    if (any)
        return EXIT_COMPLETE;
    fprintf(stderr, "pipe: no sink%s%s reads from %s\n", w->args->sink ? " " : "", w->args->sink ? w->args->sink : "", w->source->name);
    return EXIT_FAILED;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static const struct action {
    const char *name;
    int (*run)(struct spool_work *w);
} actions[] = {{"ls", list_one}, {"check", check_one}, {"replay", replay_one}};

static const struct action *action_find(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

/* The files of one source. A spool that was never used has none. */
static int act_on(const struct action *a, struct spool_work *w, const char *directory)
{
    struct error err;
    struct stat st;
    if (stat(directory, &st) != 0) {
        fprintf(stderr, "%s: nothing has been spooled yet\n", w->source->name);
        return EXIT_COMPLETE;
    }
    memset(&w->log, 0, sizeof(w->log));
    bool ok = spool_log_look(&w->log, directory, &err) && spool_log_identify(directory, w->log.id, &err);
    spool_key(w->log.id, w->key);
    int code = ok ? a->run(w) : failed(err.text);
    spool_log_close(&w->log);
    return code;
}

static int act_on_files(const struct action *a, struct spool_work *w)
{
    struct error err;
    int code = EXIT_COMPLETE;
    uint32_t spools = 0;
    if (access(w->cfg->pipeline.state_dir, F_OK) != 0 && errno == ENOENT) { /* looking makes nothing */
        fprintf(stderr, "nothing has been spooled yet: there is no %s\n", w->cfg->pipeline.state_dir);
        return EXIT_COMPLETE;
    }
    w->state = state_open(w->cfg->pipeline.state_dir, &err);
    if (!w->state)
        return failed(err.text);
    for (uint32_t i = 0; i < w->cfg->count; i++) {
        w->source = &w->cfg->components[i];
        if (w->source->kind != COMPONENT_SOURCE || w->source->source_common->ack != ACK_SPOOLED ||
            (w->args->source && strcmp(w->args->source, w->source->name) != 0))
            continue;
        spools++;
        char *directory = spool_directory(w->cfg->pipeline.state_dir, w->source->name);
        int one = act_on(a, w, directory);
        code = one != EXIT_COMPLETE ? one : code;
        free(directory);
    }
    state_close(w->state);
    return spools ? code : failed(w->args->source ? "there is no spooled source of that name" : "no source has ack = \"spooled\"");
}

static int act(const struct action *a, struct spool_work *w)
{
    struct buffer answer = {0};
    if (a->run == list_one && !w->args->source && control_ask(w->cfg->pipeline.state_dir, "spool", &answer))
        return command_output(&answer);
    buffer_release(&answer);
    return act_on_files(a, w);
}

static int spool(const struct command *c, const void *given, const struct text_list *operands)
{
    const struct spool_args *args = given;
    const struct action *a = operands->count ? action_find(operands->items[0]) : NULL;
    if (!a)
        return usage_error(c, "spool takes one of ls, check, replay");
    if (a->run != replay_one && (args->sink || args->from || args->time))
        return usage_error(c, "--sink, --from and --time are for replay");
    if (args->from && args->time)
        return usage_error(c, "--from and --time say the same in two ways: one of them");
    struct arena arena = ARENA_INIT;
    struct problems problems = {.arena = &arena};
    struct text_list file = {&operands->items[1], operands->count - 1};
    struct spool_work w = {.args = args};
    w.cfg = command_load(&args->config, &file, &arena, &problems);
    int code = w.cfg ? act(a, &w) : EXIT_CONFIG;
    arena_release(&arena);
    return code;
}

const struct command command_spool = {
    .name = "spool",
    .summary = "Look into spools, check them, or give records out of them again.",
    .usage = "ls|check|replay [FILE]",
    .doc = "ls shows the segments, and where each sink is; also of a pipeline that is running.\n"
           "check reads everything and tells what is damaged; it fails if anything is.\n"
           "replay sets sinks back, to the first record that is kept or to --from or --time: the next run gives them what follows again.\n"
           "check and replay only while the pipeline does not run.",
    .args = spool_arguments,
    .args_size = sizeof(struct spool_args),
    .most_operands = 2,
    .run = spool,
};
