/*
 * What the files of convert share; only for convert_*.c, float_*.c, interval_*.c.
 */
#ifndef PIPE_CONVERT_PIECES_H
#define PIPE_CONVERT_PIECES_H

#include "pipeline/event/convert.h"

/* ERROR_REJECT with a sqlstate; returns false. */
bool convert_reject(struct error *err, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* Blanks as C's isspace() has them. */
struct str str_trim(struct str s);

/* float_parse.c: what 'text'::real and ::double precision read, blanks around it included. The double of a real is
 * rounded to float. */
enum float_fault { FLOAT_GOOD, FLOAT_SYNTAX, FLOAT_RANGE };
enum float_fault float_read_double(struct str text, double *out);
enum float_fault float_read_real(struct str text, double *out);
/* The same with Postgres's errors. */
bool float_parse(struct str text, enum type_id id, double *out, struct error *err);

/* float_print.c: the shortest decimal that reads back as d (or as the float it is). At most FLOAT_TEXT bytes; returns
 * the length. */
enum { FLOAT_TEXT = 32 };
size_t float_print_double(double d, char *out);
size_t float_print_real(double d, char *out);

/* At most 20 bytes; returns the length. */
size_t int_print(int64_t i, char *out);

/* convert_print.c: the text of a value whose type has only short ones (numbers but NUMBER, times, boolean as 't'); 0:
 * of another. */
enum { SHORT_TEXT = 64 };
size_t convert_print_short(struct value v, const struct zone *zone, char out[SHORT_TEXT]);

/* json_unescape.c: `in` is the inside of a JSON string, `out` has room for in.len bytes. */
bool json_unescape(struct str in, char *out, size_t *len, struct error *err);

/* json_check.c: one JSON value with blanks around it, as jsonb accepts it. */
bool json_check(struct str text, struct error *err);

/* timestamp(precision): half away from 2000-01-01. As in Postgres the result is not checked: it may be one microsecond
 * out of range. */
int64_t timestamp_round(int64_t us, int precision);

/* varchar(n): the first n characters; *fits where no others but blanks are cut. */
struct str text_apply_typmod(struct str s, int length, bool *fits);

bool interval_parse(const struct convert_context *cx, struct str text, struct type type, struct value *out,
                    struct error *err);
/* At most INTERVAL_TEXT bytes; returns the length. */
enum { INTERVAL_TEXT = 128 };
size_t interval_print(const struct interval *i, char *out);

bool uuid_parse(const struct convert_context *cx, struct str text, struct value *out, struct error *err);
bool bytea_parse(const struct convert_context *cx, struct str text, struct value *out, struct error *err);

#endif
