/*
 * What transforms share whose options hold SQL: options of the compiler, and its errors at their place in the file.
 */
#ifndef PIPE_SQL_OPTION_H
#define PIPE_SQL_OPTION_H

#include "pipeline/engine/component.h"
#include "pipeline/sql/sql.h"

struct sql_options sql_options_of(const struct step *step);

/* An error in the SQL text of `option`, at its place in the file. Where several sources come in, says whose events it is about. */
void report_sql_error(const struct step *step, const char *option, struct str text, const struct sql_error *err,
                      struct problems *p);

#endif
