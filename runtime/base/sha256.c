// sha256.c - SHA-256 in portable C, with the names of FIPS 180-4, sections 4.1.2, 5.3.3 and 6.2.
#include "runtime/base/sha256.h"

#include <string.h>

// Fractional parts of the cube roots of the first 64 primes.
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, uint32_t n)
{
    return (x >> n) | (x << (32 - n));
}

static void transform(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    for (uint32_t t = 0; t < 16; t++) {
        const uint8_t *const p = block + (size_t)t * 4;
        w[t] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    for (uint32_t t = 16; t < 64; t++) {
        const uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
        const uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (uint32_t t = 0; t < 64; t++) {
        const uint32_t sum1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
        const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + K[t] + w[t];
        const uint32_t sum0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
        const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t add[8] = { a, b, c, d, e, f, g, h };
    for (uint32_t i = 0; i < 8; i++)
        state[i] += add[i];
}

void daub_sha256_init(struct daub_sha256 *sha)
{
    // Fractional parts of the square roots of the first 8 primes.
    *sha = (struct daub_sha256) {
        .state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 },
    };
}

void daub_sha256_update(struct daub_sha256 *sha, const void *data, size_t size)
{
    const uint8_t *p = data;
    while (size > 0) {
        const size_t held = (size_t)(sha->size % sizeof(sha->block));
        if (held == 0 && size >= sizeof(sha->block)) {
            transform(sha->state, p);
            p += sizeof(sha->block);
            size -= sizeof(sha->block);
            sha->size += sizeof(sha->block);
            continue;
        }
        const size_t room = sizeof(sha->block) - held;
        const size_t n = size < room ? size : room;
        memcpy(sha->block + held, p, n);
        p += n;
        size -= n;
        sha->size += n;
        if (n == room)
            transform(sha->state, sha->block);
    }
}

void daub_sha256_final(struct daub_sha256 *sha, uint8_t digest[DAUB_SHA256_SIZE])
{
    // A one bit, zeros to 8 bytes short of a block, the message's length in bits.
    static const uint8_t padding[64] = { 0x80 };
    const uint64_t bits = sha->size * 8;
    const size_t held = (size_t)(sha->size % 64);
    daub_sha256_update(sha, padding, held < 56 ? 56 - held : 120 - held);
    uint8_t length[8];
    for (uint32_t i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    daub_sha256_update(sha, length, sizeof(length));
    for (uint32_t i = 0; i < DAUB_SHA256_SIZE; i++)
        digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}
