/*
 * Topic names and topic filters (MQTT 5, 4.7).
 */
#ifndef PIPE_MQTT_TOPIC_H
#define PIPE_MQTT_TOPIC_H

#include "pipeline/base/str.h"

/* What is wrong with a topic filter, also `$share/GROUP/FILTER`, as the end of a sentence; NULL: nothing. */
const char *mqtt_filter_problem(const char *filter);
/* The same for a topic that is published to. */
const char *mqtt_topic_problem(struct str topic);

#endif
