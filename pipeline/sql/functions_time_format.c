/*
 * to_char() for timestamps and intervals (manual, 9.8).
 */
#include <stdio.h>

#include "pipeline/event/interval.h"
#include "pipeline/sql/format_time.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/text.h"

/* What is shown: a moment on the calendar, or the parts of an interval, which may be negative and beyond a calendar's.
 */
struct shown {
    int64_t hour;
    int32_t year, month, day, minute, second, microsecond;
    int32_t days, day_of_year; /* since 2000-01-01; of an interval what its parts would be there */
    int32_t offset_seconds;
    const char *zone; /* NULL: a timestamp without time zone */
    bool is_interval;
};

/* The text of one pattern. */
struct writer {
    struct buffer *out;
    const struct shown *s;
    const struct time_node *node;
};

static bool fills(const struct writer *w)
{
    return !(w->node->suffix & SUFFIX_FM);
}

/* As "%0*lld" does: zeros up to the width, a sign counted in. */
static void put_padded(const struct writer *w, int64_t n, int width)
{
    char text[24], *end = text + sizeof(text), *p = end;
    uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;
    do
        *--p = (char)('0' + rest % 10);
    while (rest /= 10);
    while (end - p + (n < 0) < width && p > text + 1)
        *--p = '0';
    if (n < 0)
        *--p = '-';
    buffer_add(w->out, p, (size_t)(end - p));
}

/* So many digits, and a sign beside them. */
static void put_number(const struct writer *w, int64_t n, int width, bool fill)
{
    put_padded(w, n, fill ? width + (n < 0) : 0);
}

static void put_word(const struct writer *w, const char *text, enum text_case to, int width)
{
    size_t from = w->out->len;
    text_change_case(str_of(text), to, w->out);
    while (w->out->len - from < (size_t)width)
        buffer_add_byte(w->out, ' ');
}

static void put_cased(const struct writer *w, const char *text, int width)
{
    put_word(w, text, w->node->lower ? TEXT_LOWER : TEXT_UPPER, width);
}

/* Names are padded to the longest one's width, unless FM or TM takes the blanks away. */
static void put_name(const struct writer *w, const char *name)
{
    const struct time_keyword *k = w->node->keyword;
    char part[16];
    bool whole = k->width == 9;
    snprintf(part, sizeof(part), "%.*s", whole ? 9 : 3, name);
    enum text_case to = k->name[0] >= 'a' ? TEXT_LOWER : k->name[1] >= 'a' ? TEXT_INITCAP : TEXT_UPPER;
    put_word(w, part, to, whole && !(w->node->suffix & (SUFFIX_FM | SUFFIX_TM)) ? 9 : 0);
}

/* The last digits of a year; years before our era are shown as they are counted there. */
static void put_year(const struct writer *w, int32_t year)
{
    static const int32_t powers[] = {1, 10, 100, 1000};
    int width = w->node->keyword->width;
    bool counted_back = !w->s->is_interval && year <= 0, negative = w->s->is_interval && w->s->year < 0;
    int32_t n = counted_back ? 1 - year : year, part = width == 4 ? n : n % powers[width];
    int digits = fills(w) ? width + negative : 0;
    put_padded(w, part, width == 1 ? 1 : digits);
}

static void put_roman(const struct writer *w)
{
    const struct shown *s = w->s;
    int month = s->month;
    if (month == 0 && s->year == 0)
        return;
    if (month == 0) /* whole years */
        month = s->year >= 0 ? 12 : 1;
    else if (month < 0)
        month += 13;
    put_cased(w, time_month_romans[month - 1], fills(w) ? 4 : 0);
}

static void put_offset(const struct writer *w)
{
    int32_t seconds = w->s->offset_seconds, size = seconds < 0 ? -seconds : seconds;
    buffer_printf(w->out, "%c%0*d", seconds < 0 ? '-' : '+', fills(w) ? 2 : 0, size / 3600);
    if (size % 3600)
        buffer_printf(w->out, ":%02d", size % 3600 / 60);
}

static void put_century(const struct writer *w)
{
    int32_t year = w->s->year;
    int32_t century = w->s->is_interval ? year / 100 : year > 0 ? (year - 1) / 100 + 1 : year / 100 - 1;
    put_number(w, century, 2, fills(w) && century <= 99 && century >= -99);
}

/* The English ending of the number that starts there. */
static void put_ordinal(const struct writer *w, size_t from)
{
    if (!(w->node->suffix & (SUFFIX_TH_UPPER | SUFFIX_TH_LOWER)) || w->out->len == from)
        return;
    const char *end = w->out->data + w->out->len;
    bool teen = w->out->len - from > 1 && end[-2] == '1';
    const char *ending = teen ? "TH" : end[-1] == '1' ? "ST" : end[-1] == '2' ? "ND" : end[-1] == '3' ? "RD" : "TH";
    text_change_case(str_of(ending), w->node->suffix & SUFFIX_TH_LOWER ? TEXT_LOWER : TEXT_UPPER, w->out);
}

