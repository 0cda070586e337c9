/*
 * A message's MQTT 5 properties as JSON, for meta.properties: {"content_type":…, "response_topic":…,
 * "correlation_data": base64, "message_expiry": seconds, "payload_format": 0 or 1, "user": {…}}. Only what is there.
 */
#ifndef PIPE_MQTT_PROPERTIES_H
#define PIPE_MQTT_PROPERTIES_H

#include <MQTTAsync.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"

void properties_to_json(const MQTTProperties *properties, struct buffer *out, struct arena *scratch);

#endif
