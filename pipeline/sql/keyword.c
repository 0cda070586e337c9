#include "pipeline/sql/keyword.h"

#include <strings.h>

/* clang-format off */
#define R(word) {#word, KEYWORD_RESERVED},
#define F(word) {#word, KEYWORD_FUNCTION},
#define O(word) {#word, KEYWORD_QUOTED},

/* Sorted. */
static const struct {
    const char *word;
    enum keyword_kind kind;
} keywords[] = {
    R(all) R(analyse) R(analyze) R(and) R(any) R(array) R(as) R(asc) R(asymmetric) O(authorization) F(between)
    O(bigint) O(binary) O(bit) O(boolean) R(both) R(case) R(cast) O(char) O(character) R(check) O(coalesce) R(collate)
    O(collation) R(column) O(concurrently) R(constraint) R(create) F(cross) R(current_catalog) R(current_date)
    R(current_role) O(current_schema) R(current_time) R(current_timestamp) R(current_user) O(dec) O(decimal)
    R(default) R(deferrable) R(desc) R(distinct) R(do) R(else) R(end) R(except) O(exists) O(extract) R(false) R(fetch)
    O(float) R(for) R(foreign) O(freeze) R(from) F(full) R(grant) O(greatest) R(group) O(grouping) R(having) F(ilike)
    R(in) R(initially) F(inner) O(inout) O(int) O(integer) R(intersect) O(interval) R(into) F(is) F(isnull) F(join)
    R(lateral) R(leading) O(least) F(left) F(like) R(limit) R(localtime) R(localtimestamp) O(national) F(natural)
    O(nchar) O(none) O(normalize) R(not) F(notnull) R(null) O(nullif) O(numeric) R(offset) R(on) R(only) R(or)
    R(order) O(out) F(outer) F(overlaps) O(overlay) R(placing) O(position) O(precision) R(primary) O(real)
    R(references) R(returning) F(right) O(row) R(select) R(session_user) O(setof) F(similar) O(smallint) R(some)
    O(substring) R(symmetric) R(table) O(tablesample) R(then) O(time) O(timestamp) R(to) R(trailing) O(treat) O(trim)
    R(true) R(union) R(unique) R(user) R(using) O(values) O(varchar) R(variadic) O(verbose) R(when) R(where) R(window)
    R(with) O(xmlattributes) O(xmlconcat) O(xmlelement) O(xmlexists) O(xmlforest) O(xmlnamespaces) O(xmlparse)
    O(xmlpi) O(xmlroot) O(xmlserialize) O(xmltable)
};
/* clang-format on */

enum keyword_kind keyword_find(struct str word)
{
    size_t low = 0, high = sizeof(keywords) / sizeof(*keywords);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strncasecmp(word.data, keywords[middle].word, word.len);
        if (order == 0 && keywords[middle].word[word.len] == '\0')
            return keywords[middle].kind;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return KEYWORD_NONE;
}
