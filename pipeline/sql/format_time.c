#include "pipeline/sql/format_time.h"

#include "pipeline/sql/text.h"

const char *const time_month_names[12] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};
const char *const time_day_names[7] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
const char *const time_month_romans[12] = {"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"};

#define NUMBER(name, pattern, width, calendar)                                                                         \
    {                                                                                                                  \
        name, PATTERN_##pattern, width, true, true, CALENDAR_##calendar                                                \
    }
#define WORD(name, pattern, calendar)                                                                                  \
    {                                                                                                                  \
        name, PATTERN_##pattern, 0, true, false, CALENDAR_##calendar                                                   \
    }
#define NAME(name, pattern, width, calendar)                                                                           \
    {                                                                                                                  \
        name, PATTERN_##pattern, width, false, false, CALENDAR_##calendar                                              \
    }

/* Longer names before those they begin with. */
static const struct time_keyword keywords[] = {
    WORD("A.D.", ERA_DOTS, ANY),
    WORD("A.M.", AM_DOTS, ANY),
    WORD("AD", ERA, ANY),
    WORD("AM", AM, ANY),
    WORD("B.C.", ERA_DOTS, ANY),
    WORD("BC", ERA, ANY),
    NUMBER("CC", CENTURY, 2, ANY),
    NAME("DAY", DAY_NAME, 9, ANY),
    NAME("Day", DAY_NAME, 9, ANY),
    NAME("day", DAY_NAME, 9, ANY),
    NUMBER("DDD", DAY_OF_YEAR, 3, GREGORIAN),
    NUMBER("DD", DAY, 2, GREGORIAN),
    NAME("DY", DY_NAME, 3, ANY),
    NAME("Dy", DY_NAME, 3, ANY),
    NAME("dy", DY_NAME, 3, ANY),
    NUMBER("D", DAY_OF_WEEK, 1, GREGORIAN),
    {"FF1", PATTERN_FRACTION, 1, true, false, CALENDAR_ANY},
    {"FF2", PATTERN_FRACTION, 2, true, false, CALENDAR_ANY},
    {"FF3", PATTERN_FRACTION, 3, true, false, CALENDAR_ANY},
    {"FF4", PATTERN_FRACTION, 4, true, false, CALENDAR_ANY},
    {"FF5", PATTERN_FRACTION, 5, true, false, CALENDAR_ANY},
    {"FF6", PATTERN_FRACTION, 6, true, false, CALENDAR_ANY},
    WORD("FX", FIXED, ANY),
    NUMBER("HH24", HOUR24, 2, ANY),
    NUMBER("HH12", HOUR12, 2, ANY),
    NUMBER("HH", HOUR12, 2, ANY),
    NUMBER("IDDD", ISO_DAY_OF_YEAR, 3, ISO_WEEK),
    NUMBER("ID", ISO_DAY_OF_WEEK, 1, ISO_WEEK),
    NUMBER("IW", ISO_WEEK, 2, ISO_WEEK),
    NUMBER("IYYY", ISO_YEAR, 4, ISO_WEEK),
    NUMBER("IYY", ISO_YEAR, 3, ISO_WEEK),
    NUMBER("IY", ISO_YEAR, 2, ISO_WEEK),
    NUMBER("I", ISO_YEAR, 1, ISO_WEEK),
    NUMBER("J", JULIAN, 0, ANY),
    NUMBER("MI", MINUTE, 2, ANY),
    NUMBER("MM", MONTH, 2, GREGORIAN),
    NAME("MONTH", MONTH_NAME, 9, GREGORIAN),
    NAME("Month", MONTH_NAME, 9, GREGORIAN),
    NAME("month", MONTH_NAME, 9, GREGORIAN),
    NAME("MON", MON_NAME, 3, GREGORIAN),
    NAME("Mon", MON_NAME, 3, GREGORIAN),
    NAME("mon", MON_NAME, 3, GREGORIAN),
    NUMBER("MS", MILLISECOND, 3, ANY),
    WORD("OF", OFFSET, ANY),
    WORD("P.M.", AM_DOTS, ANY),
    WORD("PM", AM, ANY),
    NUMBER("Q", QUARTER, 1, ANY),
    WORD("RM", ROMAN, GREGORIAN),
    NUMBER("SSSSS", OF_DAY, 0, ANY),
    NUMBER("SSSS", OF_DAY, 0, ANY),
    NUMBER("SS", SECOND, 2, ANY),
    WORD("TZH", ZONE_HOUR, ANY),
    NUMBER("TZM", ZONE_MINUTE, 2, ANY),
    WORD("TZ", ZONE, ANY),
    NUMBER("US", MICROSECOND, 6, ANY),
    NUMBER("WW", WEEK, 2, GREGORIAN),
    NUMBER("W", WEEK_OF_MONTH, 1, GREGORIAN),
    NUMBER("Y,YYY", YEAR_COMMA, 0, GREGORIAN),
    NUMBER("YYYY", YEAR, 4, GREGORIAN),
    NUMBER("YYY", YEAR, 3, GREGORIAN),
    NUMBER("YY", YEAR, 2, GREGORIAN),
    NUMBER("Y", YEAR, 1, GREGORIAN),
};

