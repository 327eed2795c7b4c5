// test_host.c - statuses and sentences, the host's allocator and log, the arena.
// link: base
#include "runtime/base/host.h"
#include "tests/test.h"

// An allocator that counts, fills what it gives with rubbish, and can refuse.
struct counting {
    size_t live, total;
    size_t allowed; // further allocations granted
};

static void *counting_alloc(void *user, size_t size)
{
    struct counting *const c = user;
    if (c->allowed == 0)
        return NULL;
    c->allowed--;
    void *const ptr = malloc(size);
    if (!ptr)
        return NULL;
    memset(ptr, 0xa5, size);
    c->live++;
    c->total++;
    return ptr;
}

static void counting_free(void *user, void *ptr)
{
    struct counting *const c = user;
    c->live -= ptr != NULL;
    free(ptr);
}

static struct daub_host counting_host(struct counting *c)
{
    return (struct daub_host) { .allocator = { .alloc = counting_alloc, .free = counting_free, .user = c } };
}

static void statuses(void)
{
    REQUIRE_TEXT(daub_last_error(), "");
    REQUIRE_TEXT(daub_status_text(DAUB_OK), "DAUB_OK");
    REQUIRE_TEXT(daub_status_text(DAUB_ERROR_CANCELLED), "DAUB_ERROR_CANCELLED");
    REQUIRE_TEXT(daub_status_name(DAUB_OK), "OK");
    for (int s = DAUB_ERROR_CANCELLED; s < DAUB_OK; s++) {
        REQUIRE(strncmp(daub_status_text((daub_status)s), "DAUB_ERROR_", 11) == 0);
        REQUIRE_TEXT(daub_status_name((daub_status)s), daub_status_text((daub_status)s) + 11);
        for (int other = DAUB_ERROR_CANCELLED; other < s; other++)
            REQUIRE(strcmp(daub_status_text((daub_status)s), daub_status_text((daub_status)other)) != 0);
    }
    REQUIRE_TEXT(daub_status_text((daub_status)-10), "unknown status");
    REQUIRE_TEXT(daub_status_name((daub_status)1), "unknown status");
}

static void sentences(void)
{
    REQUIRE(daub_fail(DAUB_ERROR_IO, "cannot open %s: %d", "a\nb\x1b[0m", 7) == DAUB_ERROR_IO);
    REQUIRE_TEXT(daub_last_error(), "cannot open a?b?[0m: 7");
    // The sentence may quote the one before it.
    daub_fail(DAUB_ERROR_IO, "again: %s", daub_last_error());
    REQUIRE_TEXT(daub_last_error(), "again: cannot open a?b?[0m: 7");
    daub_set_last_error(daub_last_error());
    REQUIRE_TEXT(daub_last_error(), "again: cannot open a?b?[0m: 7");
    REQUIRE(daub_no_memory("a thing") == DAUB_ERROR_NO_HOST_MEMORY);
    REQUIRE_TEXT(daub_last_error(), "no host memory for a thing");

    // Too long: cut before a character that would not fit whole.
    char text[DAUB_SENTENCE_MAX + 8];
    memset(text, 'x', sizeof(text));
    memcpy(text + DAUB_SENTENCE_MAX - 3, "\xe2\x82\xac", 3);
    text[sizeof(text) - 1] = 0;
    daub_fail(DAUB_ERROR_IO, "%s", text);
    REQUIRE(strlen(daub_last_error()) == DAUB_SENTENCE_MAX - 3);
    daub_set_last_error(text);
    REQUIRE(strlen(daub_last_error()) == DAUB_SENTENCE_MAX - 3);
}

static void memory_of(const struct daub_host *host)
{
    unsigned char *a = daub_alloc(host, 100);
    REQUIRE(a);
    for (uint32_t i = 0; i < 100; i++)
        REQUIRE(a[i] == 0);
    memset(a, 7, 100);
    a = daub_realloc(host, a, 100, 200);
    REQUIRE(a);
    for (uint32_t i = 0; i < 200; i++)
        REQUIRE(a[i] == (i < 100 ? 7 : 0));
    a = daub_realloc(host, a, 200, 50);
    REQUIRE(a && a[49] == 7);
    daub_free(host, a);
    daub_free(host, NULL);

    void *const empty = daub_alloc(host, 0);
    REQUIRE(empty);
    daub_free(host, empty);
    void *const fresh = daub_realloc(host, NULL, 0, 8);
    REQUIRE(fresh);
    daub_free(host, fresh);

    char *text = daub_strdup(host, "daub");
    REQUIRE_TEXT(text, "daub");
    daub_free(host, text);
    text = daub_strndup(host, "daub", 2);
    REQUIRE_TEXT(text, "da");
    daub_free(host, text);
    text = daub_strndup(host, "daub", SIZE_MAX);
    REQUIRE_TEXT(text, "daub");
    daub_free(host, text);
    REQUIRE(!daub_strdup(host, NULL) && !daub_strndup(host, NULL, 3));
    text = daub_asprintf(host, "%s %04d", "x", 42);
    REQUIRE_TEXT(text, "x 0042");
    daub_free(host, text);
}

