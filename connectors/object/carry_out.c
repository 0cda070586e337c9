#include "connectors/object/carry_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/object/sync.h"
#include "pipeline/base/file.h"

/* ---- renaming
 * ---------------------------------------------------------------------------------------------------------------- */

/* Filesystems without RENAME_NOREPLACE: names have a time and a number, so looking first is enough. */
static int rename_new(const char *from, const char *to)
{
    int failed = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (failed && errno == EINVAL) {
        errno = EEXIST;
        failed = access(to, F_OK) == 0 ? -1 : rename(from, to);
    }
    return failed;
}

static bool rename_paths(const char *part, const char *object, struct error *err)
{
    if (rename_new(part, object) == 0)
        return true;
    int why = errno;
    if ((why == ENOENT || why == EEXIST) &&
        access(part, F_OK) != 0) /* parts are durable before the record is: it has been renamed before */
        return true;
    if (why == ENOENT)
        return file_make_parent(object, 0755, err) &&
               (rename_new(part, object) == 0 || error_errno(err, errno, "cannot rename %s to %s", part, object));
    return error_errno(err, why, "cannot rename %s to %s", part, object);
}

static bool rename_part(const char *root, const char *parts, const struct rename_pair *r, struct error *err)
{
    char *part = file_join(parts, r->part), *object = file_join(root, r->object);
    bool ok = rename_paths(part, object, err);
    free(part);
    free(object);
    return ok;
}

/* ---- syncing
 * ----------------------------------------------------------------------------------------------------------------- */

/* Directories of objects and those above them, relative to the root, each once. */
struct directories {
    char **paths;
    uint32_t count, capacity;
};

static void add_directory(struct directories *d, const char *path, size_t len)
{
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 16;
        d->paths = mem_realloc(d->paths, d->capacity * sizeof(*d->paths));
    }
    char *copy = mem_alloc(len + 1);
    memcpy(copy, path, len);
    copy[len] = '\0';
    d->paths[d->count++] = copy;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void keep_one_of_each(struct directories *d)
{
    uint32_t kept = 0;
    qsort(d->paths, d->count, sizeof(*d->paths), by_path);
    for (uint32_t i = 0; i < d->count; i++)
        if (kept && strcmp(d->paths[kept - 1], d->paths[i]) == 0)
            free(d->paths[i]);
        else
            d->paths[kept++] = d->paths[i];
    d->count = kept;
}

/* A new directory's name is in the one above it. */
static void add_directories_of(struct directories *d, const char *object)
{
    for (const char *slash = object; (slash = strchr(slash, '/')); slash++)
        add_directory(d, object, (size_t)(slash - object));
}

static bool sync_one(const char *root, const char *relative, struct error *err)
{
    char *path;
    if (asprintf(&path, "%s%s%s/x", root, *relative ? "/" : "", relative) < 0)
        abort();
    bool ok = file_sync_directory_of(path, err);
    free(path);
    return ok;
}

bool carry_out_renames(const char *root, const char *parts, const struct rename_pair *renames, uint32_t count,
                       struct error *err)
{
    struct directories d = {0};
    bool ok = true;
    add_directory(&d, "", 0);
    for (uint32_t i = 0; ok && i < count; i++) {
        ok = rename_part(root, parts, &renames[i], err);
        add_directories_of(&d, renames[i].object);
    }
    keep_one_of_each(&d);
    if (ok && d.count > SYNC_SINGLY)
        ok = sync_filesystem_of(root, err);
    for (uint32_t i = 0; ok && d.count <= SYNC_SINGLY && i < d.count; i++)
        ok = sync_one(root, d.paths[i], err);
    for (uint32_t i = 0; i < d.count; i++)
        free(d.paths[i]);
    free(d.paths);
    return ok;
}