static bool has_prefix(struct str s, const char *name, bool any_case)
{
    size_t len = strlen(name);
    if (s.len < len)
        return false;
    bool lower = any_case && s.data[0] >= 'a' && s.data[0] <= 'z';
    for (size_t i = 0; i < len; i++) {
        char wanted = lower && name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
        if (s.data[i] != wanted)
            return false;
    }
    return true;
}

static const struct time_keyword *find_keyword(struct str s)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
        if (has_prefix(s, keywords[i].name, keywords[i].any_case))
            return &keywords[i];
    return NULL;
}

static struct str behind(struct str s, size_t n)
{
    return (struct str){s.data + n, s.len - n};
}

static bool is_separator(char c)
{
    bool letter = (c | 32) >= 'a' && (c | 32) <= 'z', digit = c >= '0' && c <= '9';
    return c > ' ' && c < 0x7f && !letter && !digit;
}

static size_t add_character(struct time_format *f, struct str s, bool quoted)
{
    struct time_node *n = &f->nodes[f->count++];
    size_t len = text_char_bytes(s.data[0]);
    len = len > s.len ? s.len : len;
    char c = s.data[0];
    bool space = c == ' ' || (c >= '\t' && c <= '\r');
    *n = (struct time_node){.kind = quoted            ? TIME_CHARACTER
                                    : is_separator(c) ? TIME_SEPARATOR
                                    : space           ? TIME_SPACE
                                                      : TIME_CHARACTER,
                            .len = (uint8_t)len};
    memcpy(n->text, s.data, len);
    return len;
}

static size_t add_pattern(struct time_format *f, struct str s, const struct time_keyword *k, uint8_t suffix)
{
    size_t len = strlen(k->name);
    struct str rest = behind(s, len);
    struct time_node *n = &f->nodes[f->count++];
    *n = (struct time_node){
        .kind = TIME_PATTERN, .keyword = k, .suffix = suffix, .lower = s.data[0] >= 'a' && s.data[0] <= 'z'};
    if (has_prefix(rest, "TH", false) || has_prefix(rest, "th", false)) {
        n->suffix |= rest.data[0] == 'T' ? SUFFIX_TH_UPPER : SUFFIX_TH_LOWER;
        len += 2;
    } else if (has_prefix(rest, "SP", false)) { /* spelled out: known, and without effect in Postgres too */
        len += 2;
    }
    return len;
}

struct time_format *time_format_compile(struct str format, struct arena *arena)
{
    struct time_format *f = arena_new(arena, struct time_format);
    *f = (struct time_format){.empty = format.len == 0,
                              .nodes = arena_array(arena, struct time_node, format.len ? format.len : 1)};
    bool quoted = false;
    for (struct str s = format; s.len > 0;) {
        if (quoted) {
            if (s.data[0] == '"') {
                quoted = false;
                s = behind(s, 1);
                continue;
            }
            s = behind(s, s.data[0] == '\\' && s.len > 1);
            s = behind(s, add_character(f, s, true));
            continue;
        }
        uint8_t suffix = has_prefix(s, "FM", true) ? SUFFIX_FM : has_prefix(s, "TM", true) ? SUFFIX_TM : 0;
        s = behind(s, suffix ? 2 : 0);
        if (s.len == 0)
            break;
        const struct time_keyword *k = find_keyword(s);
        if (k) {
            s = behind(s, add_pattern(f, s, k, suffix));
        } else if (s.data[0] == '"') {
            quoted = true;
            s = behind(s, 1);
        } else {
            s = behind(s, s.data[0] == '\\' && s.len > 1 && s.data[1] == '"');
            s = behind(s, add_character(f, s, false));
        }
    }
    return f;
}
