/*
 * What conversions cost: nanoseconds a value, and for text gigabytes a second. Prints a table.
 */
#include <stdio.h>

#include "pipeline/base/clock.h"
#include "pipeline/event/convert.h"

enum { ROWS = 2048, ROUNDS = 500 };

static struct arena inputs, arena; /* the second is a slice's: reset after every round */
static struct str iso[ROWS], iso_offset[ROWS], american[ROWS], integers[ROWS], decimals[ROWS], long_floats[ROWS],
    bools[ROWS];
static struct value times[ROWS], whole[ROWS], short_doubles[ROWS], long_doubles[ROWS], numbers[ROWS];
static struct buffer out;
static const struct zone *oslo;
static struct convert_context cx = {.arena = &arena, .now_us = INT64_MIN};

static void fill(void)
{
    for (int i = 0; i < ROWS; i++) {
        int day = i % 28 + 1, hour = i % 24, ms = i * 7919 % 1000;
        double d = (i * 7919 % 120000 - 20000) / 100.0;
        iso[i] = str_of(arena_printf(&inputs, "2026-03-%02dT%02d:30:15.%03dZ", day, hour, ms));
        iso_offset[i] = str_of(arena_printf(&inputs, "2026-03-%02d %02d:30:15.%03d+02:00", day, hour, ms));
        american[i] = str_of(arena_printf(&inputs, "3/%d/2026 %d:30 PM", day, hour % 12 + 1));
        integers[i] = str_of(arena_printf(&inputs, "%d", i * 7919));
        decimals[i] = str_of(arena_printf(&inputs, "%.2f", d));
        long_floats[i] = str_of(arena_printf(&inputs, "%.17g", d / 3));
        bools[i] = i % 3 ? STR("true") : STR("false");
        times[i] = (struct value){.kind = VALUE_TIMESTAMPTZ, .i = INT64_C(825000000000000) + i * INT64_C(86400123000)};
        whole[i] = value_int(i * 7919);
        short_doubles[i] = value_double(d);
        long_doubles[i] = value_double(d / 3);
        numbers[i] = (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)decimals[i].len, .ptr = decimals[i].data};
    }
}

typedef bool work(int row, struct value *v, struct error *err);

static bool read_iso(int row, struct value *v, struct error *err)
{
    return value_parse(&cx, iso[row], TYPE(TYPE_TIMESTAMPTZ), v, err);
}
static bool read_iso_offset(int row, struct value *v, struct error *err)
{
    return value_parse(&cx, iso_offset[row], TYPE(TYPE_TIMESTAMPTZ), v, err);
}
static bool read_american(int row, struct value *v, struct error *err)
{
    return value_parse(&cx, american[row], TYPE(TYPE_TIMESTAMP), v, err);
}
static bool read_integer(int row, struct value *v, struct error *err)
{
    return value_parse(&cx, integers[row], TYPE(TYPE_INTEGER), v, err);
}
static bool read_numeric(int row, struct value *v, struct error *err)
{
    return value_parse(&cx, decimals[row], TYPE(TYPE_NUMERIC), v, err);
}
static bool read_double(int row, struct value *v, struct error *err)
{
    return value_parse(&cx, decimals[row], TYPE(TYPE_DOUBLE), v, err);
}
static bool read_long_double(int row, struct value *v, struct error *err)
{
    return value_parse(&cx, long_floats[row], TYPE(TYPE_DOUBLE), v, err);
}
static bool read_boolean(int row, struct value *v, struct error *err)
{
    return value_parse(&cx, bools[row], TYPE(TYPE_BOOLEAN), v, err);
}
static bool json_to_double(int row, struct value *v, struct error *err)
{
    return value_cast(&cx, numbers[row], TYPE(TYPE_JSON), TYPE(TYPE_DOUBLE), v, err);
}
static bool json_to_text(int row, struct value *v, struct error *err)
{
    return value_cast(&cx, numbers[row], TYPE(TYPE_JSON), TYPE(TYPE_TEXT), v, err);
}
static bool double_to_text(int row, struct value *v, struct error *err)
{
    return value_cast(&cx, short_doubles[row], TYPE(TYPE_DOUBLE), TYPE(TYPE_TEXT), v, err);
}
static bool print_time(int row, struct value *v, struct error *err)
{
    (void)v, (void)err;
    value_print(times[row], TYPE(TYPE_TIMESTAMPTZ), zone_utc, &out);
    return true;
}
static bool print_time_in_oslo(int row, struct value *v, struct error *err)
{
    (void)v, (void)err;
    value_print(times[row], TYPE(TYPE_TIMESTAMPTZ), oslo, &out);
    return true;
}
static bool print_integer(int row, struct value *v, struct error *err)
{
    (void)v, (void)err;
    value_print(whole[row], TYPE(TYPE_INTEGER), zone_utc, &out);
    return true;
}
static bool print_short_double(int row, struct value *v, struct error *err)
{
    (void)v, (void)err;
    value_print(short_doubles[row], TYPE(TYPE_DOUBLE), zone_utc, &out);
    return true;
}
static bool print_long_double(int row, struct value *v, struct error *err)
{
    (void)v, (void)err;
    value_print(long_doubles[row], TYPE(TYPE_DOUBLE), zone_utc, &out);
    return true;
}

