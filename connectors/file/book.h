/*
 * Tail mode's memory of files: a growing file cannot be known by its size and time, and its name changes when it is
 * rotated. It is known by the hash of its first bytes: of what there was at first sight, then of twice as much, and so
 * on up to 1 KiB. The key under which its positions are stored stays the same meanwhile, so the book says which prefix
 * belongs to which key. It is a small file in the state directory, replaced as a whole before anything is read under a
 * new entry: a crash leaves the old prefix or the new one, and both are the file's.
 *
 * The inode is a hint, which decides where several files begin alike; the device is no part of it.
 */
#ifndef PIPE_BOOK_H
#define PIPE_BOOK_H

#include <stddef.h>
#include <stdint.h>

#include "pipeline/base/error.h"

enum { BOOK_PREFIX = 1024 };

struct book_entry {
    struct book_entry *next;
    char *key, *path; /* path: absolute, where it was last seen */
    uint64_t inode, hash;
    uint32_t length; /* of the prefix that hash is of */

    /* of this run */
    bool taken;        /* a file is being followed under it */
    uint64_t refused;  /* the inode of a file that looks like it but is not */
    void *state;       /* the follower's: where it was in the file */
    int64_t missed_us; /* since when nothing is at its path; 0: something was */
};

struct book {
    char *file;
    struct book_entry *first; /* the newest first */
    bool changed;
    bool damaged; /* lines of it could not be read */
};

/* What there is to see of a file: its first bytes, up to BOOK_PREFIX. */
struct book_look {
    const char *path;
    uint64_t inode;
    const char *head;
    size_t head_len;
};

bool book_open(struct book *b, const char *file, struct error *err);
/* Durably, if something has changed. */
bool book_save(struct book *b, struct error *err);
void book_close(struct book *b);

/* The entry of a file that nobody follows: the one with its inode, else with its path, else with the same whole prefix.
 * NULL: it is a new file. */
struct book_entry *book_find(struct book *b, const struct book_look *look);
/* Does it begin with the same 1 KiB as a file that is being followed? Then it is a copy, made to cut the other one off.
 */
bool book_is_copy(const struct book *b, const struct book_look *look);
/* A new file. head_len > 0. key: unused, becomes the book's own (malloc'd). */
struct book_entry *book_add(struct book *b, const struct book_look *look, char *key);
bool book_has_key(const struct book *b, const char *key);
/* Takes over path, inode and, if there is much more of it now, the longer prefix. */
void book_update(struct book *b, struct book_entry *e, const struct book_look *look);
bool book_matches(const struct book_entry *e, const struct book_look *look);
void book_remove(struct book *b, struct book_entry *e);

#endif
