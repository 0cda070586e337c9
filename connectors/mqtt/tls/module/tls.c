/*
 * TLS for those who publish to `listen`, with OpenSSL. A server is shared by all lanes (SSL_CTX is thread-safe once it
 * is set up); a connection belongs to one.
 */
#include <errno.h>
#include <limits.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "connectors/mqtt/listen/tls.h"

extern const struct mqtt_tls_ops mqtt_tls;

static const char *first_reason(void)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "unknown error";
}

static void server_free(void *server)
{
    SSL_CTX_free(server);
}

/* Reading a key fails too if it does not fit the certificate that was read. */
static bool key_is_for_another(void)
{
    unsigned long code = ERR_peek_error();
    return ERR_GET_LIB(code) == ERR_LIB_X509 && (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH ||
                                                 ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
}

static bool set_up(SSL_CTX *ctx, const char *cert, const char *key, const char *ca, struct error *err)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return error_set(err, ERROR_STOP, "tls.cert %s: %s", cert, first_reason());
    bool readable = SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1;
    if (key_is_for_another() || (readable && SSL_CTX_check_private_key(ctx) != 1))
        return error_set(err, ERROR_STOP, "tls.key %s does not belong to the certificate in %s", key, cert);
    if (!readable)
        return error_set(err, ERROR_STOP, "tls.key %s: %s", key, first_reason());
    if (!ca)
        return true;
    if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
        return error_set(err, ERROR_STOP, "tls.ca %s: %s", ca, first_reason());
    SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(ca));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

static void *server_new(const char *cert, const char *key, const char *ca, struct error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        error_set(err, ERROR_STOP, "cannot set up TLS: %s", first_reason());
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    static const unsigned char session_context[] = "pipe";
    SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1);
    if (!set_up(ctx, cert, key, ca, err)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static void *connection_new(void *server, int fd)
{
    SSL *ssl = SSL_new(server);
    if (!ssl)
        return NULL;
    SSL_set_fd(ssl, fd);
    SSL_set_accept_state(ssl);
    return ssl;
}

static void connection_free(void *tls)
{
    SSL_shutdown(tls); /* says goodbye if the socket takes it at once */
    ERR_clear_error();
    SSL_free(tls);
}

static ssize_t outcome(SSL *ssl, int n)
{
    switch (SSL_get_error(ssl, n)) {
    case SSL_ERROR_NONE:
        return n;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_SYSCALL:
        if (ERR_peek_error() == 0)
            return 0; /* the connection ended without goodbye */
        break;
    default:
        break;
    }
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        return 0;
    }
    errno = EPROTO;
    return -1;
}

static ssize_t connection_read(void *tls, void *data, size_t len)
{
    ERR_clear_error();
    return outcome(tls, SSL_read(tls, data, len > INT_MAX ? INT_MAX : (int)len));
}

static ssize_t connection_write(void *tls, const void *data, size_t len)
{
    ERR_clear_error();
    return outcome(tls, SSL_write(tls, data, len > INT_MAX ? INT_MAX : (int)len));
}

static bool connection_pending(void *tls)
{
    return SSL_pending(tls) > 0;
}

static const char *connection_why(void *tls)
{
    long verified = SSL_get_verify_result(tls);
    if (verified == X509_V_OK)
        return first_reason();
    ERR_clear_error();
    return X509_verify_cert_error_string(verified);
}

const struct mqtt_tls_ops mqtt_tls = {
    .server_new = server_new,
    .server_free = server_free,
    .new = connection_new,
    .free = connection_free,
    .read = connection_read,
    .write = connection_write,
    .pending = connection_pending,
    .why = connection_why,
};
