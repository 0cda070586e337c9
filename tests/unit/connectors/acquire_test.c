/*
 * Partitions that processes share, in each built-in sink that keeps their positions: taken over, lost, and kept beside
 * others that are lost. A process is a rig; all write to the same place.
 */
#include "tests/unit/connectors/acquired.h"
#include "tests/unit/connectors/sink_rig.h"

#include "connectors/object/object.h"
#include "connectors/sqlite/sqlite.h"
#include "pipeline/engine/resume.h"

static const struct source_type shared_source_type = {
    .base = {.name = "hand"}, .finite = always, .rewindable = always, .shared = true, .ops = &hand_ops};

/* One kind of sink, and how many rows it shows. */
struct kind {
    const struct sink_type *type;
    void *options;
    void (*place)(const char *directory);
    int (*rows)(void);
};

static struct sqlite_options sqlite_options;
static struct object_options object_options;

static void place_sqlite(const char *directory)
{
    sqlite_options = (struct sqlite_options){.table = "t", .unknown = "error", .busy_timeout = 5000000, .create = true};
    sqlite_options.path = file_join(directory, "a.db");
}

static int rows_of_sqlite(void)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(sqlite_options.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int n = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

static void place_object(const char *directory)
{
    object_options = (struct object_options){.roll_size = 64 << 20, .roll_interval = INT64_C(300000000)};
    object_options.url = file_join(directory, "lake");
}

static int lines;

static int count_lines(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    struct buffer text = {0};
    struct error err;
    if (type != FTW_F || strstr(path, "/.pipe/") || !file_read_all(path, 1 << 20, &text, &err))
        return 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    buffer_release(&text);
    return 0;
}

static int rows_of_object(void)
{
    lines = 0;
    nftw(object_options.url, count_lines, 16, FTW_PHYS);
    return lines;
}

static const struct kind kinds[] = {
    {&sqlite_sink_type, &sqlite_options, place_sqlite, rows_of_sqlite},
    {&object_sink_type, &object_options, place_object, rows_of_object},
};

static void process(struct rig *rig, const struct kind *kind, const char *state_dir)
{
    rig_init(rig, kind->type, kind->options);
    rig->components[0].source = &shared_source_type;
    rig->sink_common.formats = (struct format_options){.json_max_depth = 64};
    rig->sink_common.format = 0;
    while (strcmp(formats[rig->sink_common.format]->name, "json") != 0)
        rig->sink_common.format++;
    rig->identity.incarnation = state_dir;
    rig_column(rig, "a", TYPE_BIGINT);
    rig_open(rig);
}

/* As a lane does: a partition as found, read from where the sink has it. It is the rig's from now on. */
static struct partition *acquire(struct rig *rig, const char *key)
{
    struct partition *p = acquired(&rig->sink, "hand", key, &rig->position, &rig->err);
    partition_unref(rig->partition);
    rig->partition = partition_ref(p);
    return p;
}

static const struct resume_sink *found(const struct partition *p)
{
    return &((const struct resume *)p->resume)->sinks[0];
}

static void choose(struct rig *rig, struct partition *p, uint64_t position)
{
    partition_unref(rig->partition);
    rig->partition = partition_ref(p);
    rig->position = position;
}

/* As the runner does: what is lost is dropped, the rest written again, or kept where the sink has it. */
static void recover(struct rig *rig, struct output *kept)
{
    if (rig->sink.ops->rollback)
        rig->sink.ops->rollback(&rig->sink);
    if (kept && !rig->sink.type->takes_over)
        assert_true(rig_try_write(rig, kept));
}

static void each_acquisition_is_a_new_epoch_and_finds_what_is_stored(void **state)
{
    const struct kind *kind = *state;
    struct rig rig;
    process(&rig, kind, "a");
    struct partition *first = acquire(&rig, "t/0");
    assert_int_equal(rig.position, 0);
    output_free(rig_store(&rig, VALUES(value_int(1), value_int(2)), 2));
    struct partition *other = acquire(&rig, "t/1");
    assert_int_equal(rig.position, 0);
    struct partition *second = acquire(&rig, "t/0");
    assert_int_equal(rig.position, 2);
    assert_true(found(second)->epoch > found(first)->epoch);
    assert_int_equal(kind->rows(), 2);
    partition_unref(first);
    partition_unref(other);
    partition_unref(second);
    rig_close(&rig);
}

static void what_was_read_before_the_partition_was_acquired_again_is_lost(void **state)
{
    const struct kind *kind = *state;
    struct rig rig;
    process(&rig, kind, "a");
    struct partition *before = acquire(&rig, "t/0");
    struct output *old = rig_write(&rig, VALUES(value_int(1)), 1);
    recover(&rig, NULL);
    struct partition *now = acquire(&rig, "t/0");
    if (!rig.sink.type->takes_over)
        assert_true(rig_try_write(&rig, old));
    assert_false(rig_try_commit(&rig, &old, 1));
    assert_int_equal(rig.err.kind, ERROR_RETRY);
    assert_true(before->lost);
    assert_false(now->lost);
    recover(&rig, NULL);
    output_free(rig_store(&rig, VALUES(value_int(1)), 1));
    assert_int_equal(kind->rows(), 1);
    output_free(old);
    partition_unref(before);
    partition_unref(now);
    rig_close(&rig);
}

static void what_another_process_has_taken_over_is_lost_and_the_rest_goes_on(void **state)
{
    const struct kind *kind = *state;
    struct rig a, b;
    process(&a, kind, "a");
    struct partition *x = acquire(&a, "t/0"), *y = acquire(&a, "t/1");
    choose(&a, x, 0);
    struct output *of_x = rig_write(&a, VALUES(value_int(1)), 1);
    choose(&a, y, 0);
    struct output *of_y = rig_write(&a, VALUES(value_int(2)), 1);
    recover(&a, NULL); /* while a database is written to, nobody else can */
    process(&b, kind, "b");
    struct partition *taken = acquire(&b, "t/0");
    assert_int_equal(b.position, 0);
    if (!a.sink.type->takes_over)
        assert_true(rig_try_write(&a, of_x) && rig_try_write(&a, of_y));
    assert_false(rig_try_commit(&a, (struct output *[]){of_x, of_y}, 2));
    assert_int_equal(a.err.kind, ERROR_RETRY);
    assert_true(x->lost);
    assert_false(y->lost);
    recover(&a, of_y);
    rig_commit(&a, &of_y, 1);
    assert_int_equal(kind->rows(), 1);
    output_free(rig_store(&b, VALUES(value_int(1)), 1));
    assert_int_equal(kind->rows(), 2);
    struct partition *again = acquire(&b, "t/1");
    assert_int_equal(b.position, 1);
    output_free(of_x);
    output_free(of_y);
    struct partition *all[] = {x, y, taken, again};
    for (int i = 0; i < 4; i++)
        partition_unref(all[i]);
    rig_close(&a);
    rig_close(&b);
}

static void a_commit_that_is_repeated_stores_nothing_twice(void **state)
{
    const struct kind *kind = *state;
    struct rig rig;
    process(&rig, kind, "a");
    struct partition *x = acquire(&rig, "t/0");
    struct output *o = rig_write(&rig, VALUES(value_int(1)), 1);
    rig_commit(&rig, &o, 1);
    rig_commit(&rig, &o, 1); /* an attempt before has failed elsewhere */
    struct partition *y = acquire(&rig, "t/0");
    assert_int_equal(rig.position, 1);
    assert_int_equal(kind->rows(), 1);
    output_free(o);
    partition_unref(x);
    partition_unref(y);
    rig_close(&rig);
}

static struct scratch place;

static int place_open(void **state)
{
    const struct kind *kind = *state;
    scratch_open(&place);
    kind->place(place.path);
    return 0;
}

static int place_close(void **state)
{
    (void)state;
    free((char *)sqlite_options.path);
    free((char *)object_options.url);
    sqlite_options.path = NULL;
    object_options.url = NULL;
    scratch_close(&place);
    return 0;
}

#define WITH(kind, test)                                                                                               \
    {                                                                                                                  \
        kind " " #test, test, place_open, place_close, (void *)&kinds[kind[0] == 'o']                                  \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH("sqlite", each_acquisition_is_a_new_epoch_and_finds_what_is_stored),
        WITH("sqlite", what_was_read_before_the_partition_was_acquired_again_is_lost),
        WITH("sqlite", what_another_process_has_taken_over_is_lost_and_the_rest_goes_on),
        WITH("sqlite", a_commit_that_is_repeated_stores_nothing_twice),
        WITH("object", each_acquisition_is_a_new_epoch_and_finds_what_is_stored),
        WITH("object", what_was_read_before_the_partition_was_acquired_again_is_lost),
        WITH("object", what_another_process_has_taken_over_is_lost_and_the_rest_goes_on),
        WITH("object", a_commit_that_is_repeated_stores_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
