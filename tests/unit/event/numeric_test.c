/*
 * numeric against the answers of a real PostgreSQL 15 (tests/data/numeric/cases.tsv, written by make.py beside it),
 * each case in every representation that its operands may have: as the parser leaves them, as a JSON number nobody
 * looked at, and with an exponent, which only the slow path reads.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "pipeline/event/numeric_divide.h"

struct numeric_case {
    char *op, *x, *y, *expected;
};

static struct arena arena;

static void unescape(char *text)
{
    char *to = text;
    for (char *p = text; *p; p++) {
        if (p[0] == '\\' && (p[1] == 't' || p[1] == 'n'))
            *to++ = *++p == 't' ? '\t' : '\n';
        else
            *to++ = *p;
    }
    *to = '\0';
}

static bool next_case(FILE *file, char **line, size_t *capacity, struct numeric_case *c)
{
    ssize_t len = getline(line, capacity, file);
    if (len <= 0)
        return false;
    (*line)[len - 1] = '\0';
    char *rest = *line;
    char **columns[] = {&c->op, &c->x, &c->y, &c->expected};
    for (size_t i = 0; i < 4; i++) {
        *columns[i] = strsep(&rest, "\t");
        assert_non_null(*columns[i]);
    }
    unescape(c->x);
    return true;
}

static const char *shortened(const char *text)
{
    size_t len = strlen(text);
    if (len <= 200)
        return text;
    return arena_printf(&arena, "#%zu:%08lx", len, crc32(0, (const unsigned char *)text, (unsigned)len));
}

static const char *printed(struct value v)
{
    struct buffer text = {0};
    numeric_print(v, &text);
    const char *copy = arena_strdup(&arena, buffer_cstr(&text));
    buffer_release(&text);
    return copy;
}

static const char *sent(struct value v)
{
    struct buffer bytes = {0}, hex = {0};
    if (!numeric_print_binary(v, &bytes))
        return "!22003";
    for (size_t i = 0; i < bytes.len; i++)
        buffer_printf(&hex, "%02x", (unsigned char)bytes.data[i]);
    const char *copy = arena_strdup(&arena, buffer_cstr(&hex));
    buffer_release(&bytes);
    buffer_release(&hex);
    return copy;
}

static const char *failed(const struct error *err)
{
    assert_int_equal(err->kind, ERROR_REJECT);
    assert_true(err->text[0] != '\0');
    return arena_printf(&arena, "!%s", err->sqlstate);
}

typedef bool binary_operation(struct arena *, struct value, struct value, struct value *, struct error *);

static binary_operation *find_binary(const char *op)
{
    static const struct {
        const char *name;
        binary_operation *run;
    } all[] = {
        {"add", numeric_add}, {"sub", numeric_sub}, {"mul", numeric_mul}, {"div", numeric_div}, {"mod", numeric_mod}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(op, all[i].name) == 0)
            return all[i].run;
    return NULL;
}

static const char *int8_or_error(struct value x)
{
    int64_t i;
    if (numeric_is_nan(x) || !isfinite(numeric_to_double(x)))
        return strlen(printed(x)) < 10 ? "!0A000" : "!22003"; /* NaN and Infinity are no bigint at all */
    return numeric_to_int64(x, &i) ? arena_printf(&arena, "%ld", (long)i) : "!22003";
}

/* Postgres refuses what a double cannot hold; the rest it prints so that it reads back as the same. */
static const char *float8_or_expected(struct value x, const char *expected)
{
    double d = numeric_to_double(x);
    if ((isinf(d) && strlen(printed(x)) > 10) || (d == 0 && numeric_sign(x) != 0))
        return "!22003";
    if (expected[0] != '!' && (strtod(expected, NULL) == d || (isnan(d) && strcmp(expected, "NaN") == 0)))
        return expected;
    return arena_printf(&arena, "%.17g", d);
}

static const char *run_typmod(struct value x, const char *y)
{
    int precision = 0, scale = 0;
    struct value out;
    struct error err;
    assert_int_equal(sscanf(y, "%d,%d", &precision, &scale), 2);
    return numeric_apply_typmod(&arena, x, precision, scale, &out, &err) ? printed(out) : failed(&err);
}

/* What is beyond Postgres's range passes through the functions that cannot say so. */
static bool in_range(struct value x, const char **why)
{
    struct error err;
    bool fits = numeric_check(x, &err);
    if (!fits)
        *why = failed(&err);
    return fits;
}

