/*
 * What the parser makes of a query. Everything is in the plan's arena; texts are borrowed from the query.
 */
#ifndef PIPE_SQL_AST_H
#define PIPE_SQL_AST_H

#include "pipeline/sql/lex.h"

enum node_kind {
    NODE_CONSTANT, /* type, value; NULL and quoted strings are TYPE_UNKNOWN */
    NODE_COLUMN,   /* parts */
    NODE_CALL,     /* name(args) */
    NODE_OPERATOR, /* name, one or two args */
    NODE_AND,      /* two or more args; chains are flat */
    NODE_OR,
    NODE_NOT,
    NODE_IS,       /* args[0] IS [NOT] test */
    NODE_DISTINCT, /* args[0] IS [NOT] DISTINCT FROM args[1] */
    NODE_IN,       /* args[0] [NOT] IN (args[1] …) */
    NODE_BETWEEN,  /* args[0] [NOT] BETWEEN args[1] AND args[2] */
    NODE_LIKE,     /* name is "~~" or "~~*", as Postgres calls them, or "similar to"; a third arg is ESCAPE */
    NODE_CASE,     /* args: [operand] (when, then)… [else]; see has_operand, has_else */
    NODE_COALESCE,
    NODE_NULLIF,
    NODE_GREATEST,
    NODE_LEAST,
    NODE_CAST,      /* args[0]::type */
    NODE_ARRAY,     /* ARRAY[args] */
    NODE_SUBSCRIPT, /* args[0][args[1]:args[2]][args[3]:args[4]] …; see omitted, is_slice */
    NODE_ANY,       /* args[0] name ANY (args[1]); see is_all */
};

enum is_test { IS_NULL, IS_TRUE, IS_FALSE, IS_UNKNOWN };

struct node {
    enum node_kind kind;
    uint8_t test; /* enum is_test */
    bool negated, symmetric, has_operand, has_else, is_try, is_slice, is_all;
    uint16_t omitted; /* NODE_SUBSCRIPT: a bit per bound that is not there, from args[1] on */
    uint32_t offset, length; /* all of it, in the query's text */
    uint32_t at, at_length;  /* where a caret points: the operator, the function's name */
    uint32_t depth;          /* levels below, itself included */
    struct str name;
    struct str label; /* of an argument given by name (label => …); data NULL: by position */
    struct type type;
    struct value value;
    struct node **args;
    uint32_t count;
    struct path path; /* NODE_COLUMN */
};

/* One entry of the SELECT list: `*` with what it leaves out, or an expression with its name. */
struct select_item {
    bool star;
    struct str star_of; /* input.*, d.*: whose columns; data NULL: all */
    struct str *exclude;
    uint32_t *exclude_at;
    uint32_t exclude_count;
    struct node *expression;
    struct str alias; /* data NULL: none */
    uint32_t offset, length;
};

/* What stands in FROM behind the input: a function that makes rows, or a file of reference data. */
enum from_join { FROM_CROSS, FROM_INNER, FROM_LEFT };
struct from_item {
    struct node *call;
    enum from_join join;
    bool ordinality;       /* WITH ORDINALITY */
    struct str alias;      /* data NULL: none */
    struct str columns[8]; /* AS alias (a, b) */
    uint32_t column_count;
    struct node *on; /* NULL: none */
    uint32_t offset, length;
};
enum { FROM_MOST = 16 };

struct select {
    struct select_item *items;
    uint32_t count;
    bool has_from;
    struct str alias; /* FROM input AS alias */
    struct from_item *from;
    uint32_t from_count;
    struct node *where;
};

/* Expressions nested deeper are refused: binding and evaluating recurse. */
enum { SQL_MAX_DEPTH = 500 };

/* `input` is the name beside "input" that FROM may have; NULL: any. Both return NULL (false) with *err. */
bool parse_select(struct str text, const char *input, struct arena *arena, struct select *out, struct sql_error *err);
struct node *parse_expression(struct str text, struct arena *arena, struct sql_error *err);

#endif
