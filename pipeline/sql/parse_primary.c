/*
 * Operands: constants, names, function calls and the forms with a syntax of their own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "pipeline/event/interval.h"
#include "pipeline/sql/parse.h"

static struct node *constant(struct parser *p, uint32_t from, enum type_id type, struct value v)
{
    struct node *n = parse_node(p, NODE_CONSTANT, from, from);
    n->type = TYPE(type);
    n->value = v;
    return parse_finish(p, n, from);
}

/* Integers are integer or bigint where they fit, all else is numeric (manual, 4.1.2.6). */
static struct node *parse_number(struct parser *p)
{
    uint32_t from = p->at++;
    const struct token *t = &p->tokens[from];
    if (t->kind == TOKEN_INTEGER && t->text.len < 20) {
        char digits[24];
        memcpy(digits, t->text.data, t->text.len);
        digits[t->text.len] = '\0';
        errno = 0;
        long long i = strtoll(digits, NULL, 10);
        if (errno == 0)
            return constant(p, from, i <= INT32_MAX ? TYPE_INTEGER : TYPE_BIGINT, value_int(i));
    }
    struct convert_context cx = {.arena = p->arena, .zone = zone_utc, .now_us = INT64_MIN};
    struct value v;
    if (!value_parse(&cx, t->text, TYPE(TYPE_NUMERIC), &v, &p->err->error)) {
        p->err->offset = t->offset;
        p->err->length = t->length;
        return NULL;
    }
    return constant(p, from, TYPE_NUMERIC, v);
}

static bool is_name(const struct token *t)
{
    return t->kind == TOKEN_NAME || t->kind == TOKEN_WORD;
}

/* The digits in "(3)", the bracket taken already. More than 6 count as 6, as in Postgres, which warns. */
static bool parse_precision(struct parser *p, int32_t *out)
{
    const struct token *t = parse_peek(p, 0);
    if (t->kind != TOKEN_INTEGER)
        return parse_syntax_error(p);
    *out = t->text.len == 1 && t->text.data[0] < '6' ? t->text.data[0] - '0' : 6;
    p->at++;
    return parse_expect(p, ")");
}

static bool add_to_type(struct parser *p, char *name, size_t size)
{
    struct str word = p->tokens[p->at++].text;
    size_t len = strlen(name);
    if (len + word.len + 2 > size)
        return false;
    snprintf(name + len, size - len, "%s%.*s", len && strchr("(,)", word.data[0]) == NULL ? " " : "", (int)word.len,
             word.data);
    return true;
}

/* [] or [3], any number of them: Postgres takes no notice of how many, nor do we. */
static bool parse_dimensions(struct parser *p, bool *array)
{
    while (parse_accept(p, "[")) {
        if (parse_peek(p, 0)->kind == TOKEN_INTEGER)
            p->at++;
        if (!parse_expect(p, "]"))
            return false;
        *array = true;
    }
    return true;
}

bool parse_interval_fields(struct parser *p, struct type *out)
{
    enum interval_fields best = INTERVAL_FIELDS;
    uint32_t words = 0;
    for (enum interval_fields f = 0; f < INTERVAL_FIELDS; f++) {
        const char *at = interval_fields_name(f);
        uint32_t count = 0;
        bool fits = true;
        for (; *at && fits; count++) {
            char word[8];
            size_t len = strcspn(at, " ");
            snprintf(word, sizeof(word), "%.*s", (int)len, at);
            fits = parse_is_word(parse_peek(p, count), word);
            at += len + (at[len] == ' ');
        }
        if (fits && count > words) {
            best = f;
            words = count;
        }
    }
    if (!words)
        return true;
    p->at += words;
    out->scale = (int16_t)best;
    bool seconds = strstr(interval_fields_name(best), "second") != NULL;
    if (!seconds || out->precision >= 0 || !parse_is(parse_peek(p, 0), "("))
        return true;
    p->at++;
    if (!parse_precision(p, &out->precision))
        return false;
    return true;
}

