/*
 * Rows of several values (manual, 9.24.5): they are no values of their own here, only what a comparison, IN, IS or
 * OVERLAPS makes of them, element by element.
 */
#include "pipeline/sql/parse.h"

enum { MAX_ROW_DEPTH = 4 };

/* The elements up to the closing parenthesis; `first` has been read, or is NULL where nothing has. */
static struct node *parse_elements(struct parser *p, uint32_t from, struct node *first)
{
    struct node *row = parse_node(p, NODE_CALL, from, from);
    if (++p->row_depth > MAX_ROW_DEPTH) {
        parse_fail(p, "54001", "rows are nested too deeply", "Compare their elements one by one.");
        return NULL;
    }
    if (first)
        parse_add_arg(p, row, first);
    while (row->count == 0 || parse_accept(p, ",")) {
        struct node *element = parse_level(p, PREC_OR);
        if (!element)
            return NULL;
        parse_add_arg(p, row, element);
    }
    p->row_depth--;
    return parse_expect(p, ")") ? row : NULL;
}

static struct node *parse_other_row(struct parser *p, const struct node *row)
{
    uint32_t from = p->at;
    parse_accept_word(p, "row");
    struct node *other = parse_expect(p, "(") ? parse_elements(p, from, NULL) : NULL;
    if (other && other->count != row->count) {
        sql_fail(p->err, "42601", other->offset, 1, "unequal number of entries in row expressions");
        return NULL;
    }
    return other;
}

/* A node of these two; `caret` is the token that errors point at. NULL stays NULL. */
static struct node *join(struct parser *p, enum node_kind kind, struct str name, uint32_t from, uint32_t caret,
                         struct node *x, struct node *y)
{
    if (!x || !y)
        return NULL;
    struct node *n = parse_node(p, kind, from, caret);
    n->name = name;
    parse_add_arg(p, n, x);
    parse_add_arg(p, n, y);
    return parse_finish(p, n, from);
}

/* x.i op y.i for all i, joined. */
static struct node *join_all(struct parser *p, enum node_kind how, enum node_kind kind, struct str name, bool negated,
                             uint32_t from, uint32_t caret, const struct node *x, const struct node *y)
{
    struct node *all = NULL;
    for (uint32_t i = 0; i < x->count; i++) {
        struct node *one = join(p, kind, name, from, caret, x->args[i], y->args[i]);
        if (!one)
            return NULL;
        one->negated = negated;
        all = all ? join(p, how, STR(""), from, caret, all, one) : one;
        if (!all)
            return NULL;
    }
    return all;
}

/* a < c OR (a = c AND (b <= d)): the first elements that differ decide. */
static struct node *order(struct parser *p, struct str op, uint32_t from, uint32_t caret, const struct node *x,
                          const struct node *y)
{
    struct str strict = {op.data, 1};
    uint32_t i = x->count - 1;
    struct node *decided = join(p, NODE_OPERATOR, op, from, caret, x->args[i], y->args[i]);
    while (i-- > 0) {
        struct node *differs = join(p, NODE_OPERATOR, strict, from, caret, x->args[i], y->args[i]);
        struct node *equal = join(p, NODE_OPERATOR, STR("="), from, caret, x->args[i], y->args[i]);
        decided =
            join(p, NODE_OR, STR(""), from, caret, differs, join(p, NODE_AND, STR(""), from, caret, equal, decided));
    }
    return decided;
}

static struct node *parse_comparison(struct parser *p, uint32_t from, const struct node *row)
{
    uint32_t caret = p->at;
    struct str op = p->tokens[p->at++].text;
    struct node *other = parse_other_row(p, row);
    if (!other)
        return NULL;
    if (str_eq(op, STR("=")))
        return join_all(p, NODE_AND, NODE_OPERATOR, op, false, from, caret, row, other);
    if (str_eq(op, STR("<>")))
        return join_all(p, NODE_OR, NODE_OPERATOR, op, false, from, caret, row, other);
    return order(p, op, from, caret, row, other);
}

