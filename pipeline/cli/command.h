/*
 * The commands: one file each (cmd_*.c), one visible table (commands.c).
 */
#ifndef PIPE_COMMAND_H
#define PIPE_COMMAND_H

#include "pipeline/cli/args.h"
#include "pipeline/engine/config.h"

/* What the program ends with (docs: "Exit codes"). */
enum exit_code {
    EXIT_COMPLETE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_DEAD_LETTERS = 3,
    EXIT_STOPPED_EARLY = 75,
    EXIT_CONFIG = 78,
};

struct command {
    const char *name, *summary;
    const char *usage; /* behind "pipe NAME ": "[FILE]" */
    const char *doc;   /* below the usage; NULL: none */
    const struct arg *args;
    size_t args_size;
    uint32_t most_operands;
    /* Returns the exit code. `args` is args_size bytes, filled in. */
    int (*run)(const struct command *c, const void *args, const struct text_list *operands);
};

extern const struct command *const commands[]; /* NULL-ended */
const struct command *command_find(const char *name);

/* What is wrong with how a command was called, on stderr. Returns EXIT_USAGE. */
int usage_error(const struct command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- commands that read a configuration -------------------------------------------------------------------------- */

struct config_args {
    struct text_list sets;
    const char *env_file;
};
#define CONFIG_ARGS(struct_, member_)                                                                                  \
    ARG(LIST, struct_, member_.sets, "set", .value = "A.B=C", .doc = "Set an option of the file; may be repeated."),   \
        ARG(TEXT, struct_, member_.env_file, "env-file", .value = "FILE",                                              \
            .doc = "Variables for ${…} (NAME=VALUE lines), behind the environment's own.")

/*
 * Loads the file that the operands name, ./pipeline.toml without one. Problems and warnings are printed on stderr; NULL: errors, exit with EXIT_CONFIG.
 * *problems may gather further ones (of the plan); its arena is `arena`.
 */
const struct config *command_load(const struct config_args *args, const struct text_list *operands, struct arena *arena,
                                  struct problems *problems);
/* Prints them on stderr as they are shown on a terminal or in a file, from item `from` on. */
void command_print_problems(const struct problems *problems, uint32_t from);

/* Blocks SIGINT, SIGTERM and SIGHUP in all threads to come: they arrive as bytes on the descriptor returned. SIGPIPE is ignored. */
int command_take_signals(void);

/* The whole text to stdout; EXIT_COMPLETE, or EXIT_FAILED where it cannot be written. */
int command_output(struct buffer *text);

extern const struct command command_check, command_dead, command_explain, command_graph, command_help, command_list, command_new, command_run,
    command_schema, command_spool, command_sql, command_state;

#endif