/* Collects the words of a type's name as type_parse() reads it: "timestamp (3) with time zone". */
bool parse_type_name(struct parser *p, struct type *out)
{
    uint32_t from = p->at;
    char name[128] = "";
    if (!is_name(parse_peek(p, 0)))
        return parse_syntax_error(p);
    if (parse_is_word(parse_peek(p, 0), "pg_catalog") && parse_is(parse_peek(p, 1), "."))
        p->at += 2;
    bool two_words = (parse_is_word(parse_peek(p, 0), "double") && parse_is_word(parse_peek(p, 1), "precision")) ||
                     ((parse_is_word(parse_peek(p, 0), "character") || parse_is_word(parse_peek(p, 0), "char")) &&
                      parse_is_word(parse_peek(p, 1), "varying"));
    bool time = parse_is_word(parse_peek(p, 0), "timestamp") || parse_is_word(parse_peek(p, 0), "time");
    bool fits = add_to_type(p, name, sizeof(name));
    if (two_words)
        fits = fits && add_to_type(p, name, sizeof(name));
    if (parse_is(parse_peek(p, 0), "(")) {
        while (fits && !parse_is(parse_peek(p, 0), ")")) {
            if (parse_peek(p, 0)->kind == TOKEN_END)
                return parse_syntax_error(p);
            fits = add_to_type(p, name, sizeof(name));
        }
        fits = fits && add_to_type(p, name, sizeof(name));
    }
    if (time && (parse_is_word(parse_peek(p, 0), "with") || parse_is_word(parse_peek(p, 0), "without")) &&
        parse_is_word(parse_peek(p, 1), "time") && parse_is_word(parse_peek(p, 2), "zone"))
        for (int i = 0; i < 3; i++)
            fits = fits && add_to_type(p, name, sizeof(name));
    bool interval = parse_is_word(&p->tokens[p->at - 1], "interval") || strncasecmp(name, "interval(", 9) == 0;
    struct type fields = TYPE(TYPE_INTERVAL);
    if (interval && !parse_interval_fields(p, &fields))
        return false;
    bool array = parse_accept_word(p, "array");
    if (!parse_dimensions(p, &array))
        return false;
    const struct token *first = &p->tokens[from], *last = &p->tokens[p->at - 1];
    size_t length = last->offset + last->length - first->offset;
    if (!fits)
        return sql_fail(p->err, "42601", first->offset, length, "this is no type's name");
    struct error err;
    if (!type_parse(str_of(name), out, &err))
        return sql_fail(p->err, err.sqlstate, first->offset, length, "%s", err.text);
    if (fields.scale >= 0)
        out->scale = fields.scale;
    if (fields.precision >= 0)
        out->precision = fields.precision;
    if (array)
        out->id = type_array_of(out->id);
    return true;
}

static struct node *parse_string(struct parser *p)
{
    uint32_t from = p->at++;
    return constant(p, from, TYPE_UNKNOWN, value_text(p->tokens[from].text));
}

/* date '2026-01-01', double precision '1.5': NULL without an error (and nothing taken) where this is none. */
static struct node *parse_typed_constant(struct parser *p, bool *failed)
{
    uint32_t from = p->at;
    *failed = false;
    const struct token *next = parse_peek(p, 1);
    bool may = next->kind == TOKEN_STRING || parse_is(next, "(") || parse_is_word(next, "precision") ||
               parse_is_word(next, "varying") || parse_is_word(next, "with") || parse_is_word(next, "without");
    if (!may)
        return NULL;
    struct type type;
    bool is_type = parse_type_name(p, &type);
    if (next->kind == TOKEN_STRING && !is_type) {
        *failed = true;
        return NULL;
    }
    if (!is_type || parse_peek(p, 0)->kind != TOKEN_STRING) {
        p->at = from;
        return NULL;
    }
    struct node *n = parse_node(p, NODE_CAST, from, from);
    n->type = type;
    struct node *text = parse_string(p);
    if (text)
        parse_add_arg(p, n, text);
    if (text && type.id == TYPE_INTERVAL && !parse_interval_fields(p, &n->type))
        text = NULL;
    *failed = !text;
    return text ? parse_finish(p, n, from) : NULL;
}

