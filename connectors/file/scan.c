/*
 * Batch and watch mode: which files are read, and when.
 *
 * A scan walks through all that matches. A file that is known to be whole is visited at once, another is put among the
 * pending ones and looked at again. Batch mode ends when a scan is through and nothing is pending. Watch mode goes on
 * with what inotify tells, and scans again now and then, since inotify sees nothing on network filesystems and may lose
 * events. A scan may take at most a hundredth of the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/file/pending.h"
#include "connectors/file/source.h"
#include "connectors/file/watch.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/log.h"

enum {
    SCAN_INTERVAL_US = 10000000,
    SCAN_SHARE = 100,
    SERVE_EVERY = 64,       /* files */
    COUNT_AHEAD = 8,        /* files the counting walk is faster by */
    SETTLE_STEP_US = 20000, /* pending files are looked at together */
    FORGET_INTERVAL_US = 600000000,
    DONE_RETRY_US = 1000000,
};

struct scan {
    struct file_source *fs;
    struct pending pending;
    struct watch watch;
    bool watching, first;
    struct key_set seen, next_seen; /* hashes of path, size and mtime of files that were visited: watch mode */
    bool scanning, scan_again;
    bool complete; /* the scan could read everything */
    uint32_t files;
    int64_t forgotten_at, done_retry_at;
    enum visit result;
    struct error *err;
};

enum found { FOUND_BY_SCAN, FOUND_CREATED, FOUND_WRITTEN, FOUND_RENAMED };

static int64_t now_us(const struct scan *s)
{
    return clock_now_us(lane_clock(s->fs->lane));
}

static int64_t wall_us(const struct scan *s)
{
    return lane_clock(s->fs->lane)->wall_us(lane_clock(s->fs->lane));
}

/* ---- one file ------------------------------------------------------------------------------------------------------
 */

/* Two files with this in common have one key, unless somebody has tampered with the time: none is visited twice while
 * it is read. */
static uint64_t look_hash(const char *path, const struct stat *st)
{
    int64_t facts[2] = {st->st_size, stat_mtime_ns(st)};
    return hash64(path, strlen(path), hash64(facts, sizeof(facts), 0));
}

