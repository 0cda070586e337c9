/*
 * The name in the broker's certificate. Paho checks it against the address it connects to, and reports another name
 * like any broken connection. The modules are linked so that what it asks OpenSSL comes through here, and the name is
 * tls.server_name where that is set.
 */
#include <MQTTClient.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "connectors/mqtt/client/client.h"

#if PIPE_MQTT_DEFERRED_ACK /* linked with Paho's static library */

static bool wrong; /* what was asked for last; guarded by Paho's lock */

int __real_X509_check_host(X509 *certificate, const char *name, size_t len, unsigned flags, char **found);
int __real_X509_check_ip_asc(X509 *certificate, const char *address, unsigned flags);
int __wrap_X509_check_host(X509 *certificate, const char *name, size_t len, unsigned flags, char **found);
int __wrap_X509_check_ip_asc(X509 *certificate, const char *address, unsigned flags);

/* Asked first; an address is asked for if it is no name. */
int __wrap_X509_check_host(X509 *certificate, const char *name, size_t len, unsigned flags, char **found)
{
    int right = __real_X509_check_host(certificate, name, len, flags, found);
    wrong = right != 1;
    return right;
}

int __wrap_X509_check_ip_asc(X509 *certificate, const char *address, unsigned flags)
{
    int right = __real_X509_check_ip_asc(certificate, address, flags);
    wrong = right != 1;
    return right;
}

/* Paho's internals, in its static library only. Its options carry the connector as their error callback's context. */
int __real_SSLSocket_setSocketForSSL(void *net, MQTTClient_SSLOptions *o, const char *host, size_t len);
int __real_SSLSocket_connect(SSL *ssl, int socket, const char *host, int verify,
                             int (*on_error)(const char *, size_t, void *), void *context);
int __wrap_SSLSocket_setSocketForSSL(void *net, MQTTClient_SSLOptions *o, const char *host, size_t len);
int __wrap_SSLSocket_connect(SSL *ssl, int socket, const char *host, int verify,
                             int (*on_error)(const char *, size_t, void *), void *context);

static const char *configured_name(const struct mqtt_connector *c)
{
    return c->broker->tls_server_name;
}

/* Sets the name that is asked for (SNI). */
int __wrap_SSLSocket_setSocketForSSL(void *net, MQTTClient_SSLOptions *o, const char *host, size_t len)
{
    const char *name = configured_name(o->ssl_error_context);
    return name ? __real_SSLSocket_setSocketForSSL(net, o, name, strlen(name))
                : __real_SSLSocket_setSocketForSSL(net, o, host, len);
}

/* Checks the name in the certificate once the handshake is done. */
int __wrap_SSLSocket_connect(SSL *ssl, int socket, const char *host, int verify,
                             int (*on_error)(const char *, size_t, void *), void *context)
{
    struct mqtt_connector *c = context;
    const char *name = configured_name(c);
    wrong = false;
    int rc = __real_SSLSocket_connect(ssl, socket, name ? name : host, verify, on_error, context);
    c->tls_name_is_wrong = wrong;
    return rc;
}

#endif