static bool add_expression(struct parser *p, struct node *n)
{
    struct node *arg = parse_level(p, PREC_OR);
    if (!arg)
        return false;
    parse_add_arg(p, n, arg);
    return true;
}

static struct node *parse_case(struct parser *p)
{
    uint32_t from = p->at++;
    struct node *n = parse_node(p, NODE_CASE, from, from);
    n->has_operand = !parse_is_word(parse_peek(p, 0), "when");
    if (n->has_operand && !add_expression(p, n))
        return NULL;
    if (!parse_is_word(parse_peek(p, 0), "when"))
        return parse_syntax_error(p), NULL;
    while (parse_accept_word(p, "when"))
        if (!add_expression(p, n) || !parse_expect_word(p, "then") || !add_expression(p, n))
            return NULL;
    n->has_else = parse_accept_word(p, "else");
    if (n->has_else && !add_expression(p, n))
        return NULL;
    return parse_expect_word(p, "end") ? parse_finish(p, n, from) : NULL;
}

static struct node *parse_cast(struct parser *p, bool is_try)
{
    uint32_t from = p->at++;
    struct node *n = parse_node(p, NODE_CAST, from, from);
    n->is_try = is_try;
    bool ok = parse_expect(p, "(") && add_expression(p, n) && parse_expect_word(p, "as") &&
              parse_type_name(p, &n->type) && parse_expect(p, ")");
    return ok ? parse_finish(p, n, from) : NULL;
}

static struct node *text_constant(struct parser *p, uint32_t at, struct str text)
{
    struct node *n = parse_node(p, NODE_CONSTANT, at, at);
    n->value = value_text(text);
    n->depth = 1;
    n->length = p->tokens[at].length;
    return n;
}

/* extract(hour FROM ts): the field may be any word, or a string. */
static bool parse_extract(struct parser *p, struct node *n)
{
    const struct token *field = parse_peek(p, 0);
    if (!is_name(field) && field->kind != TOKEN_STRING)
        return parse_syntax_error(p);
    parse_add_arg(p, n, text_constant(p, p->at, field->text));
    p->at++;
    return parse_expect_word(p, "from") && add_expression(p, n);
}

