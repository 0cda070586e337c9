/*
 * Tokens of SQL by PostgreSQL 15's lexical rules (manual, section 4.1), except that names are never folded to lower
 * case: members of events match exactly as written. The whole text is cut at once, so that the parser can look ahead as
 * far as it likes.
 */
#ifndef PIPE_SQL_LEX_H
#define PIPE_SQL_LEX_H

#include "pipeline/sql/sql.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,     /* a keyword or an unquoted name; text as written */
    TOKEN_NAME,     /* "a quoted name"; text without the quotes */
    TOKEN_STRING,   /* '…', E'…', $$…$$; text with escapes resolved */
    TOKEN_INTEGER,  /* digits only */
    TOKEN_NUMBER,   /* with point or exponent */
    TOKEN_OPERATOR, /* a run of operator characters; "!=" arrives as "<>" */
    TOKEN_PUNCT,    /* ( ) [ ] , ; . : :: */
};

struct token {
    enum token_kind kind;
    uint32_t offset, length; /* in the query's text */
    struct str text;         /* from the query or the arena */
};

/* The tokens of the text, ended by one TOKEN_END; in the arena. NULL with *err. */
struct token *lex(struct str text, struct arena *arena, struct sql_error *err);

/* Fills *err with sqlstate, position and text; false, as error_set. */
bool sql_fail(struct sql_error *err, const char *sqlstate, size_t offset, size_t length, const char *format, ...)
    __attribute__((format(printf, 5, 6), cold));
/* Adds a hint to the error just set; false. */
bool sql_hint(struct sql_error *err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

#endif
