#include "pipeline/event/datetime_words.h"

#include <stdlib.h>
#include <string.h>

/* Sorted by text. */
static const struct datetime_word words[] = {
    {"-infinity", WORD_SPECIAL, TIME_MINUS_INFINITY},
    {"ad", WORD_ERA, 0},
    {"allballs", WORD_SPECIAL, TIME_ALLBALLS},
    {"am", WORD_HALF_DAY, DAY_AM},
    {"apr", WORD_MONTH, 4},
    {"april", WORD_MONTH, 4},
    {"at", WORD_FILLER, 0},
    {"aug", WORD_MONTH, 8},
    {"august", WORD_MONTH, 8},
    {"bc", WORD_ERA, 1},
    {"d", WORD_LABEL, LABEL_DAY},
    {"dec", WORD_MONTH, 12},
    {"december", WORD_MONTH, 12},
    {"dow", WORD_LABEL, LABEL_OTHER},
    {"doy", WORD_LABEL, LABEL_OTHER},
    {"dst", WORD_DAYLIGHT, 3600},
    {"epoch", WORD_SPECIAL, TIME_EPOCH},
    {"feb", WORD_MONTH, 2},
    {"february", WORD_MONTH, 2},
    {"fri", WORD_WEEKDAY, 5},
    {"friday", WORD_WEEKDAY, 5},
    {"h", WORD_LABEL, LABEL_HOUR},
    {"infinity", WORD_SPECIAL, TIME_INFINITY},
    {"isodow", WORD_LABEL, LABEL_OTHER},
    {"isoyear", WORD_LABEL, LABEL_OTHER},
    {"j", WORD_LABEL, LABEL_JULIAN},
    {"jan", WORD_MONTH, 1},
    {"january", WORD_MONTH, 1},
    {"jd", WORD_LABEL, LABEL_JULIAN},
    {"jul", WORD_MONTH, 7},
    {"julian", WORD_LABEL, LABEL_JULIAN},
    {"july", WORD_MONTH, 7},
    {"jun", WORD_MONTH, 6},
    {"june", WORD_MONTH, 6},
    {"m", WORD_LABEL, LABEL_MONTH},
    {"mar", WORD_MONTH, 3},
    {"march", WORD_MONTH, 3},
    {"may", WORD_MONTH, 5},
    {"mm", WORD_LABEL, LABEL_MINUTE},
    {"mon", WORD_WEEKDAY, 1},
    {"monday", WORD_WEEKDAY, 1},
    {"nov", WORD_MONTH, 11},
    {"november", WORD_MONTH, 11},
    {"now", WORD_SPECIAL, TIME_NOW},
    {"oct", WORD_MONTH, 10},
    {"october", WORD_MONTH, 10},
    {"on", WORD_FILLER, 0},
    {"pm", WORD_HALF_DAY, DAY_PM},
    {"s", WORD_LABEL, LABEL_SECOND},
    {"sat", WORD_WEEKDAY, 6},
    {"saturday", WORD_WEEKDAY, 6},
    {"sep", WORD_MONTH, 9},
    {"sept", WORD_MONTH, 9},
    {"september", WORD_MONTH, 9},
    {"sun", WORD_WEEKDAY, 0},
    {"sunday", WORD_WEEKDAY, 0},
    {"t", WORD_T, 0},
    {"thu", WORD_WEEKDAY, 4},
    {"thur", WORD_WEEKDAY, 4},
    {"thurs", WORD_WEEKDAY, 4},
    {"thursday", WORD_WEEKDAY, 4},
    {"today", WORD_SPECIAL, TIME_TODAY},
    {"tomorrow", WORD_SPECIAL, TIME_TOMORROW},
    {"tue", WORD_WEEKDAY, 2},
    {"tues", WORD_WEEKDAY, 2},
    {"tuesday", WORD_WEEKDAY, 2},
    {"wed", WORD_WEEKDAY, 3},
    {"wednesday", WORD_WEEKDAY, 3},
    {"weds", WORD_WEEKDAY, 3},
    {"y", WORD_LABEL, LABEL_YEAR},
    {"yesterday", WORD_SPECIAL, TIME_YESTERDAY},
};

static int compare(const void *text, const void *word)
{
    return strcmp(text, ((const struct datetime_word *)word)->text);
}

const struct datetime_word *datetime_word_find(const char *text)
{
    return bsearch(text, words, sizeof words / sizeof *words, sizeof *words, compare);
}
