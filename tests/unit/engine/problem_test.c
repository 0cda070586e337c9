#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/engine/problem.h"

static void check_print(struct problems *p, bool colour, const char *want)
{
    struct buffer out = {0};
    problems_print(p, colour, &out);
    assert_string_equal(buffer_cstr(&out), want);
    buffer_release(&out);
    arena_release(p->arena);
}

#define PROBLEMS(name, text)                                                                                           \
    struct arena arena = ARENA_INIT;                                                                                   \
    struct problems name = {.arena = &arena, .file = "f", .source = STR(text)}

static void problems_come_in_the_order_of_the_file(void **state)
{
    (void)state;
    PROBLEMS(p, "one\ntwo\n");
    problem_add(&p, (struct place){2, 1}, "third");
    problem_add(&p, (struct place){1, 2}, "second");
    problem_warn(&p, (struct place){0}, "first");
    assert_int_equal(p.errors, 2);
    check_print(&p, false, "f: warning: first\nf:1:2: second\n    one\n     ^\nf:2:1: third\n    two\n    ^\n");
}

static void the_same_problem_is_shown_once(void **state)
{
    (void)state;
    PROBLEMS(p, "one\n");
    problem_add(&p, (struct place){1, 1}, "x");
    problem_add(&p, (struct place){1, 1}, "x");
    problem_add(&p, (struct place){1, 2}, "x");
    assert_int_equal(p.errors, 2);
    arena_release(&arena);
}

static void the_caret_stands_below_its_character(void **state)
{
    (void)state;
    PROBLEMS(p, "\xef\xbb\xbf\té ü = x\r\n");
    problem_add(&p, (struct place){1, 4}, "here")->length = 9;
    check_print(&p, false, "f:1:4: here\n    \té ü = x\n    \t  ^^^^^\n");
}

static void a_place_behind_the_line_is_at_its_end(void **state)
{
    (void)state;
    PROBLEMS(p, "ab");
    problem_add(&p, (struct place){1, 9}, "x");
    check_print(&p, false, "f:1:9: x\n    ab\n      ^\n");
}

static void a_place_behind_the_file_shows_no_line(void **state)
{
    (void)state;
    PROBLEMS(p, "ab\n");
    problem_add(&p, (struct place){7, 1}, "x")->hint = "y";
    check_print(&p, false, "f:7:1: x\n    y\n");
}

static void a_file_cannot_steer_the_terminal(void **state)
{
    (void)state;
    PROBLEMS(p, "a\033[2Jb\x7f\n");
    problem_add(&p, (struct place){1, 1}, "x");
    check_print(&p, false, "f:1:1: x\n    a?[2Jb?\n    ^\n");
}

static void what_may_be_a_secret_is_cut_off(void **state)
{
    (void)state;
    PROBLEMS(p, "pass = \"hunter2\"\n");
    struct problem *problem = problem_add(&p, (struct place){1, 1}, "x");
    problem->length = 4;
    problem->shown = 4;
    check_print(&p, false, "f:1:1: x\n    pass …\n    ^^^^\n");
}

static void errors_are_red_and_warnings_yellow(void **state)
{
    (void)state;
    PROBLEMS(p, "ab\n");
    problem_add(&p, (struct place){1, 1}, "x");
    problem_warn(&p, (struct place){1, 2}, "y");
    check_print(&p, true,
                "\033[1mf:1:1:\033[0m x\n    ab\n    \033[31m^\033[0m\n"
                "\033[1mf:1:2:\033[0m warning: y\n    ab\n     \033[33m^\033[0m\n");
}

static void the_nearest_name_is_the_hint(void **state)
{
    (void)state;
    PROBLEMS(p, "ab\n");
    const char *const names[] = {"path", "format"};
    struct problem *near = problem_add(&p, (struct place){1, 1}, "x"),
                   *far = problem_add(&p, (struct place){1, 2}, "x");
    problem_nearest(&p, near, "fromat", names, 2);
    problem_nearest(&p, far, "something", names, 2);
    assert_string_equal(near->hint, "did you mean \"format\"?");
    assert_null(far->hint);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(problems_come_in_the_order_of_the_file),
        cmocka_unit_test(the_same_problem_is_shown_once),
        cmocka_unit_test(the_caret_stands_below_its_character),
        cmocka_unit_test(a_place_behind_the_line_is_at_its_end),
        cmocka_unit_test(a_place_behind_the_file_shows_no_line),
        cmocka_unit_test(a_file_cannot_steer_the_terminal),
        cmocka_unit_test(what_may_be_a_secret_is_cut_off),
        cmocka_unit_test(errors_are_red_and_warnings_yellow),
        cmocka_unit_test(the_nearest_name_is_the_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
