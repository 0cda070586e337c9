#include "pipeline/cli/command.h"

/* In the order of `pipe help`. */
const struct command *const commands[] = {
    &command_run, &command_sql, &command_check, &command_explain, &command_graph, &command_new, &command_list, &command_schema, &command_dead, &command_state, &command_spool, &command_help, NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}
