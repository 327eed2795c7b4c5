// sha256.h - SHA-256 (FIPS 180-4), for the model hash in a picture's metadata.
#ifndef DAUB_BASE_SHA256_H
#define DAUB_BASE_SHA256_H
#include <stddef.h>
#include <stdint.h>

enum { DAUB_SHA256_SIZE = 32 };

struct daub_sha256 {
    uint32_t state[8];
    uint64_t size;     // bytes taken so far
    uint8_t block[64]; // the last size % 64 of them
};

void daub_sha256_init(struct daub_sha256 *sha);
void daub_sha256_update(struct daub_sha256 *sha, const void *data, size_t size);
void daub_sha256_final(struct daub_sha256 *sha, uint8_t digest[DAUB_SHA256_SIZE]);

#endif
