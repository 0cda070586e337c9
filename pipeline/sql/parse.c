/*
 * Operators and their precedence. Function calls, CASE, casts and constants are in parse_primary.c, SELECT in
 * parse_select.c.
 */
#include "pipeline/sql/parse.h"

#include "pipeline/event/numeric.h"
#include "pipeline/sql/keyword.h"

bool parse_is_word(const struct token *t, const char *word)
{
    return t->kind == TOKEN_WORD && str_eq_nocase(t->text, str_of(word));
}

bool parse_is(const struct token *t, const char *text)
{
    return (t->kind == TOKEN_PUNCT || t->kind == TOKEN_OPERATOR) && str_eq(t->text, str_of(text));
}

bool parse_accept_word(struct parser *p, const char *word)
{
    bool is = parse_is_word(parse_peek(p, 0), word);
    p->at += is;
    return is;
}

bool parse_accept(struct parser *p, const char *text)
{
    bool is = parse_is(parse_peek(p, 0), text);
    p->at += is;
    return is;
}

bool parse_expect(struct parser *p, const char *text)
{
    return parse_accept(p, text) || parse_syntax_error(p);
}

bool parse_expect_word(struct parser *p, const char *word)
{
    return parse_accept_word(p, word) || parse_syntax_error(p);
}

bool parse_syntax_error(struct parser *p)
{
    const struct token *t = parse_peek(p, 0);
    if (t->kind == TOKEN_END)
        return sql_fail(p->err, "42601", p->text.len, 0, "syntax error at end of input");
    return sql_fail(p->err, "42601", t->offset, t->length, "syntax error at or near \"%.*s\"", (int)t->length,
                    p->text.data + t->offset);
}

bool parse_fail(struct parser *p, const char *sqlstate, const char *message, const char *hint)
{
    const struct token *t = parse_peek(p, 0);
    sql_fail(p->err, sqlstate, t->offset, t->length, "%s", message);
    return sql_hint(p->err, "%s", hint);
}

bool parse_is_reserved(const struct token *t)
{
    enum keyword_kind kind = t->kind == TOKEN_WORD ? keyword_find(t->text) : KEYWORD_NONE;
    return kind == KEYWORD_RESERVED || kind == KEYWORD_FUNCTION;
}

struct node *parse_node(struct parser *p, enum node_kind kind, uint32_t from, uint32_t caret)
{
    struct node *n = arena_new(p->arena, struct node);
    n->kind = kind;
    n->type = TYPE(TYPE_UNKNOWN);
    n->offset = p->tokens[from].offset;
    n->at = p->tokens[caret].offset;
    n->at_length = p->tokens[caret].length;
    return n;
}

/* Capacity grows in powers of two, so it need not be stored. */
void parse_add_arg(struct parser *p, struct node *n, struct node *arg)
{
    bool full = n->count == 0 || (n->count >= 4 && (n->count & (n->count - 1)) == 0);
    if (full) {
        struct node **grown = arena_array(p->arena, struct node *, n->count < 4 ? 4 : n->count * 2);
        if (n->count)
            memcpy(grown, n->args, n->count * sizeof(*grown));
        n->args = grown;
    }
    n->args[n->count++] = arg;
}

struct node *parse_finish(struct parser *p, struct node *n, uint32_t from)
{
    const struct token *last = &p->tokens[p->at > from ? p->at - 1 : from];
    n->length = last->offset + last->length - n->offset;
    n->depth = 1;
    for (uint32_t i = 0; i < n->count; i++)
        if (n->args[i]->depth >= n->depth)
            n->depth = n->args[i]->depth + 1;
    if (n->depth > SQL_MAX_DEPTH) {
        sql_fail(p->err, "54001", n->at, n->at_length, "the expression is nested more than %d levels deep",
                 SQL_MAX_DEPTH);
        return NULL;
    }
    return n;
}

static struct node *finish_binary(struct parser *p, enum node_kind kind, struct str name, uint32_t from, uint32_t caret,
                                  struct node *left, struct node *right)
{
    if (!right)
        return NULL;
    struct node *n = parse_node(p, kind, from, caret);
    n->name = name;
    if (left)
        parse_add_arg(p, n, left);
    parse_add_arg(p, n, right);
    return parse_finish(p, n, from);
}

