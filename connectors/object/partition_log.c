#include "connectors/object/partition_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/object/carry_out.h"
#include "pipeline/base/file.h"

enum { NUMBER_DIGITS = 20 };

struct partition_log *partition_log_new(const char *root, const struct identity *id, const char *source,
                                        const char *key)
{
    struct partition_log *l = mem_zalloc(sizeof(*l));
    *l = (struct partition_log){.root = mem_strdup(root),
                                .source = mem_strdup(source),
                                .key = mem_strdup(key),
                                .owner = id->incarnation,
                                .positions = positions_new()};
    char *relative;
    if (asprintf(&relative, ".pipe/%s/%s/shared/%s/%s", id->pipeline, id->sink, source, key) < 0)
        abort();
    l->directory = file_join(root, relative);
    free(relative);
    l->parts = file_join(l->directory, "parts");
    return l;
}

void partition_log_free(struct partition_log *l)
{
    positions_free(l->positions);
    free(l->parts);
    free(l->directory);
    free(l->root);
    free(l->source);
    free(l->key);
    free(l);
}

static char *entry_path(const struct partition_log *l, int64_t number)
{
    char *path;
    if (asprintf(&path, "%s/%0*" PRId64, l->directory, NUMBER_DIGITS, number) < 0)
        abort();
    return path;
}

char *partition_log_part(const struct partition_log *l, uint64_t number)
{
    char *path;
    if (asprintf(&path, "%s/%" PRId64 "-%" PRIu64, l->parts, l->epoch, number) < 0)
        abort();
    return path;
}

static bool lose(struct partition_log *l, struct error *err)
{
    l->epoch = 0;
    l->unfinished = false;
    return error_set(err, ERROR_RETRY, "another process has taken over %s", l->key);
}

/* ---- entries ---------------------------------------------------------------------------------------------------- */

static int64_t number_of(const char *name)
{
    return strlen(name) == NUMBER_DIGITS && strspn(name, "0123456789") == NUMBER_DIGITS ? strtoll(name, NULL, 10) : 0;
}

/* The highest entry's number; 0: there is none. Removes what is too old to be kept. */
static bool find_highest(const struct partition_log *l, int64_t *highest, struct error *err)
{
    DIR *dir = opendir(l->directory);
    if (!dir)
        return error_errno(err, errno, "cannot open %s", l->directory);
    *highest = 0;
    for (struct dirent *d; (d = readdir(dir));)
        *highest = number_of(d->d_name) > *highest ? number_of(d->d_name) : *highest;
    rewinddir(dir);
    for (struct dirent *d; (d = readdir(dir));)
        if (number_of(d->d_name) && number_of(d->d_name) <= *highest - LOG_KEPT)
            unlinkat(dirfd(dir), d->d_name, 0); /* one that stays is only untidy */
    closedir(dir);
    return true;
}

/* Of another inode than any entry's, however a process before us ended. */
static bool write_draft(const char *path, const struct commit_record *r, struct error *err)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot remove %s", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", path);
    struct buffer text = {0};
    commit_record_print(&text, r);
    bool ok = file_write_all(fd, text.data, text.len, path, err) &&
              (fsync(fd) == 0 || error_errno(err, errno, "cannot write %s to disk", path));
    buffer_release(&text);
    close(fd);
    return ok;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

enum addition { ADDITION_DONE, ADDITION_TAKEN, ADDITION_FAILED };

static enum addition link_draft(const char *draft, const char *entry, struct error *err)
{
    if (link(draft, entry) == 0)
        return ADDITION_DONE;
    int why = errno;
    if (why == EEXIST) /* an answer that was lost on the way from a file server */
        return is_same_file(draft, entry) ? ADDITION_DONE : ADDITION_TAKEN;
    if (why == ENOENT) /* whoever takes over removes what others left, also this draft */
        return ADDITION_TAKEN;
    if (why == ENOSPC || why == EDQUOT)
        error_errno(err, why, "cannot make %s", entry);
    else if (why == EPERM || why == EOPNOTSUPP || why == ENOSYS)
        error_set(err, ERROR_STOP,
                  "cannot make %s: objects of partitions that move between processes need a filesystem with hard links",
                  entry);
    else /* it may be there: to be found out by whoever claims the partition next */
        error_set(err, ERROR_STOP, "cannot make %s: %s", entry, strerror(why));
    return ADDITION_FAILED;
}

static enum addition add_entry(const struct partition_log *l, int64_t number, const struct commit_record *r,
                               struct error *err)
{
    char *draft, *entry = entry_path(l, number);
    if (asprintf(&draft, "%s/%" PRId64 "-draft-%s", l->parts, r->epoch, l->owner) < 0)
        abort();
    enum addition done = write_draft(draft, r, err) ? link_draft(draft, entry, err) : ADDITION_FAILED;
    if (done == ADDITION_DONE)
        unlink(draft);
    free(draft);
    free(entry);
    return done;
}

/* ---- claiming --------------------------------------------------------------------------------------------------- */

/* The names of new directories, up to the sink's own. */
static bool sync_ancestors(const struct partition_log *l, struct error *err)
{
    char *path = mem_strdup(l->parts);
    bool ok = true;
    for (size_t root = strlen(l->root); ok && strlen(path) > root;) {
        ok = file_sync_directory_of(path, err);
        *strrchr(path, '/') = '\0';
    }
    free(path);
    return ok;
}

static void take_range(void *arg, const struct position *p)
{
    struct partition_log *l = arg;
    positions_add(l->positions, l->source, l->key, SHARD_ALL, p->range);
}

