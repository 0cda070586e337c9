/*
 * Regular expressions (manual, 9.7.2 and 9.7.3). The pattern is the second argument of all of them. Where it and the
 * flags are constants it is compiled once for all workers, else each worker keeps those it met last.
 */
#include "pipeline/sql/regex_call.h"
#include "pipeline/sql/text.h"

/* e->data where pattern and flags are constants. */
struct constant_regex {
    const struct regex *regex;
    unsigned options;
};

static bool is_known(const struct expr *arg)
{
    return arg->kind == EXPR_CONSTANT && !value_is_null(arg->constant);
}

static bool keep(struct arena *plan, struct str pattern, unsigned options, struct expr *e, struct error *err)
{
    struct regex *r = regex_new(pattern, options, err);
    if (!r)
        return false;
    arena_on_end(plan, regex_free, r);
    struct constant_regex *c = arena_new(plan, struct constant_regex);
    *c = (struct constant_regex){r, options};
    e->data = c;
    return true;
}

/* ---- ~ and its like ------------------------------------------------------------------------------------------------
 */

static unsigned operator_options(const struct expr *e)
{
    return e->variant & MATCH_NOCASE ? REGEX_NOCASE : 0;
}

bool prepare_match(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx;
    if (!is_known(e->args[1]))
        return true;
    return keep(plan, value_str(e->args[1]->constant), operator_options(e), e, err);
}

/* variant: enum match_operator */
void kernel_match(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                  struct value *out)
{
    const struct constant_regex *constant = e->data;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *text = operand_at(args[0], row), *pattern = operand_at(args[1], row);
        struct error err;
        out[row] = value_null();
        if (value_is_null(*text) || value_is_null(*pattern))
            continue;
        const struct regex *r =
            constant ? constant->regex : regex_cached(value_str(*pattern), operator_options(e), &err);
        enum regex_result found = r ? regex_test(r, value_str(*text), &err) : REGEX_FAILED;
        if (found == REGEX_FAILED)
            eval_fail(ev, e, args, row, &err);
        else
            out[row] = value_bool((found == REGEX_YES) != ((e->variant & MATCH_NEGATED) != 0));
    }
}

/* ---- what the functions share --------------------------------------------------------------------------------------
 */

static bool check_options(const struct expr *e, unsigned options, struct error *err)
{
    if (!(options & REGEX_GLOBAL) || e->scalar == fn_regexp_replace || e->scalar == fn_regexp_matches)
        return true;
    return function_fail(err, "22023", "this function does not support the \"global\" option");
}

/* variant: which argument has the flags; 0 for none. */
bool prepare_regex(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx;
    unsigned options = 0;
    if (!is_known(e->args[1]) || (e->variant && !is_known(e->args[e->variant])))
        return true;
    if (e->variant && !regex_parse_flags(value_str(e->args[e->variant]->constant), &options, err))
        return false;
    return check_options(e, options, err) && keep(plan, value_str(e->args[1]->constant), options, e, err);
}

const struct regex *regex_of_call(const struct expr *e, const struct value *args, unsigned *options, struct error *err)
{
    const struct constant_regex *constant = e->data;
    *options = constant ? constant->options : 0;
    if (constant)
        return constant->regex;
    if (e->variant && !regex_parse_flags(value_str(args[e->variant]), options, err))
        return NULL;
    return check_options(e, *options, err) ? regex_cached(value_str(args[1]), *options, err) : NULL;
}

/* From the start-th character on, which may be behind the end. */
static size_t byte_of(struct str s, int64_t start)
{
    size_t at = text_bytes_of(s, (size_t)(start - 1));
    bool behind = at == s.len && start - 1 > (int64_t)text_length(s);
    return behind ? s.len + 1 : at;
}

enum regex_result regex_next(struct regex_matches *s, struct error *err)
{
    if (s->at > s->text.len)
        return REGEX_NO;
    enum regex_result found = regex_search(s->regex, s->text, s->at, &s->found, err);
    if (found != REGEX_YES)
        return found;
    s->at = s->found[1];
    if (s->found[0] == s->found[1])
        s->at += s->at < s->text.len ? text_char_bytes(s->text.data[s->at]) : 1;
    return REGEX_YES;
}

