/*
 * The name in the broker's certificate. Paho checks it against the address it connects to, and reports another name
 * like any broken connection. The modules are linked so that what it asks OpenSSL comes through here, and the name is
 * tls.server_name where that is set.
 */
#ifndef PIPE_MQTT_TLS_NAME_H
#define PIPE_MQTT_TLS_NAME_H

#include <stdbool.h>

/* Was the last certificate for another name? Forgets it. With Paho's lock held, as while it asks. */
bool tls_name_was_wrong(void);

#endif
