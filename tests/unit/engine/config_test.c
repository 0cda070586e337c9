#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/engine/config_catalog.h"

#define PIPELINE "[pipeline]\nname = \"p\"\n"
#define SOURCE "[sources.in]\ntype = \"file\"\npath = \"x\"\n"
#define SINK "[sinks.out]\ntype = \"kafka\"\ninputs = \"in\"\n"

struct loaded {
    struct arena arena;
    struct problems problems;
    const struct config *cfg;
};

static struct loaded *load_with(const char *text, const char *const *sets, uint32_t set_count, const char *env_file)
{
    struct loaded *l = mem_zalloc(sizeof *l);
    l->problems.arena = &l->arena;
    struct config_sources from = {.path = "/etc/pipe/plant.toml",
                                  .text = str_of(text),
                                  .sets = sets,
                                  .set_count = set_count,
                                  .env_file = env_file};
    l->cfg = config_load(&from, &test_catalog, &l->arena, &l->problems);
    return l;
}

static struct loaded *load(const char *text)
{
    struct loaded *l = load_with(text, NULL, 0, NULL);
    if (!l->cfg) {
        struct buffer out = {0};
        problems_print(&l->problems, false, &out);
        fail_msg("%s", buffer_cstr(&out));
    }
    return l;
}

static void unload(struct loaded *l)
{
    arena_release(&l->arena);
    free(l);
}

static void what_is_left_out_has_its_preset(void **state)
{
    (void)state;
    unsetenv("STATE_DIRECTORY");
    struct loaded *l = load(PIPELINE SOURCE SINK);
    const struct pipeline_options *p = &l->cfg->pipeline;
    assert_string_equal(p->workers, "auto");
    assert_int_equal(p->memory, 256 << 20);
    assert_string_equal(p->timezone, "UTC");
    assert_ptr_equal(l->cfg->zone, zone_utc);
    assert_int_equal(p->drain_timeout, 25000000);
    assert_string_equal(p->state_dir, "/etc/pipe/state/p");
    assert_null(l->cfg->admin.listen);
    assert_int_equal(l->cfg->dead.max_records, -1);
    assert_true(l->cfg->dead.max_ratio < 0);
    assert_int_equal(l->cfg->dead.exit, 3);

    const struct source_common *source = l->cfg->components[0].source_common;
    assert_int_equal(source->linger, 5000);
    assert_int_equal(source->max_record, 1 << 20);
    assert_int_equal(source->extra, EXTRA_ERROR);
    assert_string_equal(formats[source->format]->name, "json");
    const struct sink_common *sink = l->cfg->components[1].sink_common;
    assert_int_equal(sink->commit_rows, 100000);
    assert_int_equal(sink->commit_bytes, 64 << 20);
    assert_int_equal(sink->commit_interval, 1000000);
    assert_int_equal(sink->retry_first, 100000);
    assert_int_equal(sink->retry_max, 30000000);
    assert_int_equal(sink->retry_for, 0);
    assert_true(sink->ordered);
    assert_false(sink->backfill);
    assert_int_equal(sink->exactly_once, EXACTLY_ONCE_AUTO);
    assert_int_equal(sink->format, -1);
    unload(l);
}

static void a_list_may_have_a_list_as_its_preset(void **state)
{
    (void)state;
    struct loaded *l = load(PIPELINE "[sources.in]\ntype = \"mqtt\"\nurl = \"x\"\n" SINK);
    const struct test_mqtt_source *o = l->cfg->components[0].options;
    assert_int_equal(o->topics.count, 2);
    assert_string_equal(o->topics.items[1], "b");
    unload(l);
}

static void a_component_may_have_its_own_preset_for_a_common_option(void **state)
{
    (void)state;
    struct loaded *l = load(PIPELINE SOURCE SINK);
    assert_int_equal(((const struct test_kafka_sink *)l->cfg->components[1].options)->connections, 4);
    assert_int_equal(l->cfg->components[1].sink_common->connections, 4);
    unload(l);
    l = load(PIPELINE SOURCE SINK "connections = 2\n");
    assert_int_equal(l->cfg->components[1].sink_common->connections, 2);
    unload(l);
}

static void relative_paths_start_at_the_files_directory(void **state)
{
    (void)state;
    struct loaded *l =
        load(PIPELINE "state_dir = \"here\"\n[sources.in]\ntype = \"file\"\npath = [\"a/*.csv\", \"/b\"]\n" SINK);
    const struct test_file_source *o = l->cfg->components[0].options;
    assert_string_equal(o->path.items[0], "/etc/pipe/a/*.csv");
    assert_string_equal(o->path.items[1], "/b");
    assert_string_equal(l->cfg->pipeline.state_dir, "/etc/pipe/here");
    unload(l);
}

