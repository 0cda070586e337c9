#include "connectors/file/file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "connectors/file/file_end.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/file.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/formatted.h"

struct file_options {
    const char *path;
    int compression;
    uint64_t rotate_size;
};

static const struct option file_sink_options[] = {
    OPT(PATH, struct file_options, path, .required = true,
        .doc = "The file to append to. Its directory is made where it is missing.", .example = "\"out/events.ndjson\""),
    OPT(CHOICE, struct file_options, compression, .choices = compression_choices, .preset = "none",
        .doc = "Compress what each commit appends as a frame of its own; the file as a whole is a valid zstd or gzip "
               "file."),
    OPT(SIZE, struct file_options, rotate_size, .preset = "0", .min = 0, .max = INT64_MAX,
        .doc = "Rename the file once a commit has made it this large, to NAME.TIME.EXTENSION (UTC), and start a new "
               "one. 0: never.",
        .example = "\"256MiB\""),
    OPT_END,
};

/* Everything up to `committed` is durable; what lies behind it belongs to the open transaction. */
struct file_sink {
    int fd; /* -1: none, between two transactions */
    uint64_t size, committed;
    bool rotation_failed; /* has been told */
};

static const struct file_options *options_of(const struct sink *s)
{
    return s->component->options;
}

/* In formats that are cut into records, what was committed ends with a newline; of the others the end of a plain file tells nothing. */
static bool cut_torn_end(struct sink *s, struct error *err)
{
    struct file_sink *f = s->state;
    enum compression how = (enum compression)options_of(s)->compression;
    if (how == COMPRESSION_NONE && !formats[s->component->sink_common->format]->frame)
        return true;
    bool ok = file_end_repair(f->fd, options_of(s)->path, how, &f->size, err);
    f->committed = f->size;
    return ok;
}

static bool file_open_end(struct sink *s, struct error *err)
{
    struct file_sink *f = s->state;
    const char *path = options_of(s)->path;
    struct stat st;
    /* O_APPEND: should others cut it short meanwhile, no hole comes of it. */
    f->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return error_errno(err, errno, "cannot open %s", path);
    f->size = f->committed = (uint64_t)st.st_size;
    return (!S_ISREG(st.st_mode) || cut_torn_end(s, err)) && file_sync_directory_of(path, err);
}

