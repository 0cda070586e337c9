#include "connectors/std/template.h"

#include <errno.h>
#include <stdlib.h>

#include "pipeline/base/clock.h"

enum part_kind { PART_LITERAL, PART_COUNTER, PART_DECIMAL, PART_INTEGER, PART_CHOICE, PART_TIME, PART_UUID };
enum { MAX_DECIMALS = 9, TIME_LEN = 24, UUID_LEN = 36, NUMBER_LEN = 21 };

struct part {
    enum part_kind kind;
    unsigned decimals;
    int64_t low;     /* numbers: in units of the last decimal; COUNTER: the start */
    uint64_t values; /* how many different ones */
    struct str text;
    struct str *choices;
};

struct template
{
    struct part *parts;
    uint32_t count;
    size_t most;
};

/* ---- parsing -------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    enum part_kind kind;
} placeholders[] = {
    {"counter", PART_COUNTER}, {"random", PART_DECIMAL}, {"random_int", PART_INTEGER},
    {"choice", PART_CHOICE},   {"time", PART_TIME},      {"uuid", PART_UUID},
};

/* The length of a placeholder's name at a '{'; 0: it is a brace like any other. */
static size_t name_at(const char *brace)
{
    size_t len = strspn(brace + 1, "abcdefghijklmnopqrstuvwxyz_");
    return len > 0 && (brace[1 + len] == ':' || brace[1 + len] == '}') ? len : 0;
}

