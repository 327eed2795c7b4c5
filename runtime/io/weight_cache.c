// weight_cache.c - the file: packed weights one after the other, then an index, the weights' names, and a trailer that says
// where they are. The trailer is last because checksums are known last, and because a file that was cut has none.
#include "runtime/io/weight_cache.h"
#include "runtime/base/file.h"
#include "runtime/base/sha256.h"
#include "runtime/base/thread.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    ALIGN = 256,       // of a weight in the file
    PIECE = 256 << 10, // bytes that are copied and summed at a time, by one thread: a quarter of an L2 cache
    NAME_SIZE = 64,    // of a cache file's name
};
static const char magic[8] = "daubwc1", prefix[] = "weights-", suffix[] = ".bin";
// A checkpoint that changed less than this before it was mapped may change again without a new time.
static const uint64_t settle_ns = 2000000000u, day_ns = 86400000000000u;

struct disk_entry { // no padding; byte order of the machine, which the magic's reader shares
    uint64_t offset, size, sum;
    uint32_t name, name_size; // in the names
    uint32_t kind, dtype, kernel_h, kernel_w, in[3], out[3], geglu, winograd, n_parts, phases;
};

struct disk_trailer {
    char magic[8];
    uint8_t identity[DAUB_SHA256_SIZE];
    uint64_t index, names, names_size, file_size; // offsets and bytes
    uint64_t sum;                                 // of index and names
    uint32_t n, pack_version;
};

struct daub_weight_cache {
    const struct daub_host *host;
    char *dir, *path;
    uint64_t limit;
    const struct daub_checkpoint *ckpt;
    enum daub_component component;
    uint8_t identity[DAUB_SHA256_SIZE];
    struct daub_file_map *map; // NULL: no file that can be served
    const struct disk_entry *entries;
    const char *names;
    uint32_t n;
};

// ---- checksums -------------------------------------------------------------------------------------------------------

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

// Four sums side by side, so that one multiplication does not wait for the last: 10 GB/s a core.
static uint64_t sum_piece(uint64_t seed, const uint8_t *data, size_t size)
{
    uint64_t h[4] = { seed, seed + 1, seed + 2, seed + 3 };
    for (; size >= 32; data += 32, size -= 32) {
        uint64_t words[4];
        memcpy(words, data, sizeof(words));
        for (int i = 0; i < 4; i++)
            h[i] = mix(h[i], words[i]);
    }
    uint64_t rest[4] = { 0 };
    memcpy(rest, data, size);
    for (int i = 0; i < 4; i++)
        h[i] = mix(h[i], rest[i]);
    return mix(mix(h[0], h[1]), mix(h[2], h[3]) ^ size);
}

struct sum_job {
    const uint8_t *data;
    uint8_t *to; // NULL: only summed
    uint64_t size;
    atomic_uint_least64_t sum;
};

static void sum_one(void *arg, uint32_t index)
{
    struct sum_job *job = arg;
    const uint64_t at = (uint64_t)index * PIECE, left = job->size - at;
    const size_t size = left < PIECE ? (size_t)left : PIECE;
    if (job->to)
        memcpy(job->to + at, job->data + at, size);
    atomic_fetch_add(&job->sum, sum_piece((uint64_t)index + 1, job->data + at, size));
}

// Copies where `to` is not NULL; pieces carry their index, so that the order of their sum does not matter.
static uint64_t copy_and_sum(uint8_t *to, const void *data, uint64_t size)
{
    struct sum_job job = { .data = data, .to = to, .size = size };
    atomic_init(&job.sum, size);
    const uint32_t n = (uint32_t)((size + PIECE - 1) / PIECE);
    if (n > 2)
        daub_parallel_for(n, sum_one, &job);
    else
        for (uint32_t i = 0; i < n; i++)
            sum_one(&job, i);
    return atomic_load(&job.sum);
}

uint64_t daub_weight_cache_sum(const void *data, uint64_t size)
{
    return copy_and_sum(NULL, data, size);
}

// ---- reading ---------------------------------------------------------------------------------------------------------

_Static_assert(sizeof(struct daub_pack) == 52, "every field of daub_pack belongs into disk_entry");

static struct disk_entry entry_of(const struct daub_pack *p)
{
    return (struct disk_entry) {
        .kind = p->kind,
        .dtype = p->dtype,
        .kernel_h = p->kernel_h,
        .kernel_w = p->kernel_w,
        .in = { p->in.c[0], p->in.c[1], p->in.heads },
        .out = { p->out.c[0], p->out.c[1], p->out.heads },
        .geglu = p->geglu,
        .winograd = p->winograd,
        .n_parts = p->n_parts,
        .phases = p->phases,
    };
}

