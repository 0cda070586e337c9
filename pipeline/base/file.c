#include "pipeline/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/arena.h"

bool file_write_all(int fd, const void *data, size_t len, const char *path, struct error *err)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return error_errno(err, errno, "cannot write %s", path);
        }
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool read_to_end(int fd, const char *path, size_t limit, struct buffer *out, struct error *err)
{
    size_t start = out->len;
    for (;;) {
        char *to = buffer_reserve(out, 65536);
        ssize_t n = read(fd, to, out->capacity - out->len);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return error_errno(err, errno, "cannot read %s", path);
        }
        if (n == 0)
            return true;
        out->len += (size_t)n;
        if (out->len - start > limit)
            return error_set(err, ERROR_STOP, "%s is larger than %zu bytes", path, limit);
    }
}

bool file_read_all(const char *path, size_t limit, struct buffer *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", path);
    bool ok = read_to_end(fd, path, limit, out, err);
    close(fd);
    return ok;
}

/* The directory part: "." for a bare name, "/" for a name in the root. The caller frees. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_strdup(".");
    if (slash == path)
        return mem_strdup("/");
    size_t len = (size_t)(slash - path);
    char *directory = mem_alloc(len + 1);
    memcpy(directory, path, len);
    directory[len] = '\0';
    return directory;
}

static bool sync_directory(const char *directory, struct error *err)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open directory %s", directory);
    bool ok = fsync(fd) == 0 ||
              errno == EINVAL; /* some network filesystems cannot sync a directory: they have nothing to sync */
    if (!ok)
        error_errno(err, errno, "cannot sync directory %s", directory);
    close(fd);
    return ok;
}

bool file_sync_directory_of(const char *path, struct error *err)
{
    char *directory = directory_of(path);
    bool ok = sync_directory(directory, err);
    free(directory);
    return ok;
}

static bool write_new(const char *path, const void *data, size_t len, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_errno(err, errno, "cannot create %s", path);
    bool ok = file_write_all(fd, data, len, path, err);
    if (ok && fsync(fd) != 0)
        ok = error_errno(err, errno, "cannot sync %s", path);
    if (close(fd) != 0 && ok)
        ok = error_errno(err, errno, "cannot close %s", path);
    return ok;
}

bool file_replace(const char *path, const void *data, size_t len, struct error *err)
{
    /* Always the same name: what a kill left behind is overwritten, not added to. */
    struct buffer temporary = {0};
    buffer_printf(&temporary, "%s.pipe-tmp", path);
    const char *name = buffer_cstr(&temporary);
    bool ok = write_new(name, data, len, err) && file_rename_durably(name, path, err);
    if (!ok)
        unlink(name);
    buffer_release(&temporary);
    return ok;
}

bool file_rename_durably(const char *from, const char *to, struct error *err)
{
    if (rename(from, to) != 0)
        return error_errno(err, errno, "cannot rename %s to %s", from, to);
    char *source = directory_of(from), *target = directory_of(to);
    bool ok = sync_directory(target, err);
    if (ok && strcmp(source, target) != 0)
        ok = sync_directory(source, err);
    free(source);
    free(target);
    return ok;
}

static bool make_one(const char *path, mode_t mode, struct error *err)
{
    if (mkdir(path, mode) == 0)
        return true;
    int why = errno;
    struct stat st;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return true;
        why = ENOTDIR;
    }
    return error_errno(err, why, "cannot make directory %s", path);
}

bool file_make_directories(const char *path, mode_t mode, struct error *err)
{
    char *prefix = mem_strdup(path);
    bool ok = true;
    for (char *p = prefix + 1; ok && *prefix && *p; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = '\0';
        ok = make_one(prefix, mode, err);
        *p = '/';
    }
    ok = ok && make_one(path, mode, err);
    free(prefix);
    return ok;
}

bool file_make_parent(const char *path, mode_t mode, struct error *err)
{
    char *directory = directory_of(path);
    bool ok = file_make_directories(directory, mode, err);
    free(directory);
    return ok;
}

char *file_join(const char *directory, const char *name)
{
    if (name[0] == '/' || directory[0] == '\0')
        return mem_strdup(name);
    size_t len = strlen(directory);
    while (len > 1 && directory[len - 1] == '/')
        len--;
    bool root = len == 1 && directory[0] == '/';
    size_t name_size = strlen(name) + 1;
    char *path = mem_alloc(len + 1 + name_size);
    memcpy(path, directory, len);
    if (!root)
        path[len++] = '/';
    memcpy(path + len, name, name_size);
    return path;
}
