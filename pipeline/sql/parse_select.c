/*
 * SELECT list [FROM …] [WHERE condition], and what is refused with a reason.
 */
#include "pipeline/sql/parse.h"
#include "pipeline/sql/sql.h"

#define NO_STATE "A query over a stream keeps no state: do it in the database the events go to."

static bool parse_exclude_name(struct parser *p, struct select_item *item, uint32_t capacity)
{
    const struct token *t = parse_peek(p, 0);
    if (t->kind != TOKEN_NAME && (t->kind != TOKEN_WORD || parse_is_reserved(t)))
        return parse_syntax_error(p);
    if (item->exclude_count == capacity)
        return parse_fail(p, "54000", "too many names in EXCLUDE", "");
    item->exclude[item->exclude_count] = t->text;
    item->exclude_at[item->exclude_count++] = t->offset;
    p->at++;
    return true;
}

/* Behind `*`: EXCLUDE a, or EXCLUDE (a, b). */
static bool parse_exclude(struct parser *p, struct select_item *item)
{
    if (!parse_accept_word(p, "exclude"))
        return true;
    uint32_t capacity = 1;
    for (uint32_t ahead = 0; parse_peek(p, ahead)->kind != TOKEN_END; ahead++)
        capacity++;
    item->exclude = arena_array(p->arena, struct str, capacity);
    item->exclude_at = arena_array(p->arena, uint32_t, capacity);
    if (!parse_accept(p, "("))
        return parse_exclude_name(p, item, capacity);
    do {
        if (!parse_exclude_name(p, item, capacity))
            return false;
    } while (parse_accept(p, ","));
    return parse_expect(p, ")");
}

static bool parse_item(struct parser *p, struct select_item *item)
{
    uint32_t from = p->at;
    const struct token *t = parse_peek(p, 0);
    bool qualified = (t->kind == TOKEN_WORD || t->kind == TOKEN_NAME) && parse_is(parse_peek(p, 1), ".") &&
                     parse_is(parse_peek(p, 2), "*");
    item->offset = t->offset;
    if (qualified) {
        item->star_of = t->text;
        p->at += 2;
    }
    if (parse_accept(p, "*")) {
        item->star = true;
        if (!parse_exclude(p, item))
            return false;
    } else {
        item->expression = parse_level(p, PREC_OR);
        if (!item->expression || !parse_alias(p, &item->alias))
            return false;
    }
    const struct token *last = &p->tokens[p->at > from ? p->at - 1 : from];
    item->length = last->offset + last->length - item->offset;
    return true;
}

static bool parse_items(struct parser *p, struct select *s)
{
    uint32_t capacity = 0;
    do {
        if (s->count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            struct select_item *grown = arena_array(p->arena, struct select_item, capacity);
            if (s->count)
                memcpy(grown, s->items, s->count * sizeof(*grown));
            s->items = grown;
        }
        s->items[s->count] = (struct select_item){0};
        if (!parse_item(p, &s->items[s->count++]))
            return false;
    } while (parse_accept(p, ","));
    return true;
}

/* Anything behind the last clause. */
static bool refuse_rest(struct parser *p)
{
    static const struct {
        const char *word, *message, *hint;
    } refused[] = {
        {"group", "GROUP BY is not supported", NO_STATE},
        {"having", "HAVING is not supported", NO_STATE},
        {"order", "ORDER BY is not supported", "Events keep the order of their source."},
        {"limit", "LIMIT is not supported", "A stream has no end; `pipe run --preview 10` shows the first events."},
        {"offset", "OFFSET is not supported", "A stream has no end; use WHERE."},
        {"fetch", "FETCH is not supported", "A stream has no end; use WHERE."},
        {"window", "window functions are not supported", NO_STATE},
        {"union", "UNION is not supported", "Give the next component several inputs instead."},
        {"intersect", "INTERSECT is not supported", NO_STATE},
        {"except", "EXCEPT is not supported", "To leave out columns write * EXCLUDE (a, b)."},
        {"right", "RIGHT JOIN is not supported", "A stream has no end at which it is known what found no partner."},
        {"full", "FULL JOIN is not supported", "A stream has no end at which it is known what found no partner."},
        {"natural", "NATURAL JOIN is not supported", "Write what is to be equal: ON d.id = input.device."},
        {"for", "FOR UPDATE is not supported", ""},
        {"into", "SELECT INTO is not supported", "The components that name this one as input get its events."},
    };
    const struct token *t = parse_peek(p, 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        if (parse_is_word(t, refused[i].word))
            return parse_fail(p, "0A000", refused[i].message, refused[i].hint);
    return parse_syntax_error(p);
}

static bool parse_statement(struct parser *p, const char *input, struct select *s)
{
    if (parse_is_word(parse_peek(p, 0), "with"))
        return parse_fail(p, "0A000", "WITH is not supported", "Chain two sql transforms instead.");
    if (!parse_accept_word(p, "select")) {
        parse_syntax_error(p);
        return sql_hint(p->err, "A query starts with SELECT.");
    }
    if (parse_is_word(parse_peek(p, 0), "distinct"))
        return parse_fail(
            p, "0A000", "DISTINCT is not supported",
            "A query over a stream keeps no state: let the sink drop duplicates with write = \"insert\" and a key.");
    parse_accept_word(p, "all");
    if (!parse_items(p, s))
        return false;
    s->has_from = parse_accept_word(p, "from");
    if (s->has_from && !parse_from(p, input, s))
        return false;
    if (parse_accept_word(p, "where") && !(s->where = parse_level(p, PREC_OR)))
        return false;
    while (parse_accept(p, ";"))
        ;
    return parse_peek(p, 0)->kind == TOKEN_END || refuse_rest(p);
}

bool parse_select(struct str text, const char *input, struct arena *arena, struct select *out, struct sql_error *err)
{
    struct parser p = {.text = text, .arena = arena, .err = err};
    *out = (struct select){0};
    p.tokens = lex(text, arena, err);
    return p.tokens && parse_statement(&p, input, out);
}

struct sql_outline sql_outline(struct str text)
{
    struct arena arena = ARENA_INIT;
    struct select select;
    struct sql_error err;
    struct sql_outline outline = {0};
    if (parse_select(text, NULL, &arena, &select, &err)) {
        outline.has_from = select.has_from;
        for (uint32_t i = 0; i < select.count; i++)
            outline.has_star |= select.items[i].star;
    }
    arena_release(&arena);
    return outline;
}
