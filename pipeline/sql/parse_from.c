/*
 * FROM input, and what joins it: functions that make rows, reference data.
 */
#include "pipeline/sql/parse.h"

bool parse_alias(struct parser *p, struct str *alias)
{
    const struct token *t;
    if (parse_accept_word(p, "as")) {
        t = parse_peek(p, 0);
        if (t->kind != TOKEN_NAME && t->kind != TOKEN_WORD)
            return parse_syntax_error(p);
    } else {
        t = parse_peek(p, 0);
        if (t->kind != TOKEN_NAME && (t->kind != TOKEN_WORD || parse_is_reserved(t)))
            return true;
    }
    *alias = t->text;
    p->at++;
    return true;
}

static bool parse_input(struct parser *p, const char *input, struct select *s)
{
    const struct token *t = parse_peek(p, 0);
    if (parse_is(t, "("))
        return parse_fail(p, "0A000", "subqueries are not supported", "Chain two sql transforms instead.");
    if (t->kind != TOKEN_NAME && (t->kind != TOKEN_WORD || parse_is_reserved(t)))
        return parse_syntax_error(p);
    bool known = str_eq(t->text, STR("input")) || (input && str_eq(t->text, str_of(input)));
    if (!known) {
        sql_fail(p->err, "42P01", t->offset, t->length, "relation \"%.*s\" does not exist", (int)t->text.len,
                 t->text.data);
        return input && strcmp(input, "input") != 0
                   ? sql_hint(p->err, "FROM takes the transform's input: write FROM input or FROM %s.", input)
                   : sql_hint(p->err, "FROM takes the transform's input: write FROM input.");
    }
    p->at++;
    return parse_alias(p, &s->alias);
}

/* AS t (a, b), or t (a, b), or t. */
static bool parse_names(struct parser *p, struct from_item *item)
{
    const uint32_t most = sizeof(item->columns) / sizeof(*item->columns);
    if (!parse_alias(p, &item->alias))
        return false;
    if (!item->alias.data || !parse_accept(p, "("))
        return true;
    do {
        const struct token *t = parse_peek(p, 0);
        if (t->kind != TOKEN_NAME && (t->kind != TOKEN_WORD || parse_is_reserved(t)))
            return parse_syntax_error(p);
        if (item->column_count == most)
            return parse_fail(p, "42P10", "the function has not so many columns", "");
        item->columns[item->column_count++] = t->text;
        p->at++;
    } while (parse_accept(p, ","));
    return parse_expect(p, ")");
}

static bool refuse_table(struct parser *p)
{
    const struct token *t = parse_peek(p, 0);
    if (parse_is(t, "(") || parse_is_word(t, "select"))
        return parse_fail(p, "0A000", "subqueries are not supported", "Chain two sql transforms instead.");
    if (!parse_is(parse_peek(p, 1), "("))
        return parse_fail(p, "0A000", "a stream is not joined with another one",
                          "Join a file, lookup('devices.csv') d, or a function that makes rows, unnest(items) t. The events of "
                          "several inputs all come through a transform that names them.");
    return true;
}

static bool parse_joined(struct parser *p, struct from_item *item, bool has_on)
{
    uint32_t from = p->at;
    parse_accept_word(p, "lateral");
    if (!refuse_table(p))
        return false;
    item->offset = parse_peek(p, 0)->offset;
    item->call = parse_primary(p);
    if (!item->call)
        return false;
    if (item->call->kind != NODE_CALL) {
        p->at = from;
        return parse_syntax_error(p);
    }
    if (parse_accept_word(p, "with")) {
        if (!parse_expect_word(p, "ordinality"))
            return false;
        item->ordinality = true;
    }
    if (!parse_names(p, item))
        return false;
    const struct token *last = &p->tokens[p->at - 1];
    item->length = last->offset + last->length - item->offset;
    if (!has_on)
        return true;
    if (parse_is_word(parse_peek(p, 0), "using"))
        return parse_fail(p, "0A000", "USING is not supported", "Write what is to be equal: ON d.id = input.device.");
    return parse_expect_word(p, "on") && (item->on = parse_level(p, PREC_OR)) != NULL;
}

/* `,`, CROSS JOIN, [INNER] JOIN, LEFT [OUTER] JOIN. *found: there is one. */
static bool parse_join_words(struct parser *p, struct from_item *item, bool *has_on, bool *found)
{
    *found = true;
    *has_on = false;
    item->join = FROM_CROSS;
    if (parse_accept(p, ","))
        return true;
    if (parse_accept_word(p, "cross"))
        return parse_expect_word(p, "join");
    *has_on = true;
    item->join = FROM_INNER;
    if (parse_accept_word(p, "join"))
        return true;
    if (parse_accept_word(p, "inner"))
        return parse_expect_word(p, "join");
    item->join = FROM_LEFT;
    if (parse_accept_word(p, "left")) {
        parse_accept_word(p, "outer");
        return parse_expect_word(p, "join");
    }
    *found = false;
    return true;
}

bool parse_from(struct parser *p, const char *input, struct select *s)
{
    if (!parse_input(p, input, s))
        return false;
    s->from = arena_array(p->arena, struct from_item, FROM_MOST);
    for (;;) {
        struct from_item item = {0};
        bool has_on, found;
        if (!parse_join_words(p, &item, &has_on, &found))
            return false;
        if (!found)
            return true;
        if (s->from_count == FROM_MOST)
            return parse_fail(p, "54000", "FROM has at most 16 items behind the input", "");
        if (!parse_joined(p, &item, has_on))
            return false;
        s->from[s->from_count++] = item;
    }
}