static int32_t weekday(const struct shown *s)
{
    return time_day_of_week(s->days);
}

static int32_t iso_weekday(const struct shown *s)
{
    int32_t day = weekday(s);
    return day == 0 ? 7 : day;
}

/* Numbers; the ordinal follows them. */
static bool put_numeric(const struct writer *w)
{
    const struct shown *s = w->s;
    const struct time_keyword *k = w->node->keyword;
    static const int32_t divisors[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    int32_t iso_year;
    switch (k->pattern) {
    case PATTERN_HOUR24:
        put_number(w, s->hour, 2, fills(w));
        return true;
    case PATTERN_HOUR12: {
        int64_t hour = s->hour % 12 == 0 ? 12 : s->hour % 12;
        put_padded(w, hour, fills(w) ? 2 + (s->hour < 0) : 0);
        return true;
    }
    case PATTERN_MINUTE:
        put_number(w, s->minute, 2, fills(w));
        return true;
    case PATTERN_SECOND:
        put_number(w, s->second, 2, fills(w));
        return true;
    case PATTERN_MILLISECOND:
    case PATTERN_MICROSECOND:
    case PATTERN_FRACTION:
        put_padded(w, s->microsecond / divisors[k->width], k->width);
        return true;
    case PATTERN_OF_DAY:
        put_number(w, s->hour * 3600 + s->minute * 60 + s->second, 0, false);
        return true;
    case PATTERN_MONTH:
        put_number(w, s->month, 2, fills(w));
        return true;
    case PATTERN_DAY_OF_YEAR:
        put_padded(w, s->day_of_year, fills(w) ? 3 : 0);
        return true;
    case PATTERN_ISO_DAY_OF_YEAR:
        time_iso_week_in(s->year, s->days, &iso_year);
        put_padded(w, s->days - time_iso_first_day(iso_year) + 1, fills(w) ? 3 : 0);
        return true;
    case PATTERN_DAY:
        put_padded(w, s->day, fills(w) ? 2 : 0);
        return true;
    case PATTERN_DAY_OF_WEEK:
        put_number(w, weekday(s) + 1, 0, false);
        return true;
    case PATTERN_ISO_DAY_OF_WEEK:
        put_number(w, iso_weekday(s), 0, false);
        return true;
    case PATTERN_WEEK:
        put_padded(w, (s->day_of_year - 1LL) / 7 + 1, fills(w) ? 2 : 0);
        return true;
    case PATTERN_ISO_WEEK:
        put_padded(w, time_iso_week_in(s->year, s->days, &iso_year), fills(w) ? 2 : 0);
        return true;
    case PATTERN_WEEK_OF_MONTH:
        put_number(w, (s->day - 1LL) / 7 + 1, 0, false);
        return true;
    case PATTERN_QUARTER:
        if (s->month)
            put_number(w, (s->month - 1) / 3 + 1, 0, false);
        return true;
    case PATTERN_CENTURY:
        put_century(w);
        return true;
    case PATTERN_JULIAN:
        put_number(w, (int64_t)s->days + JULIAN_OF_2000, 0, false);
        return true;
    case PATTERN_YEAR:
        put_year(w, s->year);
        return true;
    case PATTERN_ISO_YEAR:
        time_iso_week_in(s->year, s->days, &iso_year);
        put_year(w, iso_year);
        return true;
    case PATTERN_YEAR_COMMA: {
        int32_t year = !s->is_interval && s->year <= 0 ? 1 - s->year : s->year;
        buffer_printf(w->out, "%d,%03d", year / 1000, year % 1000);
        return true;
    }
    default:
        return false;
    }
}

static void put_words(const struct writer *w)
{
    const struct shown *s = w->s;
    bool after_noon = s->hour % 24 >= 12, before_era = s->year <= 0;
    switch (w->node->keyword->pattern) {
    case PATTERN_MONTH_NAME:
    case PATTERN_MON_NAME:
        put_name(w, time_month_names[s->month - 1]);
        return;
    case PATTERN_DAY_NAME:
    case PATTERN_DY_NAME:
        put_name(w, time_day_names[weekday(s)]);
        return;
    case PATTERN_AM:
        put_cased(w, after_noon ? "PM" : "AM", 0);
        return;
    case PATTERN_AM_DOTS:
        put_cased(w, after_noon ? "P.M." : "A.M.", 0);
        return;
    case PATTERN_ERA:
        put_cased(w, before_era ? "BC" : "AD", 0);
        return;
    case PATTERN_ERA_DOTS:
        put_cased(w, before_era ? "B.C." : "A.D.", 0);
        return;
    case PATTERN_ROMAN:
        put_roman(w);
        return;
    case PATTERN_ZONE:
        if (s->zone && w->node->lower)
            text_change_case(str_of(s->zone), TEXT_LOWER, w->out);
        else if (s->zone)
            buffer_add_str(w->out, str_of(s->zone));
        return;
    case PATTERN_ZONE_HOUR:
        buffer_printf(w->out, "%c%02d", s->offset_seconds < 0 ? '-' : '+',
                      (s->offset_seconds < 0 ? -s->offset_seconds : s->offset_seconds) / 3600);
        return;
    case PATTERN_ZONE_MINUTE:
        buffer_printf(w->out, "%02d", (s->offset_seconds < 0 ? -s->offset_seconds : s->offset_seconds) % 3600 / 60);
        return;
    case PATTERN_OFFSET:
        put_offset(w);
        return;
    default: /* FX is for reading */
        return;
    }
}

/* An interval has no weekday, name, era or zone. */
static bool is_for_dates_only(enum pattern p)
{
    switch (p) {
    case PATTERN_MONTH_NAME:
    case PATTERN_MON_NAME:
    case PATTERN_DAY_NAME:
    case PATTERN_DY_NAME:
    case PATTERN_DAY_OF_WEEK:
    case PATTERN_ISO_DAY_OF_WEEK:
    case PATTERN_ERA:
    case PATTERN_ERA_DOTS:
    case PATTERN_ZONE:
    case PATTERN_ZONE_HOUR:
    case PATTERN_ZONE_MINUTE:
    case PATTERN_OFFSET:
        return true;
    default:
        return false;
    }
}

static bool write_all(struct buffer *out, const struct shown *s, const struct time_format *f, struct error *err)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const struct writer w = {out, s, &f->nodes[i]};
        size_t from = out->len;
        if (w.node->kind != TIME_PATTERN) {
            buffer_add(out, w.node->text, w.node->len);
            continue;
        }
        if (s->is_interval && is_for_dates_only(w.node->keyword->pattern))
            return function_fail(err, "22007", "invalid format specification for an interval value");
        if (put_numeric(&w))
            put_ordinal(&w, from);
        else
            put_words(&w);
    }
    return true;
}

