#include "connectors/file/source.h"

#include <stdlib.h>

#include "pipeline/base/arena.h"

enum { FIRST_CHUNK = 1 << 20, TAIL_CHUNK = 64 << 10 };

static const struct option_choice modes[] = {
    {"batch", FILE_BATCH, "Reads what is there, then ends."},
    {"watch", FILE_WATCH, "Stays, and reads files as they arrive; a file does not change once it is finished."},
    {"tail", FILE_TAIL, "Stays, and follows files that grow, through rotation."},
    {.name = NULL},
};

static const struct option_choice on_done_choices[] = {
    {"keep", ON_DONE_KEEP, "Leaves the file where it is."},
    {"delete", ON_DONE_DELETE, "Deletes the file."},
    {"move", ON_DONE_MOVE, "Moves the file to `done_dir`."},
    {.name = NULL},
};

static const struct option options[] = {
    OPT(PATHS, struct file_source_options, path, .required = true,
        .doc = "The files to read: paths, or patterns with `*`, `?`, `[…]` and `**` for any number of directories. "
               "Names that "
               "begin with a dot are only found where the pattern has the dot.",
        .example = "[\"inbox/*.csv\"]"),
    OPT(CHOICE, struct file_source_options, mode, .preset = "batch", .choices = modes,
        .doc = "What to do after the files that are there."),
    OPT(CHOICE, struct file_source_options, compression, .preset = "auto", .choices = source_compression_choices,
        .doc = "How the files are compressed; `auto` finds it out from their content."),
    OPT(TEXT, struct file_source_options, settle,
        .doc = "When a dropped file is whole: after its size and time have not changed for a duration, only when it is "
               "renamed into place "
               "(`rename`), or when a file of its name plus a suffix is there (`marker:.done`). 2s in watch mode, at "
               "once in batch mode.",
        .example = "2s"),
    OPT(CHOICE, struct file_source_options, on_done, .preset = "keep", .choices = on_done_choices,
        .doc = "What happens to a file that every sink has committed. A file with records in the dead letters stays "
               "where it is."),
    OPT(PATH, struct file_source_options, done_dir,
        .doc = "Where `on_done = \"move\"` puts the files, with the directories below the pattern's first wildcard; a "
               "name that is "
               "taken gets a number.",
        .example = "done"),
    OPT_END,
};

/* ---- check ---------------------------------------------------------------------------------------------------------
 */

static void check_tail(const struct component *c, struct problems *p)
{
    const struct file_source_options *o = c->options;
    if (o->compression != COMPRESSION_AUTO && o->compression != COMPRESSION_NONE)
        problem_add(p, config_place(c, "compression"),
                    "a compressed file cannot be followed: mode = \"tail\" reads plain files");
    if (o->on_done != ON_DONE_KEEP)
        problem_add(p, config_place(c, "on_done"),
                    "a file that is followed is never done: on_done needs mode = \"batch\" or \"watch\"");
    if (o->settle)
        problem_add(p, config_place(c, "settle"),
                    "a file that is followed never settles: settle needs mode = \"batch\" or \"watch\"");
    if (c->source_common->format >= 0 && !formats[c->source_common->format]->frame)
        problem_add(p, config_place(c, "format"),
                    "format \"%s\" takes whole files: it needs mode = \"batch\" or \"watch\"",
                    formats[c->source_common->format]->name);
}

static void check(const struct component *c, struct problems *p)
{
    const struct file_source_options *o = c->options;
    struct settle settle;
    struct error err;
    if (o->path.count == 0)
        problem_add(p, config_place(c, "path"), "path needs at least one file or pattern");
    for (uint32_t i = 0; i < o->path.count; i++) {
        size_t len = strlen(o->path.items[i]);
        if (len > 0 && o->path.items[i][len - 1] == '/')
            problem_add(p, config_place(c, "path"),
                        "\"%s\" names a directory: end it with \"*\" for the files in it, with \"**\" for those "
                        "further down too",
                        o->path.items[i]);
    }
    if (!settle_parse(o->settle, 0, &settle, &err))
        problem_add(p, config_place(c, "settle"), "%s", err.text);
    if (o->on_done == ON_DONE_MOVE && !o->done_dir)
        problem_add(p, config_place(c, "on_done"), "on_done = \"move\" needs done_dir");
    if (o->on_done != ON_DONE_MOVE && o->done_dir)
        problem_add(p, config_place(c, "done_dir"), "done_dir needs on_done = \"move\"");
    if (o->mode == FILE_TAIL)
        check_tail(c, p);
}

