/*
 * A partition's key may have any bytes, as a file's name has; a text column has only UTF-8. A key that is none is
 * stored as U+FFFD and the key with "%" and the bytes from 0x80 on percent-encoded. So is one that begins with U+FFFD
 * itself: none is taken for another.
 */
#include <stdio.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"
#include "pipeline/event/convert.h"

static const char mark[] = "\xEF\xBF\xBD"; /* U+FFFD */
enum { MARK_LEN = sizeof(mark) - 1 };

const char *pg_stored_key(const char *key, struct buffer *out)
{
    struct str whole = str_of(key);
    if (utf8_valid_prefix(whole) == whole.len && strncmp(key, mark, MARK_LEN) != 0) {
        buffer_add_str(out, whole);
        return buffer_cstr(out);
    }
    buffer_add(out, mark, MARK_LEN);
    for (; *key; key++)
        if (*key == '%' || (unsigned char)*key >= 0x80)
            buffer_printf(out, "%%%02X", (unsigned char)*key);
        else
            buffer_add_byte(out, *key);
    return buffer_cstr(out);
}

const char *pg_key_of_stored(const char *stored, struct buffer *out)
{
    unsigned byte;
    if (strncmp(stored, mark, MARK_LEN) != 0) {
        buffer_add_str(out, str_of(stored));
        return buffer_cstr(out);
    }
    for (const char *at = stored + MARK_LEN; *at; at++)
        if (*at == '%' && sscanf(at + 1, "%2X", &byte) == 1) {
            buffer_add_byte(out, (char)byte);
            at += 2;
        } else {
            buffer_add_byte(out, *at);
        }
    return buffer_cstr(out);
}
