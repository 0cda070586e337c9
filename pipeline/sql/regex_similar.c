/*
 * SIMILAR TO (manual, 9.7.2): the pattern of the standard as an advanced regular expression.
 */
#include "pipeline/sql/regex.h"
#include "pipeline/sql/text.h"

/*
 * An escaped double quote parts the pattern in three: what substring() gives is the second part, where the first is as
 * short as can be. The repetitions of exactly one say so.
 */
static bool add_separator(unsigned *separators, struct buffer *out, struct error *err)
{
    static const char *const separator[] = {"){1,1}?(", "){1,1}(?:"};
    if (*separators == 2)
        return regex_fail(err, "2200C",
                          "SQL regular expression may not contain more than two escape-double-quote separators");
    buffer_add_str(out, str_of(separator[(*separators)++]));
    return true;
}

bool regex_of_similar(struct str pattern, struct str escape, struct buffer *out, struct error *err)
{
    bool in_brackets = false;
    unsigned separators = 0;
    if (escape.len && text_length(escape) != 1)
        return regex_fail(err, "22025", "invalid escape string: it must be empty or one character");
    buffer_add_str(out, STR("^(?:"));
    for (size_t i = 0, bytes; i < pattern.len; i += bytes) {
        struct str c = {pattern.data + i, bytes = text_char_bytes(pattern.data[i])};
        if (escape.len && str_eq(c, escape)) {
            i += bytes;
            if (i >= pattern.len)
                break;
            c = (struct str){pattern.data + i, bytes = text_char_bytes(pattern.data[i])};
            if (*c.data == '"' && !in_brackets) {
                if (!add_separator(&separators, out, err))
                    return false;
                continue;
            }
            buffer_add_byte(out, '\\');
            buffer_add_str(out, c);
        } else if (in_brackets) {
            if (*c.data == '\\')
                buffer_add_byte(out, '\\');
            buffer_add_str(out, c);
            in_brackets = *c.data != ']';
        } else if (*c.data == '%') {
            buffer_add_str(out, STR(".*"));
        } else if (*c.data == '_') {
            buffer_add_byte(out, '.');
        } else if (*c.data == '(') {
            buffer_add_str(out, STR("(?:"));
        } else {
            if (strchr("\\.^$", *c.data))
                buffer_add_byte(out, '\\');
            buffer_add_str(out, c);
            in_brackets = *c.data == '[';
        }
    }
    buffer_add_str(out, STR(")$"));
    return true;
}