/* a AND b AND c is one node, as long chains would else be deep. */
static struct node *parse_chain(struct parser *p, enum node_kind kind, uint32_t from, struct node *left)
{
    uint32_t caret = p->at++;
    struct node *right = parse_level(p, kind == NODE_AND ? PREC_NOT : PREC_AND);
    if (!right)
        return NULL;
    if (left->kind == kind) {
        left->offset = p->tokens[from].offset;
        parse_add_arg(p, left, right);
        return parse_finish(p, left, from);
    }
    return finish_binary(p, kind, p->tokens[caret].text, from, caret, left, right);
}

struct node *parse_negate(struct parser *p, bool negated, uint32_t from, uint32_t caret, struct node *n)
{
    if (!n || !negated)
        return n;
    struct node *not = parse_node(p, NODE_NOT, from, caret);
    parse_add_arg(p, not, n);
    return parse_finish(p, not, from);
}

/* x IS [NOT] [form] NORMALIZED, from the form on. */
static struct node *parse_is_normalized(struct parser *p, uint32_t from, uint32_t caret, bool negated,
                                        struct node *left)
{
    struct node *n = parse_node(p, NODE_CALL, from, caret), *form = parse_normal_form(p);
    n->name = STR("is_normalized");
    parse_add_arg(p, n, left);
    if (form)
        parse_add_arg(p, n, form);
    if (!parse_expect_word(p, "normalized"))
        return NULL;
    return parse_negate(p, negated, from, caret, parse_finish(p, n, from));
}

static bool starts_normalized(const struct parser *p)
{
    return parse_is_word(parse_peek(p, 0), "normalized") || parse_is_word(parse_peek(p, 1), "normalized");
}

static struct node *parse_is_test(struct parser *p, uint32_t from, struct node *left)
{
    uint32_t caret = p->at++;
    bool negated = parse_accept_word(p, "not");
    if (starts_normalized(p))
        return parse_is_normalized(p, from, caret, negated, left);
    struct node *n = parse_node(p, NODE_IS, from, caret);
    n->negated = negated;
    parse_add_arg(p, n, left);
    if (parse_accept_word(p, "null")) {
        n->test = IS_NULL;
    } else if (parse_accept_word(p, "true")) {
        n->test = IS_TRUE;
    } else if (parse_accept_word(p, "false")) {
        n->test = IS_FALSE;
    } else if (parse_accept_word(p, "unknown")) {
        n->test = IS_UNKNOWN;
    } else if (parse_accept_word(p, "distinct")) {
        if (!parse_expect_word(p, "from"))
            return NULL;
        struct node *right = parse_level(p, PREC_COMPARE);
        if (!right)
            return NULL;
        n->kind = NODE_DISTINCT;
        parse_add_arg(p, n, right);
    } else {
        parse_syntax_error(p);
        return NULL;
    }
    return parse_finish(p, n, from);
}

static struct node *parse_null_test(struct parser *p, uint32_t from, struct node *left)
{
    struct node *n = parse_node(p, NODE_IS, from, p->at);
    n->test = IS_NULL;
    n->negated = parse_is_word(parse_peek(p, 0), "notnull");
    p->at++;
    parse_add_arg(p, n, left);
    return parse_finish(p, n, from);
}

static bool parse_in_list(struct parser *p, struct node *n)
{
    if (!parse_expect(p, "("))
        return false;
    if (parse_is_word(parse_peek(p, 0), "select"))
        return parse_fail(p, "0A000", "subqueries are not supported",
                          "Functions over a stream see one event at a time.");
    do {
        struct node *item = parse_level(p, PREC_OR);
        if (!item)
            return false;
        parse_add_arg(p, n, item);
    } while (parse_accept(p, ","));
    return parse_expect(p, ")");
}

static bool parse_bounds(struct parser *p, struct node *n)
{
    n->symmetric = parse_accept_word(p, "symmetric");
    if (!n->symmetric)
        parse_accept_word(p, "asymmetric");
    struct node *low = parse_level(p, PREC_OTHER);
    if (!low || !parse_expect_word(p, "and"))
        return false;
    struct node *high = parse_level(p, PREC_OTHER);
    if (!high)
        return false;
    parse_add_arg(p, n, low);
    parse_add_arg(p, n, high);
    return true;
}

