#include "pipeline/event/datetime_reader.h"

#include <stdlib.h>

static int64_t local_now(const struct reader *r)
{
    return r->now_us + zone_offset_at(r->zone, r->now_us, NULL) * USECS_PER_SEC;
}

enum { JULIAN_2000 = 2451545 };

static void set_julian(struct reader *r, int32_t julian)
{
    int64_t days = (int64_t)julian - JULIAN_2000;
    set_date(r, (int32_t)days);
    r->julian = true;
}

/* Three parts, one of them perhaps the name of a month. */
static enum fault read_date(struct reader *r, const char *text, unsigned *found)
{
    char copy_of[MAX_TEXT];
    char *parts[MAX_FIELDS];
    int count = 0;
    strcpy(copy_of, text);
    for (char *p = copy_of; *p != '\0' && count < MAX_FIELDS;) {
        while (*p != '\0' && !is_digit(*p) && !is_letter(*p))
            p++;
        if (*p == '\0')
            return BAD_FORMAT;
        parts[count++] = p;
        bool digits = is_digit(*p);
        while (digits ? is_digit(*p) : is_letter(*p))
            p++;
        if (*p != '\0')
            *p++ = '\0';
    }

    unsigned settled = r->has;
    bool text_month = false;
    *found = 0;
    for (int i = 0; i < count; i++) {
        if (!is_letter(*parts[i]))
            continue;
        const struct datetime_word *word = datetime_word_find(parts[i]);
        parts[i] = parts[i] + strlen(parts[i]);
        if (word && word->kind == WORD_FILLER)
            continue;
        if (!word || word->kind != WORD_MONTH || (settled & HAS_MONTH))
            return BAD_FORMAT;
        r->civil.month = word->value;
        text_month = true;
        settled |= HAS_MONTH;
        *found |= HAS_MONTH;
    }
    for (int i = 0; i < count; i++) {
        if (*parts[i] == '\0')
            continue;
        unsigned part;
        enum fault fault = read_date_number(r, parts[i], text_month, settled, &part);
        if (fault)
            return fault;
        if (settled & part)
            return BAD_FORMAT;
        settled |= part;
        *found |= part;
    }
    return (settled & ~(unsigned)(HAS_DAY_OF_YEAR | HAS_ZONE)) == HAS_DATE ? GOOD : BAD_FORMAT;
}

static enum fault read_number(struct reader *r, const char *text, unsigned *found)
{
    const char *point = strchr(text, '.');
    if (point && !(r->has & HAS_DATE))
        return read_date(r, text, found);
    if (point && point - text > 2)
        return read_run_together(r, text, r->has, found);
    if (strlen(text) >= 6 && (!(r->has & HAS_DATE) || !(r->has & HAS_TIME)))
        return read_run_together(r, text, r->has, found);
    return read_date_number(r, text, r->text_month, r->has, found);
}

/* hh:mm, hh:mm:ss.fff, mm:ss.fff */
static enum fault read_time(struct reader *r, const char *text, unsigned *found)
{
    struct civil *c = &r->civil;
    const char *p;
    *found = HAS_TIME;
    c->second = c->microsecond = 0;
    if (!read_int(text, &p, &c->hour))
        return FIELD_OVERFLOW;
    if (*p != ':')
        return BAD_FORMAT;
    if (!read_int(p + 1, &p, &c->minute))
        return FIELD_OVERFLOW;
    enum fault fault = GOOD;
    if (*p == '.') {
        fault = read_fraction(p, &c->microsecond);
        c->second = c->minute;
        c->minute = c->hour;
        c->hour = 0;
    } else if (*p == ':') {
        if (!read_int(p + 1, &p, &c->second))
            return FIELD_OVERFLOW;
        if (*p == '.')
            fault = read_fraction(p, &c->microsecond);
        else if (*p != '\0')
            return BAD_FORMAT;
    } else if (*p != '\0') {
        return BAD_FORMAT;
    }
    if (fault)
        return fault;
    if (c->hour < 0 || c->minute < 0 || c->minute > 59 || c->second < 0 || c->second > 60)
        return FIELD_OVERFLOW;
    int64_t total = (((int64_t)c->hour * 60 + c->minute) * 60 + c->second) * USECS_PER_SEC + c->microsecond;
    return total > USECS_PER_DAY ? FIELD_OVERFLOW : GOOD;
}

