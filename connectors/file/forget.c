#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "connectors/file/source.h"
#include "pipeline/base/arena.h"
#include "pipeline/base/file.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/log.h"

struct forgetting {
    struct file_source *fs;
    struct arena arena;
    const char **keys;
    uint32_t count, capacity;
    char *directory; /* the last one looked at */
    bool trusted;
};

/*
 * A directory that cannot be read or has nothing in it may be one that is not mounted just now: what is missing there
 * is not gone.
 */
static bool has_entries(const char *directory)
{
    DIR *dir = opendir(directory);
    if (!dir)
        return false;
    struct dirent *entry;
    bool any = false;
    while (!any && (entry = readdir(dir)) != NULL)
        any = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return any;
}

static bool trusts_directory_of(struct forgetting *f, char *path)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    if (!f->directory || strcmp(f->directory, path) != 0) {
        f->directory = arena_strdup(&f->arena, path);
        f->trusted = has_entries(slash == path ? "/" : path);
    }
    *slash = '/';
    return f->trusted;
}

static void consider(void *arg, const char *key, uint64_t lowest)
{
    struct forgetting *f = arg;
    struct file_source *fs = f->fs;
    (void)lowest;
    size_t path_len;
    uint64_t hash;
    if (!file_key_parse(key, &path_len, &hash) || key_set_has(&fs->present, hash64(key, strlen(key), 0)))
        return;
    char *relative = arena_printf(&f->arena, "%.*s", (int)path_len, key);
    char *path = file_join(fs->directory, relative);
    struct stat st;
    bool there = lstat(path, &st) == 0;
    if (!there) { /* the text of a name that is no UTF-8? */
        file_name_restore(relative);
        free(path);
        path = file_join(fs->directory, relative);
        there = lstat(path, &st) == 0;
    }
    bool another = there && fs->present.count > 0 && S_ISREG(st.st_mode) && glob_matches(fs->glob, path);
    if (there ? another : trusts_directory_of(f, path)) {
        if (f->count == f->capacity) {
            f->capacity = f->capacity ? f->capacity * 2 : 64;
            f->keys = mem_realloc(f->keys, f->capacity * sizeof(*f->keys));
        }
        f->keys[f->count++] = arena_strdup(&f->arena, key);
    }
    free(path);
}

void file_forget(struct file_source *fs)
{
    struct forgetting f = {.fs = fs};
    lane_stored_keys(fs->lane, consider, &f);
    if (f.count > 0) {
        log_debug(fs->name, "forgetting the positions of %u files that have gone", f.count);
        lane_forget(fs->lane, f.keys, f.count);
    }
    free(f.keys);
    arena_release(&f.arena);
}
