/*
 * Work that asks for more memory: it goes on in an order in which it can always finish.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/engine/budget.h"

enum { LIMIT = 1000 };

static struct rig {
    struct mailbox lanes[2];
    struct budget *budget;
    struct budget_share *shares[2];
    struct budget_turn turns[3];
    bool went_on[3];
} rig;

static void go_on(struct budget_turn *t)
{
    rig.went_on[t - rig.turns] = true;
}

static void open_rig(void)
{
    rig = (struct rig){.budget = budget_new(LIMIT)};
    for (int i = 0; i < 2; i++) {
        mailbox_init(&rig.lanes[i]);
        rig.shares[i] = budget_add_share(rig.budget, &rig.lanes[i]);
    }
    for (int i = 0; i < 3; i++) {
        rig.turns[i] = (struct budget_turn){.share = rig.shares[0], .go_on = go_on};
        budget_enter(&rig.turns[i]);
    }
}

static void close_rig(void)
{
    budget_free(rig.budget);
    for (int i = 0; i < 2; i++)
        mailbox_release(&rig.lanes[i]);
}

static void what_is_free_goes_to_whoever_asks(void **state)
{
    (void)state;
    open_rig();
    assert_true(budget_extend(&rig.turns[2], 400));
    assert_true(budget_extend(&rig.turns[0], 100));
    assert_int_equal(budget_used(rig.budget), 500);
    close_rig();
}

static void the_first_goes_on_once_sinks_have_freed_what_they_had_however_little_is_left(void **state)
{
    (void)state;
    open_rig();
    budget_charge(rig.shares[0], LIMIT);
    budget_hand(rig.shares[0], 10);
    assert_false(budget_extend(&rig.turns[1], 300));
    assert_false(budget_extend(&rig.turns[0], 300));
    assert_false(rig.went_on[0]);
    budget_return_handed(rig.shares[0], 10);
    assert_true(rig.went_on[0]);
    assert_false(rig.went_on[1]);
    assert_int_equal(budget_used(rig.budget), LIMIT - 10 + 300);
    budget_leave(&rig.turns[0]);
    assert_true(rig.went_on[1]); /* by now the first */
    close_rig();
}

static void what_waits_for_no_other_need_not_be_the_first(void **state)
{
    (void)state;
    open_rig();
    budget_charge(rig.shares[0], LIMIT);
    rig.turns[1].alone = true;
    assert_true(budget_extend(&rig.turns[1], 300));
    assert_false(budget_extend(&rig.turns[2], 300)); /* the first one is before it */
    close_rig();
}

static void a_lane_draws_nothing_while_its_own_work_waits_and_others_draw_what_they_are_promised(void **state)
{
    (void)state;
    open_rig();
    budget_charge(rig.shares[0], 700);
    budget_hand(rig.shares[0], 700);
    assert_false(budget_extend(&rig.turns[0], 200));
    assert_false(budget_draw(rig.shares[0], 1));
    assert_true(budget_draw(rig.shares[1], 200));
    budget_return_handed(rig.shares[0], 300);
    assert_true(rig.went_on[0]);
    assert_true(budget_draw(rig.shares[0], 1));
    close_rig();
}

static void nobody_waits_when_the_run_is_being_stopped(void **state)
{
    (void)state;
    open_rig();
    budget_charge(rig.shares[0], LIMIT);
    budget_hand(rig.shares[0], LIMIT);
    assert_false(budget_extend(&rig.turns[2], 300));
    budget_open(rig.budget);
    assert_true(rig.went_on[2]);
    assert_true(budget_extend(&rig.turns[1], 300));
    close_rig();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_free_goes_to_whoever_asks),
        cmocka_unit_test(the_first_goes_on_once_sinks_have_freed_what_they_had_however_little_is_left),
        cmocka_unit_test(what_waits_for_no_other_need_not_be_the_first),
        cmocka_unit_test(a_lane_draws_nothing_while_its_own_work_waits_and_others_draw_what_they_are_promised),
        cmocka_unit_test(nobody_waits_when_the_run_is_being_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
