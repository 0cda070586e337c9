/*
 * Sparkplug B (Eclipse Sparkplug 3.0), read only: the payload of one MQTT message is one event. What a birth certificate says of a node's or device's metrics, their aliases and
 * data types, holds for the data messages behind it. It is learnt on the source's thread, where messages come in order; each batch takes along the certificates that its messages
 * need, which never change.
 */
#ifndef PIPE_SPARKPLUG_H
#define PIPE_SPARKPLUG_H

#include <sparkplug.pb-c.h>

#include "pipeline/codec/via_json.h"

/* namespace/group/type/node[/device]; device.data is NULL for a node's own messages. */
struct sparkplug_topic {
    struct str space, group, type, node, device;
    struct str owner; /* node[/device], within the topic */
};

/* false: it is none of a node or device. */
bool sparkplug_topic_parse(struct str topic, struct sparkplug_topic *out);
/* "" where the source has no topics. */
struct str sparkplug_topic_of(const struct batch *b, uint32_t record);
static inline bool sparkplug_is_birth(const struct sparkplug_topic *t)
{
    return str_eq(t->type, STR("NBIRTH")) || str_eq(t->type, STR("DBIRTH"));
}

/* Everything made is in the arena; strings are as they came. NULL: no such message. */
Sparkplug__Payload *sparkplug_unpack(struct str bytes, struct arena *a);
Sparkplug__Template *sparkplug_unpack_template(ProtobufCBinaryData bytes, struct arena *a);

/* ---- birth certificates -------------------------------------------------------------------------------------------------- */

struct sparkplug_birth;
struct sparkplug_births;

/* One metric of a certificate. */
struct sparkplug_defined {
    struct str name;
    uint64_t alias;
    bool has_alias;
    uint32_t datatype; /* 0: not said */
};

struct sparkplug_births *sparkplug_births_new(struct arena *plan);
/* Source's threads, each in the order of its messages. Takes up the births of the batch and sets b->prepared. */
void sparkplug_births_learn(struct sparkplug_births *x, struct batch *b);
/* Any thread: what held when the message came. NULL: no certificate has been seen. */
const struct sparkplug_birth *sparkplug_birth_of(const struct batch *b, uint32_t record);
const struct sparkplug_defined *sparkplug_find_alias(const struct sparkplug_birth *birth, uint64_t alias);
const struct sparkplug_defined *sparkplug_find_name(const struct sparkplug_birth *birth, struct str name);

#endif
