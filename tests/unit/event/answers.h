/*
 * The answers of a real PostgreSQL in tests/data/types/ (make.py there): lines of tab-separated columns as COPY's text
 * format writes them. The last three are the output, and an SQLSTATE and a message where there is none.
 */
#ifndef TEST_ANSWERS_H
#define TEST_ANSWERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/base/error.h"
#include "pipeline/base/str.h"

enum { ANSWER_COLUMNS = 8 };

struct answers {
    FILE *file;
    char *line;
    size_t capacity;
    int columns, line_number, wrong;
    char *column[ANSWER_COLUMNS];
    char *output, *sqlstate, *message;
};

static inline struct answers answers_open(const char *path)
{
    struct answers a = {.file = fopen(path, "r")};
    if (!a.file)
        fail_msg("%s: cannot be opened", path);
    return a;
}

static inline void answers_unescape(char *s)
{
    static const char from[] = "tnrvfb\\", to[] = "\t\n\r\v\f\b\\";
    char *w = s;
    for (; *s; s++) {
        const char *found = *s == '\\' ? strchr(from, s[1]) : NULL;
        *w++ = found ? to[found - from] : *s;
        s += found != NULL;
    }
    *w = '\0';
}

static inline int answers_next(struct answers *a)
{
    ssize_t len = getline(&a->line, &a->capacity, a->file);
    if (len <= 0)
        return 0;
    a->line[len - 1] = '\0';
    a->line_number++;
    a->columns = 0;
    for (char *rest = a->line, *column; (column = strsep(&rest, "\t")) != NULL;) {
        assert_true(a->columns < ANSWER_COLUMNS);
        a->column[a->columns++] = column;
    }
    for (int i = 0; i < a->columns; i++)
        answers_unescape(a->column[i]);
    assert_true(a->columns >= 4);
    a->output = a->column[a->columns - 3];
    a->sqlstate = a->column[a->columns - 2];
    a->message = a->column[a->columns - 1];
    return 1;
}

/* The server's message; its detail may follow. */
static inline int answers_same_message(const struct answers *a, const char *text)
{
    size_t len = strlen(a->message);
    return strncmp(text, a->message, len) == 0 && (text[len] == '\0' || text[len] == ':');
}

/* Compares with what the server did; `got` where good, else err. Tells up to 40 differences; answers_close fails if
 * there are any. */
static inline void answers_check(struct answers *a, bool good, struct str got, const struct error *err)
{
    bool same;
    if (*a->sqlstate)
        same = !good && strcmp(err->sqlstate, a->sqlstate) == 0 && answers_same_message(a, err->text);
    else
        same = good && str_eq(got, str_of(a->output));
    if (same || a->wrong++ >= 40)
        return;
    print_message("line %d:", a->line_number);
    for (int i = 0; i < a->columns - 3; i++)
        print_message(" [%s]", a->column[i]);
    print_message("\n    server: %s%s %s\n    ours:   ", a->output, a->sqlstate, a->message);
    if (good)
        print_message(STR_FMT "\n", STR_ARG(got));
    else
        print_message("%s %s\n", err->sqlstate, err->text);
}

static inline void answers_close(struct answers *a, int at_least)
{
    fclose(a->file);
    free(a->line);
    if (a->wrong > 0)
        fail_msg("%d of %d answers differ from the server's", a->wrong, a->line_number);
    assert_true(a->line_number >= at_least);
}

#endif