/* "j2451545", "j2451545.5" */
static enum fault read_julian(struct reader *r, const char *text, unsigned *found)
{
    const char *p;
    int32_t n;
    if (!read_int(text, &p, &n))
        return FIELD_OVERFLOW;
    if (*p != '.' && *p != '\0')
        return BAD_FORMAT;
    if (n < 0)
        return FIELD_OVERFLOW;
    set_julian(r, n);
    *found = HAS_DATE;
    if (*p == '.') {
        if (p[1 + strspn(p + 1, "0123456789")] != '\0')
            return BAD_FORMAT;
        double fraction = p[1] ? strtod(p, NULL) : 0;
        int32_t year = r->civil.year, month = r->civil.month, day = r->civil.day;
        timestamp_to_civil((int64_t)(fraction * (double)USECS_PER_DAY), &r->civil);
        r->civil.year = year;
        r->civil.month = month;
        r->civil.day = day;
        *found |= HAS_TIME;
    }
    return GOOD;
}

static enum fault read_labelled(struct reader *r, struct field *f, unsigned *found)
{
    struct civil *c = &r->civil;
    enum label label = r->label;
    const char *p;
    int32_t n;
    if (!read_int(f->text, &p, &n))
        return FIELD_OVERFLOW;
    if (*p != '.' && *p != '\0')
        return BAD_FORMAT;
    r->label = LABEL_NONE;
    r->kind = DATETIME_CIVIL;
    if (label == LABEL_MONTH && (r->has & HAS_MONTH) && (r->has & HAS_HOUR))
        label = LABEL_MINUTE;
    switch (label) {
    case LABEL_JULIAN:
        return read_julian(r, f->text, found);
    case LABEL_TIME: {
        enum fault fault = read_run_together(r, f->text, r->has | HAS_DATE, found);
        return fault ? fault : *found == HAS_TIME ? GOOD : BAD_FORMAT;
    }
    case LABEL_YEAR:
        c->year = n;
        *found = HAS_YEAR;
        return GOOD;
    case LABEL_MONTH:
        c->month = n;
        *found = HAS_MONTH;
        return GOOD;
    case LABEL_DAY:
        c->day = n;
        *found = HAS_DAY;
        return GOOD;
    case LABEL_HOUR:
        c->hour = n;
        *found = HAS_HOUR;
        return GOOD;
    case LABEL_MINUTE:
        c->minute = n;
        *found = HAS_MINUTE;
        return GOOD;
    case LABEL_SECOND:
        c->second = n;
        *found = HAS_SECOND;
        return *p == '.' ? read_fraction(p, &c->microsecond) : GOOD;
    case LABEL_OTHER:
    case LABEL_NONE:
        break;
    }
    return BAD_FORMAT;
}

/* A field with separators behind a date: the name of a zone, or a time run together with an offset ("120000-05"). */
static enum fault read_behind_date(struct reader *r, struct field *f, unsigned *found)
{
    if (!is_digit(*f->text) && r->label == LABEL_NONE) {
        r->named_zone = zone_lookup(str_of(f->text));
        r->culprit = f->text;
        *found = HAS_ZONE;
        return r->named_zone ? GOOD : UNKNOWN_ZONE;
    }
    if (r->label != LABEL_NONE && r->label != LABEL_TIME)
        return BAD_FORMAT;
    r->label = LABEL_NONE;
    char *sign = strchr(f->text, '-');
    if ((r->has & HAS_TIME) == HAS_TIME || !sign)
        return BAD_FORMAT;
    enum fault fault = read_offset(sign, &r->offset);
    if (fault)
        return fault;
    *sign = '\0';
    fault = read_run_together(r, f->text, r->has, found);
    *found |= HAS_ZONE;
    return fault;
}

static enum fault read_date_field(struct reader *r, struct field *f, unsigned *found)
{
    if (r->label == LABEL_JULIAN) { /* with an offset behind it */
        const char *p;
        int32_t n;
        if (!read_int(f->text, &p, &n) || n < 0)
            return FIELD_OVERFLOW;
        set_julian(r, n);
        r->label = LABEL_NONE;
        *found = HAS_DATE | HAS_TIME | HAS_ZONE;
        return read_offset(p, &r->offset);
    }
    const unsigned month_and_day = HAS_MONTH | HAS_DAY;
    if (r->label != LABEL_NONE || (r->has & month_and_day) == month_and_day)
        return read_behind_date(r, f, found);
    return read_date(r, f->text, found);
}

