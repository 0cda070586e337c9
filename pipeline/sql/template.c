/*
 * Templates: literal pieces and expressions. Events mostly come in runs (of one device, of one hour), so that a row
 * whose values are those of the row before shares its text.
 */
#include "pipeline/event/datetime.h"
#include "pipeline/sql/lex.h"

struct piece {
    struct str literal; /* before the expression */
    struct sql_expr *e; /* NULL: the template ends */
    struct type type;
    struct str strftime; /* data NULL: printed as text */
    bool coarse;         /* strftime shows nothing below an hour */
};

struct sql_template {
    enum template_use use;
    struct piece *pieces;
    uint32_t count;
    const struct zone *zone;
    uint32_t component;
    struct str text;
};

/* ---- compiling -----------------------------------------------------------------------------------------------------
 */

struct scan {
    struct str text;
    size_t at;
    struct buffer literal;
    struct sql_error *err;
};

/* Literal text up to the next expression or the end; {{ and }} are braces. */
static bool scan_literal(struct scan *s)
{
    s->literal.len = 0;
    for (; s->at < s->text.len; s->at++) {
        char c = s->text.data[s->at];
        bool doubled = s->at + 1 < s->text.len && s->text.data[s->at + 1] == c;
        if ((c == '{' || c == '}') && doubled)
            s->at++;
        else if (c == '{')
            return true;
        else if (c == '}')
            return sql_fail(s->err, "42601", s->at, 1, "} without {: a brace is written }}");
        buffer_add_byte(&s->literal, c);
    }
    return true;
}

/* From behind the { on: where the expression ends and where its closing } is. Quotes hide both. */
static bool scan_expression(struct scan *s, size_t *expression_end, size_t *close)
{
    char quote = '\0';
    *expression_end = 0;
    for (size_t i = s->at; i < s->text.len; i++) {
        char c = s->text.data[i];
        if (quote) {
            quote = c == quote ? '\0' : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == ':' && i + 1 < s->text.len && s->text.data[i + 1] == '%') {
            *expression_end = i;
            const char *end = memchr(s->text.data + i, '}', s->text.len - i);
            *close = end ? (size_t)(end - s->text.data) : 0;
            return end || sql_fail(s->err, "42601", s->at - 1, 1, "{ without }: a brace is written {{");
        } else if (c == '}') {
            *expression_end = *close = i;
            return true;
        }
    }
    return sql_fail(s->err, "42601", s->at - 1, 1, "{ without }: a brace is written {{");
}

static bool is_coarse(struct str format)
{
    for (size_t i = 0; i + 1 < format.len; i++)
        if (format.data[i] == '%' && strchr("YmdHjyez%", format.data[++i]) == NULL)
            return false;
    return true;
}

static bool compile_strftime(struct piece *p, struct str format, size_t at, const struct zone *zone,
                             struct sql_error *err)
{
    struct buffer ignored = {0};
    p->strftime = format;
    p->coarse = is_coarse(format);
    bool ok = timestamp_strftime(0, zone, format, &ignored, &err->error);
    buffer_release(&ignored);
    if (!ok) {
        err->offset = at;
        err->length = format.len;
        err->hint[0] = '\0';
    }
    return ok;
}

static bool is_time(enum type_id t)
{
    return t == TYPE_TIMESTAMPTZ || t == TYPE_TIMESTAMP || t == TYPE_DATE;
}

/* The expression as what a strftime can show: times stay what they are, everything else is read as timestamptz. */
static bool compile_piece(struct scan *s, struct piece *p, struct schema *in, const struct sql_options *o,
                          struct arena *plan)
{
    size_t end, close = 0;
    s->at++;
    if (!scan_expression(s, &end, &close))
        return false;
    struct str text = {s->text.data + s->at, end - s->at};
    p->e = sql_compile_expr(text, in, o, TYPE(TYPE_UNKNOWN), plan, &p->type, s->err);
    if (p->e && end != close && !is_time(p->type.id))
        p->e = sql_compile_expr(text, in, o, TYPE(TYPE_TIMESTAMPTZ), plan, &p->type, s->err);
    if (!p->e) {
        s->err->offset += s->at;
        return false;
    }
    struct str format = {s->text.data + end + 1, close - end - (end != close)};
    s->at = close + 1;
    return end == close || compile_strftime(p, format, end + 1, o->zone ? o->zone : zone_utc, s->err);
}