static bool same_packing(const struct disk_entry *a, const struct disk_entry *b)
{
    return memcmp(&a->kind, &b->kind, sizeof(*a) - offsetof(struct disk_entry, kind)) == 0;
}

static const struct disk_entry *find(const struct daub_weight_cache *cache, const char *name,
                                     const struct daub_pack *pack)
{
    const struct disk_entry wanted = entry_of(pack);
    const size_t n = strlen(name);
    for (uint32_t i = 0; i < cache->n; i++) {
        const struct disk_entry *e = &cache->entries[i];
        if (e->name_size == n && same_packing(e, &wanted) && memcmp(cache->names + e->name, name, n) == 0)
            return e;
    }
    return NULL;
}

// Whether a mapped file can be believed; what is wrong with it otherwise.
static const char *check(struct daub_weight_cache *cache, const uint8_t *data, uint64_t size)
{
    struct disk_trailer t;
    if (size < sizeof(t))
        return "is cut";
    memcpy(&t, data + size - sizeof(t), sizeof(t));
    if (memcmp(t.magic, magic, sizeof(magic)) != 0 || t.file_size != size)
        return "is cut, or none of daub's";
    if (t.pack_version != DAUB_PACK_VERSION || memcmp(t.identity, cache->identity, sizeof(t.identity)) != 0)
        return "is of another file or build";
    const uint64_t body = size - sizeof(t);
    if (t.n > DAUB_MAX_CACHED_WEIGHTS || t.index % ALIGN || t.index > body || t.names_size > body ||
        t.n * sizeof(struct disk_entry) + t.names_size != body - t.index ||
        t.names != t.index + t.n * sizeof(struct disk_entry) ||
        copy_and_sum(NULL, data + t.index, body - t.index) != t.sum)
        return "has a damaged index";
    cache->entries = (const struct disk_entry *)(const void *)(data + t.index); // aligned: the map is, and ALIGN
    cache->names = (const char *)data + t.names;
    for (uint32_t i = 0; i < t.n; i++) {
        const struct disk_entry *e = &cache->entries[i];
        if (e->offset > t.index || e->size > t.index - e->offset || e->name > t.names_size ||
            e->name_size > t.names_size - e->name)
            return "has a damaged index";
    }
    cache->n = t.n;
    return NULL;
}

static void load(struct daub_weight_cache *cache)
{
    if (!daub_path_is_file(cache->path))
        return;
    const char *wrong = "cannot be read";
    if (daub_file_map_open(cache->host, cache->path, &cache->map) == DAUB_OK)
        wrong = check(cache, daub_file_map_data(cache->map), daub_file_map_size(cache->map));
    if (wrong) {
        daub_log(cache->host, DAUB_LOG_WARNING, "the weight cache %s %s; it is written anew", cache->path, wrong);
        daub_file_map_close(&cache->map);
        return;
    }
    daub_file_touch(cache->path); // the oldest use goes first
}

bool daub_weight_cache_read(const struct daub_weight_cache *cache, const char *name, const struct daub_pack *pack,
                            void *out, uint64_t size)
{
    const struct disk_entry *e = find(cache, name, pack);
    if (!e || e->size != size)
        return false;
    const bool good = copy_and_sum(out, (const uint8_t *)daub_file_map_data(cache->map) + e->offset, size) == e->sum;
    if (!good)
        daub_log(cache->host, DAUB_LOG_WARNING, "%s in the weight cache %s is damaged; it is packed anew", name,
                 cache->path);
    daub_file_map_release(cache->map, (size_t)e->offset, (size_t)size);
    return good;
}

// ---- life ------------------------------------------------------------------------------------------------------------