/* A number with at most MAX_DECIMALS digits behind the point, as an integer in units of 10^-decimals. */
static bool parse_scaled(struct str s, unsigned decimals, int64_t *out)
{
    bool negative = s.len > 0 && s.data[0] == '-', any = false, point = false;
    uint64_t v = 0;
    unsigned behind = 0;
    for (size_t i = negative; i < s.len; i++) {
        if (s.data[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (s.data[i] < '0' || s.data[i] > '9' || v > UINT64_C(100000000000000000))
            return false;
        v = v * 10 + (uint64_t)(s.data[i] - '0');
        behind += point;
        any = true;
    }
    for (; behind < decimals; behind++) {
        if (v > UINT64_C(100000000000000000))
            return false;
        v *= 10;
    }
    *out = negative ? -(int64_t)v : (int64_t)v;
    return any;
}

static unsigned decimals_of(struct str s)
{
    const char *point = memchr(s.data, '.', s.len);
    return point ? (unsigned)(s.data + s.len - point - 1) : 0;
}

static bool parse_range(struct part *p, struct str name, struct str argument, struct error *err)
{
    const char *colon = memchr(argument.data, ':', argument.len);
    struct str low = {argument.data, colon ? (size_t)(colon - argument.data) : argument.len};
    struct str high = colon ? (struct str){colon + 1, argument.len - low.len - 1} : (struct str){0};
    int64_t last;
    if (p->kind == PART_DECIMAL) {
        p->decimals = 2;
        if (decimals_of(low) > p->decimals)
            p->decimals = decimals_of(low);
        if (high.len > 0 && decimals_of(high) > p->decimals)
            p->decimals = decimals_of(high);
    }
    bool whole = p->kind == PART_DECIMAL || (decimals_of(low) == 0 && (high.len == 0 || decimals_of(high) == 0));
    if (!colon || !whole || p->decimals > MAX_DECIMALS || !parse_scaled(low, p->decimals, &p->low) ||
        !parse_scaled(high, p->decimals, &last) || last < p->low)
        return error_set(err, ERROR_STOP, "{" STR_FMT ":" STR_FMT "}: expected {" STR_FMT ":LOWEST:HIGHEST}",
                         STR_ARG(name), STR_ARG(argument), STR_ARG(name));
    p->values = (uint64_t)(last - p->low) + 1;
    return true;
}

static void parse_choices(struct part *p, struct str argument, struct arena *arena)
{
    p->values = 1;
    for (size_t i = 0; i < argument.len; i++)
        p->values += argument.data[i] == '|';
    p->choices = arena_array(arena, struct str, p->values);
    const char *at = argument.data, *end = at + argument.len;
    for (uint64_t i = 0; i < p->values; i++) {
        const char *bar = memchr(at, '|', (size_t)(end - at));
        p->choices[i] = (struct str){at, (size_t)((bar ? bar : end) - at)};
        at = bar ? bar + 1 : end;
    }
}

static bool parse_placeholder(struct part *p, struct str name, struct str argument, bool has_argument,
                              struct arena *arena, struct error *err)
{
    size_t i, known = sizeof(placeholders) / sizeof(*placeholders);
    for (i = 0; i < known && !str_eq(str_of(placeholders[i].name), name); i++)
        ;
    if (i == known)
        return error_set(err, ERROR_STOP,
                         "unknown placeholder {" STR_FMT
                         "}: there are counter, random, random_int, choice, time and uuid",
                         STR_ARG(name));
    p->kind = placeholders[i].kind;
    switch (p->kind) {
    case PART_COUNTER:
        if (has_argument && (decimals_of(argument) > 0 || !parse_scaled(argument, 0, &p->low)))
            return error_set(err, ERROR_STOP, "{counter:" STR_FMT "}: expected an integer to start at",
                             STR_ARG(argument));
        return true;
    case PART_DECIMAL:
    case PART_INTEGER:
        return parse_range(p, name, argument, err);
    case PART_CHOICE:
        if (!has_argument)
            return error_set(err, ERROR_STOP, "{choice} needs something to choose from: {choice:a|b|c}");
        parse_choices(p, argument, arena);
        return true;
    case PART_TIME:
    case PART_UUID:
        if (has_argument)
            return error_set(err, ERROR_STOP, "{" STR_FMT "} takes no argument", STR_ARG(name));
        return true;
    case PART_LITERAL:
        break;
    }
    return false;
}

static size_t most_of(const struct part *p)
{
    size_t most = 0;
    switch (p->kind) {
    case PART_LITERAL:
        return p->text.len;
    case PART_COUNTER:
    case PART_INTEGER:
    case PART_DECIMAL:
        return NUMBER_LEN + 2;
    case PART_TIME:
        return TIME_LEN;
    case PART_UUID:
        return UUID_LEN;
    case PART_CHOICE:
        for (uint64_t i = 0; i < p->values; i++)
            if (p->choices[i].len > most)
                most = p->choices[i].len;
        return most;
    }
    return most;
}

static const char *next_brace(const char *at)
{
    while ((at = strchr(at, '{')) != NULL && name_at(at) == 0)
        at++;
    return at;
}

struct template *template_parse(const char *text, struct arena *arena, size_t *offset, struct error *err)
{
    struct template *t = arena_new(arena, struct template);
    const char *start = arena_strdup(arena, text);
    size_t braces = 0;
    for (const char *p = start; (p = strchr(p, '{')) != NULL; p++)
        braces++;
    t->parts = arena_array(arena, struct part, 2 * braces + 1);
    for (const char *at = start; *at;) {
        const char *brace = next_brace(at);
        if (brace != at) {
            size_t len = brace ? (size_t)(brace - at) : strlen(at);
            t->parts[t->count++] = (struct part){.kind = PART_LITERAL, .text = {at, len}};
            at += len;
            continue;
        }
        *offset = (size_t)(brace - start);
        struct str name = {brace + 1, name_at(brace)};
        const char *behind = name.data + name.len, *end = strchr(behind, '}');
        bool has_argument = *behind == ':';
        if (!end) {
            error_set(err, ERROR_STOP, "{" STR_FMT ": the closing brace is missing", STR_ARG(name));
            return NULL;
        }
        struct part p = {0};
        struct str argument = {behind + has_argument, (size_t)(end - behind) - has_argument};
        if (!parse_placeholder(&p, name, argument, has_argument, arena, err))
            return NULL;
        t->parts[t->count++] = p;
        at = end + 1;
    }
    for (uint32_t i = 0; i < t->count; i++)
        t->most += most_of(&t->parts[i]);
    return t;
}

size_t template_most(const struct template *t)
{
    return t->most;
}

/* ---- printing ------------------------------------------------------------------------------------------------------
 */

/* splitmix64 (Steele, Lea, Flood 2014): any 64-bit state is a good start, so an event's number can be one. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* One of `values`, evenly enough: the error is below 2^-32 for all that fits in a test. */
static inline uint64_t pick(uint64_t *state, uint64_t values)
{
    return (uint64_t)((unsigned __int128)next_random(state) * values >> 64);
}

static inline char *print_unsigned(uint64_t v, char *to)
{
    char digits[20], *p = digits + sizeof(digits);
    do
        *--p = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    size_t len = (size_t)(digits + sizeof(digits) - p);
    memcpy(to, p, len);
    return to + len;
}

static inline char *print_signed(int64_t v, char *to)
{
    if (v < 0)
        *to++ = '-';
    return print_unsigned(v < 0 ? -(uint64_t)v : (uint64_t)v, to);
}

static inline char *print_decimal(int64_t v, unsigned decimals, char *to)
{
    static const uint64_t powers[MAX_DECIMALS + 1] = {1,      10,      100,      1000,      10000,
                                                      100000, 1000000, 10000000, 100000000, 1000000000};
    uint64_t size = v < 0 ? -(uint64_t)v : (uint64_t)v, behind = size % powers[decimals];
    if (v < 0)
        *to++ = '-';
    to = print_unsigned(size / powers[decimals], to);
    if (decimals == 0)
        return to;
    *to++ = '.';
    for (unsigned i = decimals; i-- > 0; behind /= 10)
        to[i] = (char)('0' + behind % 10);
    return to + decimals;
}

/* Only the milliseconds change from one event to the next, most of the time. */
static inline char *print_time(int64_t wall_us, struct template_clock *clock, char *to)
{
    int64_t second = wall_us / 1000000;
    if (clock->text[0] == '\0' || clock->second != second) {
        clock_print_wall(second * 1000000, clock->text);
        clock->second = second;
    }
    memcpy(to, clock->text, TIME_LEN);
    unsigned ms = (unsigned)(wall_us / 1000 % 1000);
    to[20] = (char)('0' + ms / 100);
    to[21] = (char)('0' + ms / 10 % 10);
    to[22] = (char)('0' + ms % 10);
    return to + TIME_LEN;
}

/* RFC 9562, version 4 */
static char *print_uuid(uint64_t *state, char *to)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t halves[2] = {next_random(state), next_random(state)};
    halves[0] = (halves[0] & ~UINT64_C(0xf000)) | 0x4000;
    halves[1] = (halves[1] & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *to++ = '-';
        *to++ = digits[halves[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    return to;
}

size_t template_print(const struct template *t, uint64_t seed, uint64_t n, int64_t wall_us,
                      struct template_clock *clock, char *to)
{
    char *start = to;
    uint64_t state = seed ^ (n * UINT64_C(0xd1342543de82ef95));
    state = next_random(&state);
    for (const struct part *p = t->parts, *end = p + t->count; p < end; p++) {
        switch (p->kind) {
        case PART_LITERAL:
            memcpy(to, p->text.data, p->text.len);
            to += p->text.len;
            break;
        case PART_COUNTER:
            to = print_signed((int64_t)((uint64_t)p->low + n), to);
            break;
        case PART_INTEGER:
            to = print_signed((int64_t)((uint64_t)p->low + pick(&state, p->values)), to);
            break;
        case PART_DECIMAL:
            to = print_decimal((int64_t)((uint64_t)p->low + pick(&state, p->values)), p->decimals, to);
            break;
        case PART_CHOICE: {
            struct str choice = p->choices[pick(&state, p->values)];
            memcpy(to, choice.data, choice.len);
            to += choice.len;
            break;
        }
        case PART_TIME:
            to = print_time(wall_us, clock, to);
            break;
        case PART_UUID:
            to = print_uuid(&state, to);
            break;
        }
    }
    return (size_t)(to - start);
}
