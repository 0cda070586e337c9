#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/file/glob_private.h"
#include "pipeline/base/buffer.h"

/* A directory on the way. Names end in '/' where they are directories: so they sort as the paths do. */
struct level {
    int fd;
    struct glob_set set;
    struct buffer names;
    uint32_t *offsets;
    uint32_t count, capacity, next;
    size_t path_len; /* of the walk's path, with a '/' at the end */
};

struct glob_walk {
    struct level *levels;
    uint32_t depth, capacity;
    struct buffer path;
    struct glob_set step;
    void (*directory)(void *arg, const char *path);
    void *arg;
    const struct glob *glob;
    bool started;
};

struct glob_walk *glob_walk_new(const struct glob *g, void (*directory)(void *arg, const char *path), void *arg)
{
    struct glob_walk *w = mem_zalloc(sizeof(*w));
    w->glob = g;
    w->directory = directory;
    w->arg = arg;
    return w;
}

static void close_level(struct level *l)
{
    if (l->fd >= 0)
        close(l->fd);
    free(l->set.nodes);
    free(l->offsets);
    buffer_release(&l->names);
}

void glob_walk_free(struct glob_walk *w)
{
    if (!w)
        return;
    while (w->depth > 0)
        close_level(&w->levels[--w->depth]);
    free(w->levels);
    free(w->step.nodes);
    buffer_release(&w->path);
    free(w);
}

static void add_name(struct level *l, const char *name, bool directory)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 16;
        l->offsets = mem_realloc(l->offsets, l->capacity * sizeof(*l->offsets));
    }
    l->offsets[l->count++] = (uint32_t)l->names.len;
    buffer_add(&l->names, name, strlen(name));
    if (directory)
        buffer_add_byte(&l->names, '/');
    buffer_add_byte(&l->names, '\0');
}

/* Adds a name if something below it or itself can match. */
static void consider(struct glob_walk *w, struct level *l, const char *name, unsigned char type)
{
    struct stat st;
    bool link = type == DT_LNK;
    bool terminal = glob_step(&l->set, name, link, &w->step);
    if (w->step.count == 0)
        return;
    if (type == DT_LNK || type == DT_UNKNOWN) {
        if (fstatat(l->fd, name, &st, 0) != 0)
            return;
        type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
    }
    if (type == DT_DIR || (type == DT_REG && terminal))
        add_name(l, name, type == DT_DIR);
}

static bool list(struct glob_walk *w, struct level *l)
{
    int fd = dup(l->fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        errno = why;
        return false;
    }
    struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            consider(w, l, entry->d_name, entry->d_type);
    int why = errno;
    closedir(dir);
    errno = why;
    return why == 0;
}

/* Names that are spelt out need no listing, and no permission to list. */
static void look_up(struct glob_walk *w, struct level *l)
{
    for (uint32_t i = 0; i < l->set.count; i++)
        for (const struct glob_node *c = l->set.nodes[i]->children; c; c = c->next)
            consider(w, l, c->text, DT_UNKNOWN);
}

static bool needs_listing(const struct glob_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->nodes[i]->kind == GLOB_ANY_DEPTH)
            return true;
        for (const struct glob_node *c = set->nodes[i]->children; c; c = c->next)
            if (c->kind != GLOB_LITERAL)
                return true;
    }
    return false;
}

static bool may_hold_files(const struct glob_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        for (const struct glob_node *c = set->nodes[i]->children; c; c = c->next)
            if (c->terminal || c->kind != GLOB_LITERAL)
                return true;
    return false;
}

static int by_name(const void *a, const void *b, void *names)
{
    return strcmp((const char *)names + *(const uint32_t *)a, (const char *)names + *(const uint32_t *)b);
}

static void sort_names(struct level *l)
{
    if (l->count == 0)
        return;
    qsort_r(l->offsets, l->count, sizeof(*l->offsets), by_name, l->names.data);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < l->count; i++)
        if (strcmp(l->names.data + l->offsets[i], l->names.data + l->offsets[kept - 1]) != 0)
            l->offsets[kept++] = l->offsets[i];
    l->count = kept;
}

static bool is_gone(int errnum)
{
    return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP;
}

/* Enters a directory, whose set is in w->step and whose path in w->path. */
static bool push(struct glob_walk *w, int parent, const char *name, struct error *err)
{
    if (w->depth == w->capacity) {
        w->capacity = w->capacity ? w->capacity * 2 : 8;
        w->levels = mem_realloc(w->levels, w->capacity * sizeof(*w->levels));
    }
    bool listing = needs_listing(&w->step);
    if (w->directory && may_hold_files(&w->step))
        w->directory(w->arg, buffer_cstr(&w->path));
    struct level l = {.set = w->step, .path_len = w->path.len};
    w->step = (struct glob_set){0};
    l.fd = openat(parent, name, (listing ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC);
    bool ok = l.fd >= 0 && (!listing || list(w, &l));
    if (!ok) {
        int why = errno;
        close_level(&l);
        return is_gone(why) || error_errno(err, why, "cannot read directory %s", buffer_cstr(&w->path));
    }
    if (!listing)
        look_up(w, &l);
    sort_names(&l);
    w->levels[w->depth++] = l;
    return true;
}

static bool start(struct glob_walk *w, struct error *err)
{
    w->started = true;
    buffer_add_byte(&w->path, '/');
    glob_start(w->glob, &w->step);
    return push(w, AT_FDCWD, "/", err);
}

enum glob_result glob_walk_next(struct glob_walk *w, struct glob_file *out, struct error *err)
{
    if (!w->started && !start(w, err))
        return GLOB_ERROR;
    while (w->depth > 0) {
        struct level *l = &w->levels[w->depth - 1];
        if (l->next == l->count) {
            close_level(l);
            w->depth--;
            continue;
        }
        const char *name = l->names.data + l->offsets[l->next++];
        size_t len = strlen(name);
        w->path.len = l->path_len;
        buffer_add(&w->path, name, len);
        if (name[len - 1] != '/') {
            *out = (struct glob_file){.directory = l->fd, .name = name, .path = buffer_cstr(&w->path)};
            return GLOB_FILE;
        }
        char plain[NAME_MAX + 1];
        memcpy(plain, name, len - 1);
        plain[len - 1] = '\0';
        struct stat st;
        bool link = fstatat(l->fd, plain, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
        glob_step(&l->set, plain, link, &w->step);
        if (w->step.count > 0 && !push(w, l->fd, plain, err))
            return GLOB_ERROR;
    }
    return GLOB_END;
}
