/*
 * What a source's batches take of the byte budget, from being drawn to being handed on or given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/base/clock.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/lane_mail.h"

static const struct source_ops hand_ops = {.run = NULL};
static const struct source_type hand_source_type = {.base = {.name = "hand"}, .ops = &hand_ops};

struct rig {
    struct config config;
    struct component component;
    struct source_common common;
    struct engine *engine;
    struct lane *lane;
};

static void rig_open(struct rig *rig, size_t memory)
{
    struct error err;
    memset(rig, 0, sizeof(*rig));
    rig->config = (struct config){.components = &rig->component, .count = 1, .zone = zone_utc};
    rig->component = (struct component){.config = &rig->config,
                                        .kind = COMPONENT_SOURCE,
                                        .name = "in",
                                        .source = &hand_source_type,
                                        .source_common = &rig->common};
    rig->engine = engine_new(&rig->config, &clock_system);
    rig->engine->budget = budget_new(memory);
    rig->lane = lane_new(rig->engine, &rig->component, 0, 0, 1, &err);
    assert_non_null(rig->lane);
}

static void rig_close(struct rig *rig)
{
    lane_free(rig->lane);
    engine_free(rig->engine);
}

static size_t used(const struct rig *rig)
{
    return budget_used(rig->engine->budget);
}

static void what_grows_beside_a_batchs_bytes_counts_while_it_is_filled(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1 << 20);
    struct batch *b = lane_draw(rig.lane, 1000);
    size_t drawn = used(&rig);
    assert_true(drawn >= 1000);
    lane_charge(rig.lane, b, 4096);
    assert_int_equal(used(&rig), drawn + 4096);
    lane_discard(rig.lane, b);
    assert_int_equal(used(&rig), 0);
    rig_close(&rig);
}

static void a_batch_that_grew_beyond_the_budget_makes_the_next_draw_wait(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1 << 20);
    struct batch *b = lane_draw(rig.lane, 1000);
    lane_charge(rig.lane, b, 1 << 20); /* it never waits itself */
    assert_null(lane_draw_or(rig.lane, 1000, NULL, 0, 1000));
    lane_discard(rig.lane, b);
    b = lane_draw_or(rig.lane, 1000, NULL, 0, 1000);
    assert_non_null(b);
    lane_discard(rig.lane, b);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_grows_beside_a_batchs_bytes_counts_while_it_is_filled),
        cmocka_unit_test(a_batch_that_grew_beyond_the_budget_makes_the_next_draw_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