static void memory(void)
{
    struct counting c = { .allowed = SIZE_MAX };
    struct daub_host host = counting_host(&c);
    memory_of(NULL);
    memory_of(&(struct daub_host) { 0 });
    memory_of(&host);
    REQUIRE(c.live == 0 && c.total > 0);

    REQUIRE(daub_mul_size(0, SIZE_MAX) == 0);
    REQUIRE(daub_mul_size(3, 5) == 15);
    REQUIRE(daub_mul_size(SIZE_MAX / 2, 2) == SIZE_MAX - 1);
    REQUIRE(daub_mul_size(SIZE_MAX / 2 + 1, 2) == SIZE_MAX);
    REQUIRE(!daub_alloc_array(&host, SIZE_MAX / 2 + 1, 2));
    REQUIRE(!daub_alloc_array(NULL, SIZE_MAX / 8, 16));
    REQUIRE(!daub_alloc(NULL, SIZE_MAX));

    // Refused: the old block stays.
    char *text = daub_strdup(&host, "stays");
    c.allowed = 0;
    REQUIRE(!daub_realloc(&host, text, 6, 100));
    REQUIRE(!daub_asprintf(&host, "%d", 1) && !daub_strdup(&host, "x"));
    REQUIRE_TEXT(text, "stays");
    daub_free(&host, text);
    REQUIRE(c.live == 0);
}

struct heard {
    uint32_t n;
    daub_log_level level;
    char last[4000];
    char first[200];
};

static void hear(void *user, daub_log_level level, const char *message)
{
    struct heard *const h = user;
    REQUIRE(!strchr(message, '\n'));
    snprintf(h->last, sizeof(h->last), "%s", message);
    if (h->n++ == 0)
        snprintf(h->first, sizeof(h->first), "%s", message);
    h->level = level;
}

static void logging(void)
{
    struct counting c = { .allowed = SIZE_MAX };
    struct heard h = { 0 };
    struct daub_host host = counting_host(&c);
    daub_log(NULL, DAUB_LOG_ERROR, "nobody listens");
    daub_log(&host, DAUB_LOG_ERROR, "nobody listens");
    host.log = hear;
    host.log_user = &h;
    host.log_level = DAUB_LOG_WARNING;
    daub_log(&host, DAUB_LOG_INFO, "too chatty");
    daub_log(&host, DAUB_LOG_NONE, "of no level");
    REQUIRE(h.n == 0);
    daub_log(&host, DAUB_LOG_WARNING, "%d dogs\x1b", 3);
    REQUIRE(h.n == 1 && h.level == DAUB_LOG_WARNING);
    REQUIRE_TEXT(h.last, "3 dogs?");

    h = (struct heard) { 0 };
    daub_log(&host, DAUB_LOG_ERROR, "one\n\ttwo\r\n\nthree\n");
    REQUIRE(h.n == 3);
    REQUIRE_TEXT(h.first, "one");
    REQUIRE_TEXT(h.last, "three");

    // Longer than the buffer on the stack: whole where there is memory, cut where there is none.
    char text[3001];
    memset(text, 'y', 3000);
    text[3000] = 0;
    daub_log(&host, DAUB_LOG_ERROR, "%s", text);
    REQUIRE_TEXT(h.last, text);
    c.allowed = 0;
    daub_log(&host, DAUB_LOG_ERROR, "%s", text);
    REQUIRE(strlen(h.last) >= 1000 && strlen(h.last) < 3000);
    REQUIRE(c.live == 0);
}

static void arenas(void)
{
    struct counting c = { .allowed = SIZE_MAX };
    const struct daub_host host = counting_host(&c);
    struct daub_arena *arena = daub_arena_create(&host);
    REQUIRE(arena);
    enum { N = 3000 };
    static unsigned char *blocks[N];
    static size_t sizes[N];
    for (uint32_t i = 0; i < N; i++) {
        // Mostly small, now and then larger than any chunk.
        sizes[i] = i % 500 == 499 ? (size_t)3 << 20 : i * 37 % 900;
        blocks[i] = daub_arena_alloc(arena, sizes[i]);
        REQUIRE(blocks[i] && (uintptr_t)blocks[i] % 16 == 0);
        for (size_t k = 0; k < sizes[i]; k++)
            REQUIRE(blocks[i][k] == 0);
        memset(blocks[i], (int)(i % 251) + 1, sizes[i]);
    }
    for (uint32_t i = 0; i < N; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            REQUIRE(blocks[i][k] == i % 251 + 1);
    }
    REQUIRE(daub_arena_alloc(arena, 0) != daub_arena_alloc(arena, 0));
    REQUIRE_TEXT(daub_arena_strdup(arena, "scope"), "scope");
    REQUIRE_TEXT(daub_arena_printf(arena, "%s.%u", "blocks", 3u), "blocks.3");
    REQUIRE(c.total < 60); // small ones share chunks
    REQUIRE(!daub_arena_alloc(arena, SIZE_MAX) && !daub_arena_alloc(arena, SIZE_MAX - 15));
    REQUIRE(!daub_arena_alloc(arena, SIZE_MAX - 63) && !daub_arena_alloc(arena, SIZE_MAX / 2));

    // No memory: what there is stays usable and is freed.
    c.allowed = 0;
    REQUIRE(!daub_arena_alloc(arena, 8 << 20) && !daub_arena_strdup(arena, (const char *)blocks[499] + 0x100000));
    daub_arena_destroy(&arena);
    REQUIRE(!arena && c.live == 0);
    daub_arena_destroy(&arena);
    daub_arena_destroy(NULL);
    REQUIRE(!daub_arena_create(&host));
}

int main(void)
{
    statuses();
    sentences();
    memory();
    logging();
    arenas();
    return 0;
}
