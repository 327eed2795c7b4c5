// test_sha256.c - the vectors that came with FIPS 180-4, and pieces of every length.
// link: base
#include "runtime/base/sha256.h"
#include "tests/test.h"

static const char *hex(const uint8_t digest[DAUB_SHA256_SIZE], char out[2 * DAUB_SHA256_SIZE + 1])
{
    for (uint32_t i = 0; i < DAUB_SHA256_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return out;
}

static void published_vectors(void)
{
    static const struct {
        const char *text, *digest;
    } vectors[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopq"
          "rstu",
          "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
    };
    char text[2 * DAUB_SHA256_SIZE + 1];
    uint8_t digest[DAUB_SHA256_SIZE];
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct daub_sha256 sha;
        daub_sha256_init(&sha);
        daub_sha256_update(&sha, vectors[i].text, strlen(vectors[i].text));
        daub_sha256_final(&sha, digest);
        REQUIRE_TEXT(hex(digest, text), vectors[i].digest);
    }
    // A million times "a", in pieces that never fit a block.
    struct daub_sha256 sha;
    char piece[1000];
    memset(piece, 'a', sizeof(piece));
    daub_sha256_init(&sha);
    for (uint32_t i = 0; i < 1000; i++)
        daub_sha256_update(&sha, piece, sizeof(piece));
    daub_sha256_final(&sha, digest);
    REQUIRE_TEXT(hex(digest, text), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// However a message of any length round the block size is cut in two, the digest is that of one byte after another.
static void cuts_do_not_matter(void)
{
    uint8_t message[200];
    for (uint32_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)(i * 7 + 3);
    for (size_t n = 0; n <= sizeof(message); n++) {
        uint8_t want[DAUB_SHA256_SIZE];
        struct daub_sha256 sha;
        daub_sha256_init(&sha);
        for (size_t i = 0; i < n; i++)
            daub_sha256_update(&sha, message + i, 1);
        daub_sha256_final(&sha, want);
        for (size_t cut = 0; cut <= n; cut++) {
            uint8_t got[DAUB_SHA256_SIZE];
            daub_sha256_init(&sha);
            daub_sha256_update(&sha, message, cut);
            daub_sha256_update(&sha, message + cut, n - cut);
            daub_sha256_final(&sha, got);
            REQUIRE(memcmp(got, want, sizeof(want)) == 0);
        }
    }
}

int main(void)
{
    published_vectors();
    cuts_do_not_matter();
    return 0;
}