struct sql_template *sql_compile_template(struct str text, enum template_use use, struct schema *in,
                                          const struct sql_options *o, struct arena *plan, struct sql_error *err)
{
    struct sql_template *t = arena_new(plan, struct sql_template);
    text = arena_str(plan, text);
    *t = (struct sql_template){
        .use = use, .zone = o->zone ? o->zone : zone_utc, .component = o->component, .text = text};
    uint32_t capacity = 1;
    for (size_t i = 0; i < text.len; i++)
        capacity += text.data[i] == '{';
    t->pieces = arena_array(plan, struct piece, capacity);
    struct scan s = {.text = text, .err = err};
    bool ok = true;
    while (ok) {
        struct piece *p = &t->pieces[t->count++];
        *p = (struct piece){0};
        ok = scan_literal(&s);
        p->literal = arena_str(plan, (struct str){s.literal.data, s.literal.len});
        if (s.at >= text.len)
            break;
        ok = ok && compile_piece(&s, p, in, o, plan);
        if (ok && s.at >= text.len)
            break;
    }
    buffer_release(&s.literal);
    return ok ? t : NULL;
}

/* ---- evaluating ----------------------------------------------------------------------------------------------------
 */

#define NULL_PARTITION "__HIVE_DEFAULT_PARTITION__"

static bool is_path_safe(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("-_.~+:@,", c) != NULL);
}

/* RFC 3986's percent-encoding; "." and ".." would be directories. */
static void add_encoded(struct buffer *out, struct str s)
{
    bool dots = s.len <= 2 && s.len > 0 && s.data[0] == '.' && s.data[s.len - 1] == '.';
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (is_path_safe(c) && !dots)
            buffer_add_byte(out, (char)c);
        else
            buffer_printf(out, "%%%02X", c);
    }
}

static bool reject(const struct sql_template *t, const struct slice *in, uint32_t row, struct rejections *r,
                   const char *why)
{
    struct rejection *j =
        reject_record(r, in->record[row], t->component, "expression", STR_FMT ": %s", STR_ARG(t->text), why);
    memcpy(j->sqlstate, "22023", 6);
    return false;
}

/* A date or naive timestamp is shown as it stands on the wall. */
static bool add_time(const struct sql_template *t, const struct piece *p, struct value v, struct buffer *out,
                     struct error *err)
{
    if (p->type.id == TYPE_DATE)
        v.i *= USECS_PER_DAY;
    return timestamp_strftime(v.i, p->type.id == TYPE_TIMESTAMPTZ ? t->zone : zone_utc, p->strftime, out, err);
}

static bool is_infinite_time(const struct piece *p, struct value v)
{
    return p->type.id == TYPE_DATE ? v.i == INT32_MIN || v.i == INT32_MAX : v.i == INT64_MIN || v.i == INT64_MAX;
}

struct render {
    const struct sql_template *t;
    const struct slice *in;
    struct rejections *r;
    struct buffer text, value;
};

static bool add_value(struct render *x, const struct piece *p, struct value v, uint32_t row)
{
    struct error err;
    x->value.len = 0;
    if (value_is_null(v)) {
        if (x->t->use == TEMPLATE_PATH)
            buffer_add_str(&x->text, STR(NULL_PARTITION));
        return x->t->use != TEMPLATE_TOPIC || reject(x->t, x->in, row, x->r, "a topic has no place for NULL");
    }
    if (p->strftime.data && !is_infinite_time(p, v)) {
        if (!add_time(x->t, p, v, &x->value, &err))
            return reject(x->t, x->in, row, x->r, err.text);
    } else if (v.kind == VALUE_TEXT) {
        buffer_add_str(&x->value, value_str(v));
    } else {
        value_print(v, p->type, x->t->zone, &x->value);
    }
    struct str s = {x->value.data, x->value.len};
    if (x->t->use == TEMPLATE_TOPIC && s.len && (memchr(s.data, '#', s.len) || memchr(s.data, '+', s.len)))
        return reject(x->t, x->in, row, x->r, "a topic's value has a wildcard in it");
    if (x->t->use == TEMPLATE_TOPIC && s.len == 0)
        return reject(x->t, x->in, row, x->r, "a topic has no place for an empty value");
    if (x->t->use == TEMPLATE_PATH)
        add_encoded(&x->text, s);
    else
        buffer_add_str(&x->text, s);
    return true;
}