static char *path_of(const struct daub_weight_cache *cache)
{
    char name[NAME_SIZE], hex[17];
    for (int i = 0; i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", cache->identity[i]);
    snprintf(name, sizeof(name), "%s%s-%s%s", prefix, daub_component_name(cache->component), hex, suffix);
    return daub_path_join(cache->host, cache->dir, name);
}

daub_status daub_weight_cache_open(const struct daub_host *host, const char *dir, uint64_t limit,
                                   const struct daub_checkpoint *ckpt, enum daub_component c,
                                   struct daub_weight_cache **out)
{
    struct daub_weight_cache *cache = daub_alloc(host, sizeof(*cache));
    if (!cache)
        return daub_no_memory("the weight cache");
    cache->host = host;
    cache->limit = limit ? limit : (uint64_t)DAUB_WEIGHT_CACHE_GB * 1000000000u;
    cache->ckpt = ckpt;
    cache->component = c;
    daub_checkpoint_identity(ckpt, c, cache->identity);
    cache->dir = daub_strdup(host, dir);
    cache->path = cache->dir ? path_of(cache) : NULL;
    if (!cache->path) {
        daub_weight_cache_close(&cache);
        return daub_no_memory("the weight cache");
    }
    load(cache);
    *out = cache;
    return DAUB_OK;
}

void daub_weight_cache_close(struct daub_weight_cache **cache)
{
    struct daub_weight_cache *c = *cache;
    if (!c)
        return;
    daub_file_map_close(&c->map);
    daub_free(c->host, c->path);
    daub_free(c->host, c->dir);
    daub_free(c->host, c);
    *cache = NULL;
}

// ---- room ------------------------------------------------------------------------------------------------------------

struct oldest { // of the files in the folder, but one
    const char *but;
    uint64_t total, mtime, now;
    char name[256];
};

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static void see_file(void *user, const char *name, uint64_t size, uint64_t mtime)
{
    struct oldest *o = user;
    const bool ours = strncmp(name, prefix, sizeof(prefix) - 1) == 0 && ends_with(name, suffix);
    // What a process that was killed left behind; a day is longer than any writing.
    const bool left = strstr(name, ".daub-") && ends_with(name, ".tmp") && mtime + day_ns < o->now;
    if ((!ours && !left) || strcmp(name, o->but) == 0 || strlen(name) >= sizeof(o->name))
        return;
    o->total += size;
    if (left || o->name[0] == '\0' || mtime < o->mtime) {
        o->mtime = left ? 0 : mtime;
        memcpy(o->name, name, strlen(name) + 1);
    }
}

// Removes what was used longest ago until `size` more bytes are below the limit. false: they never are.
static bool make_room(const struct daub_weight_cache *cache, uint64_t size)
{
    while (size <= cache->limit) {
        struct oldest o = { .but = cache->path + strlen(cache->dir), .now = daub_utc_ns() };
        while (*o.but == '/' || *o.but == '\\')
            o.but++;
        daub_dir_list(cache->dir, see_file, &o);
        if (o.total <= cache->limit - size)
            return true;
        char *path = daub_path_join(cache->host, cache->dir, o.name);
        const bool removed = path && daub_file_remove(path);
        daub_free(cache->host, path);
        if (!removed)
            return false;
    }
    return false;
}

// ---- writing ---------------------------------------------------------------------------------------------------------

struct writing {
    struct daub_file_writer *file;
    struct disk_entry *entries;
    char *names;
    uint32_t n;
    uint64_t at, names_size;
};

static daub_status pad(struct writing *w)
{
    static const uint8_t zeros[ALIGN] = { 0 };
    const uint64_t n = (ALIGN - w->at % ALIGN) % ALIGN;
    w->at += n;
    return daub_file_writer_add(w->file, zeros, (size_t)n);
}

static daub_status add_weight(struct writing *w, struct disk_entry entry, const char *name, size_t name_size,
                              const void *data)
{
    TRY(pad(w));
    entry.offset = w->at;
    entry.sum = copy_and_sum(NULL, data, entry.size);
    entry.name = (uint32_t)w->names_size;
    entry.name_size = (uint32_t)name_size;
    memcpy(w->names + w->names_size, name, name_size);
    w->names_size += name_size;
    w->entries[w->n++] = entry;
    w->at += entry.size;
    return daub_file_writer_add(w->file, data, (size_t)entry.size);
}

static daub_status finish(struct writing *w, const struct daub_weight_cache *cache)
{
    const size_t entries = w->n * sizeof(*w->entries), size = entries + (size_t)w->names_size;
    TRY(pad(w));
    struct disk_trailer t = {
        .index = w->at,
        .names = w->at + entries,
        .names_size = w->names_size,
        .file_size = w->at + size + sizeof(t),
        .n = w->n,
        .pack_version = DAUB_PACK_VERSION,
    };
    memcpy(t.magic, magic, sizeof(magic));
    memcpy(t.identity, cache->identity, sizeof(t.identity));
    uint8_t *index = daub_alloc(cache->host, size);
    if (!index)
        return daub_no_memory("the weight cache's index");
    memcpy(index, w->entries, entries);
    memcpy(index + entries, w->names, (size_t)w->names_size);
    t.sum = copy_and_sum(NULL, index, size);
    daub_status status = daub_file_writer_add(w->file, index, size);
    if (status == DAUB_OK)
        status = daub_file_writer_add(w->file, &t, sizeof(t));
    daub_free(cache->host, index);
    return status;
}

static bool among(const struct daub_weight_cache *cache, const struct disk_entry *old,
                  const struct daub_cached_weight *weights, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct disk_entry entry = entry_of(weights[i].pack);
        if (old->name_size == strlen(weights[i].name) && same_packing(old, &entry) &&
            memcmp(cache->names + old->name, weights[i].name, old->name_size) == 0)
            return true;
    }
    return false;
}

