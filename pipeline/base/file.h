/*
 * Files done right: whole writes, durable renames, directories. Errors carry the path.
 */
#ifndef PIPE_FILE_H
#define PIPE_FILE_H

#include <sys/types.h>

#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"

bool file_write_all(int fd, const void *data, size_t len, const char *path, struct error *err);
/* Reads the whole file; at most `limit` bytes, more is an error. */
bool file_read_all(const char *path, size_t limit, struct buffer *out, struct error *err);
/* Replaces `path` by `data` atomically and durably: temporary file beside it, fsync, rename, fsync of the directory. */
bool file_replace(const char *path, const void *data, size_t len, struct error *err);
/* rename, then fsync of the target's directory (and of the source's, where another). */
bool file_rename_durably(const char *from, const char *to, struct error *err);
bool file_sync_directory_of(const char *path, struct error *err);
/* mkdir -p; an existing directory is fine. */
bool file_make_directories(const char *path, mode_t mode, struct error *err);
/* As above for the directory that `path` is in. */
bool file_make_parent(const char *path, mode_t mode, struct error *err);
/* Joins with one '/'; an absolute `name` is itself. malloc'd: the caller frees. */
char *file_join(const char *directory, const char *name);

#endif
