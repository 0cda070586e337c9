/*
 * Key words of PostgreSQL 15 that cannot stand for a name everywhere (manual, appendix C): all but its unreserved ones.
 */
#ifndef PIPE_SQL_KEYWORD_H
#define PIPE_SQL_KEYWORD_H

#include "pipeline/base/str.h"

enum keyword_kind {
    KEYWORD_NONE,
    KEYWORD_RESERVED, /* for the grammar alone */
    KEYWORD_FUNCTION, /* may name a function or a type, and no column */
    KEYWORD_QUOTED,   /* Postgres wants quotes around such a name somewhere; the grammar here does not */
};

/* In any case. */
enum keyword_kind keyword_find(struct str word);

#endif