static void systemd_says_where_state_is(void **state)
{
    (void)state;
    setenv("STATE_DIRECTORY", "/var/lib/pipe:/var/lib/other", 1);
    struct loaded *l = load(PIPELINE "instance = \"gw1\"\n" SOURCE SINK);
    assert_string_equal(l->cfg->pipeline.state_dir, "/var/lib/pipe/p-gw1");
    unload(l);
    unsetenv("STATE_DIRECTORY");
}

static void tables_keep_the_files_order_and_dotted_keys_are_names(void **state)
{
    (void)state;
    struct loaded *l =
        load(PIPELINE SOURCE SINK "[sinks.out.librdkafka]\nz = 1\n\"b.c\" = true\na.b = \"x\"\n1e3 = 1_000\n");
    const struct test_kafka_sink *o = l->cfg->components[1].options;
    const char *const want[][2] = {{"z", "1"}, {"b.c", "true"}, {"a.b", "x"}, {"1e3", "1_000"}};
    assert_int_equal(o->librdkafka.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(o->librdkafka.items[i].key, want[i][0]);
        assert_string_equal(o->librdkafka.items[i].value, want[i][1]);
        assert_int_equal(o->librdkafka.items[i].key_place.line, 10 + i);
    }
    unload(l);
}

static void sizes_and_durations_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *size;
        uint64_t bytes;
    } sizes[] = {{"4096", 4096},         {"\"64MiB\"", 64 << 20}, {"\"1GB\"", 1000000000}, {"\"1.5 KiB\"", 1536},
                 {"1_000_000", 1000000}, {"\"2kb\"", 2000},       {"0x1000", 4096}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char text[256];
        snprintf(text, sizeof text, PIPELINE SOURCE SINK "commit_bytes = %s\n", sizes[i].size);
        struct loaded *l = load(text);
        assert_int_equal(l->cfg->components[1].sink_common->commit_bytes, sizes[i].bytes);
        unload(l);
    }
    static const struct {
        const char *duration;
        int64_t us;
    } durations[] = {{"\"1500us\"", 1500},          {"\"5ms\"", 5000},     {"\"1h30m\"", 5400000000},
                     {"\"1h 30m 1s\"", 5401000000}, {"\"0.25s\"", 250000}, {"\"1d\"", 86400000000}};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        char text[256];
        snprintf(text, sizeof text, PIPELINE SOURCE SINK "retry.max = %s\nretry.first = \"1ms\"\n",
                 durations[i].duration);
        struct loaded *l = load(text);
        assert_int_equal(l->cfg->components[1].sink_common->retry_max, durations[i].us);
        unload(l);
    }
}

static void what_is_interpolated_takes_the_options_type(void **state)
{
    (void)state;
    setenv("PIPE_TEST_ROWS", "500", 1);
    setenv("PIPE_TEST_EMPTY", "", 1);
    unsetenv("PIPE_TEST_UNSET");
    struct loaded *l =
        load(PIPELINE "workers = \"${PIPE_TEST_UNSET:-4}\"\n" SOURCE SINK
                      "commit_rows = \"${PIPE_TEST_ROWS}\"\nordered = \"${PIPE_TEST_UNSET:-false}\"\n"
                      "topic = \"a$${b}$c-${PIPE_TEST_ROWS}-${PIPE_TEST_EMPTY}-${PIPE_TEST_EMPTY:-d:-e}\"\n");
    assert_string_equal(l->cfg->pipeline.workers, "4");
    assert_int_equal(l->cfg->components[1].sink_common->commit_rows, 500);
    assert_false(l->cfg->components[1].sink_common->ordered);
    assert_string_equal(((const struct test_kafka_sink *)l->cfg->components[1].options)->topic, "a${b}$c-500--d:-e");
    unload(l);
}

