#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/base/arena.h"

static void memory_is_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    enum { COUNT = 500 };
    unsigned char *all[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        all[i] = arena_alloc(&a, i * 3);
        assert_int_equal((uintptr_t)all[i] % 16, 0);
        memset(all[i], (int)i, i * 3);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < i * 3; j++)
            assert_int_equal(all[i][j], (unsigned char)i);
    arena_release(&a);
}

static void an_allocation_may_be_larger_than_any_block(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    char *small = arena_strdup(&a, "before");
    char *large = arena_alloc(&a, 3 << 20);
    memset(large, 'x', 3 << 20);
    char *after = arena_strdup(&a, "after");
    assert_string_equal(small, "before");
    assert_string_equal(after, "after");
    assert_true(arena_bytes(&a) >= 3 << 20);
    arena_release(&a);
    assert_int_equal(arena_bytes(&a), 0);
}

static void fill(struct arena *a)
{
    for (int i = 0; i < 2000; i++)
        memset(arena_alloc(a, 700), i, 700);
}

static void a_reset_arena_does_the_same_work_in_the_same_memory(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    fill(&a);
    size_t bytes = arena_bytes(&a);
    for (int i = 0; i < 10; i++) {
        arena_reset(&a);
        fill(&a);
    }
    assert_int_equal(arena_bytes(&a), bytes);
    arena_release(&a);
}

static void copies_are_terminated_and_their_own(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    char text[] = "temperature";
    struct str copy = arena_str(&a, (struct str){text, 4});
    memset(text, '?', sizeof(text) - 1);
    assert_string_equal(copy.data, "temp");
    assert_int_equal(copy.len, 4);
    assert_string_equal(arena_str(&a, (struct str){NULL, 0}).data, "");
    assert_string_equal(arena_printf(&a, "%s-%05d", "gw", 42), "gw-00042");
    struct {
        long a, b;
    } *zero = arena_alloc(&a, 64);
    memset(zero, 0xFF, 64);
    arena_reset(&a);
    long *fresh = arena_new(&a, long);
    assert_true(*fresh == 0);
    arena_release(&a);
}

static void count_end(void *object)
{
    ++*(int *)object;
}

static void what_a_library_holds_ends_with_the_arena_once(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    int ended = 0;
    arena_on_end(&a, count_end, &ended);
    arena_on_end(&a, count_end, &ended);
    assert_int_equal(ended, 0);
    arena_reset(&a);
    assert_int_equal(ended, 2);
    arena_on_end(&a, count_end, &ended);
    arena_release(&a);
    assert_int_equal(ended, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_apart),
        cmocka_unit_test(an_allocation_may_be_larger_than_any_block),
        cmocka_unit_test(a_reset_arena_does_the_same_work_in_the_same_memory),
        cmocka_unit_test(copies_are_terminated_and_their_own),
        cmocka_unit_test(what_a_library_holds_ends_with_the_arena_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