static bool parse_pattern(struct parser *p, struct node *n, struct str operator)
{
    n->name = operator;
    struct node *pattern = parse_level(p, PREC_OTHER);
    if (!pattern)
        return false;
    parse_add_arg(p, n, pattern);
    if (parse_accept_word(p, "escape")) {
        struct node *escape = parse_level(p, PREC_OTHER);
        if (!escape)
            return false;
        parse_add_arg(p, n, escape);
    }
    return true;
}

static bool is_quantifier(const struct parser *p)
{
    const struct token *t = parse_peek(p, 0);
    return (parse_is_word(t, "any") || parse_is_word(t, "some") || parse_is_word(t, "all")) &&
           parse_is(parse_peek(p, 1), "(");
}

/* Behind an operator: ANY (array), ALL (array). */
static struct node *parse_quantified(struct parser *p, struct str name, uint32_t from, uint32_t caret,
                                     struct node *left)
{
    struct node *n = parse_node(p, NODE_ANY, from, caret);
    n->name = name;
    n->is_all = parse_is_word(parse_peek(p, 0), "all");
    p->at += 2;
    if (parse_is_word(parse_peek(p, 0), "select"))
        return parse_fail(p, "0A000", "subqueries are not supported", "Functions over a stream see one event at a time."),
               NULL;
    struct node *array = parse_level(p, PREC_OR);
    if (!array || !parse_expect(p, ")"))
        return NULL;
    parse_add_arg(p, n, left);
    parse_add_arg(p, n, array);
    return parse_finish(p, n, from);
}

/* [NOT] IN, BETWEEN, LIKE, ILIKE behind `left`. */
static struct node *parse_match(struct parser *p, uint32_t from, struct node *left)
{
    uint32_t caret = p->at;
    struct node *n = parse_node(p, NODE_IN, from, caret);
    n->negated = parse_accept_word(p, "not");
    parse_add_arg(p, n, left);
    bool ok;
    if (parse_accept_word(p, "in")) {
        ok = parse_in_list(p, n);
    } else if (parse_accept_word(p, "between")) {
        n->kind = NODE_BETWEEN;
        ok = parse_bounds(p, n);
    } else if (parse_is_word(parse_peek(p, 0), "similar")) {
        n->kind = NODE_LIKE;
        p->at++;
        ok = parse_expect_word(p, "to") && parse_pattern(p, n, STR("similar to"));
    } else {
        n->kind = NODE_LIKE;
        bool any_case = parse_is_word(parse_peek(p, 0), "ilike");
        p->at++;
        if (is_quantifier(p))
            return parse_quantified(p, n->negated ? (any_case ? STR("!~~*") : STR("!~~")) : any_case ? STR("~~*") : STR("~~"),
                                    from, caret, left);
        ok = parse_pattern(p, n, any_case ? STR("~~*") : STR("~~"));
    }
    return ok ? parse_finish(p, n, from) : NULL;
}

static struct node *parse_at_zone(struct parser *p, uint32_t from, struct node *left)
{
    uint32_t caret = p->at++;
    if (!parse_expect_word(p, "time") || !parse_expect_word(p, "zone"))
        return NULL;
    struct node *zone = parse_level(p, PREC_COLLATE);
    if (!zone)
        return NULL;
    struct node *n = parse_node(p, NODE_CALL, from, caret);
    n->name = STR("timezone");
    parse_add_arg(p, n, zone);
    parse_add_arg(p, n, left);
    return parse_finish(p, n, from);
}

static struct node *parse_cast_suffix(struct parser *p, uint32_t from, struct node *left)
{
    uint32_t caret = p->at++;
    struct node *n = parse_node(p, NODE_CAST, from, caret);
    if (!parse_type_name(p, &n->type))
        return NULL;
    parse_add_arg(p, n, left);
    return parse_finish(p, n, from);
}

static bool starts_match(const struct token *t)
{
    return parse_is_word(t, "in") || parse_is_word(t, "between") || parse_is_word(t, "like") ||
           parse_is_word(t, "ilike") || parse_is_word(t, "similar");
}

