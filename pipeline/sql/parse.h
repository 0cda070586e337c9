/*
 * What the parser's files share. A recursive-descent parser with precedence climbing over the tokens; levels are those
 * of PostgreSQL 15's gram.y.
 */
#ifndef PIPE_SQL_PARSE_H
#define PIPE_SQL_PARSE_H

#include "pipeline/sql/ast.h"

enum precedence {
    PREC_NONE,
    PREC_OR,
    PREC_AND,
    PREC_NOT,
    PREC_IS,
    PREC_COMPARE, /* < > = <= >= <>: do not chain */
    PREC_MATCH,   /* BETWEEN IN LIKE: do not chain */
    PREC_OTHER,   /* every operator without a level of its own */
    PREC_ADD,
    PREC_MULTIPLY,
    PREC_POWER,
    PREC_AT_ZONE,
    PREC_COLLATE,
    PREC_NEGATE,
    PREC_SUBSCRIPT,
    PREC_CAST,
};

struct parser {
    struct str text;
    const struct token *tokens;
    uint32_t at;
    uint32_t depth;
    uint32_t row_depth; /* rows in rows: their elements are bound more than once */
    struct arena *arena;
    struct sql_error *err;
};

static inline const struct token *parse_peek(const struct parser *p, uint32_t ahead)
{
    uint32_t at = p->at;
    while (ahead-- && p->tokens[at].kind != TOKEN_END)
        at++;
    return &p->tokens[at];
}

/* Tokens: keywords (upper or lower case), punctuation and operators by their text. */
bool parse_is_word(const struct token *t, const char *word);
bool parse_is(const struct token *t, const char *text);
bool parse_accept_word(struct parser *p, const char *word);
bool parse_accept(struct parser *p, const char *text);
bool parse_expect(struct parser *p, const char *text);
bool parse_expect_word(struct parser *p, const char *word);
/* "syntax error at or near …"; false. */
bool parse_syntax_error(struct parser *p);
/* Points at the present token. */
bool parse_fail(struct parser *p, const char *sqlstate, const char *message, const char *hint);
/* A word that Postgres keeps for itself, so that a name like it must be quoted. */
bool parse_is_reserved(const struct token *t);

/* NFC, NFD, NFKC or NFKD as a text constant; NULL: it is none of them. */
struct node *parse_normal_form(struct parser *p);

/* Nodes. `from` is the first token of the expression; it ends before the present one. */
struct node *parse_node(struct parser *p, enum node_kind kind, uint32_t from, uint32_t caret);
void parse_add_arg(struct parser *p, struct node *n, struct node *arg);
/* Sets the node's extent and depth once it is whole; NULL with an error where it is too deep. */
struct node *parse_finish(struct parser *p, struct node *n, uint32_t from);
/* NOT n, where it is negated; NULL stays NULL. */
struct node *parse_negate(struct parser *p, bool negated, uint32_t from, uint32_t caret, struct node *n);
/* parse_row.c: (a, b) and what compares it, from the comma behind `first` on; ROW(a, …) the same. */
struct node *parse_row(struct parser *p, uint32_t from, struct node *first);
struct node *parse_row_constructor(struct parser *p);

struct node *parse_level(struct parser *p, enum precedence lowest);
struct node *parse_primary(struct parser *p);
/* `day to second` and its like behind an interval; nothing where there is none. */
bool parse_interval_fields(struct parser *p, struct type *out);
bool parse_type_name(struct parser *p, struct type *out);
/* [AS] name */
bool parse_alias(struct parser *p, struct str *alias);
bool parse_from(struct parser *p, const char *input, struct select *s);

#endif