struct node *parse_normal_form(struct parser *p)
{
    static const char *const forms[] = {"nfc", "nfd", "nfkc", "nfkd"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (parse_accept_word(p, forms[i]))
            return text_constant(p, p->at - 1, str_of(forms[i]));
    return NULL;
}

/* normalize(x [, form]) */
static bool parse_normalize(struct parser *p, struct node *n)
{
    if (!add_expression(p, n))
        return false;
    if (!parse_accept(p, ","))
        return true;
    struct node *form = parse_normal_form(p);
    if (form)
        parse_add_arg(p, n, form);
    return form || parse_syntax_error(p);
}

static bool parse_position(struct parser *p, struct node *n)
{
    struct node *part = parse_level(p, PREC_OTHER);
    if (!part || !parse_expect_word(p, "in"))
        return false;
    struct node *whole = parse_level(p, PREC_OTHER);
    if (!whole)
        return false;
    parse_add_arg(p, n, whole);
    parse_add_arg(p, n, part);
    return true;
}

/* An argument by position, or by name: label => value. */
static bool add_argument(struct parser *p, struct node *n)
{
    struct str label = {0};
    if (is_name(parse_peek(p, 0)) && parse_is(parse_peek(p, 1), "=>")) {
        label = parse_peek(p, 0)->text;
        p->at += 2;
    }
    if (!add_expression(p, n))
        return false;
    n->args[n->count - 1]->label = label;
    return true;
}

static bool parse_more_args(struct parser *p, struct node *n)
{
    while (parse_accept(p, ","))
        if (!add_argument(p, n))
            return false;
    return true;
}

/* overlay(x PLACING y FROM a [FOR b]), or plain arguments. */
static bool parse_overlay(struct parser *p, struct node *n)
{
    if (!add_expression(p, n))
        return false;
    if (!parse_accept_word(p, "placing"))
        return parse_more_args(p, n);
    if (!add_expression(p, n) || !parse_expect_word(p, "from") || !add_expression(p, n))
        return false;
    return !parse_accept_word(p, "for") || add_expression(p, n);
}

/* substring(x FROM a FOR b), FROM and FOR in either order, one may be missing; substring(x SIMILAR a ESCAPE b); or
 * plain arguments. */
static bool parse_substring(struct parser *p, struct node *n)
{
    struct node *text = parse_level(p, PREC_OTHER);
    bool similar = text && parse_accept_word(p, "similar");
    if (!text)
        return false;
    parse_add_arg(p, n, text);
    if (similar)
        return add_expression(p, n) && parse_expect_word(p, "escape") && add_expression(p, n);
    struct node *start = NULL, *count = NULL;
    for (int i = 0; i < 2; i++) {
        if (!start && parse_accept_word(p, "from")) {
            if (!(start = parse_level(p, PREC_OR)))
                return false;
        } else if (!count && parse_accept_word(p, "for")) {
            if (!(count = parse_level(p, PREC_OR)))
                return false;
        }
    }
    if (!start && !count)
        return parse_more_args(p, n);
    if (!start) {
        start = parse_node(p, NODE_CONSTANT, p->at - 1, p->at - 1);
        start->type = TYPE(TYPE_INTEGER);
        start->value = value_int(1);
        start->depth = 1;
    }
    parse_add_arg(p, n, start);
    if (count)
        parse_add_arg(p, n, count);
    return true;
}

/* trim([BOTH | LEADING | TRAILING] [characters] FROM x), or trim(x [, characters]). */
static bool parse_trim(struct parser *p, struct node *n)
{
    n->name = STR("btrim");
    if (parse_accept_word(p, "leading"))
        n->name = STR("ltrim");
    else if (parse_accept_word(p, "trailing"))
        n->name = STR("rtrim");
    else
        parse_accept_word(p, "both");
    if (parse_accept_word(p, "from"))
        return add_expression(p, n) && parse_more_args(p, n);
    struct node *first = parse_level(p, PREC_OR);
    if (!first)
        return false;
    if (parse_accept_word(p, "from")) {
        if (!add_expression(p, n))
            return false;
        parse_add_arg(p, n, first);
        return true;
    }
    parse_add_arg(p, n, first);
    return parse_more_args(p, n);
}

static bool parse_plain_args(struct parser *p, struct node *n)
{
    if (parse_is(parse_peek(p, 0), ")"))
        return true;
    if (parse_is(parse_peek(p, 0), "*") || parse_is_word(parse_peek(p, 0), "distinct"))
        return parse_fail(p, "0A000", "aggregate functions are not supported",
                          "Functions over a stream keep no state: aggregate in the database the events go to.");
    return add_argument(p, n) && parse_more_args(p, n);
}

static bool parse_args(struct parser *p, struct node *n)
{
    static const struct {
        const char *name;
        bool (*parse)(struct parser *p, struct node *n);
    } special[] = {
        {"extract", parse_extract},   {"normalize", parse_normalize}, {"overlay", parse_overlay},
        {"position", parse_position}, {"substring", parse_substring}, {"trim", parse_trim},
    };
    for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++)
        if (str_eq_nocase(n->name, str_of(special[i].name)))
            return special[i].parse(p, n);
    return parse_plain_args(p, n);
}