static struct node *parse_in_rows(struct parser *p, uint32_t from, const struct node *row)
{
    uint32_t caret = p->at;
    bool negated = parse_accept_word(p, "not");
    struct node *any = NULL;
    p->at++;
    if (!parse_expect(p, "("))
        return NULL;
    do {
        struct node *other = parse_other_row(p, row);
        struct node *equal =
            other ? join_all(p, NODE_AND, NODE_OPERATOR, STR("="), false, from, caret, row, other) : NULL;
        if (!equal || !(any = any ? join(p, NODE_OR, STR(""), from, caret, any, equal) : equal))
            return NULL;
    } while (parse_accept(p, ","));
    return parse_expect(p, ")") ? parse_negate(p, negated, from, caret, any) : NULL;
}

/* IS [NOT] NULL is true where that is true of all elements; IS [NOT] DISTINCT FROM. */
static struct node *parse_is_row(struct parser *p, uint32_t from, const struct node *row)
{
    uint32_t caret = p->at++;
    bool negated = parse_accept_word(p, "not");
    if (parse_accept_word(p, "distinct")) {
        struct node *other = parse_expect_word(p, "from") ? parse_other_row(p, row) : NULL;
        if (!other)
            return NULL;
        return join_all(p, negated ? NODE_AND : NODE_OR, NODE_DISTINCT, STR(""), negated, from, caret, row, other);
    }
    if (!parse_expect_word(p, "null"))
        return NULL;
    struct node *all = NULL;
    for (uint32_t i = 0; i < row->count; i++) {
        struct node *test = parse_node(p, NODE_IS, from, caret);
        test->test = IS_NULL;
        test->negated = negated;
        parse_add_arg(p, test, row->args[i]);
        if (!(test = parse_finish(p, test, from)) ||
            !(all = all ? join(p, NODE_AND, STR(""), from, caret, all, test) : test))
            return NULL;
    }
    return all;
}

static struct node *parse_overlaps(struct parser *p, uint32_t from, struct node *row)
{
    uint32_t caret = p->at++;
    struct node *other = parse_other_row(p, row);
    if (!other)
        return NULL;
    if (row->count != 2) {
        sql_fail(p->err, "42601", row->offset, 1, "wrong number of parameters on left side of OVERLAPS expression");
        return NULL;
    }
    row->name = STR("overlaps");
    row->at = p->tokens[caret].offset;
    row->at_length = p->tokens[caret].length;
    parse_add_arg(p, row, other->args[0]);
    parse_add_arg(p, row, other->args[1]);
    return parse_finish(p, row, from);
}

static bool is_comparison(const struct token *t)
{
    static const char *const operators[] = {"=", "<>", "<", "<=", ">", ">="};
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
        if (parse_is(t, operators[i]))
            return true;
    return false;
}

static struct node *compare_row(struct parser *p, uint32_t from, struct node *row)
{
    const struct token *t = parse_peek(p, 0);
    if (is_comparison(t))
        return parse_comparison(p, from, row);
    if (parse_is_word(t, "in") || (parse_is_word(t, "not") && parse_is_word(parse_peek(p, 1), "in")))
        return parse_in_rows(p, from, row);
    if (parse_is_word(t, "is"))
        return parse_is_row(p, from, row);
    if (parse_is_word(t, "overlaps"))
        return parse_overlaps(p, from, row);
    parse_fail(p, "0A000", "a row can only be compared, with another row",
               "Use =, <, IN, IS DISTINCT FROM, IS NULL or OVERLAPS; jsonb_build_array(…) keeps several values.");
    return NULL;
}

struct node *parse_row(struct parser *p, uint32_t from, struct node *first)
{
    struct node *row = parse_elements(p, from, first);
    return row ? compare_row(p, from, row) : NULL;
}

struct node *parse_row_constructor(struct parser *p)
{
    uint32_t from = p->at;
    p->at += 2;
    struct node *row = parse_elements(p, from, NULL);
    return row ? compare_row(p, from, row) : NULL;
}