static void a_value_never_changes_the_structure(void **state)
{
    (void)state;
    setenv("PIPE_TEST_EVIL", "x\"\nworkers = 9\n${PIPE_TEST_EVIL}", 1);
    struct loaded *l = load(PIPELINE SOURCE SINK "topic = \"${PIPE_TEST_EVIL}\"\n");
    assert_string_equal(((const struct test_kafka_sink *)l->cfg->components[1].options)->topic,
                        getenv("PIPE_TEST_EVIL"));
    assert_string_equal(l->cfg->pipeline.workers, "auto");
    unload(l);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void secrets_come_from_files_and_are_never_shown(void **state)
{
    (void)state;
    char directory[] = "/tmp/pipe-config-XXXXXX", path[64], text[512];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/broker", directory);
    write_file(path, "hunter2\n\n");
    setenv("CREDENTIALS_DIRECTORY", directory, 1);

    snprintf(
        text, sizeof text,
        PIPELINE
        "[sources.in]\ntype = \"mqtt\"\nurl = \"x\"\npassword = \"${secret:broker}\"\nusername = \"${file:%s}\"\n" SINK,
        path);
    struct loaded *l = load(text);
    const struct test_mqtt_source *o = l->cfg->components[0].options;
    assert_string_equal(o->password, "hunter2\n");
    assert_string_equal(o->username, "hunter2\n");
    unload(l);

    l = load_with(PIPELINE "[sources.in]\ntype = \"mqtt\"\nurl = \"x\"\nqos = \"${secret:broker}\"\n" SINK
                           "exactly_once = \"${secret:broker}\"\nratio = \"${secret:broker}\"\n",
                  NULL, 0, NULL);
    struct buffer out = {0};
    problems_print(&l->problems, true, &out);
    assert_int_equal(l->problems.errors, 3);
    assert_null(strstr(buffer_cstr(&out), "hunter2"));
    buffer_release(&out);
    unload(l);
    unlink(path);
    rmdir(directory);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void set_changes_the_file(void **state)
{
    (void)state;
    const char *const sets[] = {"sinks.out.commit_rows=7",      "sinks.out.topic=plain words",
                                "pipeline.workers=3",           "sinks.out.retry.first = \"2ms\"",
                                "sinks.out.librdkafka={a = 1}", "sinks.out.inputs=[\"in\"]"};
    struct loaded *l = load_with(PIPELINE SOURCE SINK "topic = \"x\"\n", sets, 6, NULL);
    assert_non_null(l->cfg);
    const struct component *c = &l->cfg->components[1];
    const struct test_kafka_sink *o = c->options;
    assert_int_equal(c->sink_common->commit_rows, 7);
    assert_int_equal(c->sink_common->retry_first, 2000);
    assert_string_equal(o->topic, "plain words");
    assert_string_equal(o->librdkafka.items[0].value, "1");
    assert_string_equal(l->cfg->pipeline.workers, "3");
    assert_int_equal(config_place(c, "topic").line, 0);
    unload(l);
}

static void a_bad_set_names_itself(void **state)
{
    (void)state;
    const char *const sets[] = {"nothing", "sinks.out.commit_rows=x", "sinks.out.topik=1"};
    struct loaded *l = load_with(PIPELINE SOURCE SINK, sets, 3, NULL);
    assert_null(l->cfg);
    struct buffer out = {0};
    problems_print(&l->problems, false, &out);
    assert_string_equal(
        buffer_cstr(&out),
        "/etc/pipe/plant.toml: --set takes NAME=VALUE, as in --set sinks.lake.commit_rows=1000\n"
        "/etc/pipe/plant.toml: --set sinks.out.topik: unknown option \"topik\" in sinks.out\n"
        "    did you mean \"topic\"?\n"
        "/etc/pipe/plant.toml: --set sinks.out.commit_rows: commit_rows takes a whole number, not \"x\"\n");
    buffer_release(&out);
    unload(l);
}

static void the_environment_goes_before_the_env_file(void **state)
{
    (void)state;
    char path[] = "/tmp/pipe-env-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_file(
        path, "# comment\n\nexport PIPE_TEST_A = \"from the file\"\nPIPE_TEST_B=b=c\r\nPIPE_TEST_C='x'\nPIPE_TEST_C=y");
    unsetenv("PIPE_TEST_A");
    setenv("PIPE_TEST_B", "from the environment", 1);
    struct loaded *l =
        load_with(PIPELINE SOURCE SINK "topic = \"${PIPE_TEST_A} ${PIPE_TEST_B} ${PIPE_TEST_C}\"\n", NULL, 0, path);
    assert_non_null(l->cfg);
    assert_string_equal(((const struct test_kafka_sink *)l->cfg->components[1].options)->topic,
                        "from the file from the environment y");
    unload(l);

    write_file(path, "A=1\nno equals sign\n");
    l = load_with(PIPELINE SOURCE SINK, NULL, 0, path);
    assert_null(l->cfg);
    assert_non_null(strstr(l->problems.items[0].text, ":2: expected NAME=VALUE"));
    unload(l);
    unlink(path);
}

static void a_connection_gives_what_the_component_lacks(void **state)
{
    (void)state;
    struct loaded *l = load(
        PIPELINE "[connections.plant]\nurl = \"shared\"\nusername = \"shared\"\ntls.ca = \"ca.pem\"\ncommit_rows = 9\n"
                 "[sources.in]\ntype = \"mqtt\"\nconnection = \"plant\"\nusername = \"own\"\n" SINK
                 "connection = \"plant\"\n");
    const struct test_mqtt_source *source = l->cfg->components[0].options;
    assert_string_equal(source->url, "shared");
    assert_string_equal(source->username, "own");
    assert_string_equal(source->ca, "/etc/pipe/ca.pem");
    const struct test_kafka_sink *sink = l->cfg->components[1].options;
    assert_string_equal(sink->url, "shared");
    assert_int_equal(l->cfg->components[1].sink_common->commit_rows, 9);
    assert_int_equal(config_place(&l->cfg->components[1], "url").line, 4);
    unload(l);
}

static void inputs_are_resolved(void **state)
{
    (void)state;
    struct loaded *l = load(
        PIPELINE "[sinks.a]\ntype = \"kafka\"\ninputs = [\"r.cold\", \"in.rejected\", \"r.else\"]\n"
                 "[sinks.b]\ntype = \"kafka\"\ninputs = \"r.hot\"\n[sinks.c]\ntype = \"kafka\"\ninputs = [\"a.rejected\", \"b.rejected\"]\n" SOURCE
                 "[transforms.r]\ntype = \"route\"\ninputs = [\"in\"]\nwhen.hot = \"x\"\nwhen.cold = \"y\"\n");
    const struct component *in = config_find(l->cfg, "in"), *r = config_find(l->cfg, "r");
    const struct component *a = config_find(l->cfg, "a"), *b = config_find(l->cfg, "b");
    assert_int_equal(in->index, 0);
    assert_int_equal(r->index, 1);
    assert_int_equal(a->index, 2);
    assert_int_equal(a->input_count, 3);
    assert_int_equal(a->inputs[0].component, r->index);
    assert_int_equal(a->inputs[0].output, 1);
    assert_int_equal(a->inputs[1].component, in->index);
    assert_int_equal(a->inputs[1].output, INPUT_REJECTED);
    assert_int_equal(a->inputs[2].output, 2);
    assert_int_equal(b->inputs[0].output, 0);
    const struct component *c = config_find(l->cfg, "c");
    assert_int_equal(c->inputs[1].component, b->index);
    assert_true(component_reads_rejects(c));
    assert_false(component_reads_rejects(a));
    assert_null(config_find(l->cfg, "none"));
    unload(l);
}

static void dead_letters_go_to_a_file_unless_told_otherwise(void **state)
{
    (void)state;
    unsetenv("STATE_DIRECTORY");
    struct loaded *l = load(PIPELINE SOURCE SINK);
    const struct component *dead = l->cfg->dead_letter;
    assert_int_equal(dead->index, COMPONENT_DEAD_LETTER);
    assert_ptr_equal(dead->sink, &test_file_sink);
    assert_string_equal(((const struct test_file_sink *)dead->options)->path, "/etc/pipe/state/p/dead-letters.ndjson");
    unload(l);

    l = load(PIPELINE SOURCE SINK "[dead_letter]\ntype = \"kafka\"\ntopic = \"dead\"\nmax_records = 5\nexit = 0\n");
    dead = l->cfg->dead_letter;
    assert_ptr_equal(dead->sink, &test_kafka_sink);
    assert_string_equal(((const struct test_kafka_sink *)dead->options)->topic, "dead");
    assert_int_equal(l->cfg->dead.max_records, 5);
    assert_int_equal(l->cfg->dead.exit, 0);
    assert_int_equal(config_place(dead, "topic").line, 11);
    unload(l);
}

static void a_missing_file_is_said_to_be_missing(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct problems problems = {.arena = &arena};
    struct config_sources from = {.path = "/no/such/pipeline.toml"};
    assert_null(config_load(&from, &test_catalog, &arena, &problems));
    assert_int_equal(problems.errors, 1);
    assert_non_null(strstr(problems.items[0].text, "/no/such/pipeline.toml: No such file or directory"));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_has_its_preset),
        cmocka_unit_test(a_list_may_have_a_list_as_its_preset),
        cmocka_unit_test(a_component_may_have_its_own_preset_for_a_common_option),
        cmocka_unit_test(relative_paths_start_at_the_files_directory),
        cmocka_unit_test(systemd_says_where_state_is),
        cmocka_unit_test(tables_keep_the_files_order_and_dotted_keys_are_names),
        cmocka_unit_test(sizes_and_durations_have_units),
        cmocka_unit_test(what_is_interpolated_takes_the_options_type),
        cmocka_unit_test(a_value_never_changes_the_structure),
        cmocka_unit_test(secrets_come_from_files_and_are_never_shown),
        cmocka_unit_test(set_changes_the_file),
        cmocka_unit_test(a_bad_set_names_itself),
        cmocka_unit_test(the_environment_goes_before_the_env_file),
        cmocka_unit_test(a_connection_gives_what_the_component_lacks),
        cmocka_unit_test(inputs_are_resolved),
        cmocka_unit_test(dead_letters_go_to_a_file_unless_told_otherwise),
        cmocka_unit_test(a_missing_file_is_said_to_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
