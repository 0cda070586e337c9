#include "pipeline/event/convert_pieces.h"

#include "pipeline/event/datetime.h"

/* What was printed decides how the next part looks: each part has its own sign, and a '+' only behind a negative one.
 */
struct parts {
    char *at;
    bool any, negative;
};

static void put(struct parts *p, const char *text)
{
    size_t len = strlen(text);
    memcpy(p->at, text, len);
    p->at += len;
}

static void put_unit(struct parts *p, int32_t n, const char *unit)
{
    if (n == 0)
        return;
    if (p->any)
        put(p, " ");
    if (p->negative && n > 0)
        put(p, "+");
    p->at += int_print(n, p->at);
    put(p, " ");
    put(p, unit);
    if (n != 1)
        put(p, "s");
    p->negative = n < 0;
    p->any = true;
}

/* At least two digits. */
static void put_two(struct parts *p, uint64_t n)
{
    if (n < 10)
        put(p, "0");
    p->at += int_print((int64_t)n, p->at);
}

static void put_time(struct parts *p, int64_t us)
{
    uint64_t rest = us < 0 ? -(uint64_t)us : (uint64_t)us;
    uint64_t seconds = rest / (uint64_t)USECS_PER_SEC, micro = rest % (uint64_t)USECS_PER_SEC;
    if (p->any)
        put(p, " ");
    if (us < 0)
        put(p, "-");
    else if (p->negative)
        put(p, "+");
    put_two(p, seconds / 3600);
    put(p, ":");
    put_two(p, seconds / 60 % 60);
    put(p, ":");
    put_two(p, seconds % 60);
    if (micro == 0)
        return;
    put(p, ".");
    for (uint64_t unit = 100000; micro > 0; micro %= unit, unit /= 10)
        *p->at++ = (char)('0' + micro / unit);
}

/* IntervalStyle postgres */
size_t interval_print(const struct interval *i, char *out)
{
    struct parts p = {.at = out};
    put_unit(&p, i->months / 12, "year");
    put_unit(&p, i->months % 12, "mon");
    put_unit(&p, i->days, "day");
    if (i->microseconds != 0 || !p.any)
        put_time(&p, i->microseconds);
    return (size_t)(p.at - out);
}
