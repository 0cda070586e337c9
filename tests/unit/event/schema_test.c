#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/event/schema.h"

static struct arena arena;
static int requests;

static struct path path_of(const char *text)
{
    return path_parse(&arena, str_of(text));
}

static uint32_t add(struct schema *s, const char *name, enum column_origin origin, bool visible)
{
    return schema_add(s, (struct column){.name = str_of(name),
                                         .type = TYPE(TYPE_JSON),
                                         .origin = origin,
                                         .visible = visible,
                                         .path = path_of(name)});
}

/* An owner that can find everything but "nothing". */
static int request(struct schema *s, const struct path *path)
{
    requests++;
    if (str_eq(path->parts[0], STR("nothing")))
        return -1;
    return (int)schema_add(
        s, (struct column){.name = path->parts[path->count - 1], .origin = COLUMN_MEMBER, .path = *path});
}

static int request_meta(struct schema *s, enum meta_field field)
{
    requests++;
    return (int)schema_add(
        s, (struct column){.name = str_of(meta_field_name(field)), .origin = COLUMN_META, .meta = field});
}

static void request_raw(struct schema *s)
{
    (void)s;
    requests++;
}

static int find(struct schema *s, const char *text)
{
    struct path p = path_of(text);
    return schema_find(s, &p);
}

static struct schema open_schema(void)
{
    requests = 0;
    return (struct schema){
        .arena = &arena, .open = true, .request = request, .request_meta = request_meta, .request_raw = request_raw};
}

static void a_path_is_asked_for_once(void **state)
{
    (void)state;
    struct schema s = open_schema();
    int lat = find(&s, "loc.lat"), lon = find(&s, "loc.lon");
    assert_true(lat >= 0 && lon >= 0 && lat != lon);
    assert_int_equal(find(&s, "loc.lat"), lat);
    assert_int_equal(find(&s, "loc.lon"), lon);
    assert_int_equal(requests, 2);
    assert_int_equal(find(&s, "nothing"), -1);
    int line = schema_meta(&s, META_LINE);
    assert_int_equal(schema_meta(&s, META_LINE), line);
    assert_int_equal(requests, 4);
}

static void a_closed_schema_has_its_columns_and_no_others(void **state)
{
    (void)state;
    struct schema s = {.arena = &arena};
    add(&s, "device", COLUMN_DERIVED, true);
    add(&s, "temp", COLUMN_DERIVED, true);
    assert_int_equal(find(&s, "temp"), 1);
    assert_int_equal(find(&s, "hum"), -1);
    assert_int_equal(find(&s, "temp.x"), -1);
    assert_int_equal(schema_meta(&s, META_FILE), -1);
}

static void the_last_of_equal_names_wins(void **state)
{
    (void)state;
    struct schema s = {.arena = &arena};
    add(&s, "temp", COLUMN_DERIVED, true);
    add(&s, "temp", COLUMN_DERIVED, true);
    add(&s, "temp", COLUMN_DERIVED, false);
    assert_int_equal(schema_visible(&s, STR("temp")), 1);
    assert_int_equal(find(&s, "temp"), 1);
}

static void a_derived_column_hides_the_member_of_its_name(void **state)
{
    (void)state;
    struct schema s = open_schema();
    int member = find(&s, "temp");
    uint32_t derived = add(&s, "temp", COLUMN_DERIVED, true);
    assert_int_equal(find(&s, "temp"), derived);
    assert_int_not_equal(member, (int)derived);
    /* Its path says what it was made from, not what it is. */
    struct column c = {.name = STR("t"), .visible = true, .origin = COLUMN_DERIVED, .path = path_of("hum")};
    schema_add(&s, c);
    assert_int_equal(requests, 1);
    find(&s, "hum");
    assert_int_equal(requests, 2);
}

static void an_excluded_member_is_certainly_not_there(void **state)
{
    (void)state;
    struct schema s = open_schema();
    struct str hidden[] = {STR("secret")};
    s.hidden = hidden;
    s.hidden_count = 1;
    assert_int_equal(find(&s, "secret"), -1);
    assert_int_equal(find(&s, "secret.part"), -1);
    assert_int_equal(requests, 0);
    uint32_t again = add(&s, "secret", COLUMN_DERIVED, true);
    assert_int_equal(find(&s, "secret"), again);
}

static void the_whole_event_is_asked_for_once(void **state)
{
    (void)state;
    struct schema s = open_schema();
    schema_want_raw(&s);
    schema_want_raw(&s);
    assert_true(s.wants_raw);
    assert_int_equal(requests, 1);
}

static void names_for_hints_are_the_visible_ones(void **state)
{
    (void)state;
    struct schema s = {.arena = &arena};
    char name[] = "device?";
    schema_add(&s, (struct column){.name = {name, 6}, .visible = true});
    name[0] = 'x'; /* the schema has a copy */
    add(&s, "unseen", COLUMN_DERIVED, false);
    for (int i = 0; i < 20; i++)
        add(&s, arena_printf(&arena, "c%d", i), COLUMN_DERIVED, true);
    const char *names[3];
    assert_int_equal(schema_names(&s, names, 3), 21);
    assert_string_equal(names[0], "device");
    assert_string_equal(names[1], "c0");
    assert_string_equal(names[2], "c1");
}

static void paths_are_cut_at_dots(void **state)
{
    (void)state;
    struct path p = path_of("loc.lat"), q = path_of("loc"), r = path_of("a..b");
    assert_int_equal(p.count, 2);
    assert_true(str_eq(p.parts[0], STR("loc")) && str_eq(p.parts[1], STR("lat")));
    assert_int_equal(q.count, 1);
    assert_int_equal(r.count, 3);
    assert_int_equal(r.parts[1].len, 0);
    assert_false(path_eq(&p, &q));
    struct path copy = path_copy(&arena, &p);
    assert_true(path_eq(&p, &copy));
    assert_ptr_not_equal(p.parts[0].data, copy.parts[0].data);
}

static void meta_fields_are_found_by_name(void **state)
{
    (void)state;
    for (int f = 0; f < META_COUNT; f++)
        assert_int_equal(meta_field_find(str_of(meta_field_name((enum meta_field)f))), f);
    assert_int_equal(meta_field_find(STR("File")), -1);
    assert_int_equal(meta_field_find(STR("")), -1);
    assert_int_equal(meta_field_type(META_LINE).id, TYPE_BIGINT);
    assert_int_equal(meta_field_type(META_TIMESTAMP).id, TYPE_TIMESTAMPTZ);
}

static int release_arena(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_asked_for_once),
        cmocka_unit_test(a_closed_schema_has_its_columns_and_no_others),
        cmocka_unit_test(the_last_of_equal_names_wins),
        cmocka_unit_test(a_derived_column_hides_the_member_of_its_name),
        cmocka_unit_test(an_excluded_member_is_certainly_not_there),
        cmocka_unit_test(the_whole_event_is_asked_for_once),
        cmocka_unit_test(names_for_hints_are_the_visible_ones),
        cmocka_unit_test(paths_are_cut_at_dots),
        cmocka_unit_test(meta_fields_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, release_arena);
}
