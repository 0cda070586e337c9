#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/log.h"

/* stderr is a file while something logs. */
static int saved_stderr, captured;
static char text[4096];

static void capture(void)
{
    char path[] = "/tmp/pipe-log-test-XXXXXX";
    saved_stderr = dup(STDERR_FILENO);
    captured = mkstemp(path);
    assert_true(captured >= 0 && saved_stderr >= 0);
    unlink(path);
    dup2(captured, STDERR_FILENO);
}

static const char *captured_text(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    ssize_t len = pread(captured, text, sizeof(text) - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    close(captured);
    return text;
}

static void people_read_time_level_component_and_message(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_HUMAN);
    capture();
    log_warn("warehouse", "%d rows\nrejected", 3);
    const char *line = captured_text();
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 25, "warn  warehouse: 3 rows\n    rejected\n");
}

static void machines_read_one_json_object_a_line(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_JSON);
    capture();
    log_error(NULL, "a \"quote\", a \\ and\na line\x01");
    log_info("line3", "ok");
    const char *line = captured_text();
    assert_memory_equal(line, "{\"time\":\"", 9);
    assert_string_equal(strchr(line, 'Z') + 1, strstr(line, "\",\"level\":\"error\""));
    assert_non_null(strstr(line, "\"message\":\"a \\\"quote\\\", a \\\\ and\\na line\\u0001\"}\n{\"time\""));
    assert_non_null(strstr(line, "\"level\":\"info\",\"component\":\"line3\",\"message\":\"ok\"}\n"));
}

static void what_is_no_utf_8_in_a_message_does_not_spoil_the_line(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_HUMAN);
    capture();
    log_info(NULL, "\xff\xfe a\xc3 \xc3\xbc \xe2\x82\xac \xed\xa0\x80 \xf0\x9f\x98\x80 \xf0\x9f");
    assert_string_equal(captured_text() + 25, "info  ?? a? \xc3\xbc \xe2\x82\xac ??? \xf0\x9f\x98\x80 ??\n");
}

static void what_is_below_the_level_is_not_said(void **state)
{
    (void)state;
    log_setup(LOG_WARN, LOG_HUMAN);
    capture();
    log_info(NULL, "quiet");
    log_debug(NULL, "quieter");
    assert_string_equal(captured_text(), "");
    assert_true(log_enabled(LOG_ERROR));
    assert_true(log_enabled(LOG_WARN));
    assert_false(log_enabled(LOG_INFO));
}

static void the_status_line_is_for_terminals_only(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_HUMAN);
    capture();
    log_status("50 %");
    log_info(NULL, "done");
    log_status("");
    const char *line = captured_text();
    assert_null(strstr(line, "50 %"));
    assert_null(strchr(line, '\033'));
}

static void the_status_line_stays_below_the_log(void **state)
{
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int side = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(side >= 0);
    log_setup(LOG_INFO, LOG_HUMAN);
    saved_stderr = dup(STDERR_FILENO);
    dup2(side, STDERR_FILENO);
    log_status("50 %");
    log_info(NULL, "first file done");
    log_status("");
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(side);
    size_t len = 0;
    for (ssize_t n; (n = read(terminal, text + len, sizeof(text) - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    close(terminal);
    char *status = strstr(text, "\r\033[K50 %"), *log = strstr(text, "first file done");
    assert_true(status && log && status < log);
    char *again = strstr(log, "\n50 %");
    assert_non_null(again);
    assert_string_equal(again + 5, "\r\033[K");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_read_time_level_component_and_message),
        cmocka_unit_test(machines_read_one_json_object_a_line),
        cmocka_unit_test(what_is_no_utf_8_in_a_message_does_not_spoil_the_line),
        cmocka_unit_test(what_is_below_the_level_is_not_said),
        cmocka_unit_test(the_status_line_is_for_terminals_only),
        cmocka_unit_test(the_status_line_stays_below_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
