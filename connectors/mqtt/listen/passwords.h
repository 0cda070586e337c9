/*
 * A file of users and hashes of their passwords, as mosquitto_passwd(1) writes it: lines of
 * NAME:$7$ITERATIONS$SALT$HASH (PBKDF2 with HMAC-SHA-512, RFC 8018; salt and hash in base 64). Const once it is read.
 */
#ifndef PIPE_MQTT_PASSWORDS_H
#define PIPE_MQTT_PASSWORDS_H

#include "pipeline/base/arena.h"
#include "pipeline/base/error.h"

struct mqtt_password {
    struct str name, salt, hash;
    uint32_t iterations;
};

struct mqtt_passwords {
    struct mqtt_password *all; /* by name */
    size_t count;
    struct arena arena;
};

/* OpenSSL's part, in the module mqtt_tls. */
struct mqtt_password_ops {
    /* Is this what the hash was made of? Takes a time that does not depend on how much of it is right. */
    bool (*matches)(const struct mqtt_password *p, struct str password);
};

bool mqtt_passwords_parse(struct mqtt_passwords *p, struct str text, struct error *err);
bool mqtt_passwords_read(struct mqtt_passwords *p, const char *path, struct error *err);
void mqtt_passwords_release(struct mqtt_passwords *p);
/* Somebody who is not there takes as long to be refused as somebody with another password. */
bool mqtt_passwords_allow(const struct mqtt_passwords *p, const struct mqtt_password_ops *ops, struct str name,
                          struct str password);

#endif
