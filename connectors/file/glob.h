/*
 * Path patterns, as a shell has them: `*` `?` `[…]` within a name, `**` for any number of directories; none of them
 * matches a leading dot,
 * `**` follows no symbolic links. A backslash takes the meaning from the next character. Several patterns are one set:
 * a path that two of them match is found once.
 *
 * The walk goes through the tree in the bytewise order of the paths. It holds the names of the directories on the way
 * to the present one and nothing else, however many files there are.
 */
#ifndef PIPE_GLOB_H
#define PIPE_GLOB_H

#include <sys/types.h>

#include "pipeline/base/error.h"
#include "pipeline/base/option.h"

struct glob;
/* Absolute patterns. Const afterwards; any thread. */
struct glob *glob_new(const struct text_list *patterns);
void glob_free(struct glob *g);

bool glob_matches(const struct glob *g, const char *path);
/* How much of a matching path its pattern spells out as directories, the last '/' included: what done_dir keeps is the
 * rest. */
size_t glob_base(const struct glob *g, const char *path);
/* Does a pattern have no wildcard in it? Then it names one file. */
bool glob_is_literal(const char *pattern);

/* A regular file. Valid until the next call. */
struct glob_file {
    int directory; /* for openat with name; not to be closed */
    const char *name, *path;
};

struct glob_walk;
/* directory (may be NULL) is told each directory in which files may appear that match, before it is listed. */
struct glob_walk *glob_walk_new(const struct glob *g, void (*directory)(void *arg, const char *path), void *arg);
void glob_walk_free(struct glob_walk *w);

enum glob_result { GLOB_FILE, GLOB_END, GLOB_ERROR };
/* GLOB_ERROR: a directory cannot be read (one that is missing is no error); the walk can go on without it. */
enum glob_result glob_walk_next(struct glob_walk *w, struct glob_file *out, struct error *err);

#endif