static bool render(struct render *x, struct value *const *columns, uint32_t row)
{
    x->text.len = 0;
    for (uint32_t i = 0; i < x->t->count; i++) {
        const struct piece *p = &x->t->pieces[i];
        buffer_add_str(&x->text, p->literal);
        if (p->e && !add_value(x, p, columns[i][row], row))
            return false;
    }
    return true;
}

/*
 * Zones change their offset at quarters of an hour since 1972, so that a format which shows nothing below the hour
 * gives the same text for all of a quarter.
 */
static bool same_quarter(int64_t a, int64_t b)
{
    const int64_t quarter = 900 * USECS_PER_SEC, from = -28 * 365 * USECS_PER_DAY;
    return a > from && b > from && (a - from) / quarter == (b - from) / quarter;
}

static bool same_value(const struct piece *p, struct value a, struct value b)
{
    if (a.kind != b.kind || a.scale != b.scale)
        return false;
    switch ((enum value_kind)a.kind) {
    case VALUE_NULL:
        return true;
    case VALUE_TEXT:
    case VALUE_NUMBER:
    case VALUE_BYTES:
    case VALUE_JSON:
        return str_eq(value_str(a), value_str(b));
    case VALUE_INTERVAL:
    case VALUE_UUID:
    case VALUE_ARRAY:
        return a.ptr == b.ptr;
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        return a.i == b.i || (p->strftime.data && p->coarse && !is_infinite_time(p, a) && !is_infinite_time(p, b) &&
                              same_quarter(a.i, b.i));
    default:
        return a.i == b.i;
    }
}

static bool same_row(const struct sql_template *t, struct value *const *columns, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->pieces[i].e && !same_value(&t->pieces[i], columns[i][a], columns[i][b]))
            return false;
    return true;
}

static bool is_rejected(const struct rejections *r, uint32_t from, uint32_t record)
{
    for (uint32_t i = from; i < r->count; i++)
        if (r->items[i].record == record)
            return true;
    return false;
}

/* The rows that no expression of the template rejected; their values are in columns. */
static const uint32_t *eval_pieces(const struct sql_template *t, const struct slice *in, const uint32_t *sel,
                                   uint32_t *n, struct value **columns, struct rejections *r)
{
    uint32_t *kept = arena_array(in->arena, uint32_t, *n ? *n : 1);
    for (uint32_t i = 0; i < t->count; i++) {
        if (!t->pieces[i].e)
            continue;
        uint32_t before = r->count, left = 0;
        columns[i] = arena_array(in->arena, struct value, in->rows);
        sql_eval(t->pieces[i].e, in, sel, *n, columns[i], r);
        for (uint32_t k = 0; k < *n && r->count > before; k++) {
            uint32_t row = sel[k];
            kept[left] = row;
            left += !is_rejected(r, before, in->record[row]);
        }
        if (r->count > before) {
            *n = left;
            sel = kept;
        }
    }
    return sel;
}

void sql_eval_template(const struct sql_template *t, const struct slice *in, const uint32_t *sel, uint32_t n,
                       struct str *out, struct rejections *r)
{
    if (t->count == 1 && !t->pieces[0].e) {
        for (uint32_t i = 0; i < n; i++)
            out[sel[i]] = t->pieces[0].literal;
        return;
    }
    struct value **columns = arena_array(in->arena, struct value *, t->count);
    for (uint32_t i = 0; i < n; i++)
        out[sel[i]] = (struct str){0};
    sel = eval_pieces(t, in, sel, &n, columns, r);
    struct render x = {.t = t, .in = in, .r = r};
    bool has_last = false;
    uint32_t last = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        if (has_last && same_row(t, columns, last, row)) {
            out[row] = out[last];
            continue;
        }
        has_last = render(&x, columns, row);
        last = row;
        if (has_last)
            out[row] = arena_str(in->arena, (struct str){x.text.data, x.text.len});
    }
    buffer_release(&x.text);
    buffer_release(&x.value);
}
