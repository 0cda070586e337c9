#include "pipeline/event/slice.h"

#include <stdarg.h>
#include <stdio.h>

#define ROWS_4(n) (n), (n) + 1, (n) + 2, (n) + 3
#define ROWS_16(n) ROWS_4(n), ROWS_4((n) + 4), ROWS_4((n) + 8), ROWS_4((n) + 12)
#define ROWS_64(n) ROWS_16(n), ROWS_16((n) + 16), ROWS_16((n) + 32), ROWS_16((n) + 48)
#define ROWS_256(n) ROWS_64(n), ROWS_64((n) + 64), ROWS_64((n) + 128), ROWS_64((n) + 192)
#define ROWS_1024(n) ROWS_256(n), ROWS_256((n) + 256), ROWS_256((n) + 512), ROWS_256((n) + 768)

const uint32_t slice_all_rows[] = {ROWS_1024(0), ROWS_1024(1024)};
static_assert(sizeof(slice_all_rows) == SLICE_ROWS * sizeof(uint32_t), "a row for every place");

static struct rejection *add_rejection(struct rejections *r)
{
    if (r->count == r->capacity) {
        uint32_t capacity = r->capacity ? r->capacity * 2 : 16;
        struct rejection *items = arena_array(r->arena, struct rejection, capacity);
        if (r->count)
            memcpy(items, r->items, r->count * sizeof(*items));
        r->items = items;
        r->capacity = capacity;
    }
    return &r->items[r->count++];
}

struct rejection *reject_record(struct rejections *r, uint32_t record, uint32_t component, const char *class_name,
                                const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct rejection *added = add_rejection(r);
    *added = (struct rejection){
        .record = record,
        .component = component,
        .offset = UINT32_MAX,
        .class_name = class_name,
        .text = arena_str(r->arena, str_of(text)),
    };
    return added;
}
