/*
 * The first byte picks a type, the rest is a text: whatever is read as a value of that type must print so that it reads
 * back and prints as itself, and every other type must take it or refuse it in good order.
 */
#include <stdlib.h>

#include "pipeline/event/convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena arena;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static struct str printed(struct value v, struct type type, bool json)
{
    struct buffer b = {0};
    if (json)
        value_print_json(v, type, zone_utc, &b);
    else
        value_print(v, type, zone_utc, &b);
    struct str copy = arena_str(&arena, (struct str){b.data, b.len});
    buffer_release(&b);
    return copy;
}

static void check_casts(const struct convert_context *cx, struct value v, struct type from)
{
    for (int id = 0; id < TYPE_COUNT; id++) {
        struct value cast;
        struct error err = {0};
        struct type to = TYPE((enum type_id)id);
        if (value_cast(cx, v, from, to, &cast, &err))
            printed(cast, to, id % 2 == 0);
        else
            check(err.kind != ERROR_RETRY && strlen(err.sqlstate) == 5 && err.text[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str text = {(const char *)data + 1, size - 1};
    struct type type = TYPE((enum type_id)(data[0] % TYPE_COUNT));
    if (utf8_valid_prefix(text) != text.len)
        return 0; /* never becomes text */
    struct convert_context cx = {.arena = &arena, .zone = zone_utc, .now_us = INT64_MIN};
    struct value v, again;
    struct error err = {0};
    if (value_parse(&cx, text, type, &v, &err)) {
        struct str once = printed(v, type, false);
        bool escaped = type.id == TYPE_JSON; /* prints the characters of a string, which is no JSON */
        if (!escaped) {
            check(value_parse(&cx, once, type, &again, &err));
            check(str_eq(printed(again, type, false), once));
        }
        check_casts(&cx, v, type);
    } else {
        check(err.kind == ERROR_REJECT && strlen(err.sqlstate) == 5);
    }
    arena_reset(&arena);
    return 0;
}