static daub_status write_old(struct writing *w, const struct daub_weight_cache *cache, const struct disk_entry *old)
{
    const uint8_t *data = (const uint8_t *)daub_file_map_data(cache->map) + old->offset;
    if (copy_and_sum(NULL, data, old->size) != old->sum) // damaged: it is left out
        return DAUB_OK;
    return add_weight(w, *old, cache->names + old->name, old->name_size, data);
}

static daub_status write_all(struct writing *w, const struct daub_weight_cache *cache,
                             const struct daub_cached_weight *weights, uint32_t n,
                             const void *(*bytes)(void *user, uint32_t i), void *user)
{
    for (uint32_t i = 0; i < n; i++) {
        struct disk_entry entry = entry_of(weights[i].pack);
        entry.size = weights[i].size;
        const void *data = bytes(user, i);
        if (!data)
            return daub_fail(DAUB_ERROR_IO, "%s cannot be read back from the device", weights[i].name);
        TRY(add_weight(w, entry, weights[i].name, strlen(weights[i].name), data));
    }
    for (uint32_t i = 0; i < cache->n && w->n < DAUB_MAX_CACHED_WEIGHTS; i++)
        if (!among(cache, &cache->entries[i], weights, n))
            TRY(write_old(w, cache, &cache->entries[i]));
    return finish(w, cache);
}

void daub_weight_cache_write(struct daub_weight_cache *cache, const struct daub_cached_weight *weights, uint32_t n,
                             const void *(*bytes)(void *user, uint32_t i), void *user)
{
    uint64_t size = sizeof(struct disk_trailer), names = 0;
    for (uint32_t i = 0; i < n; i++) {
        size += weights[i].size + sizeof(struct disk_entry) + ALIGN;
        names += strlen(weights[i].name);
    }
    for (uint32_t i = 0; i < cache->n; i++) {
        size += cache->entries[i].size + sizeof(struct disk_entry) + ALIGN;
        names += cache->entries[i].name_size;
    }
    if (n > DAUB_MAX_CACHED_WEIGHTS ||
        !daub_checkpoint_settled(cache->ckpt, cache->component, daub_utc_ns() - settle_ns)) {
        daub_log(cache->host, DAUB_LOG_INFO, "%s changed just now: its weights are not cached",
                 daub_checkpoint_path(cache->ckpt));
        return;
    }
    struct writing w = { 0 };
    w.entries = daub_alloc_array(cache->host, (size_t)n + cache->n + 1, sizeof(*w.entries));
    w.names = daub_alloc(cache->host, (size_t)names + 1);
    daub_status status = w.entries && w.names ? daub_make_dirs(cache->dir) : daub_no_memory("the weight cache");
    if (status == DAUB_OK && !make_room(cache, size + names))
        status = daub_fail(DAUB_ERROR_IO, "%llu MB do not fit below the limit of %llu MB of %s",
                           (unsigned long long)((size + names) >> 20), (unsigned long long)(cache->limit >> 20),
                           cache->dir);
    if (status == DAUB_OK)
        status = daub_file_writer_open(cache->host, cache->path, &w.file);
    if (status == DAUB_OK)
        status = write_all(&w, cache, weights, n, bytes, user);
    const daub_status closed = daub_file_writer_close(&w.file, status == DAUB_OK);
    if (status != DAUB_OK || closed != DAUB_OK)
        daub_log(cache->host, DAUB_LOG_WARNING, "the weight cache was not written: %s", daub_last_error());
    daub_free(cache->host, w.names);
    daub_free(cache->host, w.entries);
}
