/*
 * What numeric operations cost: nanoseconds a call, as the SQL evaluator makes them. Prints a table.
 */
#include <stdio.h>

#include "pipeline/base/clock.h"
#include "pipeline/event/numeric.h"

enum { ROWS = 2048, ROUNDS = 500 };

static struct arena inputs, arena; /* the second is a slice's: reset after every round */
static struct value raw[ROWS], decimals[ROWS], wide[ROWS], doubles[ROWS], out[ROWS];
static struct buffer text;

static void fill(void)
{
    for (int i = 0; i < ROWS; i++) {
        int cents = -2000 + i * 7919 % 12000;
        char *number = arena_printf(&inputs, "%.2f", cents / 100.0);
        raw[i] = (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)strlen(number), .ptr = number};
        decimals[i] = value_decimal(cents, 2);
        doubles[i] = value_double(cents / 100.0);
        number = arena_printf(&inputs, "0.%020d", cents < 0 ? -cents : cents);
        wide[i] = (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)strlen(number), .ptr = number};
    }
}

typedef void work(int row);

static void normalise(int row)
{
    out[row] = numeric_normalise(&arena, raw[row]);
}
static void add_fast(int row)
{
    if (!numeric_add_fast(decimals[row], value_decimal(320, 1), &out[row]))
        out[row] = value_null();
}
static void mul_fast(int row)
{
    if (!numeric_mul_fast(decimals[row], value_decimal(18, 1), &out[row]))
        out[row] = value_null();
}
static void compare_fast(int row)
{
    int order = 0;
    numeric_compare_fast(decimals[row], value_decimal(30, 0), &order);
    out[row] = value_bool(order > 0);
}

/* The benchmark's expression, from JSON text: temp * 1.8 + 32 */
static void fahrenheit(int row)
{
    struct value product;
    struct value t = numeric_normalise(&arena, raw[row]);
    if (numeric_mul_fast(t, value_decimal(18, 1), &product))
        numeric_add_fast(product, value_decimal(32, 0), &out[row]);
}
static void divide(int row)
{
    struct error err;
    numeric_div(&arena, decimals[row], value_decimal(3, 0), &out[row], &err);
}
static void multiply_wide(int row)
{
    struct error err;
    numeric_mul(&arena, wide[row], value_decimal(3, 0), &out[row], &err);
}
static void round_one(int row)
{
    out[row] = numeric_round(&arena, decimals[row], 1);
}
static void from_double(int row)
{
    out[row] = numeric_from_double(&arena, doubles[row].d);
}
static void to_double(int row)
{
    out[row] = value_double(numeric_to_double(decimals[row]));
}
static void print(int row)
{
    numeric_print(decimals[row], &text);
}
static void print_binary(int row)
{
    numeric_print_binary(decimals[row], &text);
}

static void measure(const char *name, work *w)
{
    int64_t start = clock_now_us(&clock_system);
    for (int round = 0; round < ROUNDS; round++) {
        for (int row = 0; row < ROWS; row++)
            w(row);
        arena_reset(&arena);
        buffer_clear(&text);
    }
    double ns = (double)(clock_now_us(&clock_system) - start) * 1000 / ROUNDS / ROWS;
    printf("%-32s %6.1f ns\n", name, ns);
}

int main(void)
{
    fill();
    measure("normalise \"21.53\"", normalise);
    measure("numeric_add_fast", add_fast);
    measure("numeric_mul_fast", mul_fast);
    measure("numeric_compare_fast", compare_fast);
    measure("\"21.53\" * 1.8 + 32", fahrenheit);
    measure("numeric_div, scale 16 to 20", divide);
    measure("numeric_mul of 20 digits", multiply_wide);
    measure("numeric_round", round_one);
    measure("numeric_from_double", from_double);
    measure("numeric_to_double", to_double);
    measure("numeric_print", print);
    measure("numeric_print_binary", print_binary);
    arena_release(&inputs);
    arena_release(&arena);
    buffer_release(&text);
    return 0;
}
