/*
 * Which file is this? In batch and watch mode a file does not change once it is settled, so it is known by its path,
 * size, modification time and the hash of its first and last 4 KiB; one that was changed is another file. The device
 * and inode are no part of it: they change when a disk is restored or mounted elsewhere.
 */
#ifndef PIPE_FILE_IDENTITY_H
#define PIPE_FILE_IDENTITY_H

#include <sys/stat.h>

#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"

enum { IDENTITY_EDGE = 4096 };

struct file_identity {
    uint64_t size, hash;
    int64_t mtime_ns;
    /* The file's first bytes: all of them where it is no longer than this. */
    char head[2 * IDENTITY_EDGE];
    size_t head_len;
};

/* Reads what the identity needs: one pread for a small file, two for others. path: for errors. */
bool file_identify(int fd, const char *path, struct file_identity *out, struct error *err);

/* Names are any bytes, but keys and meta.file go where only UTF-8 may be: a byte that is none becomes %XX. malloc'd. */
char *file_name_text(const char *name);
/* In place: the name that file_name_text had. */
void file_name_restore(char *text);

/* RELATIVE-PATH#HASH, as it is stored; NUL-terminated. */
void file_key_print(const char *relative, uint64_t hash, struct buffer *out);
/* The path part's length of a stored key, and its hash. False: not such a key. */
bool file_key_parse(const char *key, size_t *path_len, uint64_t *hash);

/* The path as the configuration's directory sees it: without it, where it lies below. */
const char *file_relative(const char *directory, const char *path);

int64_t stat_mtime_ns(const struct stat *st);
/* Microseconds since 2000, as timestamps are kept. */
int64_t mtime_to_timestamp(int64_t mtime_ns);

#endif
