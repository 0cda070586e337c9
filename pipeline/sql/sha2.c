/*
 * Both families share their structure; the constants of the 32-bit one are the upper halves of the 64-bit one's.
 */
#include "pipeline/sql/sha2.h"

/* Fractional parts of the cube roots of the first 80 primes (4.2.3). */
static const uint64_t constants[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

/* Fractional parts of the square roots of the first 8 primes (5.3.5), and of the next 8 (5.3.4). */
static const uint64_t first_roots[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
static const uint64_t next_roots[8] = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
};

static uint32_t rotate32(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

static uint64_t rotate64(uint64_t x, unsigned by)
{
    return x >> by | x << (64 - by);
}

static uint64_t load(const unsigned char *p, size_t bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++)
        word = word << 8 | p[i];
    return word;
}

static void store(uint64_t word, size_t bytes, unsigned char *p)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (unsigned char)(word >> 8 * (bytes - 1 - i));
}

/* One block of 64 bytes (6.2.2). */
static void add_block32(uint64_t state[8], const unsigned char *block)
{
    uint32_t w[64], s[8];
    for (unsigned t = 0; t < 16; t++)
        w[t] = (uint32_t)load(block + 4 * t, 4);
    for (unsigned t = 16; t < 64; t++)
        w[t] = (rotate32(w[t - 2], 17) ^ rotate32(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7] +
               (rotate32(w[t - 15], 7) ^ rotate32(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
    for (unsigned i = 0; i < 8; i++)
        s[i] = (uint32_t)state[i];
    for (unsigned t = 0; t < 64; t++) {
        uint32_t sum1 = rotate32(s[4], 6) ^ rotate32(s[4], 11) ^ rotate32(s[4], 25);
        uint32_t sum0 = rotate32(s[0], 2) ^ rotate32(s[0], 13) ^ rotate32(s[0], 22);
        uint32_t t1 = s[7] + sum1 + ((s[4] & s[5]) ^ (~s[4] & s[6])) + (uint32_t)(constants[t] >> 32) + w[t];
        uint32_t t2 = sum0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(*s));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++)
        state[i] = (uint32_t)(state[i] + s[i]);
}

/* One block of 128 bytes (6.4.2). */
static void add_block64(uint64_t state[8], const unsigned char *block)
{
    uint64_t w[80], s[8];
    for (unsigned t = 0; t < 16; t++)
        w[t] = load(block + 8 * t, 8);
    for (unsigned t = 16; t < 80; t++)
        w[t] = (rotate64(w[t - 2], 19) ^ rotate64(w[t - 2], 61) ^ w[t - 2] >> 6) + w[t - 7] +
               (rotate64(w[t - 15], 1) ^ rotate64(w[t - 15], 8) ^ w[t - 15] >> 7) + w[t - 16];
    memcpy(s, state, sizeof(s));
    for (unsigned t = 0; t < 80; t++) {
        uint64_t sum1 = rotate64(s[4], 14) ^ rotate64(s[4], 18) ^ rotate64(s[4], 41);
        uint64_t sum0 = rotate64(s[0], 28) ^ rotate64(s[0], 34) ^ rotate64(s[0], 39);
        uint64_t t1 = s[7] + sum1 + ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[t] + w[t];
        uint64_t t2 = sum0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(*s));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++)
        state[i] += s[i];
}

static void start(enum sha2 which, uint64_t state[8])
{
    const uint64_t *roots = which == SHA2_224 || which == SHA2_384 ? next_roots : first_roots;
    for (unsigned i = 0; i < 8; i++)
        state[i] = which == SHA2_224 ? roots[i] & UINT32_MAX : which == SHA2_256 ? roots[i] >> 32 : roots[i];
}

size_t sha2(enum sha2 which, struct str message, unsigned char out[SHA2_MAX_BYTES])
{
    static const size_t digest_bytes[] = {28, 32, 48, 64};
    bool wide = which == SHA2_384 || which == SHA2_512;
    size_t block = wide ? 128 : 64, word = wide ? 8 : 4, whole = message.len / block * block;
    void (*add_block)(uint64_t state[8], const unsigned char *block) = wide ? add_block64 : add_block32;
    uint64_t state[8];
    start(which, state);
    for (size_t at = 0; at < whole; at += block)
        add_block(state, (const unsigned char *)message.data + at);

    /* The rest, a one bit, zeros, and the message's length in bits (5.1). */
    unsigned char tail[256] = {0};
    size_t rest = message.len - whole, padded = rest + 1 + 2 * word <= block ? block : 2 * block;
    if (rest)
        memcpy(tail, message.data + whole, rest);
    tail[rest] = 0x80;
    store((uint64_t)message.len * 8, 8, tail + padded - 8);
    for (size_t at = 0; at < padded; at += block)
        add_block(state, tail + at);

    unsigned char digest[SHA2_MAX_BYTES];
    for (unsigned i = 0; i < 8; i++)
        store(state[i], word, digest + i * word);
    memcpy(out, digest, digest_bytes[which]);
    return digest_bytes[which];
}