bool prepare_time_format(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx, (void)err;
    const struct expr *format = e->args[1];
    if (format->kind == EXPR_CONSTANT && !value_is_null(format->constant))
        e->data = time_format_compile(value_str(format->constant), plan);
    return true;
}

const struct time_format *time_format_of(struct eval *ev, const struct expr *e, struct value text)
{
    return e->data ? e->data : time_format_compile(value_str(text), ev->arena);
}

bool time_to_char(struct eval *ev, const struct time_format *f, struct value time, struct value *out, struct error *err)
{
    *out = value_null();
    if (time_is_infinite(time.i) || f->empty)
        return true;
    struct shown s = {.zone = NULL};
    int64_t local = time.i;
    if (time.kind == VALUE_TIMESTAMPTZ) {
        s.offset_seconds = zone_offset_at(ev->cx.zone, local, &s.zone);
        local += s.offset_seconds * USECS_PER_SEC;
    }
    struct civil c;
    timestamp_to_civil(local, &c);
    s.year = c.year;
    s.month = c.month;
    s.day = c.day;
    s.hour = c.hour;
    s.minute = c.minute;
    s.second = c.second;
    s.microsecond = c.microsecond;
    s.days = time_days(local);
    s.day_of_year = s.days - date_from_civil(c.year, 1, 1) + 1;
    ev->scratch.len = 0;
    if (!write_all(&ev->scratch, &s, f, err))
        return false;
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

bool fn_to_char(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    return time_to_char(ev, time_format_of(ev, e, args[1]), args[0], out, err);
}

/* The day that such parts would be on, reckoned as Postgres does: months before January follow one another backwards.
 */
static int32_t day_of_parts(int32_t year, int32_t month, int32_t day)
{
    int64_t first =
        month >= 1 ? date_from_civil(year, month, 1) : date_from_civil(year, 1, 1) - (428 - 7834 * (month + 13) / 256);
    const int64_t far = 1000000000; /* no calendar goes there */
    int64_t days = first + day - 1;
    return (int32_t)(days < -far ? -far : days > far ? far : days);
}

bool fn_to_char_interval(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                         struct error *err)
{
    *out = value_null();
    if (args[1].len == 0)
        return true;
    struct interval i = interval_of(args[0]);
    int64_t seconds = i.microseconds / USECS_PER_SEC;
    struct shown s = {.year = i.months / MONTHS_PER_YEAR,
                      .month = i.months % MONTHS_PER_YEAR,
                      .day = i.days,
                      .hour = seconds / 3600,
                      .minute = (int32_t)(seconds / 60 % 60),
                      .second = (int32_t)(seconds % 60),
                      .microsecond = (int32_t)(i.microseconds % USECS_PER_SEC),
                      .is_interval = true};
    s.day_of_year = (int32_t)((int64_t)i.months * DAYS_PER_MONTH + i.days);
    s.days = day_of_parts(s.year, s.month, s.day);
    ev->scratch.len = 0;
    if (!write_all(&ev->scratch, &s, time_format_of(ev, e, args[1]), err))
        return false;
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}
