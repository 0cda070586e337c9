/*
 * Hashes of passwords, with OpenSSL.
 */
#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "connectors/mqtt/listen/passwords.h"

extern const struct mqtt_password_ops mqtt_password;

static bool matches(const struct mqtt_password *p, struct str password)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    if (password.len > INT_MAX || p->hash.len > sizeof(hash))
        return false;
    return PKCS5_PBKDF2_HMAC(password.data, (int)password.len, (const unsigned char *)p->salt.data, (int)p->salt.len,
                             (int)p->iterations, EVP_sha512(), (int)p->hash.len, hash) == 1 &&
           CRYPTO_memcmp(hash, p->hash.data, p->hash.len) == 0;
}

const struct mqtt_password_ops mqtt_password = {.matches = matches};
