/*
 * What the rows of functions.def name. Errors carry PostgreSQL's sqlstate and text.
 */
#ifndef PIPE_SQL_IMPLEMENTATION_H
#define PIPE_SQL_IMPLEMENTATION_H

#include "pipeline/sql/function.h"
#include "pipeline/sql/time_units.h"

/* Fills *err; false. */
bool function_fail(struct error *err, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* A result longer than this rejects the record: repeat('x', 1000000000) must not take the memory of all others. */
enum { FUNCTION_MAX_TEXT = 64 << 20 };

/* || casts to text (false), concat() prints (f) */
enum concat_style { CONCAT_PRINTS, CONCAT_CASTS };
/* Appends a value of any type as text; NULL is ''. */
void function_print(struct eval *ev, const struct expr *arg, struct value v, enum concat_style style,
                    struct buffer *out);

/* functions_text.c, functions_text_parts.c */
scalar_fn fn_length, fn_octet_length, fn_bit_length, fn_change_case, fn_trim, fn_substring, fn_left, fn_right,
    fn_replace, fn_split_part, fn_strpos, fn_concat, fn_concat_ws, fn_pad, fn_repeat, fn_reverse, fn_starts_with,
    fn_md5, fn_ascii, fn_chr, fn_translate, fn_to_hex, fn_overlay;
enum trim_side { TRIM_LEFT = 1, TRIM_RIGHT = 2, TRIM_BOTH = 3 };
enum pad_side { PAD_LEFT, PAD_RIGHT };

/* functions_quote.c */
scalar_fn fn_quote, fn_format, fn_parse_ident;
enum quoting { QUOTE_IDENT, QUOTE_LITERAL };

/* functions_unicode.c */
scalar_fn fn_unistr;

/* functions_normalize.c */
scalar_fn fn_normalize, fn_is_normalized;
bool prepare_normal_form(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);

/* functions_null.c */
scalar_fn fn_num_nulls;

/* functions_bytea.c */
scalar_fn fn_bytes_concat, fn_bytes_substring, fn_bytes_overlay, fn_bytes_position, fn_bytes_trim, fn_get_byte,
    fn_set_byte, fn_get_bit, fn_set_bit, fn_bit_count;

/* functions_encode.c */
scalar_fn fn_encode, fn_decode, fn_convert_from, fn_convert_to, fn_length_in, fn_sha2;

/* functions_regex.c */
kernel_fn kernel_match;
scalar_fn fn_regexp_like, fn_regexp_count, fn_regexp_instr, fn_regexp_substr, fn_regexp_replace, fn_substring_regex,
    fn_similar, fn_substring_similar;
/* functions_regex_array.c */
scalar_fn fn_regexp_match, fn_regexp_matches, fn_regexp_split;
bool prepare_match(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
bool prepare_regex(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
bool prepare_similar(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
enum match_operator { MATCH_NOCASE = 1, MATCH_NEGATED = 2 };

/* functions_math.c */
scalar_fn fn_ceil, fn_floor, fn_round, fn_trunc, fn_sign, fn_double, fn_power, fn_atan2, fn_div, fn_pi;
enum double_function {
    DOUBLE_CEIL,
    DOUBLE_FLOOR,
    DOUBLE_ROUND,
    DOUBLE_TRUNC,
    DOUBLE_SIGN,
    DOUBLE_SQRT,
    DOUBLE_CBRT,
    DOUBLE_EXP,
    DOUBLE_LN,
    DOUBLE_LOG10,
    DOUBLE_SIN,
    DOUBLE_COS,
    DOUBLE_TAN,
    DOUBLE_ASIN,
    DOUBLE_ACOS,
    DOUBLE_ATAN,
    DOUBLE_DEGREES,
    DOUBLE_RADIANS,
};

/* functions_numeric.c */
scalar_fn fn_numeric, fn_numeric_log, fn_numeric_power, fn_factorial, fn_gcd_int, fn_lcm_int, fn_gcd, fn_lcm, fn_scale,
    fn_min_scale, fn_trim_scale, fn_width_bucket, fn_width_bucket_double, fn_width_bucket_array;
enum numeric_function { NUMERIC_SQRT, NUMERIC_EXP, NUMERIC_LN };

/* functions_trigonometry.c */
scalar_fn fn_trigonometry, fn_atan2d;
enum trigonometry {
    TRIG_COT,
    TRIG_SINH,
    TRIG_COSH,
    TRIG_TANH,
    TRIG_ASINH,
    TRIG_ACOSH,
    TRIG_ATANH,
    TRIG_SIND,
    TRIG_COSD,
    TRIG_TAND,
    TRIG_COTD,
    TRIG_ASIND,
    TRIG_ACOSD,
    TRIG_ATAND,
};

/* functions_time.c, functions_time_format.c */
scalar_fn fn_date_trunc, fn_extract, fn_date_part_of_date, fn_to_timestamp, fn_make_date, fn_make_timestamp, fn_to_char,
    fn_to_char_interval, fn_read_date, fn_read_timestamp;
enum extract_result { EXTRACT_NUMERIC, EXTRACT_DOUBLE };
bool prepare_unit(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
bool prepare_date_part(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
/* Seconds (or milliseconds) as double precision: rounded as Postgres adds them up. */
struct value extract_as_double(int64_t us, enum time_unit unit);
/* The unit that prepare_unit found, or the one the name means; the two errors about one. */
bool time_unit_of(const struct expr *e, struct value name, enum type_id type, enum time_unit *unit, struct error *err);
bool time_unit_unknown(struct value name, enum type_id type, struct error *err);
bool time_unit_unsupported(struct value name, enum type_id type, struct error *err);

struct time_format;
bool prepare_time_format(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
/* The format of args[1]: prepared, or compiled for this row. */
const struct time_format *time_format_of(struct eval *ev, const struct expr *e, struct value text);

/* functions_number_format.c */
scalar_fn fn_to_char_number, fn_to_number;
bool prepare_number_format(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);

struct number_format;
/* to_char() by a format that is read already. `type` is the value's. */
bool number_to_char(struct eval *ev, const struct number_format *f, struct value v, enum type_id type,
                    struct value *out, struct error *err);
bool time_to_char(struct eval *ev, const struct time_format *f, struct value time, struct value *out,
                  struct error *err);

/* functions_to_char_json.c */
scalar_fn fn_to_char_json;
bool prepare_json_format(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);

/* functions_interval.c */
scalar_fn fn_justify, fn_make_interval, fn_age, fn_isfinite, fn_date_bin, fn_trunc_interval, fn_extract_interval,
    fn_overlaps;
enum justify { JUSTIFY_HOURS, JUSTIFY_DAYS, JUSTIFY_BOTH };

/* functions_zone.c: a zone, an abbreviation as the zone means it, or (no zone) a fixed offset. */
struct zone_choice {
    const struct zone *zone;
    const char *abbreviation;
    int32_t offset; /* seconds east of UTC */
};
scalar_fn fn_timezone, fn_timezone_interval, fn_make_timestamptz;
bool prepare_zone(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
/* By name. ERROR_REJECT 22023. */
bool zone_choose(struct value name, struct zone_choice *out, struct error *err);
/* The same for a name in the query: the error says which known one is near. */
bool zone_choose_written(struct value name, struct zone_choice *out, struct error *err);
int64_t zone_choice_wall(const struct zone_choice *c, int64_t us);
int64_t zone_choice_instant(const struct zone_choice *c, int64_t local);

/* functions_array.c, functions_array_search.c */
scalar_fn fn_array_build, fn_array_element, fn_array_slice, fn_array_bound, fn_array_ndims, fn_array_dims,
    fn_cardinality, fn_array_append, fn_array_prepend, fn_array_cat, fn_trim_array, fn_array_fill;
scalar_fn fn_array_contains, fn_array_overlaps, fn_array_position, fn_array_positions, fn_array_remove,
    fn_array_replace, fn_array_to_string, fn_string_to_array;
enum array_bound { ARRAY_LENGTH, ARRAY_LOWER, ARRAY_UPPER };
enum array_containment { ARRAY_CONTAINS, ARRAY_IS_CONTAINED };

/* functions_json.c, functions_json_edit.c */
scalar_fn fn_json_get, fn_json_path, fn_json_extract_path, fn_json_typeof, fn_json_array_length, fn_json_exists,
    fn_json_exists_some, fn_json_contains, fn_to_jsonb, fn_json_build_array, fn_json_build_object, fn_json_object;
scalar_fn fn_json_concat, fn_json_without, fn_json_without_element, fn_json_without_path, fn_json_set, fn_json_set_lax,
    fn_json_insert, fn_json_strip_nulls, fn_json_pretty;
enum json_result { JSON_AS_JSON, JSON_AS_TEXT };
enum json_quantity { JSON_SOME, JSON_ALL };
enum json_containment { JSON_CONTAINS, JSON_IS_CONTAINED };
enum json_change { JSON_CREATE, JSON_REPLACE, JSON_INSERT_BEFORE, JSON_INSERT_AFTER, JSON_DELETE };

/* functions_set.c */
scalar_fn fn_unnest, fn_json_elements, fn_json_members, fn_generate_series, fn_generate_numerics, fn_generate_times,
    fn_generate_subscripts;
enum json_members_of { JSON_KEYS, JSON_EACH, JSON_EACH_TEXT };
extern const struct set_shape set_of_elements, set_of_values, set_of_members, set_of_text_members;

bool json_path_index(struct str text, int64_t *out);

#endif
