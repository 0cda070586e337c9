/*
 * String functions that search, replace and join.
 */
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/text.h"

static const char *find(struct str in, struct str part)
{
    return in.len >= part.len && in.len ? memmem(in.data, in.len, part.data, part.len) : NULL;
}

bool fn_strpos(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    struct str s = value_str(args[0]), part = value_str(args[1]);
    const char *at = part.len ? find(s, part) : s.data;
    *out = value_int(part.len == 0 ? 1
                     : at          ? (int64_t)text_length((struct str){s.data, (size_t)(at - s.data)}) + 1
                                   : 0);
    return true;
}

bool fn_starts_with(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = value_bool(args[0].len >= args[1].len &&
                      (args[1].len == 0 || memcmp(args[0].ptr, args[1].ptr, args[1].len) == 0));
    return true;
}

bool fn_replace(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e, (void)err;
    struct str rest = value_str(args[0]), from = value_str(args[1]);
    const char *at = from.len ? find(rest, from) : NULL;
    *out = args[0];
    if (!at)
        return true;
    ev->scratch.len = 0;
    while (at) {
        size_t before = (size_t)(at - rest.data);
        buffer_add(&ev->scratch, rest.data, before);
        buffer_add_str(&ev->scratch, value_str(args[2]));
        rest.data += before + from.len;
        rest.len -= before + from.len;
        at = find(rest, from);
    }
    buffer_add_str(&ev->scratch, rest);
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

static int64_t count_fields(struct str s, struct str delimiter)
{
    int64_t count = 1;
    for (const char *at = find(s, delimiter); at; at = find(s, delimiter)) {
        size_t passed = (size_t)(at - s.data) + delimiter.len;
        s.data += passed;
        s.len -= passed;
        count++;
    }
    return count;
}

/* A negative field counts from the end. */
bool fn_split_part(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                   struct error *err)
{
    (void)ev, (void)e;
    struct str rest = value_str(args[0]), delimiter = value_str(args[1]);
    int64_t field = args[2].i;
    if (field == 0)
        return function_fail(err, "22023", "field position must not be zero");
    if (delimiter.len == 0 || rest.len == 0) {
        *out = rest.len && (field == 1 || field == -1) ? args[0] : value_text(STR(""));
        return true;
    }
    if (field < 0)
        field += count_fields(rest, delimiter) + 1;
    *out = value_text(STR(""));
    for (int64_t i = 1; field >= 1; i++) {
        const char *at = find(rest, delimiter);
        size_t len = at ? (size_t)(at - rest.data) : rest.len;
        if (i == field)
            *out = value_text((struct str){rest.data, len});
        if (i == field || !at)
            break;
        rest.data += len + delimiter.len;
        rest.len -= len + delimiter.len;
    }
    return true;
}

bool fn_translate(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e, (void)err;
    struct str s = value_str(args[0]), from = value_str(args[1]), to = value_str(args[2]);
    ev->scratch.len = 0;
    for (size_t i = 0; i < s.len;) {
        size_t bytes = text_char_bytes(s.data[i]), f = 0, t = 0;
        while (f < from.len &&
               (text_char_bytes(from.data[f]) != bytes || memcmp(from.data + f, s.data + i, bytes) != 0)) {
            f += text_char_bytes(from.data[f]);
            t += t < to.len ? text_char_bytes(to.data[t]) : 1;
        }
        if (f >= from.len)
            buffer_add(&ev->scratch, s.data + i, bytes);
        else if (t < to.len)
            buffer_add(&ev->scratch, to.data + t, text_char_bytes(to.data[t]));
        i += bytes;
    }
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

/* ---- joining: every type, printed as Postgres prints it; NULLs are left out
 * ------------------------------------------ */

void function_print(struct eval *ev, const struct expr *arg, struct value v, enum concat_style style,
                    struct buffer *out)
{
    if (v.kind == VALUE_BOOL && style == CONCAT_CASTS)
        buffer_add_str(out, v.i ? STR("true") : STR("false"));
    else if (v.kind == VALUE_TEXT && !(v.flags & VALUE_ESCAPED))
        buffer_add_str(out, value_str(v));
    else
        value_print(v, arg->type, ev->cx.zone, out);
}

bool fn_concat(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)err;
    ev->scratch.len = 0;
    for (uint32_t i = 0; i < e->count; i++)
        if (!value_is_null(args[i]))
            function_print(ev, e->args[i], args[i], (enum concat_style)e->variant, &ev->scratch);
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

bool fn_concat_ws(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)err;
    bool first = true;
    if (value_is_null(args[0]))
        return true;
    ev->scratch.len = 0;
    for (uint32_t i = 1; i < e->count; i++) {
        if (value_is_null(args[i]))
            continue;
        if (!first)
            buffer_add_str(&ev->scratch, value_str(args[0]));
        function_print(ev, e->args[i], args[i], (enum concat_style)e->variant, &ev->scratch);
        first = false;
    }
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}