/* The n-th match. */
static enum regex_result nth_match(struct regex_matches *s, int64_t n, struct error *err)
{
    enum regex_result found = REGEX_NO;
    for (int64_t i = 0; i < n; i++)
        if ((found = regex_next(s, err)) != REGEX_YES)
            break;
    return found;
}

static bool check_at_least(const char *name, int64_t value, int64_t least, struct error *err)
{
    return value >= least ||
           function_fail(err, "22023", "invalid value for parameter \"%s\": %lld", name, (long long)value);
}

static int64_t integer_or(const struct expr *e, const struct value *args, uint32_t i, int64_t otherwise)
{
    return i < e->count ? args[i].i : otherwise;
}

/* Group 1 of a pattern without groups is all of the match. */
static int64_t group_of(const struct regex_matches *s, int64_t group)
{
    return group == 1 && regex_groups(s->regex) == 0 ? 0 : group;
}

/* ---- functions -----------------------------------------------------------------------------------------------------
 */

bool fn_regexp_like(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)ev;
    unsigned options;
    const struct regex *r = regex_of_call(e, args, &options, err);
    enum regex_result found = r ? regex_test(r, value_str(args[0]), err) : REGEX_FAILED;
    *out = value_bool(found == REGEX_YES);
    return found != REGEX_FAILED;
}

bool fn_regexp_count(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)ev;
    unsigned options;
    int64_t start = integer_or(e, args, 2, 1), count = 0;
    struct regex_matches s = {.text = value_str(args[0])};
    if (!check_at_least("start", start, 1, err) || !(s.regex = regex_of_call(e, args, &options, err)))
        return false;
    s.at = byte_of(s.text, start);
    enum regex_result found;
    while ((found = regex_next(&s, err)) == REGEX_YES)
        count++;
    *out = value_int(count);
    return found != REGEX_FAILED;
}

bool fn_regexp_instr(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)ev;
    unsigned options;
    int64_t start = integer_or(e, args, 2, 1), n = integer_or(e, args, 3, 1), end = integer_or(e, args, 4, 0),
            group = integer_or(e, args, 6, 0);
    struct regex_matches s = {.text = value_str(args[0])};
    if (!check_at_least("start", start, 1, err) || !check_at_least("n", n, 1, err) ||
        !check_at_least("endoption", end > 1 ? -end : end, 0, err) || !check_at_least("subexpr", group, 0, err) ||
        !(s.regex = regex_of_call(e, args, &options, err)))
        return false;
    s.at = byte_of(s.text, start);
    enum regex_result found = nth_match(&s, n, err);
    group = group_of(&s, group);
    *out = value_int(0);
    if (found != REGEX_YES || group > regex_groups(s.regex) || s.found[2 * group] == SIZE_MAX)
        return found != REGEX_FAILED;
    *out = value_int((int64_t)text_length((struct str){s.text.data, s.found[2 * group + (end == 1)]}) + 1);
    return true;
}

bool fn_regexp_substr(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    (void)ev;
    unsigned options;
    int64_t start = integer_or(e, args, 2, 1), n = integer_or(e, args, 3, 1), group = integer_or(e, args, 5, 0);
    struct regex_matches s = {.text = value_str(args[0])};
    if (!check_at_least("start", start, 1, err) || !check_at_least("n", n, 1, err) ||
        !check_at_least("subexpr", group, 0, err) || !(s.regex = regex_of_call(e, args, &options, err)))
        return false;
    s.at = byte_of(s.text, start);
    enum regex_result found = nth_match(&s, n, err);
    group = group_of(&s, group);
    if (found == REGEX_YES && group <= regex_groups(s.regex))
        *out = regex_piece(s.text, s.found + 2 * group);
    return found != REGEX_FAILED;
}

/* substring(text FROM pattern): the first group, or all of the match where there is none. */
static bool substring_of(const struct regex *r, struct str text, struct value *out, struct error *err)
{
    const size_t *found;
    enum regex_result result = regex_search(r, text, 0, &found, err);
    if (result == REGEX_YES)
        *out = regex_piece(text, regex_groups(r) ? found + 2 : found);
    return result != REGEX_FAILED;
}

bool fn_substring_regex(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                        struct error *err)
{
    (void)ev;
    unsigned options;
    const struct regex *r = regex_of_call(e, args, &options, err);
    return r && substring_of(r, value_str(args[0]), out, err);
}

