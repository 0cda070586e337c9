#include "connectors/object/object.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/object/object_private.h"
#include "pipeline/base/file.h"
#include "pipeline/engine/upstream.h"

static const struct option object_options[] = {
    OPT(PATH, struct object_options, url, .required = true,
        .doc = "The directory that objects are put into; made where it is missing. What is being written stays hidden "
               "in its .pipe/.",
        .example = "\"lake/\""),
    OPT(TEXT, struct object_options, partition,
        .doc = "A template for the directory of an object: {expression} or {expression:%strftime} over the event and "
               "meta. Values are "
               "percent-encoded; NULL is __HIVE_DEFAULT_PARTITION__.",
        .example = "\"dt={ts:%Y-%m-%d}/device={device}\""),
    OPT(TEXT, struct object_options, object_name,
        .doc = "A template for the beginning of an object's name; time and a number follow. Without it names begin "
               "with the sink's.",
        .example = "\"{device}\""),
    OPT(CHOICE, struct object_options, compression, .choices = compression_choices, .preset = "none",
        .doc = "Compress objects, in blocks of 256 KiB and more."),
    OPT(SIZE, struct object_options, roll_size, .preset = "64MiB", .min = 1024,
        .doc = "Finish all open objects when one has this size."),
    OPT(DURATION, struct object_options, roll_interval, .preset = "5m", .min = 1000,
        .doc = "Finish all open objects this long after the first row. What is not finished is not acknowledged."),
    OPT(INTEGER, struct object_options, roll_count, .preset = "0", .min = 0, .max = INT64_MAX,
        .doc = "Finish all open objects after this many rows in all. 0: any number."),
    OPT_END,
};

/* ---- opening
 * -------------------------------------------------------------------------------------------------------------------
 */

bool object_open_ledger(struct sink *s, struct error *err)
{
    struct object_sink *o = s->state;
    return o->ledger.directory || ledger_file_open(&o->ledger, object_options_of(s)->url, s->identity, err);
}

static void note_own(void *arg, const struct component *source)
{
    bool *any = arg;
    *any |= !source->source->shared;
}

/* Sources that are this process's alone, whose positions the ledger has. */
static bool has_own_sources(const struct sink *s)
{
    bool any = !config_keeps_positions(s->component);
    upstream_each_source(s->component, note_own, &any);
    return any;
}

static bool object_open(struct sink *s, struct error *err)
{
    return has_own_sources(s) ? object_open_ledger(s, err)
                              : file_make_directories(object_options_of(s)->url, 0755, err);
}

static void object_close(struct sink *s)
{
    struct object_sink *o = s->state;
    parts_clear(&o->parts);
    for (struct partition_log *l; (l = o->logs);) {
        o->logs = l->next;
        partition_log_free(l);
    }
    ledger_file_close(&o->ledger);
    *o = (struct object_sink){.ledger.owner = -1};
}

static void copy_position(void *into, const struct position *p)
{
    positions_add(into, p->source, p->partition, p->shard, p->range);
}

static bool object_load_positions(struct sink *s, struct positions *out, struct error *err)
{
    (void)err;
    const struct object_sink *o = s->state;
    if (o->ledger.directory)
        positions_each(o->ledger.journal.positions, copy_position, out);
    return true;
}

struct position_list {
    struct position *items;
    uint32_t count, capacity;
};

static void list_position(void *into, const struct position *p)
{
    struct position_list *list = into;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 16;
        list->items = mem_realloc(list->items, list->capacity * sizeof(*list->items));
    }
    list->items[list->count++] = *p;
}

static bool object_store_positions(struct sink *s, const struct positions *p, struct error *err)
{
    struct object_sink *o = s->state;
    struct position_list list = {0};
    positions_each(p, list_position, &list);
    bool ok = journal_add(&o->ledger.journal, list.items, list.count, err);
    free(list.items);
    return ok;
}

static bool object_forget_positions(struct sink *s, const char *source, const char *const *keys, uint32_t count,
                                    struct error *err)
{
    struct object_sink *o = s->state;
    return journal_forget(&o->ledger.journal, source, keys, count, err);
}

static void check(const struct component *c, struct problems *p)
{
    const struct object_options *o = c->options;
    if (o->url && strstr(o->url, "://"))
        problem_add(p, config_place(c, "url"), "this version writes to local directories only");
    if (c->sink_common->connections > 1)
        problem_add(p, config_place(c, "connections"),
                    "an object sink has one connection: its compression runs on all workers");
}

/* The directory, or the nearest one above it, must be writable. */
static bool object_probe(struct sink *s, struct binding *const *bindings, uint32_t count, struct buffer *ddl,
                         struct error *err)
{
    (void)bindings;
    (void)count;
    if (ddl)
        return true;
    char *path = mem_strdup(object_options_of(s)->url), *slash;
    while (access(path, F_OK) != 0 && errno == ENOENT && (slash = strrchr(path, '/')) && slash > path)
        *slash = '\0';
    bool ok = access(path, W_OK | X_OK) == 0 || error_errno(err, errno, "cannot write to %s", path);
    free(path);
    return ok;
}

static const struct sink_ops object_ops = {
    .state_size = sizeof(struct object_sink),
    .open = object_open,
    .close = object_close,
    .load_positions = object_load_positions,
    .acquire = object_acquire,
    .store_positions = object_store_positions,
    .forget_positions = object_forget_positions,
    .bind = object_bind,
    .release = object_release,
    .encode = object_encode,
    .write = object_write,
    .commit = object_commit,
    .wants_commit = object_wants_commit,
    .probe = object_probe,
};

const struct sink_type object_sink_type = {
    .base = {.name = "object",
             .summary = "Write encoded events as objects into a directory, partitioned, exactly once.",
             .doc = "Objects appear whole: they are written beside the others in a hidden directory, synced, and "
                    "renamed into place by one durable "
                    "commit record, together with the positions of their records. A crash at any moment leaves every "
                    "record in exactly one "
                    "object.\n"
                    "\n"
                    "From Kafka, an object holds records of one partition, and each partition has a log in the hidden "
                    "directory: whoever is given the partition adds a claim to it, finishes or discards what the "
                    "process before left, and goes on where finished objects end. Processes on several machines need "
                    "nothing in common but the directory, on a filesystem with hard links.",
             .example = "url = \"lake/\"\nformat = \"json\"\ncompression = \"zstd\"\n",
             .options = object_options,
             .options_size = sizeof(struct object_options),
             .has_format = true,
             .check = check},
    .exactly_once = true,
    .acquires = true,
    .takes_over = true,
    .ops = &object_ops,
};
