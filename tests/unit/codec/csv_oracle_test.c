/*
 * Python's csv module as an independent oracle: tests/data/csv/oracle holds files it wrote and what it read from them
 * (make_oracle.py).
 */
#include "tests/unit/codec/csv_rig.h"

#include <glob.h>

#include "pipeline/base/file.h"

static void read_file(const char *path, struct buffer *out)
{
    struct error err;
    if (!file_read_all(path, 16 << 20, out, &err))
        fail_msg("%s", err.text);
}

/* `3 @17 {"c0":"1","c1":null}` lines as Python tells them: `["1",""]`. */
static void tell_as_python(const struct buffer *told, struct buffer *out)
{
    const char *p = told->data, *end = told->data + told->len;
    while (p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        const char *event = memchr(p, '{', (size_t)(line_end - p));
        if (!event)
            fail_msg("rejected: %.*s", (int)(line_end - p), p);
        buffer_add_byte(out, '[');
        for (unsigned i = 0; *event != '}'; i++) {
            char key[16];
            size_t key_len = (size_t)snprintf(key, sizeof(key), "%c\"c%u\":", i ? ',' : '{', i);
            assert_memory_equal(event, key, key_len);
            event += key_len;
            if (i)
                buffer_add_byte(out, ',');
            if (*event == 'n') {
                buffer_add_str(out, STR("\"\""));
                event += 4;
                continue;
            }
            const char *start = event++;
            while (*event != '"')
                event += *event == '\\' ? 2 : 1;
            event++;
            buffer_add(out, start, (size_t)(event - start));
        }
        buffer_add_str(out, STR("]\n"));
        p = line_end + 1;
    }
}

static void compare(const char *path, const size_t *ends, size_t end_count)
{
    struct buffer csv = {0}, json = {0}, told = {0}, as_python = {0};
    char json_path[256];
    snprintf(json_path, sizeof(json_path), "%.*s.json", (int)strlen(path) - 4, path);
    read_file(path, &csv);
    read_file(json_path, &json);
    struct csv_rig rig = {0};
    if (strstr(path, "semicolon")) {
        rig.options.csv_delimiter = ";";
        rig.options.csv_quote = "'";
    } else if (strstr(path, "tab")) {
        rig.options.csv_delimiter = "\\t";
    }
    while (end_count && ends[end_count - 1] >= csv.len)
        end_count--;
    csv_rig_open(&rig);
    csv_rig_read(&rig, (struct str){csv.data, csv.len}, ends, end_count, &told);
    tell_as_python(&told, &as_python);
    if (as_python.len != json.len || memcmp(as_python.data, json.data, json.len) != 0) {
        size_t at = 0;
        while (at < json.len && at < as_python.len && json.data[at] == as_python.data[at])
            at++;
        fail_msg("%s differs at byte %zu: %.40s instead of %.40s", path, at, buffer_cstr(&as_python) + at,
                 buffer_cstr(&json) + at);
    }
    csv_rig_close(&rig);
    buffer_release(&csv);
    buffer_release(&json);
    buffer_release(&told);
    buffer_release(&as_python);
}

static void for_every_file(const size_t *ends, size_t end_count)
{
    glob_t files;
    assert_int_equal(glob("data/csv/oracle/*.csv", 0, NULL, &files), 0);
    assert_int_equal(files.gl_pathc, 27);
    for (size_t i = 0; i < files.gl_pathc; i++)
        compare(files.gl_pathv[i], ends, end_count);
    globfree(&files);
}

static void files_read_as_python_reads_them(void **state)
{
    (void)state;
    for_every_file(NULL, 0);
}

static void files_in_pieces_read_as_python_reads_them(void **state)
{
    (void)state;
    size_t ends[200], end = 0;
    for (unsigned i = 0; i < 200; i++)
        ends[i] = end += 1 + i % 61;
    for_every_file(ends, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_read_as_python_reads_them),
        cmocka_unit_test(files_in_pieces_read_as_python_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