static void file_sink_close(struct sink *s)
{
    struct file_sink *f = s->state;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static bool file_sink_open(struct sink *s, struct error *err)
{
    struct file_sink *f = s->state;
    f->fd = -1;
    if (file_make_parent(options_of(s)->path, 0755, err) && file_open_end(s, err))
        return true;
    file_sink_close(s);
    return false;
}

static void file_sink_finish(const struct sink *s, struct tools *tools, struct output *out)
{
    if (options_of(s)->compression != COMPRESSION_NONE)
        formatted_compress(tools, out, (enum compression)options_of(s)->compression);
}

/* Is the file that is open still the one with this name? `now`: as it is. */
static bool is_in_place(const struct sink *s, struct stat *now)
{
    const struct file_sink *f = s->state;
    struct stat named;
    return f->fd >= 0 && fstat(f->fd, now) == 0 && stat(options_of(s)->path, &named) == 0 &&
           named.st_dev == now->st_dev && named.st_ino == now->st_ino;
}

/*
 * Before the first byte of a transaction. What was moved away since the last one (logrotate, a consumer that takes
 * files), or removed, is followed by a new file; what was cut short, or made longer, by others goes on at its end.
 */
static bool begin(struct sink *s, struct error *err)
{
    struct file_sink *f = s->state;
    struct stat now;
    if (f->size > f->committed)
        return true;
    if (is_in_place(s, &now)) {
        if (S_ISREG(now.st_mode))
            f->size = f->committed = (uint64_t)now.st_size;
        return true;
    }
    file_sink_close(s);
    return file_sink_open(s, err);
}

/* Has all of the transaction a name, or is it gone with a file that was removed or cut short meanwhile? */
static bool is_kept(const struct sink *s, struct error *err)
{
    const struct file_sink *f = s->state;
    struct stat now;
    if (fstat(f->fd, &now) != 0)
        return error_errno(err, errno, "cannot look at %s", options_of(s)->path);
    if (!S_ISREG(now.st_mode) || (now.st_nlink > 0 && (uint64_t)now.st_size >= f->size))
        return true;
    return error_set(err, ERROR_RETRY, "%s was removed or cut short while it was being written", options_of(s)->path);
}

static bool append(struct sink *s, const char *data, size_t len, struct error *err)
{
    struct file_sink *f = s->state;
    if (!file_write_all(f->fd, data, len, options_of(s)->path, err))
        return false;
    f->size += len;
    return true;
}

static bool append_header(struct sink *s, struct error *err)
{
    const struct buffer *header = s->shared;
    if (!header || header->len == 0)
        return true;
    if (options_of(s)->compression == COMPRESSION_NONE)
        return append(s, header->data, header->len, err);
    struct buffer packed = {0};
    struct compressor *c = compressor_new();
    compressor_run(c, (enum compression)options_of(s)->compression, 0, (struct str){header->data, header->len},
                   &packed);
    bool ok = append(s, packed.data, packed.len, err);
    compressor_free(c);
    buffer_release(&packed);
    return ok;
}

static bool append_mark(struct sink *s, struct error *err)
{
    struct file_sink *f = s->state;
    struct buffer mark = {0};
    file_end_mark((enum compression)options_of(s)->compression, f->size, &mark);
    bool ok = append(s, mark.data, mark.len, err);
    buffer_release(&mark);
    return ok;
}

/* The first mark says where a new file has nothing yet: a kill may come before there is another one. */
static bool begin_file(struct sink *s, struct error *err)
{
    return append_mark(s, err) && append_header(s, err);
}

static bool file_sink_write(struct sink *s, struct output *o, struct error *err)
{
    struct file_sink *f = s->state;
    if (!begin(s, err) || (f->size == 0 && !begin_file(s, err)))
        return false;
    for (uint32_t i = 0; i < o->piece_count; i++)
        if (!append(s, o->pieces[i].bytes.data, o->pieces[i].bytes.len, err))
            return false;
    return true;
}

/* "events.ndjson" → "events.20260301T120000.123456Z.ndjson" */
static char *rotated_name(const struct sink *s)
{
    const char *path = options_of(s)->path;
    const char *base = strrchr(path, '/');
    const char *dot = strchr(base ? base + 1 : path, '.');
    size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    int64_t now = s->clock->wall_us(s->clock);
    time_t seconds = (time_t)(now / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char stamp[32], *name;
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
    if (asprintf(&name, "%.*s.%s.%06" PRId64 "Z%s", (int)stem, path, stamp, now % 1000000, dot ? dot : "") < 0)
        abort();
    return name;
}

/* The transaction is durable: a name that cannot be changed now, or a new file that cannot be made, is no reason to
 * write it again. The next transaction begins with the file that has the name then. */
static void rotate(struct sink *s)
{
    struct file_sink *f = s->state;
    struct error err;
    char *name = rotated_name(s);
    bool ok = file_rename_durably(options_of(s)->path, name, &err);
    free(name);
    if (!ok && !f->rotation_failed)
        log_warn(s->component->name, "%s; trying again after the next commit", err.text);
    f->rotation_failed = !ok;
}

static bool file_sink_commit(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err)
{
    (void)outputs;
    (void)count;
    struct file_sink *f = s->state;
    if (f->size > f->committed && !append_mark(s, err))
        return false;
    if (fdatasync(f->fd) != 0 && errno != EINVAL) /* EINVAL: a pipe or device */
        return error_errno(err, errno, "cannot write %s to disk", options_of(s)->path);
    if (!is_kept(s, err))
        return false;
    f->committed = f->size;
    uint64_t limit = options_of(s)->rotate_size;
    if (limit && f->size >= limit)
        rotate(s);
    return true;
}

/* The half-written transaction is taken back, so that a retry does not write it twice. */
static void file_sink_rollback(struct sink *s)
{
    struct file_sink *f = s->state;
    struct stat now;
    bool longer = f->fd >= 0 && fstat(f->fd, &now) == 0 && (uint64_t)now.st_size > f->committed;
    if (longer && ftruncate(f->fd, (off_t)f->committed) != 0)
        return; /* opening it anew looks at its end */
    f->size = f->committed;
}

static const struct sink_ops file_sink_ops = {
    .state_size = sizeof(struct file_sink),
    .open = file_sink_open,
    .close = file_sink_close,
    .bind = formatted_bind_with_header,
    .release = formatted_release_header,
    .encode = formatted_encode,
    .finish = file_sink_finish,
    .write = file_sink_write,
    .commit = file_sink_commit,
    .rollback = file_sink_rollback,
};

const struct sink_type file_sink_type = {
    .base = {.name = "file",
             .summary = "Append encoded events to one local file.",
             .doc = "Each commit is synced to disk before anything is acknowledged. At least once: after a crash, what "
                    "was appended and "
                    "not yet acknowledged is appended again; half a record at the end is moved to PATH.torn first. A "
                    "file that other programs move away or remove is followed by a new one with the next commit. "
                    "For exactly once on a local disk use the `object` sink on a directory.",
             .example = "path = \"out/events.ndjson\"\nformat = \"json\"\n",
             .options = file_sink_options,
             .options_size = sizeof(struct file_options),
             .has_format = true},
    .ops = &file_sink_ops,
};
