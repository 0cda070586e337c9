#include "tests/unit/sql/query_rig.h"

/*
 * The files of tests/data/sql: blocks divided by empty lines. A block's lines start with what they are:
 *   query:   the SELECT          then:  a second one over the first one's output
 *   declare: name type, …        the source's columns (otherwise any member may come)
 *   json: / csv:                 records, one a line
 *   out:                         what must come out: events as JSON, "! sqlstate reason" for rejected records, or
 * "ERROR …" Lines that start with # are comments.
 */
struct block {
    char query[4096], then[4096], declare[512], records[8192], out[8192];
    bool csv;
    int line;
};

static void append(char *to, size_t size, const char *text)
{
    size_t len = strlen(to);
    snprintf(to + len, size - len, "%s\n", text);
}

static bool take(const char *line, const char *key, const char **value)
{
    size_t len = strlen(key);
    if (strncmp(line, key, len) != 0)
        return false;
    *value = line + len + (line[len] == ' ');
    return true;
}

static void add_line(struct block *b, const char *file, int number, const char *line)
{
    const char *value;
    if (line[0] == '#')
        return;
    if (b->line == 0)
        b->line = number;
    if (take(line, "query:", &value)) {
        if (b->query[0])
            append(b->query, sizeof b->query, "");
        strncat(b->query, value, sizeof b->query - strlen(b->query) - 1);
    } else if (take(line, "then:", &value)) {
        snprintf(b->then, sizeof b->then, "%s", value);
    } else if (take(line, "declare:", &value)) {
        snprintf(b->declare, sizeof b->declare, "%s", value);
    } else if (take(line, "json:", &value)) {
        append(b->records, sizeof b->records, value);
    } else if (take(line, "csv:", &value)) {
        b->csv = true;
        append(b->records, sizeof b->records, value);
    } else if (take(line, "out:", &value)) {
        append(b->out, sizeof b->out, value);
    } else {
        fail_msg("%s:%d: what is this line?", file, number);
    }
}

static int check_block(const char *file, struct block *b)
{
    if (!b->query[0])
        return 0;
    struct query_rig *rig = rig_open(b->csv ? &format_csv : &format_json);
    if (b->declare[0])
        rig_declare_all(rig, b->declare);
    const char *got = rig_run(rig, b->query, b->then[0] ? b->then : NULL, b->records);
    bool same = strcmp(got, b->out) == 0;
    if (!same)
        print_error("%s:%d: %s\n  wanted: %s  got:    %s", file, b->line, b->query, b->out, got);
    rig_close(rig);
    return !same;
}

static void check_file(const char *file)
{
    FILE *f = fopen(file, "r");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    int number = 0, wrong = 0;
    struct block *b = calloc(1, sizeof *b);
    assert_non_null(f);
    while ((len = getline(&line, &capacity, f)) > 0) {
        number++;
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        if (line[0] != '\0') {
            add_line(b, file, number, line);
            continue;
        }
        wrong += check_block(file, b);
        memset(b, 0, sizeof *b);
    }
    wrong += check_block(file, b);
    free(b);
    free(line);
    fclose(f);
    assert_int_equal(wrong, 0);
}

static void queries_select_filter_and_compute(void **state)
{
    (void)state;
    check_file("data/sql/queries.txt");
}

static void members_take_the_type_they_are_needed_as(void **state)
{
    (void)state;
    check_file("data/sql/typing.txt");
}

static void rows_that_fail_are_rejected_and_guards_guard(void **state)
{
    (void)state;
    check_file("data/sql/rejections.txt");
}

static void mistakes_are_explained_where_they_are(void **state)
{
    (void)state;
    check_file("data/sql/mistakes.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_select_filter_and_compute),
        cmocka_unit_test(members_take_the_type_they_are_needed_as),
        cmocka_unit_test(rows_that_fail_are_rejected_and_guards_guard),
        cmocka_unit_test(mistakes_are_explained_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
