/*
 * What packets mean, and which are refused with which reason: tests/data/mqtt/packets.txt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "connectors/mqtt/codec/packet.h"

static void add_str(struct buffer *out, const char *name, struct str s)
{
    buffer_printf(out, " %s=", name);
    buffer_add_str(out, s);
}

static void describe_properties(struct buffer *out, const struct mqtt_properties *p)
{
    if (p->has_topic_alias)
        buffer_printf(out, " alias=%u", p->topic_alias);
    if (p->has_session_expiry)
        buffer_printf(out, " expiry=%u", p->session_expiry);
    if (p->receive_maximum != UINT16_MAX && p->receive_maximum)
        buffer_printf(out, " receive=%u", p->receive_maximum);
    if (p->has_shown) {
        buffer_printf(out, " properties=");
        mqtt_properties_json(p->raw, out);
    }
}

static struct mqtt_fault describe_connect(struct buffer *out, const struct mqtt_frame *f)
{
    struct mqtt_connect c;
    struct mqtt_fault fault = mqtt_read_connect(f, &c);
    buffer_printf(out, "CONNECT v%u keepalive=%u%s", c.level, c.keepalive, c.clean_start ? " clean" : "");
    add_str(out, "id", c.client_id);
    if (c.has_username)
        add_str(out, "user", c.username);
    if (c.has_password)
        add_str(out, "password", c.password);
    if (c.has_will) {
        buffer_printf(out, " will_qos=%u%s", c.will_qos, c.will_retain ? " will_retain" : "");
        add_str(out, "will", c.will_topic);
        add_str(out, "says", c.will_payload);
    }
    if (c.properties.has_auth_method)
        buffer_printf(out, " auth");
    describe_properties(out, &c.properties);
    return fault;
}

static struct mqtt_fault describe_publish(struct buffer *out, const struct mqtt_frame *f, bool v5)
{
    struct mqtt_publish p;
    struct mqtt_fault fault = mqtt_read_publish(f, v5, &p);
    buffer_printf(out, "PUBLISH qos=%u%s%s", p.qos, p.dup ? " dup" : "", p.retain ? " retain" : "");
    if (p.qos)
        buffer_printf(out, " id=%u", p.id);
    add_str(out, "topic", p.topic);
    add_str(out, "payload", p.payload);
    describe_properties(out, &p.properties);
    return fault;
}

static struct mqtt_fault describe_short(struct buffer *out, const struct mqtt_frame *f, bool v5)
{
    static const char *const names[] = {"0",       "1",        "2",          "3",      "PUBACK",      "PUBREC",
                                        "PUBREL",  "PUBCOMP",  "SUBSCRIBE",  "SUBACK", "UNSUBSCRIBE", "UNSUBACK",
                                        "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"};
    struct mqtt_short s;
    struct mqtt_fault fault = mqtt_read_short(f, v5, &s);
    buffer_printf(out, "%s", names[f->type]);
    if (s.id)
        buffer_printf(out, " id=%u", s.id);
    if (s.filters)
        buffer_printf(out, " filters=%u", s.filters);
    if (s.reason)
        buffer_printf(out, " reason=%02x", s.reason);
    if (s.has_session_expiry)
        buffer_printf(out, " expiry=%u", s.session_expiry);
    return fault;
}

static void describe(struct buffer *out, const char *data, size_t len, bool v5)
{
    struct mqtt_frame f;
    switch (mqtt_frame(data, len, &f)) {
    case MQTT_FRAME_MORE:
        buffer_printf(out, "more");
        return;
    case MQTT_FRAME_HEAD:
        buffer_printf(out, "head size=%u", f.size);
        return;
    case MQTT_FRAME_BAD:
        buffer_printf(out, "bad length");
        return;
    case MQTT_FRAME_WHOLE:
        break;
    }
    struct mqtt_fault fault = f.type == MQTT_CONNECT   ? describe_connect(out, &f)
                              : f.type == MQTT_PUBLISH ? describe_publish(out, &f, v5)
                                                       : describe_short(out, &f, v5);
    if (!fault.why)
        return;
    buffer_clear(out);
    buffer_printf(out, "%02x %s", fault.reason, fault.why);
}

/* Bytes as pairs of hexadecimal digits; 'text' stands for its characters. */
static size_t parse_bytes(const char *text, const char *end, char *out)
{
    size_t len = 0;
    for (const char *p = text; p < end; p++) {
        if (*p == ' ')
            continue;
        if (*p == '\'') {
            for (p++; *p != '\''; p++)
                out[len++] = *p;
            continue;
        }
        const char digits[3] = {p[0], p[1], 0};
        out[len++] = (char)strtoul(digits, NULL, 16);
        p++;
    }
    return len;
}

