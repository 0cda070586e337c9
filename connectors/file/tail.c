/*
 * Tail mode: which files are followed (this file), and how one is (follow.c).
 *
 * Followed files are known by their inode while the process runs, so that a rename changes nothing, and by the book
 * (book.h) from one run to the next. inotify tells which of them was written to and that names have come or gone; then,
 * and every 10 seconds, the patterns are walked again. A file that is at no name any more is read to its end, and
 * closed when it has been quiet for as long as between two walks.
 */
#include "connectors/file/tail.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/file.h"
#include "pipeline/base/log.h"

enum {
    SCAN_INTERVAL_US = 10000000,
    SCAN_SHARE = 100,      /* a scan may take a hundredth of the time, */
    SCAN_AGAIN_US = 20000, /* or, when names change all the time, a tenth */
    RETRY_US = 1000000,
    OPEN_MAX = 4096,
};

int64_t tail_now_us(const struct tail *t)
{
    return clock_now_us(lane_clock(t->fs->lane));
}

/* ---- the followed files, by device and inode -----------------------------------------------------------------------
 */

static struct followed **place_of(const struct tail *t, uint64_t device, uint64_t inode)
{
    struct followed **at = &t->buckets[(inode ^ device) & (t->capacity - 1)];
    while (*at && ((*at)->inode != inode || (*at)->device != device))
        at = &(*at)->next;
    return at;
}

static void grow(struct tail *t)
{
    size_t capacity = t->capacity ? t->capacity * 2 : 64;
    struct followed **old = t->buckets;
    size_t old_capacity = t->capacity;
    t->buckets = mem_zalloc(capacity * sizeof(struct followed *));
    t->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        for (struct followed *f = old[i], *next; f; f = next) {
            next = f->next;
            struct followed **at = &t->buckets[(f->inode ^ f->device) & (capacity - 1)];
            f->next = *at;
            *at = f;
        }
    }
    free(old);
}

static void watch_one(struct tail *t, struct followed *f)
{
    f->descriptor = watch_file(&t->watch, f->path);
    if (f->descriptor < 0)
        return;
    size_t wd = (size_t)f->descriptor;
    if (wd >= t->by_descriptor_count) {
        size_t count = wd * 2 + 16;
        t->by_descriptor = mem_realloc(t->by_descriptor, count * sizeof(struct followed *));
        memset(t->by_descriptor + t->by_descriptor_count, 0,
               (count - t->by_descriptor_count) * sizeof(struct followed *));
        t->by_descriptor_count = count;
    }
    t->by_descriptor[wd] = f;
}

static struct followed *add(struct tail *t, const char *path, const struct stat *st)
{
    if (t->count >= t->capacity)
        grow(t);
    struct followed **at = place_of(t, (uint64_t)st->st_dev, (uint64_t)st->st_ino);
    struct followed *f = mem_zalloc(sizeof(*f));
    f->device = (uint64_t)st->st_dev;
    f->inode = (uint64_t)st->st_ino;
    f->path = mem_strdup(path);
    f->fd = -1;
    f->size = UINT64_MAX;
    *at = f;
    t->count++;
    watch_one(t, f);
    return f;
}

static void drop(struct tail *t, struct followed *f)
{
    follow_close(t, f);
    if (f->descriptor >= 0) {
        watch_forget(&t->watch, f->descriptor);
        t->by_descriptor[f->descriptor] = NULL;
    }
    if (f->entry)
        f->entry->taken = false;
    *place_of(t, f->device, f->inode) = f->next;
    t->count--;
    free(f->path);
    free(f);
}

/* ---- files with something to read, in order ------------------------------------------------------------------------
 */

void tail_mark(struct tail *t, struct followed *f)
{
    if (f->marked)
        return;
    f->marked = true;
    f->next_marked = NULL;
    *t->last_marked = f;
    t->last_marked = &f->next_marked;
}

static struct followed *take_marked(struct tail *t)
{
    struct followed *f = t->marked;
    if (!f)
        return NULL;
    t->marked = f->next_marked;
    if (!t->marked)
        t->last_marked = &t->marked;
    f->marked = false;
    return f;
}

static void on_event(void *arg, enum watch_event what, int descriptor, const char *path)
{
    struct tail *t = arg;
    (void)path;
    if (what != WATCH_MODIFIED)
        t->scan_again = true;
    else if ((size_t)descriptor < t->by_descriptor_count && t->by_descriptor[descriptor])
        tail_mark(t, t->by_descriptor[descriptor]);
}