/* \1 … \9 are the groups, \& all of the match, \\ a backslash. */
static void add_replacement(struct str replacement, const struct regex_matches *s, struct buffer *out)
{
    for (size_t i = 0; i < replacement.len; i++) {
        char c = replacement.data[i], next = i + 1 < replacement.len ? replacement.data[i + 1] : '\0';
        uint32_t group = next == '&' ? 0 : (uint32_t)(next - '0');
        if (c != '\\' || (next != '\\' && next != '&' && !(next >= '1' && next <= '9'))) {
            buffer_add_byte(out, c);
            continue;
        }
        i++;
        if (next == '\\')
            buffer_add_byte(out, '\\');
        else if (group <= regex_groups(s->regex) && s->found[2 * group] != SIZE_MAX)
            buffer_add(out, s->text.data + s->found[2 * group], s->found[2 * group + 1] - s->found[2 * group]);
    }
}

/* (text, pattern, replacement [, flags]) or (text, pattern, replacement, start [, n [, flags]]); n of 0: every match.
 */
bool fn_regexp_replace(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    unsigned options;
    bool extended = e->count > 3 && e->variant != 3;
    int64_t start = extended ? args[3].i : 1, n = e->count > 4 ? args[4].i : 1;
    struct regex_matches s = {.text = value_str(args[0])};
    if (!check_at_least("start", start, 1, err) || !check_at_least("n", n, 0, err) ||
        !(s.regex = regex_of_call(e, args, &options, err)))
        return false;
    if (e->count < 5 && (options & REGEX_GLOBAL))
        n = 0;
    s.at = byte_of(s.text, start);
    size_t copied = 0;
    enum regex_result found;
    ev->scratch.len = 0;
    for (int64_t i = 1; (found = regex_next(&s, err)) == REGEX_YES; i++) {
        if (n > 0 && i < n)
            continue;
        buffer_add(&ev->scratch, s.text.data + copied, s.found[0] - copied);
        add_replacement(value_str(args[2]), &s, &ev->scratch);
        copied = s.found[1];
        if (ev->scratch.len > FUNCTION_MAX_TEXT)
            return function_fail(err, "54000", "the result is too long");
        if (n > 0)
            break;
    }
    *out = args[0];
    if (found == REGEX_FAILED || (copied == 0 && ev->scratch.len == 0 && found == REGEX_NO))
        return found != REGEX_FAILED;
    if (s.text.len > copied)
        buffer_add(&ev->scratch, s.text.data + copied, s.text.len - copied);
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

/* ---- SIMILAR TO ----------------------------------------------------------------------------------------------------
 */

static struct str escape_of(const struct expr *e, const struct value *args)
{
    return e->count > 2 ? value_str(args[2]) : STR("\\");
}

bool prepare_similar(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx;
    struct value args[3];
    for (uint32_t i = 1; i < e->count; i++) {
        if (!is_known(e->args[i]))
            return true;
        args[i] = e->args[i]->constant;
    }
    struct buffer pattern = {0};
    bool ok = regex_of_similar(value_str(args[1]), escape_of(e, args), &pattern, err) &&
              keep(plan, (struct str){pattern.data, pattern.len}, 0, e, err);
    buffer_release(&pattern);
    return ok;
}

static const struct regex *similar_of(struct eval *ev, const struct expr *e, const struct value *args,
                                      struct error *err)
{
    const struct constant_regex *constant = e->data;
    if (constant)
        return constant->regex;
    ev->scratch.len = 0;
    if (!regex_of_similar(value_str(args[1]), escape_of(e, args), &ev->scratch, err))
        return NULL;
    return regex_cached((struct str){ev->scratch.data, ev->scratch.len}, 0, err);
}

bool fn_similar(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    const struct regex *r = similar_of(ev, e, args, err);
    enum regex_result found = r ? regex_test(r, value_str(args[0]), err) : REGEX_FAILED;
    *out = value_bool(found == REGEX_YES);
    return found != REGEX_FAILED;
}

bool fn_substring_similar(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                          struct error *err)
{
    const struct regex *r = similar_of(ev, e, args, err);
    return r && substring_of(r, value_str(args[0]), out, err);
}