static enum node_kind call_kind(struct str name)
{
    static const struct {
        const char *name;
        enum node_kind kind;
    } forms[] = {
        {"coalesce", NODE_COALESCE},
        {"nullif", NODE_NULLIF},
        {"greatest", NODE_GREATEST},
        {"least", NODE_LEAST},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (str_eq_nocase(name, str_of(forms[i].name)))
            return forms[i].kind;
    return NODE_CALL;
}

/* From the function's name on; a schema before it is pg_catalog. */
static struct node *parse_call(struct parser *p)
{
    uint32_t from = p->at;
    if (parse_is(parse_peek(p, 1), "."))
        p->at += 2;
    const struct token *name = parse_peek(p, 0);
    struct node *n = parse_node(p, call_kind(name->text), from, p->at);
    n->name = name->text;
    p->at += 2;
    if (!parse_args(p, n) || !parse_expect(p, ")"))
        return NULL;
    if (n->kind == NODE_NULLIF ? n->count != 2 : n->kind != NODE_CALL && n->count == 0)
        return p->at--, parse_syntax_error(p), NULL;
    if (parse_is_word(parse_peek(p, 0), "over") || parse_is_word(parse_peek(p, 0), "filter")) {
        parse_fail(p, "0A000", "window functions and aggregates are not supported",
                   "Functions over a stream keep no state: aggregate in the database the events go to.");
        return NULL;
    }
    return parse_finish(p, n, from);
}

static struct node *parse_column(struct parser *p)
{
    uint32_t from = p->at;
    struct node *n = parse_node(p, NODE_COLUMN, from, from);
    struct str parts[32];
    uint32_t count = 0;
    do {
        const struct token *t = parse_peek(p, 0);
        if (!is_name(t))
            return parse_syntax_error(p), NULL;
        if (count == sizeof(parts) / sizeof(*parts))
            return parse_fail(p, "54000", "a name has at most 32 parts", ""), NULL;
        parts[count++] = t->text;
        p->at++;
    } while (parse_accept(p, "."));
    n->path.parts = arena_array(p->arena, struct str, count);
    memcpy(n->path.parts, parts, count * sizeof(*parts));
    n->path.count = count;
    const struct token *last = &p->tokens[p->at - 1];
    n->at_length = last->offset + last->length - n->at;
    return parse_finish(p, n, from);
}

static struct node *parse_parenthesised(struct parser *p)
{
    uint32_t from = p->at++;
    if (parse_is_word(parse_peek(p, 0), "select")) {
        parse_fail(p, "0A000", "subqueries are not supported", "A query over a stream sees one event at a time.");
        return NULL;
    }
    struct node *n = parse_level(p, PREC_OR);
    if (n && parse_is(parse_peek(p, 0), ","))
        return parse_row(p, from, n);
    return n && parse_expect(p, ")") ? n : NULL;
}

/* Words that are calls without parentheses; a precision may follow. */
static bool is_bare_call(const struct token *t)
{
    return parse_is_word(t, "current_timestamp") || parse_is_word(t, "current_date") ||
           parse_is_word(t, "localtimestamp");
}

static struct node *parse_bare_call(struct parser *p)
{
    uint32_t from = p->at++;
    struct node *n = parse_node(p, NODE_CALL, from, from);
    n->name = p->tokens[from].text;
    if (!parse_is_word(&p->tokens[from], "current_date") && parse_accept(p, "(") &&
        !parse_precision(p, &n->type.precision))
        return NULL;
    return parse_finish(p, n, from);
}

/* [a, b], [[a, b], [c, d]]: the inner ones need no ARRAY. */
static struct node *parse_array(struct parser *p, uint32_t from)
{
    struct node *n = parse_node(p, NODE_ARRAY, from, from);
    if (++p->depth > SQL_MAX_DEPTH)
        return parse_fail(p, "54001", "the expression is nested too deeply", ""), NULL;
    if (!parse_expect(p, "["))
        return NULL;
    while (!parse_is(parse_peek(p, 0), "]")) {
        struct node *item =
            parse_is(parse_peek(p, 0), "[") ? parse_array(p, p->at) : parse_level(p, PREC_OR);
        if (!item)
            return NULL;
        parse_add_arg(p, n, item);
        if (!parse_accept(p, ","))
            break;
        if (parse_is(parse_peek(p, 0), "]"))
            return parse_syntax_error(p), NULL;
    }
    p->depth--;
    return parse_expect(p, "]") ? parse_finish(p, n, from) : NULL;
}

static struct node *parse_word(struct parser *p)
{
    const struct token *t = parse_peek(p, 0), *next = parse_peek(p, 1);
    if (parse_is_word(t, "null"))
        return p->at++, constant(p, p->at - 1, TYPE_UNKNOWN, value_null());
    if (parse_is_word(t, "true") || parse_is_word(t, "false"))
        return p->at++, constant(p, p->at - 1, TYPE_BOOLEAN, value_bool(parse_is_word(t, "true")));
    if (parse_is_word(t, "case"))
        return parse_case(p);
    if (parse_is(next, "(")) {
        if (parse_is_word(t, "row"))
            return parse_row_constructor(p);
        if (parse_is_word(t, "cast") || parse_is_word(t, "try_cast"))
            return parse_cast(p, parse_is_word(t, "try_cast"));
        if (parse_is_word(t, "exists"))
            return parse_fail(p, "0A000", "subqueries are not supported", ""), NULL;
    }
    if (parse_is_word(t, "array") && parse_is(next, "["))
        return p->at++, parse_array(p, p->at - 1);
    if (parse_is_word(t, "array") && parse_is(next, "("))
        return parse_fail(p, "0A000", "subqueries are not supported", "Write the elements in brackets: ARRAY[a, b]."), NULL;
    if (parse_is_word(t, "current_time") || parse_is_word(t, "localtime")) {
        parse_fail(p, "0A000", "the type of a time of day is not supported",
                   "As text: to_char(now(), 'HH24:MI:SS'); as an interval: now() - date_trunc('day', now()).");
        return NULL;
    }
    if (is_bare_call(t))
        return parse_bare_call(p);
    bool failed;
    struct node *typed = parse_typed_constant(p, &failed);
    if (typed || failed)
        return typed;
    bool qualified = parse_is_word(t, "pg_catalog") && parse_is(next, ".") && parse_is(parse_peek(p, 3), "(");
    bool callable = !parse_is_reserved(t) || parse_is_word(t, "left") || parse_is_word(t, "right");
    if (qualified || (parse_is(next, "(") && callable))
        return parse_call(p);
    if (parse_is_reserved(t)) {
        parse_syntax_error(p);
        if (!parse_is_word(t, "from") && !parse_is_word(t, "where"))
            sql_hint(p->err, "A member of that name is written in quotes: \"%.*s\".", (int)t->text.len, t->text.data);
        return NULL;
    }
    return parse_column(p);
}

struct node *parse_primary(struct parser *p)
{
    const struct token *t = parse_peek(p, 0);
    switch (t->kind) {
    case TOKEN_INTEGER:
    case TOKEN_NUMBER:
        return parse_number(p);
    case TOKEN_STRING:
        return parse_string(p);
    case TOKEN_NAME:
        return parse_is(parse_peek(p, 1), "(") ? parse_call(p) : parse_column(p);
    case TOKEN_WORD:
        return parse_word(p);
    case TOKEN_PUNCT:
        if (parse_is(t, "("))
            return parse_parenthesised(p);
        break;
    case TOKEN_OPERATOR:
    case TOKEN_END:
        break;
    }
    parse_syntax_error(p);
    return NULL;
}