static enum precedence operator_precedence(struct str op)
{
    if (op.len == 1 && strchr("<>=", op.data[0]))
        return PREC_COMPARE;
    if (op.len == 1 && strchr("+-", op.data[0]))
        return PREC_ADD;
    if (op.len == 1 && strchr("*/%", op.data[0]))
        return PREC_MULTIPLY;
    if (op.len == 1 && op.data[0] == '^')
        return PREC_POWER;
    if (str_eq(op, STR("<=")) || str_eq(op, STR(">=")) || str_eq(op, STR("<>")))
        return PREC_COMPARE;
    return PREC_OTHER;
}

/* The level of what stands behind an operand; PREC_NONE: the expression ends here. */
static enum precedence next_precedence(const struct parser *p)
{
    const struct token *t = parse_peek(p, 0);
    switch (t->kind) {
    case TOKEN_OPERATOR:
        return operator_precedence(t->text);
    case TOKEN_PUNCT:
        return parse_is(t, "::") ? PREC_CAST : parse_is(t, "[") ? PREC_SUBSCRIPT : PREC_NONE;
    case TOKEN_WORD:
        if (parse_is_word(t, "or"))
            return PREC_OR;
        if (parse_is_word(t, "and"))
            return PREC_AND;
        if (parse_is_word(t, "is") || parse_is_word(t, "isnull") || parse_is_word(t, "notnull"))
            return PREC_IS;
        if (starts_match(t) || (parse_is_word(t, "not") && starts_match(parse_peek(p, 1))))
            return PREC_MATCH;
        if (parse_is_word(t, "at") && parse_is_word(parse_peek(p, 1), "time"))
            return PREC_AT_ZONE;
        if (parse_is_word(t, "collate"))
            return PREC_COLLATE;
        return PREC_NONE;
    default:
        return PREC_NONE;
    }
}

static struct node *integer_node(struct parser *p, int64_t i)
{
    struct node *n = parse_node(p, NODE_CONSTANT, p->at, p->at);
    n->type = TYPE(TYPE_INTEGER);
    n->value = value_int(i);
    n->depth = 1;
    return n;
}

/* One bound of a slice; left out, it is there as a constant that nobody reads. */
static bool parse_bound(struct parser *p, struct node *n, const char *end)
{
    bool omitted = parse_is(parse_peek(p, 0), end);
    struct node *bound = omitted ? integer_node(p, 0) : parse_level(p, PREC_OR);
    if (!bound)
        return false;
    if (omitted)
        n->omitted |= (uint16_t)(1u << (n->count - 1));
    parse_add_arg(p, n, bound);
    return true;
}

/* [i], [a:b], [a:], [:b], [:], all that follow one another. */
static struct node *parse_subscripts(struct parser *p, uint32_t from, struct node *left)
{
    enum { MOST = 6 };
    struct node *n = parse_node(p, NODE_SUBSCRIPT, from, p->at);
    parse_add_arg(p, n, left);
    while (parse_accept(p, "[")) {
        if (n->count > 2 * MOST)
            return parse_fail(p, "54000", "an array has at most 6 dimensions", ""), NULL;
        if (!parse_is(parse_peek(p, 0), ":")) {
            struct node *i = parse_level(p, PREC_OR);
            if (!i)
                return NULL;
            if (parse_accept(p, "]")) {
                parse_add_arg(p, n, integer_node(p, 1));
                parse_add_arg(p, n, i);
                continue;
            }
            parse_add_arg(p, n, i);
        } else {
            n->omitted |= (uint16_t)(1u << (n->count - 1));
            parse_add_arg(p, n, integer_node(p, 0));
        }
        n->is_slice = true;
        if (!parse_expect(p, ":") || !parse_bound(p, n, "]") || !parse_expect(p, "]"))
            return NULL;
    }
    return parse_finish(p, n, from);
}

static struct node *parse_binary(struct parser *p, enum precedence level, uint32_t from, struct node *left)
{
    uint32_t caret = p->at++;
    if (is_quantifier(p))
        return parse_quantified(p, p->tokens[caret].text, from, caret, left);
    struct node *right = parse_level(p, level + 1);
    return finish_binary(p, NODE_OPERATOR, p->tokens[caret].text, from, caret, left, right);
}