static void packets_mean_what_the_table_says(void **state)
{
    (void)state;
    FILE *file = fopen("data/mqtt/packets.txt", "r");
    assert_non_null(file);
    char line[4096];
    int number = 0, cases = 0, wrong = 0;
    while (fgets(line, sizeof(line), file)) {
        number++;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        char *arrow = strstr(line, " => "), bytes[4096];
        assert_non_null(arrow);
        line[strcspn(line, "\n")] = '\0';
        size_t len = parse_bytes(line + 2, arrow, bytes);
        char *exact = malloc(len ? len : 1); /* its end is the end, also for AddressSanitizer */
        memcpy(exact, bytes, len);
        struct buffer got = {0};
        describe(&got, exact, len, line[0] == '5');
        if (strcmp(buffer_cstr(&got), arrow + 4) != 0) {
            print_error("packets.txt:%d: %s\n", number, buffer_cstr(&got));
            wrong++;
        }
        cases++;
        free(exact);
        buffer_release(&got);
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(cases > 60);
}

static void expect(struct buffer *out, const char *hex)
{
    char bytes[256];
    size_t len = parse_bytes(hex, hex + strlen(hex), bytes);
    assert_int_equal(out->len, len);
    assert_memory_equal(out->data, bytes, len);
    buffer_clear(out);
}

static void answers_are_written_as_each_version_wants_them(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct mqtt_limits limits = {.receive_maximum = 100, .topic_alias_maximum = 64, .maximum_packet_size = 65536};
    mqtt_write_connack(&out, false, true, MQTT_SUCCESS, &limits);
    expect(&out, "20 02 01 00");
    mqtt_write_connack(&out, false, true, MQTT_BAD_PASSWORD, &limits);
    expect(&out, "20 02 00 04");
    mqtt_write_connack(&out, true, false, MQTT_BAD_PASSWORD, &limits);
    expect(&out, "20 03 00 86 00");
    mqtt_write_connack(&out, true, true, MQTT_SUCCESS, &limits);
    expect(&out, "20 14 01 00 11 21 00 64 22 00 40 27 00 01 00 00 28 00 29 00 2a 00");
    limits.assigned_client_id = STR("abc");
    mqtt_write_connack(&out, true, false, MQTT_SUCCESS, &limits);
    expect(&out, "20 1a 00 00 17 21 00 64 22 00 40 27 00 01 00 00 28 00 29 00 2a 00 12 00 03 'abc'");
    mqtt_write_ack(&out, MQTT_PUBACK, 0x1234);
    expect(&out, "40 02 12 34");
    mqtt_write_ack_reason(&out, true, MQTT_PUBCOMP, 1, MQTT_UNKNOWN_ID);
    expect(&out, "70 03 00 01 92");
    mqtt_write_ack_reason(&out, false, MQTT_PUBCOMP, 1, MQTT_UNKNOWN_ID);
    expect(&out, "70 02 00 01");
    mqtt_write_suback_refused(&out, true, 10, 2);
    expect(&out, "90 05 00 0a 00 87 87");
    mqtt_write_suback_refused(&out, false, 10, 2);
    expect(&out, "90 04 00 0a 80 80");
    mqtt_write_unsuback(&out, true, 10, 1);
    expect(&out, "b0 04 00 0a 00 11");
    mqtt_write_unsuback(&out, false, 10, 1);
    expect(&out, "b0 02 00 0a");
    mqtt_write_pingresp(&out);
    expect(&out, "d0 00");
    mqtt_write_disconnect(&out, MQTT_TAKEN_OVER);
    expect(&out, "e0 01 8e");
    buffer_release(&out);
}

static void a_topic_is_looked_at_to_its_last_byte(void **state)
{
    (void)state;
    char topic[40];
    for (size_t len = 1; len < sizeof(topic); len++)
        for (size_t at = 0; at < len; at++) {
            memset(topic, 'a', len);
            assert_null(mqtt_topic_fault((struct str){topic, len}));
            static const char bad[] = {'+', '#', '\0', (char)0xff, (char)0x80};
            for (size_t i = 0; i < sizeof(bad); i++) {
                topic[at] = bad[i];
                assert_non_null(mqtt_topic_fault((struct str){topic, len}));
            }
        }
    assert_null(mqtt_topic_fault(STR("Wärme/Öl/ºC/測定")));
    assert_non_null(mqtt_topic_fault(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_mean_what_the_table_says),
        cmocka_unit_test(answers_are_written_as_each_version_wants_them),
        cmocka_unit_test(a_topic_is_looked_at_to_its_last_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
