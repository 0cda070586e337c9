/*
 * The arguments of a command, described by a table: parsing and help come from it. Values are stored at `offset` in the command's own struct,
 * which the caller zeroes. Texts are borrowed from argv.
 */
#ifndef PIPE_ARGS_H
#define PIPE_ARGS_H

#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"
#include "pipeline/base/option.h"

enum arg_kind {
    ARG_FLAG,  /* bool */
    ARG_COUNT, /* uint32_t: how often it was given, -vv */
    ARG_TEXT,  /* const char *; the last one counts */
    ARG_LIST,  /* struct text_list: every one, in order */
    ARG_INTEGER, /* int64_t, not negative */
};

struct arg {
    const char *name; /* "set" for --set; NULL ends the table */
    char letter;      /* 'v' for -v; 0: none */
    enum arg_kind kind;
    size_t offset;
    const char *value; /* what help calls the value: "A.B=C" */
    int64_t least;     /* of an integer */
    const char *doc;
};

#define ARG(kind_, struct_, member_, name_, ...) \
    {.name = name_, .kind = ARG_##kind_, .offset = offsetof(struct_, member_), __VA_ARGS__}
#define ARG_END {.name = NULL}

/*
 * Reads argv (without the program's and the command's name). What is no option goes to *rest (arrays are malloc'd, args_release); behind "--" nothing is one, and "-" never is.
 * ERROR_STOP names the nearest known option.
 */
bool args_parse(const struct arg *args, void *into, int argc, char **argv, struct text_list *rest, struct error *err);
void args_release(const struct arg *args, void *into, struct text_list *rest);

/* One line for each. */
void args_help(const struct arg *args, struct buffer *out);

#endif