static const char *run(const struct numeric_case *c, struct value x, struct value y)
{
    struct value out;
    struct error err;
    const char *why;
    binary_operation *binary = find_binary(c->op);
    if (binary)
        return binary(&arena, x, y, &out, &err) ? printed(out) : failed(&err);
    if (!in_range(x, &why))
        return why;
    if (strcmp(c->op, "cmp") == 0)
        return arena_printf(&arena, "%d", numeric_compare(x, y));
    if (strcmp(c->op, "neg") == 0)
        return printed(numeric_neg(&arena, x));
    if (strcmp(c->op, "abs") == 0)
        return printed(numeric_abs(&arena, x));
    if (strcmp(c->op, "ceil") == 0)
        return printed(numeric_ceil(&arena, x));
    if (strcmp(c->op, "floor") == 0)
        return printed(numeric_floor(&arena, x));
    if (strcmp(c->op, "round") == 0)
        return printed(numeric_round(&arena, x, atoi(c->y)));
    if (strcmp(c->op, "trunc") == 0)
        return printed(numeric_trunc(&arena, x, atoi(c->y)));
    if (strcmp(c->op, "parse") == 0)
        return printed(x);
    if (strcmp(c->op, "send") == 0)
        return sent(x);
    if (strcmp(c->op, "int8") == 0)
        return int8_or_error(x);
    if (strcmp(c->op, "float8") == 0)
        return float8_or_expected(x, c->expected);
    if (strcmp(c->op, "typmod") == 0)
        return run_typmod(x, c->y);
    fail_msg("no operation %s", c->op);
    return NULL;
}

static void check_case(const struct numeric_case *c, struct value x, struct value y, const char *form)
{
    const char *got = shortened(run(c, x, y));
    if (strcmp(got, c->expected) != 0)
        fail_msg("%s(%.60s, %.60s) as %s: %s, not %s", c->op, c->x, c->y, form, got, c->expected);
}

static void check_float(const struct numeric_case *c)
{
    double d = strtod(c->x, NULL);
    struct value v;
    if (strcmp(c->op, "from_float4") == 0) {
        float f = strtof(c->x, NULL);
        if (c->expected[0] == '!')
            return; /* not a float4 at all: nothing to convert */
        v = numeric_from_real(&arena, (double)f);
    } else {
        v = numeric_from_double(&arena, d);
    }
    if (strcmp(shortened(printed(v)), c->expected) != 0)
        fail_msg("%s(%s): %s, not %s", c->op, c->x, printed(v), c->expected);
}

static struct value raw_number(const char *text)
{
    struct str s = arena_str(&arena, str_of(text));
    return (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)s.len, .ptr = s.data};
}

static struct value with_exponent(const char *text)
{
    bool plain = strspn(text, "-.0123456789") == strlen(text);
    return raw_number(plain ? arena_printf(&arena, "%se0", text) : text);
}

/* c.x parsed; false where the text itself is refused, as expected. */
static bool parse_operand(const struct numeric_case *c, const char *text, struct value *out)
{
    struct error err;
    if (numeric_parse(&arena, str_of(text), out, &err))
        return true;
    if (strcmp(failed(&err), c->expected) != 0)
        fail_msg("%s(%.60s): %s, not %s", c->op, c->x, err.text, c->expected);
    return false;
}

static void check_in_all_forms(const struct numeric_case *c)
{
    struct value x, y = value_null();
    bool two = find_binary(c->op) || strcmp(c->op, "cmp") == 0;
    if (!parse_operand(c, c->x, &x) || (two && !parse_operand(c, c->y, &y)))
        return;
    check_case(c, x, y, "parsed");
    if (strspn(c->x, "-+.0123456789eE") != strlen(c->x) && c->x[0] != 'N' && strstr(c->x, "Infinity") == NULL)
        return; /* blanks, other spellings: never a NUMBER */
    check_case(c, raw_number(c->x), two ? raw_number(c->y) : y, "raw");
    check_case(c, with_exponent(c->x), two ? with_exponent(c->y) : y, "long");
    check_case(c, x, two ? with_exponent(c->y) : y, "mixed");
}

static void every_case_has_postgres_answer(void **state)
{
    (void)state;
    FILE *file = fopen("data/numeric/cases.tsv", "r");
    assert_non_null(file);
    char *line = NULL;
    size_t capacity = 0, cases = 0;
    struct numeric_case c;
    while (next_case(file, &line, &capacity, &c)) {
        if (strncmp(c.op, "from_float", 10) == 0)
            check_float(&c);
        else
            check_in_all_forms(&c);
        arena_reset(&arena);
        cases++;
    }
    free(line);
    fclose(file);
    assert_true(cases > 5000);
}