static void measure(const char *name, work *f)
{
    struct value v;
    struct error err;
    int64_t start = 0;
    for (int round = -ROUNDS / 5; round < ROUNDS; round++) {
        if (round == 0)
            start = clock_now_us(&clock_system);
        for (int row = 0; row < ROWS; row++) {
            if (!f(row, &v, &err))
                printf("%s: %s\n", name, err.text);
        }
        arena_reset(&arena);
        buffer_clear(&out);
    }
    double ns = (double)(clock_now_us(&clock_system) - start) * 1000 / ROUNDS / ROWS;
    printf("%-44s %7.1f ns\n", name, ns);
}

enum { TEXT_BYTES = 1 << 16 };

static void measure_text(const char *name, const char *piece, bool escape)
{
    static char bytes[TEXT_BYTES];
    size_t len = strlen(piece), used = 0;
    for (; used + len <= TEXT_BYTES; used += len)
        memcpy(bytes + used, piece, len);
    int64_t start = clock_now_us(&clock_system);
    size_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        buffer_clear(&out);
        if (escape)
            json_escape(&out, (struct str){bytes, used});
        else
            sum += utf8_valid_prefix((struct str){bytes, used});
        __asm__ volatile("" : : "r"(sum), "r"(out.data) : "memory");
    }
    double seconds = (double)(clock_now_us(&clock_system) - start) / 1e6;
    printf("%-44s %7.2f GB/s\n", name, (double)used * ROUNDS / seconds / 1e9);
}

int main(void)
{
    struct error err;
    oslo = zone_find(STR("Europe/Oslo"), &err);
    if (!oslo) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    cx.zone = zone_utc;
    fill();
    measure("text -> timestamptz, 2026-03-01T12:00:00.123Z", read_iso);
    measure("text -> timestamptz, with +02:00", read_iso_offset);
    measure("text -> timestamp, 3/1/2026 12:30 PM", read_american);
    measure("text -> integer", read_integer);
    measure("text -> numeric, two decimals", read_numeric);
    measure("text -> double precision, two decimals", read_double);
    measure("text -> double precision, 17 digits", read_long_double);
    measure("text -> boolean", read_boolean);
    measure("json number -> double precision", json_to_double);
    measure("json number -> text", json_to_text);
    measure("double precision -> text", double_to_text);
    measure("print timestamptz, UTC", print_time);
    measure("print timestamptz, Europe/Oslo", print_time_in_oslo);
    measure("print integer", print_integer);
    measure("print double precision, two decimals", print_short_double);
    measure("print double precision, 17 digits", print_long_double);
    measure_text("utf8_valid_prefix, ASCII", "site-oslo-02/line-06/gw-0042 ", false);
    measure_text("utf8_valid_prefix, European", "Größe der Meßwerte für Ålesund ", false);
    measure_text("utf8_valid_prefix, Japanese", "温度センサーの値", false);
    measure_text("json_escape, nothing to escape", "site-oslo-02/line-06/gw-0042 ", true);
    measure_text("json_escape, a quote every 30 bytes", "site-oslo-02/line-06/gw-00421\"", true);
    return 0;
}