/* ---- scans ---------------------------------------------------------------------------------------------------------
 */

static void found(struct tail *t, const struct glob_file *file, struct followed ***last_new)
{
    struct stat st;
    if (fstatat(file->directory, file->name, &st, 0) != 0)
        return;
    struct followed *f = t->capacity ? *place_of(t, (uint64_t)st.st_dev, (uint64_t)st.st_ino) : NULL;
    if (f && f->scan == t->scan)
        return; /* a second name of the same file */
    bool is_new = !f;
    if (is_new)
        f = add(t, file->path, &st);
    if (strcmp(f->path, file->path) != 0) {
        log_debug(t->fs->name, "%s is %s now", f->path, file->path);
        free(f->path);
        f->path = mem_strdup(file->path);
        tail_mark(t, f);
    }
    f->scan = t->scan;
    f->gone = false;
    if (is_new) {
        /* what was there before is read first: the rest of a rotated file before its successor */
        f->marked = true;
        **last_new = f;
        *last_new = &f->next_marked;
    } else if (f->size != (uint64_t)st.st_size || !f->entry) {
        tail_mark(t, f);
    }
}

/* Who is at no name any more is read once more, and later closed. */
static void find_gone(struct tail *t)
{
    int64_t now = tail_now_us(t);
    for (size_t i = 0; i < t->capacity; i++) {
        for (struct followed *f = t->buckets[i], *next; f; f = next) {
            next = f->next;
            if (f->scan == t->scan)
                continue;
            if (!f->gone)
                f->read_us = now;
            f->gone = true;
            f->ending = now - f->read_us >= SCAN_INTERVAL_US;
            tail_mark(t, f);
        }
    }
}

static void note_problem(struct tail *t, const struct error *err)
{
    log_warn(t->fs->name, "%s", err->text);
}

static bool has_other_names(const char *path)
{
    char *directory = mem_strdup(path);
    *(strrchr(directory, '/') + 1) = '\0';
    DIR *dir = opendir(directory);
    struct dirent *entry;
    bool any = false;
    while (dir && !any && (entry = readdir(dir)) != NULL)
        any = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (dir)
        closedir(dir);
    free(directory);
    return any;
}

/* A directory without anything in it may only be not mounted. */
static bool is_missed(const struct book_entry *e)
{
    return !e->taken && access(e->path, F_OK) != 0 && has_other_names(e->path);
}

/*
 * Entries of files that have gone for good. A scan that goes on while names are rotated may miss one, and its old name
 * may be free at that moment: so it takes more than one look.
 */
static void forget_gone(struct tail *t)
{
    int64_t now = tail_now_us(t);
    for (struct book_entry *e = t->book.first, *next; e; e = next) {
        next = e->next;
        if (!is_missed(e)) {
            e->missed_us = 0;
        } else if (!e->missed_us) {
            e->missed_us = now;
        } else if (now - e->missed_us >= SCAN_INTERVAL_US) {
            const char *key = e->key;
            lane_forget(t->fs->lane, &key, 1);
            follow_state_free(e);
            book_remove(&t->book, e);
        }
    }
    t->forgotten_at = now;
}

static void scan(struct tail *t)
{
    int64_t start = tail_now_us(t);
    struct glob_walk *walk = glob_walk_new(t->fs->glob, watch_directory, &t->watch);
    struct glob_file file;
    struct error err;
    struct followed *fresh = NULL, **last = &fresh;
    enum glob_result r;
    bool complete = true;
    t->scan++;
    t->scan_again = false;
    while ((r = glob_walk_next(walk, &file, &err)) != GLOB_END) {
        if (r == GLOB_FILE) {
            found(t, &file, &last);
        } else {
            note_problem(t, &err);
            complete = false;
        }
    }
    glob_walk_free(walk);
    if (complete)
        find_gone(t);
    *last = NULL;
    for (struct followed *f = fresh, *next; f; f = next) {
        next = f->next_marked;
        f->marked = false;
        tail_mark(t, f);
    }
    int64_t now = tail_now_us(t), took = now - start;
    t->scan_at = now + (took * SCAN_SHARE > SCAN_INTERVAL_US ? took * SCAN_SHARE : SCAN_INTERVAL_US);
    t->scan_again_at = now + (took * 10 > SCAN_AGAIN_US ? took * 10 : SCAN_AGAIN_US);
}