static void a_number_beyond_postgres_range_is_refused_but_kept(void **state)
{
    (void)state;
    struct value huge = raw_number("1e999999"), out;
    struct error err;
    assert_false(numeric_check(huge, &err));
    assert_string_equal(err.sqlstate, "22003");
    assert_false(numeric_add(&arena, huge, value_decimal(1, 0), &out, &err));
    assert_string_equal(err.sqlstate, "22003");
    assert_int_equal(numeric_compare(huge, raw_number("1e999998")), 1);
    assert_int_equal(numeric_compare(huge, raw_number("Infinity")), -1);
    assert_string_equal(printed(huge), "1e999999");
    assert_string_equal(printed(numeric_neg(&arena, huge)), "-1e999999");
    assert_string_equal(printed(numeric_round(&arena, huge, 2)), "1e999999");
    assert_string_equal(sent(huge), "!22003");
    arena_reset(&arena);
}

static void results_are_decimals_wherever_they_fit(void **state)
{
    (void)state;
    struct value out;
    struct error err;
    assert_true(numeric_mul(&arena, raw_number("1e18"), raw_number("1e-18"), &out, &err));
    assert_int_equal(out.kind, VALUE_DECIMAL);
    assert_true(numeric_sub(&arena, raw_number("9223372036854775808"), value_decimal(1, 0), &out, &err));
    assert_int_equal(out.kind, VALUE_DECIMAL);
    assert_true(out.i == INT64_MAX);
    assert_true(numeric_add(&arena, out, value_decimal(1, 0), &out, &err));
    assert_int_equal(out.kind, VALUE_NUMBER);
    out = numeric_neg(&arena, out);
    assert_int_equal(out.kind, VALUE_DECIMAL);
    assert_true(out.i == INT64_MIN);
    assert_int_equal(numeric_normalise(&arena, raw_number("1.5e3")).kind, VALUE_DECIMAL);
    arena_reset(&arena);
}

static void small_numbers_are_read_exactly_or_not_at_all(void **state)
{
    (void)state;
    int64_t c;
    unsigned scale;
    assert_true(numeric_parse_small("-21.530", 7, &c, &scale));
    assert_true(c == -21530 && scale == 3);
    assert_true(numeric_parse_small("0.00000000000000001", 19, &c, &scale));
    assert_true(c == 1 && scale == 17);
    assert_true(numeric_parse_small("999999999999999999", 18, &c, &scale));
    assert_true(c == 999999999999999999 && scale == 0);
    const char *refused[] = {
        "", "-", ".", "-.", "1e5", "1.2.3", "+1", " 1", "NaN", "1234567890123456789", "0.000000000000000001"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (numeric_parse_small(refused[i], strlen(refused[i]), &c, &scale))
            fail_msg("%s was read", refused[i]);
}

static int release_arena(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

/* xorshift (Marsaglia 2003), so that every run has the same numbers. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static struct value random_decimal(uint64_t *state)
{
    int64_t coefficient = (int64_t)next_random(state) >>
                          (next_random(state) % 4 ? 40 + next_random(state) % 24 : next_random(state) % 64);
    return value_decimal(coefficient, (unsigned)(next_random(state) % 8));
}

static void a_column_divided_by_one_number_has_the_quotients_of_single_divisions(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    unsigned fast = 0;
    for (int divisors = 0; divisors < 2000; divisors++) {
        struct numeric_divisor d;
        struct value y = random_decimal(&seed), x = random_decimal(&seed);
        if (!numeric_divisor_init(&d, y))
            continue;
        for (int i = 0; i < 100; i++) {
            /* many of one size, as columns are, and some of another */
            x.i = next_random(&seed) % 8 ? (int64_t)((uint64_t)x.i + next_random(&seed) % 7 - 3)
                                         : (int64_t)((uint64_t)x.i * (next_random(&seed) % 200));
            struct value quotient, expected;
            struct error err;
            if (!numeric_div_fast(&d, x, &quotient))
                continue;
            fast++;
            assert_true(numeric_div(&arena, x, y, &expected, &err));
            assert_int_equal(expected.kind, VALUE_DECIMAL);
            assert_int_equal(quotient.i, expected.i);
            assert_int_equal(quotient.scale, expected.scale);
        }
        arena_reset(&arena);
    }
    assert_true(fast > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_has_postgres_answer),
        cmocka_unit_test(a_number_beyond_postgres_range_is_refused_but_kept),
        cmocka_unit_test(results_are_decimals_wherever_they_fit),
        cmocka_unit_test(small_numbers_are_read_exactly_or_not_at_all),
        cmocka_unit_test(a_column_divided_by_one_number_has_the_quotients_of_single_divisions),
    };
    return cmocka_run_group_tests(tests, NULL, release_arena);
}