static bool has_marker(const struct scan *s, const char *path)
{
    struct buffer marker = {0};
    buffer_printf(&marker, "%s%s", path, s->fs->settle.suffix);
    bool there = access(buffer_cstr(&marker), F_OK) == 0;
    buffer_release(&marker);
    return there;
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* Counts the files ahead of the reading, a few at a time: the total is known early, and no start waits for it. */
static void count_ahead(struct file_source *fs)
{
    struct glob_file file;
    struct error err;
    struct stat st;
    for (int i = 0; i < COUNT_AHEAD && fs->counting; i++) {
        switch (glob_walk_next(fs->counting, &file, &err)) {
        case GLOB_FILE:
            if (!file_is_done_dir(fs, file.path) && fstatat(file.directory, file.name, &st, 0) == 0)
                fs->total_bytes += (uint64_t)st.st_size;
            break;
        case GLOB_END:
            glob_walk_free(fs->counting);
            fs->counting = NULL;
            break;
        case GLOB_ERROR:
            break;
        }
    }
}

static bool visit(struct scan *s, int directory, const char *name, const char *path)
{
    struct file_source *fs = s->fs;
    count_ahead(fs);
    if (++s->files % SERVE_EVERY == 0) {
        lane_serve(fs->lane);
        if (lane_stopping(fs->lane)) {
            s->result = VISIT_STOPPED;
            return false;
        }
    }
    struct error err;
    s->result = file_visit(fs, directory, name, path, &err);
    if (s->result != VISIT_FAILED)
        return s->result == VISIT_DONE;
    if (!s->watching || err.kind == ERROR_RETRY) {
        *s->err = err;
        return false;
    }
    /* one file that cannot be read must not stop those that arrive after it */
    log_error(fs->name, "%s", err.text);
    s->result = VISIT_DONE;
    return true;
}

/* How long the file has to be quiet before it is read: 0, at once; -1: it is not to be read. */
static int64_t quiet_time(const struct scan *s, enum found how, const char *path)
{
    const struct settle *settle = &s->fs->settle;
    switch (settle->kind) {
    case SETTLE_QUIET:
        return settle->quiet_us;
    case SETTLE_MARKER:
        return ends_with(path, settle->suffix) || !has_marker(s, path) ? -1 : 0;
    case SETTLE_RENAME:
        /* what a later scan finds was renamed while nobody listened; so is it if it does not change any more */
        return how == FOUND_RENAMED || s->first ? 0 : how == FOUND_BY_SCAN ? SCAN_INTERVAL_US : -1;
    }
    return -1;
}

/* Puts it among the pending ones; true: it has been quiet for long enough already. */
static bool is_quiet(struct scan *s, const char *path, const struct stat *st, int64_t quiet_us)
{
    struct pending_file *f = pending_at(&s->pending, path);
    settle_look(&f->seen, st, now_us(s));
    f->quiet_us = quiet_us;
    if (f->refused || settle_wait_us(&f->seen, quiet_us, now_us(s), wall_us(s)) > 0)
        return false;
    pending_remove(&s->pending, path);
    return true;
}

/* False: s->result says why. */
static bool consider(struct scan *s, enum found how, int directory, const char *name, const char *path)
{
    if (file_is_done_dir(s->fs, path))
        return true;
    int64_t quiet_us = quiet_time(s, how, path);
    if (quiet_us < 0) {
        if (s->fs->settle.kind == SETTLE_RENAME)
            pending_at(&s->pending, path)->refused = true;
        return true;
    }
    if (!s->watching && quiet_us == 0)
        return visit(s, directory, name, path);

    struct stat st;
    if (fstatat(directory, name, &st, 0) != 0 || !S_ISREG(st.st_mode))
        return true;
    uint64_t look = look_hash(path, &st);
    if (s->scanning && key_set_has(&s->seen, look)) {
        key_set_add(&s->next_seen, look);
        return true;
    }
    if (key_set_has(&s->seen, look) || (quiet_us > 0 && !is_quiet(s, path, &st, quiet_us)))
        return true;
    if (how == FOUND_RENAMED)
        pending_remove(&s->pending, path);
    key_set_add(s->scanning ? &s->next_seen : &s->seen, look);
    return visit(s, directory, name, path);
}

/* ---- scans ---------------------------------------------------------------------------------------------------------
 */

static void complain(struct scan *s, const struct error *err)
{
    s->complete = false;
    if (s->watching)
        log_warn(s->fs->name, "%s", err->text);
}

/* A pattern that names a directory was meant for the files in it. */
static bool refuse_directories(struct file_source *fs, struct error *err)
{
    for (uint32_t i = 0; i < fs->options->path.count; i++) {
        const char *path = fs->options->path.items[i];
        struct stat st;
        if (glob_is_literal(path) && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            return error_set(
                err, ERROR_STOP,
                "path \"%s\" is a directory: write \"%s/*\" for the files in it, \"%s/**\" for those further down too",
                path, path, path);
    }
    return true;
}

static bool scan_all(struct scan *s)
{
    struct glob_walk *walk = glob_walk_new(s->fs->glob, s->watching ? watch_directory : NULL, &s->watch);
    struct glob_file file;
    uint32_t found = 0;
    s->complete = s->scanning = true;
    s->scan_again = false;
    bool on = true;
    while (on) {
        enum glob_result r = glob_walk_next(walk, &file, s->err);
        if (r == GLOB_END)
            break;
        if (r == GLOB_FILE) {
            found++;
            on = consider(s, FOUND_BY_SCAN, file.directory, file.name, file.path);
        } else {
            complain(s, s->err);
            on = s->watching;
            s->result = VISIT_FAILED;
        }
    }
    glob_walk_free(walk);
    s->scanning = false;
    if (!on)
        return false;
    s->result = VISIT_DONE;
    struct key_set old = s->seen;
    s->seen = s->next_seen;
    s->next_seen = (struct key_set){0};
    key_set_release(&old);
    if (found == 0 && !s->watching)
        log_warn(s->fs->name, "no file matches %s%s", s->fs->options->path.items[0],
                 s->fs->options->path.count > 1 ? " or the other paths" : "");
    return true;
}

static bool scan_first(struct scan *s)
{
    struct file_source *fs = s->fs;
    fs->collecting = true;
    bool on = scan_all(s);
    fs->collecting = false;
    /* files that are still pending have not shown their keys */
    if (on && s->complete && s->pending.count == 0)
        file_forget(fs);
    key_set_release(&fs->present);
    s->first = false;
    s->forgotten_at = now_us(s);
    return on;
}

static bool visit_due(struct scan *s)
{
    bool on = true;
    struct pending_file *due = pending_take_due(&s->pending, now_us(s), wall_us(s));
    for (struct pending_file *next; due; due = next) {
        next = due->next;
        struct stat st;
        if (on && stat(due->path, &st) == 0 && S_ISREG(st.st_mode)) {
            struct pending_file *again = pending_at(&s->pending, due->path);
            again->seen = due->seen;
            if (is_quiet(s, due->path, &st, due->quiet_us)) {
                key_set_add(&s->seen, look_hash(due->path, &st));
                on = visit(s, AT_FDCWD, due->path, due->path);
            }
        }
        pending_file_free(due);
    }
    return on;
}

static void on_event(void *arg, enum watch_event what, int descriptor, const char *path)
{
    struct scan *s = arg;
    (void)descriptor;
    if (what == WATCH_LOST) {
        s->scan_again = true;
        return;
    }
    if (s->result != VISIT_DONE)
        return;
    struct buffer plain = {0};
    const char *suffix = s->fs->settle.suffix;
    if (suffix && ends_with(path, suffix)) {
        buffer_add(&plain, path, strlen(path) - strlen(suffix));
        path = buffer_cstr(&plain);
    }
    enum found how = what == WATCH_RENAMED ? FOUND_RENAMED : what == WATCH_CREATED ? FOUND_CREATED : FOUND_WRITTEN;
    if (glob_matches(s->fs->glob, path))
        consider(s, how, AT_FDCWD, path, path);
    buffer_release(&plain);
}

/* Sleeps until something may have to be done. */
static void wait_for_work(struct scan *s, int64_t scan_at)
{
    stream_flush(&s->fs->stream, false);
    if (s->fs->gone_count > 0 || s->fs->left_unwritten.len > 0)
        file_done_flush(s->fs);
    int64_t now = now_us(s), wait = pending_wait_us(&s->pending, now, wall_us(s));
    if (wait >= 0 && wait < SETTLE_STEP_US)
        wait = SETTLE_STEP_US;
    int64_t until = s->fs->stuck && s->done_retry_at < scan_at ? s->done_retry_at : scan_at;
    if (s->watching && (wait < 0 || wait > until - now))
        wait = until > now ? until - now : 0;
    struct pollfd fd = {.fd = s->watch.fd, .events = POLLIN};
    lane_wait(s->fs->lane, s->watch.fd >= 0 ? &fd : NULL, s->watch.fd >= 0, wait);
}

static bool rescan(struct scan *s, int64_t *scan_at)
{
    int64_t start = now_us(s);
    if (!scan_all(s))
        return false;
    if (s->complete && start - s->forgotten_at >= FORGET_INTERVAL_US) {
        file_forget(s->fs);
        s->forgotten_at = start;
    }
    int64_t took = now_us(s) - start;
    *scan_at = now_us(s) + (took * SCAN_SHARE > SCAN_INTERVAL_US ? took * SCAN_SHARE : SCAN_INTERVAL_US);
    return true;
}

static void retry_done(struct scan *s)
{
    if (!s->fs->stuck || now_us(s) < s->done_retry_at)
        return;
    file_done_retry(s->fs);
    s->done_retry_at = now_us(s) + DONE_RETRY_US;
}

static bool run(struct scan *s)
{
    if (!scan_first(s))
        return false;
    int64_t scan_at = now_us(s) + SCAN_INTERVAL_US;
    while (s->watching || s->pending.count > 0) {
        wait_for_work(s, scan_at);
        if (lane_stopping(s->fs->lane)) {
            s->result = VISIT_STOPPED;
            return false;
        }
        retry_done(s);
        watch_read(&s->watch, on_event, s);
        if (s->result != VISIT_DONE || !visit_due(s))
            return false;
        if (s->watching && (s->scan_again || now_us(s) >= scan_at) && !rescan(s, &scan_at))
            return false;
    }
    return true;
}

bool file_scan_run(struct file_source *fs, struct error *err)
{
    struct scan s = {.fs = fs, .first = true, .err = err, .watch.fd = -1, .watching = fs->options->mode == FILE_WATCH};
    if (!refuse_directories(fs, err))
        return false;
    if (s.watching)
        watch_open(&s.watch, fs->name, WATCH_DROPS);
    else
        fs->counting = glob_walk_new(fs->glob, NULL, NULL);
    run(&s);
    if (s.result != VISIT_FAILED)
        stream_flush(&fs->stream, false);
    glob_walk_free(fs->counting);
    fs->counting = NULL;
    watch_close(&s.watch);
    pending_release(&s.pending);
    key_set_release(&s.seen);
    key_set_release(&s.next_seen);
    return s.result != VISIT_FAILED;
}