/* ---- the loop ------------------------------------------------------------------------------------------------------
 */

/* A disk that is full or broken just now is tried again later. False: it is worse than that. */
static bool wait_out(struct tail *t, const struct error *err)
{
    if (err->kind != ERROR_RETRY)
        return false;
    if (!t->troubled)
        log_warn(t->fs->name, "%s; trying again", err->text);
    t->troubled = true;
    t->retry_at = tail_now_us(t) + RETRY_US;
    return true;
}

/* Reads a turn of each file that has something, as far as there is no trouble. False: failed. */
static bool serve_marked(struct tail *t, struct error *err)
{
    for (struct followed *f; tail_now_us(t) >= t->retry_at && (f = take_marked(t)) != NULL;) {
        switch (follow_read(t, f, err)) {
        case FOLLOW_ALL:
            if (f->ending)
                drop(t, f);
            break;
        case FOLLOW_MORE:
            tail_mark(t, f);
            break;
        case FOLLOW_STOPPED:
            t->stopped = true;
            return true;
        case FOLLOW_FAILED:
            tail_mark(t, f);
            if (!wait_out(t, err))
                return false;
            break;
        }
        watch_read(&t->watch, on_event, t);
        stream_linger(&t->fs->stream);
    }
    return true;
}

static bool save_book(struct tail *t, struct error *err)
{
    if (tail_now_us(t) < t->retry_at)
        return true;
    if (!book_save(&t->book, err))
        return wait_out(t, err);
    if (t->troubled && !t->marked) {
        log_info(t->fs->name, "works again");
        t->troubled = false;
    }
    return true;
}

static void wait_for_work(struct tail *t)
{
    struct stream *s = &t->fs->stream;
    struct lane *lane = t->fs->lane;
    int64_t now = tail_now_us(t),
            until = t->scan_again && t->scan_again_at < t->scan_at ? t->scan_again_at : t->scan_at;
    if (t->retry_at > now && t->retry_at < until)
        until = t->retry_at;
    int64_t linger_until = s->opened_us + s->common->linger;
    if (stream_holds(s) && !lane_worker_idle(lane) && linger_until > now && linger_until < until)
        until = linger_until;
    else
        stream_flush(s, false);
    struct pollfd fd = {.fd = t->watch.fd, .events = POLLIN};
    lane_wait(lane, t->watch.fd >= 0 ? &fd : NULL, t->watch.fd >= 0, until > now ? until - now : 0);
    stream_linger(s);
    watch_read(&t->watch, on_event, t);
}

static bool run(struct tail *t, struct error *err)
{
    scan(t);
    bool first = true;
    while (serve_marked(t, err)) {
        if (t->stopped || lane_stopping(t->fs->lane))
            return true;
        if (first || tail_now_us(t) - t->forgotten_at >= SCAN_INTERVAL_US)
            forget_gone(t);
        if (!save_book(t, err))
            return false;
        first = false;
        int64_t now = tail_now_us(t);
        if (now >= t->scan_at || (t->scan_again && now >= t->scan_again_at))
            scan(t);
        else
            wait_for_work(t);
    }
    return false;
}

static uint32_t open_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 2 > OPEN_MAX)
        return OPEN_MAX;
    return limit.rlim_cur / 2 > 8 ? (uint32_t)(limit.rlim_cur / 2) : 8;
}

bool file_tail_run(struct file_source *fs, struct error *err)
{
    struct tail t = {.fs = fs, .open_max = open_limit()};
    t.last_marked = &t.marked;
    char *name = mem_alloc(strlen(fs->name) + sizeof(".tail"));
    strcpy(stpcpy(name, fs->name), ".tail");
    char *path = file_join(lane_state_dir(fs->lane), name);
    bool ok = book_open(&t.book, path, err);
    if (t.book.damaged)
        log_warn(fs->name, "%s is damaged: files that it no longer knows are read again", path);
    free(path);
    free(name);
    watch_open(&t.watch, fs->name, WATCH_NAMES);
    ok = ok && run(&t, err);
    if (ok)
        stream_flush(&fs->stream, false);

    for (size_t i = 0; i < t.capacity; i++)
        while (t.buckets[i])
            drop(&t, t.buckets[i]);
    for (struct book_entry *e = t.book.first; e; e = e->next)
        follow_state_free(e);
    book_close(&t.book);
    watch_close(&t.watch);
    free(t.buckets);
    free(t.by_descriptor);
    return ok;
}
