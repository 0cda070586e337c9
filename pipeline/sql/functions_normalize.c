/*
 * Unicode's normal forms (manual, 9.4), by libunistring. Its tables are those of Unicode 14, as PostgreSQL 15's are.
 */
#include <stdlib.h>
#include <uninorm.h>

#include "pipeline/sql/implementation.h"

static bool find_form(struct value name, uninorm_t *out, struct error *err)
{
    static const struct {
        const char *name;
        uninorm_t form;
    } forms[] = {{"NFC", UNINORM_NFC}, {"NFD", UNINORM_NFD}, {"NFKC", UNINORM_NFKC}, {"NFKD", UNINORM_NFKD}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (str_eq_nocase(value_str(name), str_of(forms[i].name))) {
            *out = forms[i].form;
            return true;
        }
    return function_fail(err, "22023", "invalid normalization form: %.*s", (int)name.len, name.ptr);
}

bool prepare_normal_form(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)plan, (void)cx;
    uninorm_t form = UNINORM_NFC;
    if (e->count > 1 && (e->args[1]->kind != EXPR_CONSTANT || value_is_null(e->args[1]->constant)))
        return true;
    if (e->count > 1 && !find_form(e->args[1]->constant, &form, err))
        return false;
    e->data = form;
    return true;
}

static bool is_ascii(struct str s)
{
    unsigned char all = 0;
    for (size_t i = 0; i < s.len; i++)
        all |= (unsigned char)s.data[i];
    return all < 0x80;
}

/* The text in normal form, in ev->scratch; ASCII is as it is in each of them. */
static bool normalize(struct eval *ev, const struct expr *e, const struct value *args, struct str *out,
                      struct error *err)
{
    uninorm_t form = e->data;
    *out = value_str(args[0]);
    if (!form && !find_form(args[1], &form, err))
        return false;
    if (is_ascii(*out))
        return true;
    ev->scratch.len = 0;
    size_t len = 3 * out->len; /* mostly enough; else it comes in memory of its own */
    uint8_t *room = (uint8_t *)buffer_reserve(&ev->scratch, len);
    uint8_t *normal = u8_normalize(form, (const uint8_t *)out->data, out->len, room, &len);
    if (normal && normal != room) {
        buffer_add(&ev->scratch, normal, len);
        free(normal);
    }
    *out = (struct str){ev->scratch.data, len};
    return (normal && len <= FUNCTION_MAX_TEXT) || function_fail(err, "54000", "requested length too large");
}

bool fn_normalize(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    struct str normal;
    if (!normalize(ev, e, args, &normal, err))
        return false;
    *out = normal.data == args[0].ptr ? args[0] : eval_text(ev, normal.data, normal.len);
    return true;
}

bool fn_is_normalized(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    struct str normal;
    if (!normalize(ev, e, args, &normal, err))
        return false;
    *out = value_bool(str_eq(normal, value_str(args[0])));
    return true;
}