static void take_ranges(struct partition_log *l, const struct commit_record *r)
{
    positions_free(l->positions);
    l->positions = positions_new();
    for (uint32_t i = 0; i < r->range_count; i++)
        take_range(l, &r->ranges[i]);
}

/* The entry is durable before anything that it says is done, and done before anything comes behind it. */
static bool settle_entry(const struct partition_log *l, const char *path, const struct commit_record *r,
                         struct error *err)
{
    return file_sync_directory_of(path, err) && carry_out_renames(l->root, l->parts, r->renames, r->rename_count, err);
}

static enum addition add_claim(struct partition_log *l, int64_t last, const struct commit_record *before,
                               struct error *err)
{
    struct commit_record claim = {
        .epoch = last + 1, .owner = l->owner, .ranges = before->ranges, .range_count = before->range_count};
    enum addition done = add_entry(l, last + 1, &claim, err);
    int64_t highest;
    if (done == ADDITION_DONE && !find_highest(l, &highest, err))
        return ADDITION_FAILED;
    if (done != ADDITION_DONE || highest != last + 1)
        return done == ADDITION_FAILED ? done : ADDITION_TAKEN;
    take_ranges(l, before);
    l->epoch = l->last = last + 1;
    return ADDITION_DONE;
}

static enum addition try_claim(struct partition_log *l, struct error *err)
{
    int64_t last;
    if (!find_highest(l, &last, err))
        return ADDITION_FAILED;
    if (last == 0)
        return sync_ancestors(l, err) ? add_claim(l, 0, &(struct commit_record){0}, err) : ADDITION_FAILED;
    char *path = entry_path(l, last);
    struct commit_record_file f;
    enum addition done = ADDITION_FAILED;
    if (commit_record_read(&f, path, err)) {
        done = settle_entry(l, path, &f.record, err) ? add_claim(l, last, &f.record, err) : ADDITION_FAILED;
        commit_record_release(&f);
    } else if (access(path, F_OK) != 0 && errno == ENOENT) {
        done = ADDITION_TAKEN; /* so many came meanwhile that it was removed */
    }
    free(path);
    return done;
}

/* What earlier epochs left behind belongs to no entry: it is read again. A later one may have begun by now. */
static bool remove_earlier_parts(const struct partition_log *l, struct error *err)
{
    DIR *dir = opendir(l->parts);
    bool ok = dir || error_errno(err, errno, "cannot open %s", l->parts);
    for (struct dirent *d; ok && (d = readdir(dir));)
        if (d->d_name[0] != '.' && strtoll(d->d_name, NULL, 10) < l->epoch &&
            unlinkat(dirfd(dir), d->d_name, 0) != 0 && errno != ENOENT)
            ok = error_errno(err, errno, "cannot remove %s/%s", l->parts, d->d_name);
    if (dir)
        closedir(dir);
    return ok;
}

static bool sync_last(const struct partition_log *l, struct error *err)
{
    char *path = entry_path(l, l->last);
    bool ok = file_sync_directory_of(path, err);
    free(path);
    return ok;
}

bool partition_log_claim(struct partition_log *l, struct error *err)
{
    l->epoch = 0;
    l->unfinished = false;
    if (!file_make_directories(l->parts, 0755, err))
        return false;
    enum addition done;
    while ((done = try_claim(l, err)) == ADDITION_TAKEN)
        ; /* somebody else got on, and will for a while only */
    return done == ADDITION_DONE && sync_last(l, err) && remove_earlier_parts(l, err);
}

bool partition_log_is_ours(struct partition_log *l)
{
    char *path = entry_path(l, l->last + 1);
    if (l->epoch && access(path, F_OK) == 0)
        l->epoch = 0;
    free(path);
    return l->epoch != 0;
}

/* ---- committing ------------------------------------------------------------------------------------------------- */

struct range_list {
    struct position *items;
    uint32_t count;
};

static void list_range(void *arg, const struct position *p)
{
    struct range_list *list = arg;
    list->items = mem_realloc(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count++] = *p;
}

bool partition_log_commit(struct partition_log *l, const struct position *ranges, uint32_t range_count,
                          const struct rename_pair *renames, uint32_t rename_count, struct error *err)
{
    struct positions *all = positions_new();
    struct range_list list = {0};
    for (uint32_t i = 0; i < range_count; i++)
        positions_add(all, l->source, l->key, SHARD_ALL, ranges[i].range);
    uint32_t had;
    const struct range *before = positions_ranges(l->positions, l->source, l->key, SHARD_ALL, &had);
    for (uint32_t i = 0; i < had; i++)
        positions_add(all, l->source, l->key, SHARD_ALL, before[i]);
    positions_each(all, list_range, &list);
    struct commit_record r = {.epoch = l->epoch,
                              .owner = l->owner,
                              .ranges = list.items,
                              .range_count = list.count,
                              .renames = renames,
                              .rename_count = rename_count};
    enum addition done = add_entry(l, l->last + 1, &r, err);
    free(list.items);
    if (done != ADDITION_DONE) {
        positions_free(all);
        return done == ADDITION_TAKEN ? lose(l, err) : false;
    }
    positions_free(l->positions);
    l->positions = all;
    l->last++;
    l->unfinished = true;
    return true;
}

bool partition_log_finish(struct partition_log *l, struct error *err)
{
    if (!l->unfinished)
        return true;
    int64_t highest;
    if (!find_highest(l, &highest, err))
        return false;
    if (highest != l->last)
        return lose(l, err);
    char *path = entry_path(l, l->last);
    struct commit_record_file f;
    bool ok = commit_record_read(&f, path, err);
    if (ok) {
        ok = settle_entry(l, path, &f.record, err);
        commit_record_release(&f);
    }
    free(path);
    l->unfinished = !ok;
    return ok;
}
