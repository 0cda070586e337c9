/*
 * An option is described in one place: a table of these. Parsing, defaults, `pipe check`, the reference pages, the JSON schema and shell
 * completion all come from it. Values are stored at `offset` in the component's own options struct, which the config owns:
 *
 *   OPTION_TEXT      const char *           NULL where unset and without preset
 *   OPTION_SECRET    const char *           as text; never printed
 *   OPTION_PATH      const char *           as text; made absolute against the config file's directory
 *   OPTION_BOOL      bool
 *   OPTION_INTEGER   int64_t                min, max
 *   OPTION_NUMBER    double
 *   OPTION_SIZE      uint64_t               bytes: 4096, "64MiB", "1GB"; min, max
 *   OPTION_DURATION  int64_t                microseconds: "5ms", "2s", "1h30m"; min, max in microseconds
 *   OPTION_CHOICE    int                    one of choices[]; a TOML boolean is the choice "true" or "false"
 *   OPTION_LIST      struct text_list       a single string is a list of one
 *   OPTION_PATHS     struct text_list       each as OPTION_PATH
 *   OPTION_TABLE     struct text_table      string keys to strings, in the file's order
 */
#ifndef PIPE_OPTION_H
#define PIPE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where in the configuration file; line 0: nowhere (a default, the command line). Columns count characters, from 1. */
struct place {
    uint32_t line, column;
};

struct text_list {
    const char **items;
    uint32_t count;
};

struct text_entry {
    const char *key, *value;
    struct place key_place, value_place;
};
struct text_table {
    struct text_entry *items;
    uint32_t count;
};

enum option_kind {
    OPTION_TEXT, OPTION_SECRET, OPTION_PATH, OPTION_BOOL, OPTION_INTEGER, OPTION_NUMBER, OPTION_SIZE, OPTION_DURATION,
    OPTION_CHOICE, OPTION_LIST, OPTION_PATHS, OPTION_TABLE,
};

struct option_choice {
    const char *name; /* NULL ends the list */
    int value;
    const char *doc;
};

struct option {
    const char *name; /* "roll_size", "retry.first", "csv.delimiter": dots are TOML tables; NULL ends the table */
    enum option_kind kind;
    size_t offset;
    bool required;
    const char *preset;  /* as it would be written in TOML, without quotes for text; NULL: none (zero) */
    int64_t min, max;    /* of what is written (a preset may lie outside); max 0: no upper limit, both 0: any (sizes and durations: never negative) */
    const struct option_choice *choices;
    const char *doc;     /* whole sentences */
    const char *example; /* as it would be written in TOML; NULL: the preset */
};

/* OPT(TEXT, struct file_sink_options, path, .required = true, .doc = "…"): the option's name is the member's. */
#define OPT(kind_, struct_, member_, ...) \
    {.name = #member_, .kind = OPTION_##kind_, .offset = offsetof(struct_, member_), __VA_ARGS__}
/* For a name that is no C identifier: OPT_AS("retry.first", DURATION, struct x, retry_first, …) */
#define OPT_AS(name_, kind_, struct_, member_, ...) \
    {.name = name_, .kind = OPTION_##kind_, .offset = offsetof(struct_, member_), __VA_ARGS__}
#define OPT_END {.name = NULL}

#endif