static enum fault read_special(struct reader *r, enum special_time special, const char *text, unsigned *found)
{
    bool wants_clock =
        special != TIME_EPOCH && special != TIME_INFINITY && special != TIME_MINUS_INFINITY && special != TIME_ALLBALLS;
    if (wants_clock && r->now_us == INT64_MIN) {
        r->without_clock = text;
        r->now_us = 0;
    }
    int64_t now = wants_clock ? local_now(r) : 0;
    int32_t today = (int32_t)(now / USECS_PER_DAY - (now % USECS_PER_DAY < 0));
    *found = wants_clock ? HAS_DATE : HAS_SPECIAL;
    switch (special) {
    case TIME_EPOCH:
        r->kind = DATETIME_EPOCH;
        return GOOD;
    case TIME_INFINITY:
        r->kind = DATETIME_INFINITY;
        return GOOD;
    case TIME_MINUS_INFINITY:
        r->kind = DATETIME_MINUS_INFINITY;
        return GOOD;
    case TIME_NOW:
        timestamp_to_civil(now, &r->civil);
        r->offset = zone_offset_at(r->zone, r->now_us, NULL);
        r->kind = DATETIME_CIVIL;
        *found = HAS_DATE | HAS_TIME | HAS_ZONE;
        return GOOD;
    case TIME_TODAY:
        set_date(r, today);
        return GOOD;
    case TIME_TOMORROW:
        set_date(r, today + 1);
        return GOOD;
    case TIME_YESTERDAY:
        set_date(r, today - 1);
        return GOOD;
    case TIME_ALLBALLS:
        r->civil.hour = r->civil.minute = r->civil.second = 0;
        r->offset = 0;
        *found = HAS_TIME | HAS_ZONE;
        return GOOD;
    }
    return BAD_FORMAT;
}

static enum fault read_abbreviation(struct reader *r, const struct zone_abbreviation *a, unsigned *found)
{
    *found = HAS_ZONE | (a->daylight ? HAS_DAYLIGHT_ZONE : 0);
    if (a->zone)
        r->moving_abbreviation = a;
    else
        r->offset = a->offset;
    return GOOD;
}

static enum fault read_label(struct reader *r, enum label label, unsigned *found)
{
    *found = 0;
    if (r->label != LABEL_NONE)
        return BAD_FORMAT;
    r->label = label;
    return GOOD;
}

/* "t" between a date and a time */
static enum fault read_t(struct reader *r, int index, unsigned *found)
{
    if ((r->has & HAS_DATE) != HAS_DATE || index + 1 >= r->field_count)
        return BAD_FORMAT;
    enum field_kind next = r->fields[index + 1].kind;
    if (next != FIELD_NUMBER && next != FIELD_TIME && next != FIELD_DATE)
        return BAD_FORMAT;
    return read_label(r, LABEL_TIME, found);
}

static enum fault read_month(struct reader *r, int month, unsigned *found)
{
    struct civil *c = &r->civil;
    *found = HAS_MONTH;
    if ((r->has & HAS_MONTH) && !r->text_month && !(r->has & HAS_DAY) && c->month >= 1 && c->month <= 31) {
        c->day = c->month; /* "1 mar": the number was the day */
        *found = HAS_DAY;
    }
    r->text_month = true;
    c->month = month;
    return GOOD;
}

static enum fault read_word(struct reader *r, int index, unsigned *found)
{
    const char *text = r->fields[index].text;
    const struct zone_abbreviation *abbreviation = zone_abbreviation_find(text);
    if (abbreviation)
        return read_abbreviation(r, abbreviation, found);
    const struct datetime_word *word = datetime_word_find(text);
    if (!word) {
        r->named_zone = zone_lookup(str_of(text));
        *found = HAS_ZONE;
        return r->named_zone ? GOOD : BAD_FORMAT;
    }
    *found = 0;
    switch (word->kind) {
    case WORD_MONTH:
        return read_month(r, word->value, found);
    case WORD_WEEKDAY:
        *found = HAS_WEEKDAY;
        return GOOD;
    case WORD_FILLER:
        return GOOD;
    case WORD_HALF_DAY:
        *found = HAS_HALF_DAY;
        r->half_day = (enum half_day)word->value;
        return GOOD;
    case WORD_ERA:
        *found = HAS_ERA;
        r->before_christ = word->value;
        return GOOD;
    case WORD_SPECIAL:
        return read_special(r, (enum special_time)word->value, text, found);
    case WORD_DAYLIGHT:
        *found = HAS_DAYLIGHT | HAS_DAYLIGHT_ZONE;
        r->offset += word->value;
        return GOOD;
    case WORD_T:
        return read_t(r, index, found);
    case WORD_LABEL:
        return read_label(r, (enum label)word->value, found);
    }
    return BAD_FORMAT;
}

enum fault read_field(struct reader *r, int index, unsigned *found)
{
    struct field *f = &r->fields[index];
    switch (f->kind) {
    case FIELD_NUMBER:
        return r->label != LABEL_NONE ? read_labelled(r, f, found) : read_number(r, f->text, found);
    case FIELD_DATE:
        return read_date_field(r, f, found);
    case FIELD_TIME:
        if (r->label != LABEL_NONE && r->label != LABEL_TIME)
            return BAD_FORMAT;
        r->label = LABEL_NONE;
        return read_time(r, f->text, found);
    case FIELD_OFFSET:
        *found = HAS_ZONE;
        return read_offset(f->text, &r->offset);
    case FIELD_WORD:
        return read_word(r, index, found);
    }
    return BAD_FORMAT;
}
