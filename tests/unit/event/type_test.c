#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/event/type.h"

static void check(const char *text, const char *canonical)
{
    struct type t;
    struct error err;
    char name[48];
    if (!type_parse(str_of(text), &t, &err))
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(type_name(t, name), canonical);
}

static void every_spelling_of_postgres_is_understood(void **state)
{
    (void)state;
    check("boolean", "boolean");
    check("BOOL", "boolean");
    check("smallint", "smallint");
    check("int2", "smallint");
    check("int", "integer");
    check(" Integer ", "integer");
    check("int4", "integer");
    check("int8", "bigint");
    check("bigint", "bigint");
    check("numeric", "numeric");
    check("decimal(10,2)", "numeric(10,2)");
    check("NUMERIC ( 10 , -3 )", "numeric(10,-3)");
    check("dec(5)", "numeric(5,0)");
    check("real", "real");
    check("float4", "real");
    check("float(24)", "real");
    check("float(25)", "double precision");
    check("float", "double precision");
    check("double  precision", "double precision");
    check("float8", "double precision");
    check("text", "text");
    check("varchar", "text");
    check("varchar(20)", "character varying(20)");
    check("character varying(10485760)", "character varying(10485760)");
    check("bytea", "bytea");
    check("date", "date");
    check("timestamp", "timestamp without time zone");
    check("timestamp(3)", "timestamp(3) without time zone");
    check("timestamp without time zone", "timestamp without time zone");
    check("timestamptz", "timestamp with time zone");
    check("timestamp (0) with\ttime zone", "timestamp(0) with time zone");
    check("timestamptz(9)", "timestamp(6) with time zone");
    check("interval", "interval");
    check("uuid", "uuid");
    check("jsonb", "jsonb");
    check("int[]", "integer[]");
    check("numeric(10, 2) [] [3]", "numeric(10,2)[]");
    check("timestamptz(3)[]", "timestamp(3) with time zone[]");
}

static void a_canonical_name_reads_back_as_itself(void **state)
{
    (void)state;
    for (int id = TYPE_BOOLEAN; id < TYPE_COUNT; id++) {
        struct type t;
        struct error err;
        assert_true(type_parse(str_of(type_id_name((enum type_id)id)), &t, &err));
        assert_int_equal(t.id, id);
        assert_int_equal(t.precision, -1);
    }
}

static void check_refused(const char *text, const char *sqlstate, const char *message)
{
    struct type t;
    struct error err;
    if (type_parse(str_of(text), &t, &err))
        fail_msg("%s was understood", text);
    assert_int_equal(err.kind, ERROR_STOP);
    assert_string_equal(err.text, message);
    assert_string_equal(err.sqlstate, sqlstate);
}

static void what_is_no_type_is_refused_with_the_nearest_one(void **state)
{
    (void)state;
    check_refused("integr", "42704", "type \"integr\" does not exist; did you mean \"integer\"?");
    check_refused("timestampz", "42704", "type \"timestampz\" does not exist; did you mean \"timestamp\"?");
    check_refused("string", "42704", "type \"string\" does not exist");
    check_refused("", "42704", "type \"\" does not exist");
    check_refused("unknown", "42704", "type \"unknown\" does not exist");
    check_refused("numeric(", "42704", "type \"numeric(\" does not exist");
    check_refused("numeric(1,2,3)", "42704", "type \"numeric(1,2,3)\" does not exist");
}

static void modifiers_out_of_range_are_refused(void **state)
{
    (void)state;
    check_refused("numeric(0)", "22023", "NUMERIC precision 0 must be between 1 and 1000");
    check_refused("numeric(1001,2)", "22023", "NUMERIC precision 1001 must be between 1 and 1000");
    check_refused("numeric(10,1001)", "22023", "NUMERIC scale 1001 must be between -1000 and 1000");
    check_refused("varchar(0)", "22023", "length for type varchar must be between 1 and 10485760, not 0");
    check_refused("varchar(10485761)", "22023", "length for type varchar must be between 1 and 10485760, not 10485761");
    check_refused("float(54)", "22023", "precision for type float must be less than 54 bits, not 54");
    check_refused("integer(4)", "42601", "type modifier is not allowed for type \"integer\"");
    check_refused("text(4)", "42601", "type modifier is not allowed for type \"text\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_postgres_is_understood),
        cmocka_unit_test(a_canonical_name_reads_back_as_itself),
        cmocka_unit_test(what_is_no_type_is_refused_with_the_nearest_one),
        cmocka_unit_test(modifiers_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