static bool is_finite(const struct component *c)
{
    const struct file_source_options *o = c->options;
    return o->mode == FILE_BATCH;
}

static bool is_rewindable(const struct component *c)
{
    (void)c;
    return true;
}

/* ---- run -----------------------------------------------------------------------------------------------------------
 */

static struct file_source *state_of(struct lane *lane)
{
    struct file_source *fs = lane_state(lane);
    if (fs)
        return fs;
    fs = mem_zalloc(sizeof(*fs));
    fs->lane = lane;
    fs->component = lane_component(lane);
    fs->options = fs->component->options;
    fs->name = fs->component->name;
    fs->directory = fs->component->config->directory;
    fs->glob = glob_new(&fs->options->path);
    lane_set_state(lane, fs);
    return fs;
}

static bool run(struct lane *lane, struct error *err)
{
    struct file_source *fs = state_of(lane);
    bool watching = fs->options->mode == FILE_WATCH;
    fs->ended = false;
    fs->done_bytes = fs->total_bytes = 0;
    if (!settle_parse(fs->options->settle, watching ? 2000000 : 0, &fs->settle, err) || !file_done_open(fs, err))
        return false;
    stream_init(&fs->stream, lane, fs->options->mode == FILE_TAIL ? TAIL_CHUNK : FIRST_CHUNK);
    bool ok = fs->options->mode == FILE_TAIL ? file_tail_run(fs, err) : file_scan_run(fs, err);
    stream_release(&fs->stream);
    fs->ended = true;
    if (ok)
        file_done_flush(fs);
    return ok;
}

static void close_source(struct lane *lane)
{
    struct file_source *fs = lane_state(lane);
    if (!fs)
        return;
    file_done_close(fs);
    glob_free(fs->glob);
    buffer_release(&fs->key);
    free(fs);
    lane_set_state(lane, NULL);
}

static const struct source_ops ops = {
    .run = run,
    .settled = file_done_settled,
    .close = close_source,
};

const struct source_type file_source_type = {
    .base =
        {
            .name = "file",
            .summary = "Reads files: all that are there, those that arrive, or those that grow.",
            .doc = "Files are read in the order of their paths. zstd and gzip are recognised by content. After a stop "
                   "or a crash, reading goes on where "
                   "the sinks' stored positions end.\n\n"
                   "In batch and watch mode a file does not change once it is whole; one that was changed (another "
                   "size, time, or first and last "
                   "4 KiB) is another file and is read from its beginning. An unterminated last line is a record. In "
                   "tail mode such a line waits for its "
                   "end, a file is known by its first bytes, so that it may be renamed, and one that becomes shorter "
                   "is read again from its beginning.\n\n"
                   "`meta.file` is the file's path as the configuration file's directory sees it (bytes of it that are no "
                   "UTF-8 as `%XX`), `meta.line` the "
                   "line, `meta.offset` the offset of "
                   "the record's first byte in the decompressed file, `meta.timestamp` the time the file was modified "
                   "(in tail mode: was read).\n\n"
                   "With `settle = \"marker:SUFFIX\"`, files that end in the suffix are never read, and `on_done` "
                   "removes the marker with its file. A "
                   "directory that is empty or cannot be read is taken to be not mounted: what is known of its files "
                   "stays known.",
            .example = "path = [\"inbox/*.csv\"]\nformat = \"csv\"\n",
            .options = options,
            .options_size = sizeof(struct file_source_options),
            .has_format = true,
            .check = check,
        },
    .finite = is_finite,
    .rewindable = is_rewindable,
    .ops = &ops,
};
