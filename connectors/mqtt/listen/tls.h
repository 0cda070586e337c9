/*
 * TLS for guests, behind a table: OpenSSL is a module (mqtt_tls), loaded only where tls.cert is set.
 */
#ifndef PIPE_MQTT_TLS_H
#define PIPE_MQTT_TLS_H

#include <sys/types.h>

#include "pipeline/base/error.h"

struct mqtt_tls_ops {
    /* Certificate chain and key; ca: clients need a certificate that it has signed. NULL with *err. */
    void *(*server_new)(const char *cert, const char *key, const char *ca, struct error *err);
    void (*server_free)(void *server);
    /* A connection over a non-blocking socket; the handshake is done by the first reads. */
    void *(*new)(void *server, int fd);
    void (*free)(void *tls);
    /* As read and write: 0: the end; -1 with errno, EAGAIN: later. */
    ssize_t (*read)(void *tls, void *data, size_t len);
    ssize_t (*write)(void *tls, const void *data, size_t len);
    /* Has the library bytes that the socket no longer has? */
    bool (*pending)(void *tls);
    /* Why the last call failed: static or the connection's. */
    const char *(*why)(void *tls);
};

#endif
