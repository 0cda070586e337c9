/*
 * The words of dates and times in English, as Postgres knows them; only for datetime_*.c.
 */
#ifndef PIPE_DATETIME_WORDS_H
#define PIPE_DATETIME_WORDS_H

enum word_kind {
    WORD_MONTH,    /* 1 … 12 */
    WORD_WEEKDAY,  /* says nothing: the date decides */
    WORD_FILLER,   /* "at", "on" */
    WORD_HALF_DAY, /* enum half_day */
    WORD_ERA,      /* 1: BC */
    WORD_SPECIAL,  /* enum special_time */
    WORD_DAYLIGHT, /* "dst" behind a zone */
    WORD_LABEL,    /* enum label */
    WORD_T,        /* between a date and a time */
};
enum half_day { DAY_WHOLE, DAY_AM, DAY_PM };
enum special_time {
    TIME_EPOCH,
    TIME_INFINITY,
    TIME_MINUS_INFINITY,
    TIME_NOW,
    TIME_TODAY,
    TIME_TOMORROW,
    TIME_YESTERDAY,
    TIME_ALLBALLS,
};

/* A word that says what the next number is. */
enum label {
    LABEL_NONE,
    LABEL_JULIAN,
    LABEL_TIME,
    LABEL_YEAR,
    LABEL_MONTH, /* or minutes, behind an hour */
    LABEL_DAY,
    LABEL_HOUR,
    LABEL_MINUTE,
    LABEL_SECOND,
    LABEL_OTHER, /* never with a number */
};

struct datetime_word {
    const char *text;
    enum word_kind kind;
    int value;
};

/* `text` in lower case; NULL: none. */
const struct datetime_word *datetime_word_find(const char *text);

#endif