static struct node *parse_behind(struct parser *p, enum precedence level, uint32_t from, struct node *left)
{
    switch (level) {
    case PREC_OR:
        return parse_chain(p, NODE_OR, from, left);
    case PREC_AND:
        return parse_chain(p, NODE_AND, from, left);
    case PREC_IS:
        return parse_is_word(parse_peek(p, 0), "is") ? parse_is_test(p, from, left) : parse_null_test(p, from, left);
    case PREC_MATCH:
        return parse_match(p, from, left);
    case PREC_AT_ZONE:
        return parse_at_zone(p, from, left);
    case PREC_CAST:
        return parse_cast_suffix(p, from, left);
    case PREC_COLLATE:
        parse_fail(p, "0A000", "COLLATE is not supported", "Text compares by bytes, as with COLLATE \"C\".");
        return NULL;
    case PREC_SUBSCRIPT:
        return parse_subscripts(p, from, left);
    case PREC_COMPARE:
    case PREC_OTHER:
    case PREC_ADD:
    case PREC_MULTIPLY:
    case PREC_POWER:
        return parse_binary(p, level, from, left);
    case PREC_NONE:
    case PREC_NOT:
    case PREC_NEGATE:
        break;
    }
    parse_syntax_error(p);
    return NULL;
}

static bool is_number(const struct node *n)
{
    return n->kind == NODE_CONSTANT &&
           (n->value.kind == VALUE_INT || n->value.kind == VALUE_DECIMAL || n->value.kind == VALUE_NUMBER);
}

/* The sign belongs to the constant before its type is chosen: -2147483648 is an integer. */
static struct node *negate_constant(struct parser *p, struct node *n, uint32_t from)
{
    struct value v = n->value.kind == VALUE_INT ? value_int(-n->value.i) : numeric_neg(p->arena, n->value);
    struct value smallest = numeric_from_int64(INT64_MIN);
    if (v.kind == VALUE_DECIMAL && v.scale == 0 && numeric_compare(v, smallest) == 0)
        v = value_int(INT64_MIN);
    n->value = v;
    if (v.kind == VALUE_INT)
        n->type = TYPE(v.i >= INT32_MIN && v.i <= INT32_MAX ? TYPE_INTEGER : TYPE_BIGINT);
    n->offset = n->at = p->tokens[from].offset;
    n->at_length = p->tokens[from].length;
    return parse_finish(p, n, from);
}

static struct node *parse_prefix(struct parser *p)
{
    uint32_t from = p->at;
    const struct token *t = parse_peek(p, 0);
    if (parse_is_word(t, "not")) {
        p->at++;
        return finish_binary(p, NODE_NOT, STR("not"), from, from, NULL, parse_level(p, PREC_NOT));
    }
    if (t->kind == TOKEN_OPERATOR && !parse_is(t, "*")) {
        enum precedence level = parse_is(t, "-") || parse_is(t, "+") ? PREC_NEGATE : PREC_OTHER + 1;
        if (operator_precedence(t->text) == PREC_COMPARE) {
            parse_syntax_error(p);
            return NULL;
        }
        p->at++;
        struct node *operand = parse_level(p, level);
        if (operand && parse_is(t, "-") && is_number(operand))
            return negate_constant(p, operand, from);
        return finish_binary(p, NODE_OPERATOR, t->text, from, from, NULL, operand);
    }
    return parse_primary(p);
}

struct node *parse_level(struct parser *p, enum precedence lowest)
{
    uint32_t from = p->at;
    if (++p->depth > SQL_MAX_DEPTH) {
        parse_fail(p, "54001", "the expression is nested too deeply", "");
        return NULL;
    }
    struct node *left = parse_prefix(p);
    enum precedence unchained = PREC_NONE;
    while (left) {
        enum precedence level = next_precedence(p);
        if (level == PREC_NONE || level < lowest)
            break;
        if (level == unchained) {
            parse_syntax_error(p);
            left = NULL;
            break;
        }
        left = parse_behind(p, level, from, left);
        bool alone = level == PREC_COMPARE || level == PREC_MATCH || (left && left->kind == NODE_DISTINCT);
        unchained = alone ? level : PREC_NONE;
    }
    p->depth--;
    return left;
}

struct node *parse_expression(struct str text, struct arena *arena, struct sql_error *err)
{
    struct parser p = {.text = text, .arena = arena, .err = err};
    p.tokens = lex(text, arena, err);
    if (!p.tokens)
        return NULL;
    struct node *n = parse_level(&p, PREC_OR);
    if (n && parse_peek(&p, 0)->kind != TOKEN_END) {
        parse_syntax_error(&p);
        return NULL;
    }
    return n;
}
