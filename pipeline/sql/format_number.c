#include "pipeline/sql/format_number.h"

#include "pipeline/sql/implementation.h"
#include "pipeline/sql/text.h"

static const struct {
    const char *name;
    enum number_pattern pattern;
} keywords[] = {
    {",", NUMBER_COMMA},  {".", NUMBER_POINT},         {"0", NUMBER_ZERO},         {"9", NUMBER_NINE},
    {"B", NUMBER_BLANK},  {"C", NUMBER_CURRENCY_CODE}, {"D", NUMBER_LOCALE_POINT}, {"EEEE", NUMBER_EXPONENT},
    {"FM", NUMBER_FILL},  {"G", NUMBER_GROUP},         {"L", NUMBER_CURRENCY},     {"MI", NUMBER_MINUS},
    {"PL", NUMBER_PLUS},  {"PR", NUMBER_BRACKETS},     {"RN", NUMBER_ROMAN},       {"SG", NUMBER_SIGN},
    {"SP", NUMBER_SPELL}, {"S", NUMBER_ANCHORED},      {"TH", NUMBER_ORDINAL},     {"V", NUMBER_SHIFT},
};

static bool syntax(struct error *err, const char *message)
{
    return function_fail(err, "42601", "%s", message);
}

/* All capitals or none. */
static bool starts(struct str s, const char *name, bool *lower)
{
    size_t len = strlen(name);
    if (s.len < len)
        return false;
    *lower = s.data[0] >= 'a' && s.data[0] <= 'z';
    for (size_t i = 0; i < len; i++) {
        bool capital = name[i] >= 'A' && name[i] <= 'Z';
        if (s.data[i] != (*lower && capital ? (char)(name[i] + 32) : name[i]))
            return false;
    }
    return true;
}

static void add_digit(struct number_shape *s)
{
    if (s->point)
        s->behind++;
    else
        s->before++;
}

static bool add_anchor(struct number_shape *s, struct error *err)
{
    if (s->anchor != ANCHOR_NONE)
        return syntax(err, "cannot use \"S\" twice");
    if (s->plus || s->minus || s->brackets)
        return syntax(err, "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
    s->anchor = s->point ? ANCHOR_BEHIND : ANCHOR_BEFORE;
    s->before_anchor = s->point ? 0 : s->before;
    return true;
}

static bool add_exponent(struct number_shape *s, struct error *err)
{
    if (s->exponent)
        return syntax(err, "cannot use \"EEEE\" twice");
    if (s->blank || s->fill || s->anchor != ANCHOR_NONE || s->brackets || s->minus || s->plus || s->roman || s->shifted)
        return syntax(err, "\"EEEE\" is incompatible with other formats");
    s->exponent = true;
    return true;
}

static bool add_to_shape(struct number_shape *s, enum number_pattern pattern, struct error *err)
{
    if (s->exponent && pattern != NUMBER_EXPONENT)
        return syntax(err, "\"EEEE\" must be the last pattern used");
    switch (pattern) {
    case NUMBER_NINE:
        if (s->brackets)
            return syntax(err, "\"9\" must be ahead of \"PR\"");
        if (s->shifted)
            s->shift++;
        else
            add_digit(s);
        return true;
    case NUMBER_ZERO:
        if (s->brackets)
            return syntax(err, "\"0\" must be ahead of \"PR\"");
        if (!s->zeros && !s->point) {
            s->zeros = true;
            s->zero_start = s->before + 1;
        }
        add_digit(s);
        s->zero_end = s->before + s->behind;
        return true;
    case NUMBER_BLANK:
        s->blank |= s->before == 0 && s->behind == 0 && !s->zeros;
        return true;
    case NUMBER_POINT:
    case NUMBER_LOCALE_POINT:
        if (s->point)
            return syntax(err, "multiple decimal points");
        if (s->shifted)
            return syntax(err, "cannot use \"V\" and decimal point together");
        s->point = true;
        return true;
    case NUMBER_FILL:
        s->fill = true;
        return true;
    case NUMBER_ANCHORED:
        return add_anchor(s, err);
    case NUMBER_MINUS:
        s->minus = true;
        return s->anchor == ANCHOR_NONE || syntax(err, "cannot use \"S\" and \"MI\" together");
    case NUMBER_PLUS:
        s->plus = true;
        return s->anchor == ANCHOR_NONE || syntax(err, "cannot use \"S\" and \"PL\" together");
    case NUMBER_SIGN:
        s->plus = s->minus = true;
        return s->anchor == ANCHOR_NONE || syntax(err, "cannot use \"S\" and \"SG\" together");
    case NUMBER_BRACKETS:
        if (s->anchor != ANCHOR_NONE || s->plus || s->minus)
            return syntax(err, "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
        s->brackets = true;
        return true;
    case NUMBER_ROMAN:
        s->roman = true;
        return true;
    case NUMBER_SHIFT:
        if (s->point)
            return syntax(err, "cannot use \"V\" and decimal point together");
        s->shifted = true;
        return true;
    case NUMBER_EXPONENT:
        return add_exponent(s, err);
    case NUMBER_LITERAL:
    case NUMBER_COMMA:
    case NUMBER_CURRENCY_CODE:
    case NUMBER_GROUP:
    case NUMBER_CURRENCY:
    case NUMBER_SPELL:
    case NUMBER_ORDINAL:
        break;
    }
    return true;
}

static size_t add_literal(struct number_format *f, struct str s)
{
    struct number_node *n = &f->nodes[f->count++];
    size_t len = text_char_bytes(s.data[0]);
    len = len > s.len ? s.len : len;
    *n = (struct number_node){.pattern = NUMBER_LITERAL, .len = (uint8_t)len};
    memcpy(n->text, s.data, len);
    return len;
}

/* Bytes of the pattern at the start of s; 0 with *failed false: there is none. */
static size_t add_pattern(struct number_format *f, struct str s, bool *failed, struct error *err)
{
    bool lower;
    *failed = false;
    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
        if (!starts(s, keywords[i].name, &lower))
            continue;
        f->nodes[f->count++] = (struct number_node){.pattern = (uint8_t)keywords[i].pattern, .lower = lower};
        *failed = !add_to_shape(&f->shape, keywords[i].pattern, err);
        return strlen(keywords[i].name);
    }
    return 0;
}

struct number_format *number_format_compile(struct str format, struct arena *arena, struct error *err)
{
    struct number_format *f = arena_new(arena, struct number_format);
    *f = (struct number_format){.nodes = arena_array(arena, struct number_node, format.len ? format.len : 1)};
    bool quoted = false;
    for (size_t i = 0; i < format.len;) {
        struct str s = {format.data + i, format.len - i};
        bool escape = s.data[0] == '\\' && s.len > 1 && (quoted || s.data[1] == '"'), failed = false;
        size_t used = quoted ? 0 : add_pattern(f, s, &failed, err);
        if (failed)
            return NULL;
        if (used) {
            i += used;
        } else if (s.data[0] == '"') {
            quoted = !quoted;
            i++;
        } else {
            i += escape;
            i += add_literal(f, (struct str){s.data + escape, s.len - escape});
        }
    }
    return f;
}
