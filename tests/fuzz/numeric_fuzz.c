/*
 * Two texts, split at the first newline, as numerics: whatever parses must print so that it reads back as itself, and
 * every operation must give the same result by the fast and by the slow path (an exponent of 0 is read by the slow one
 * only).
 */
#include <stdlib.h>

#include "pipeline/event/numeric.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena arena;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static struct str printed(struct value v)
{
    struct buffer b = {0};
    numeric_print(v, &b);
    struct str copy = arena_str(&arena, (struct str){b.data, b.len});
    buffer_release(&b);
    return copy;
}

static bool is_plain(struct str s)
{
    return s.len < 500 && s.data[s.len - 1] >= '0' && s.data[s.len - 1] <= '9';
}

static struct value slowly(struct str s)
{
    const char *text = arena_printf(&arena, STR_FMT "e0", STR_ARG(s));
    return (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)s.len + 2, .ptr = text};
}

static void check_round_trip(struct value v)
{
    struct value again;
    struct error err;
    struct buffer fast = {0}, slow = {0};
    struct str text = printed(v);
    check(numeric_parse(&arena, text, &again, &err));
    check(str_eq(printed(again), text) && numeric_compare(v, again) == 0);
    check(numeric_print_binary(v, &fast));
    if (is_plain(text)) {
        check(numeric_print_binary(slowly(text), &slow));
        check(fast.len == slow.len && memcmp(fast.data, slow.data, fast.len) == 0);
    }
    buffer_release(&fast);
    buffer_release(&slow);
}

typedef bool operation(struct arena *, struct value, struct value, struct value *, struct error *);

static void check_operations(struct value x, struct value y)
{
    static operation *const all[] = {numeric_add, numeric_sub, numeric_mul, numeric_div, numeric_mod};
    struct value p = slowly(printed(x)), q = slowly(printed(y));
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct value fast, slow;
        struct error e, f;
        bool ok = all[i](&arena, x, y, &fast, &e);
        check(ok == all[i](&arena, p, q, &slow, &f));
        check(ok ? fast.kind == slow.kind && str_eq(printed(fast), printed(slow)) : strcmp(e.text, f.text) == 0);
    }
    check(numeric_compare(x, y) == numeric_compare(p, q) && numeric_compare(x, y) == -numeric_compare(q, p));
}

static void check_rounding(struct value x, int places)
{
    struct value p = slowly(printed(x)), fast, slow;
    struct error e, f;
    check(str_eq(printed(numeric_round(&arena, x, places)), printed(numeric_round(&arena, p, places))));
    check(str_eq(printed(numeric_trunc(&arena, x, places)), printed(numeric_trunc(&arena, p, places))));
    check(str_eq(printed(numeric_ceil(&arena, x)), printed(numeric_ceil(&arena, p))));
    check(str_eq(printed(numeric_floor(&arena, x)), printed(numeric_floor(&arena, p))));
    bool ok = numeric_apply_typmod(&arena, x, 20, places, &fast, &e);
    check(ok == numeric_apply_typmod(&arena, p, 20, places, &slow, &f));
    check(!ok || str_eq(printed(fast), printed(slow)));
    check(numeric_to_double(x) == numeric_to_double(p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *split = size ? memchr(text, '\n', size) : NULL;
    struct str first = {text, split ? (size_t)(split - text) : size}, second = STR("3");
    if (split)
        second = (struct str){split + 1, size - first.len - 1};
    struct value x, y;
    struct error err;
    bool read = numeric_parse(&arena, first, &x, &err);
    if (read)
        check_round_trip(x);
    if (read && numeric_parse(&arena, second, &y, &err) && is_plain(printed(x)) && is_plain(printed(y))) {
        check_operations(x, y);
        check_rounding(x, (int)(size % 64) - 24);
    }
    arena_reset(&arena);
    return 0;
}
