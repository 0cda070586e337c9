/*
 * Single values and arrays of Sparkplug B (Eclipse Sparkplug 3.0, 6.4.16 and 6.4.17) as JSON. Each function returns false where it is no such value, with the reason in the fault.
 */
#ifndef PIPE_SPARKPLUG_VALUE_H
#define PIPE_SPARKPLUG_VALUE_H

#include "pipeline/codec/via_json.h"

struct sparkplug_printer {
    struct buffer *out;
    struct via_json_fault *fault;
};

bool sparkplug_fail(struct sparkplug_printer *p, const char *why);
bool sparkplug_put_text(struct sparkplug_printer *p, struct str s);
/* Milliseconds since 1970. */
bool sparkplug_put_time(struct sparkplug_printer *p, uint64_t ms);
/* Signed integers are carried in unsigned fields, of 32 bits, or of 64: wide. */
bool sparkplug_put_integer(struct sparkplug_printer *p, uint64_t bits, bool wide, uint32_t datatype);
bool sparkplug_put_float(struct sparkplug_printer *p, float f);
bool sparkplug_put_double(struct sparkplug_printer *p, double d);
bool sparkplug_put_boolean(struct sparkplug_printer *p, bool b);
bool sparkplug_put_null(struct sparkplug_printer *p);
/* An array where the data type is one, else hex text. */
bool sparkplug_put_bytes(struct sparkplug_printer *p, struct str bytes, uint32_t datatype);

#endif
