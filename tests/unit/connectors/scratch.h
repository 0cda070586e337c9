/*
 * A temporary directory for one test, and files in it.
 */
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/file.h"

struct scratch {
    char path[64];
};

static inline void scratch_open(struct scratch *s)
{
    strcpy(s->path, "/tmp/pipe-test-XXXXXX");
    if (!mkdtemp(s->path))
        abort();
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void scratch_close(struct scratch *s)
{
    nftw(s->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The absolute path of a name in there; one of four buffers in turn. */
static inline const char *scratch_path(const struct scratch *s, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", s->path, name);
    return path;
}

static inline void scratch_write(const struct scratch *s, const char *name, const void *data, size_t len)
{
    struct error err;
    const char *path = scratch_path(s, name);
    int fd;
    if (!file_make_parent(path, 0777, &err) || (fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666)) < 0 ||
        !file_write_all(fd, data, len, path, &err))
        abort();
    close(fd);
}

static inline void scratch_put(const struct scratch *s, const char *name, const char *text)
{
    scratch_write(s, name, text, strlen(text));
}

static inline bool scratch_has(const struct scratch *s, const char *name)
{
    return access(scratch_path(s, name), F_OK) == 0;
}

#endif
