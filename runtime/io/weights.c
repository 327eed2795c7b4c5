// weights.c - packs a component's weights into few device buffers, each once for every way it is wanted.
//
// A Stable Diffusion U-Net has 686 weights from 640 bytes (a bias) to 59 MB (a 3x3 convolution of 2560 channels). All
// that a network wants is known before the first is packed, so buffers are cut to what goes into them and nothing is
// left over.
#include "runtime/io/weights.h"
#include "runtime/base/thread.h"
#include "runtime/io/weight_cache.h"

#include <assert.h>
#include <string.h>

enum { LARGEST_BUFFER = 512 << 20 }; // bytes of a buffer that weights share: few allocations, which still find a place

struct entry {          // a weight, wanted
    struct entry *next; // of the same bucket
    const char *name;
    struct daub_pack pack;
    struct daub_range range; // buf NULL: it has no place yet
    bool packed;
};

struct block {
    struct block *next;
    struct daub_buffer *buffer;
};

enum { N_BUCKETS = 1024 };

struct daub_weights {
    daub_device *dev;
    struct daub_checkpoint *ckpt;
    enum daub_component component;
    const struct daub_host *host;
    uint32_t n_locks; // of the two that were made
    // Of who packs, keeps or clears: held while bytes go to the device or come from it, which takes a driven job as long as its host likes.
    daub_mutex turn;
    // Held for moments, inside a turn or without one: sizes are asked for from any thread, the one that drives that job too. Guards:
    daub_mutex lock;
    struct daub_arena *arena; // entries, blocks, names; NULL while there are none
    struct entry *buckets[N_BUCKETS];
    struct block *blocks; // all buffers, to free them
    uint64_t size;
    struct daub_weight_cache *cache; // NULL: none
    uint32_t n_entries, n_packed;    // n_packed: since the cache was written
};

static uint32_t bucket_of(const char *name)
{
    uint32_t h = 2166136261u; // FNV-1a
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return (h ^ h >> 16) % N_BUCKETS;
}

static bool same_channels(const struct daub_channels *a, const struct daub_channels *b)
{
    return a->c[0] == b->c[0] && a->c[1] == b->c[1] && a->heads == b->heads;
}

static bool same_pack(const struct daub_pack *a, const struct daub_pack *b)
{
    return a->kind == b->kind && a->dtype == b->dtype && a->kernel_h == b->kernel_h && a->kernel_w == b->kernel_w &&
           a->geglu == b->geglu && a->n_parts == b->n_parts && a->winograd == b->winograd && a->phases == b->phases &&
           same_channels(&a->in, &b->in) && same_channels(&a->out, &b->out);
}

bool daub_weights_same(const struct daub_tensor *a, const struct daub_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && same_pack(&a->pack, &b->pack);
}

static struct entry *find_entry(const struct daub_weights *w, const char *name, const struct daub_pack *pack)
{
    for (struct entry *e = w->buckets[bucket_of(name)]; e; e = e->next)
        if (strcmp(e->name, name) == 0 && same_pack(&e->pack, pack))
            return e;
    return NULL;
}

static uint64_t stored_size(uint64_t size)
{
    return (size + DAUB_WEIGHT_ALIGN - 1) / DAUB_WEIGHT_ALIGN * DAUB_WEIGHT_ALIGN;
}

// The weight's view, with the dimensions that the network gives it. Files may differ in trailing ones: a matrix is
// stored as a 1x1 convolution in some, and the other way round.
static daub_status find_view(struct daub_weights *w, const struct daub_tensor *weight, struct daub_view *view)
{
    const struct daub_checkpoint *vae = w->component == DAUB_VAE ? daub_checkpoint_vae(w->ckpt) : NULL;
    const char *const path = daub_checkpoint_path(vae ? vae : w->ckpt);
    if (!daub_checkpoint_find(w->ckpt, w->component, weight->name, view))
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s: %s is missing", path, daub_component_name(w->component),
                         weight->name);
    bool same = true;
    for (uint32_t i = 0; i < 4; i++) {
        const uint64_t have = i < view->n_dims ? view->dims[i] : 1, want = i < weight->n_dims ? weight->dims[i] : 1;
        same = same && have == want;
    }
    if (!same)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s: %s has the wrong shape", path, daub_component_name(w->component),
                         weight->name);
    if (view->dtype == DAUB_FILE_OTHER)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %s: %s is of a dtype that is not read", path,
                         daub_component_name(w->component), weight->name);
    view->n_dims = weight->n_dims;
    for (uint32_t i = 0; i < weight->n_dims; i++)
        view->dims[i] = weight->dims[i];
    return DAUB_OK;
}

// The weights packed as one, at `out`, from the cache or by packing.
static daub_status make_packed(struct daub_weights *w, const struct daub_tensor *weight, uint8_t *out, uint64_t size)
{
    const struct daub_pack *pack = &weight->pack;
    if (w->cache && daub_weight_cache_read(w->cache, weight->name, pack, out, size))
        return DAUB_OK;
    const uint32_t n = pack->n_parts > 1 ? pack->n_parts : 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct daub_tensor *part = i == 0 ? weight : weight->more[i - 1];
        struct daub_view view;
        TRY(find_view(w, part, &view));
        if (view.data)
            daub_pack_weight(pack, &view, out + size / n * i);
        else
            TRY(daub_pack_read(w->host, pack, &view, out + size / n * i));
        daub_checkpoint_release(w->ckpt, w->component, part->name);
    }
    w->n_packed++;
    return DAUB_OK;
}

static daub_status pack_into(struct daub_weights *w, const struct daub_tensor *weight, struct daub_range range)
{
    uint8_t *mapped = daub_device_caps(w->dev)->uma ? daub_buffer_map(range.buf) : NULL;
    if (mapped)
        return make_packed(w, weight, mapped + range.offset, range.size);
    void *packed = daub_alloc(w->host, (size_t)range.size);
    if (!packed)
        return daub_no_memory("a weight on its way to the device");
    daub_status status = make_packed(w, weight, packed, range.size);
    if (status == DAUB_OK)
        status = daub_upload(w->dev, range, packed);
    daub_free(w->host, packed);
    return status;
}

static daub_status add_entry(struct daub_weights *w, const struct daub_tensor *weight)
{
    struct daub_view view;
    TRY(find_view(w, weight, &view));
    if (!w->arena)
        w->arena = daub_arena_create(w->host);
    struct entry *e = w->arena ? daub_arena_alloc(w->arena, sizeof(*e)) : NULL;
    if (!e || !(e->name = daub_arena_strdup(w->arena, weight->name)))
        return daub_no_memory("the list of weights");
    e->pack = weight->pack;
    e->range.size = daub_pack_size(&weight->pack, weight->dims, weight->n_dims);
    struct entry **bucket = &w->buckets[bucket_of(weight->name)];
    e->next = *bucket;
    *bucket = e;
    return DAUB_OK;
}

static daub_status add_block(struct daub_weights *w, uint64_t size, struct daub_buffer **out)
{
    struct block *block = daub_arena_alloc(w->arena, sizeof(*block));
    if (!block)
        return daub_no_memory("the list of weight buffers");
    const char *name = daub_arena_printf(w->arena, "%s weights", daub_component_name(w->component));
    TRY(daub_buffer_create(w->dev, DAUB_MEMORY_DEVICE, size, name ? name : "weights", &block->buffer));
    block->next = w->blocks;
    w->blocks = block;
    w->size += size;
    *out = block->buffer;
    return DAUB_OK;
}

// Gives every weight of the list that has no place yet one, in as few buffers as their largest size allows.
static daub_status place(struct daub_weights *w, struct daub_tensor *const *list, uint32_t n)
{
    const uint64_t max = daub_device_caps(w->dev)->max_alloc, largest = max < LARGEST_BUFFER ? max : LARGEST_BUFFER;
    for (uint32_t first = 0; first < n;) {
        uint64_t size = 0;
        uint32_t end = first;
        for (; end < n; end++) {
            const struct entry *e = find_entry(w, list[end]->name, &list[end]->pack);
            const uint64_t more = e->range.buf ? 0 : stored_size(e->range.size);
            if (size > 0 && size + more > largest)
                break;
            size += more;
        }
        struct daub_buffer *buffer = NULL;
        if (size > 0)
            TRY(add_block(w, size, &buffer));
        uint64_t used = 0;
        for (; first < end; first++) {
            struct entry *e = find_entry(w, list[first]->name, &list[first]->pack);
            if (e->range.buf)
                continue;
            e->range.buf = buffer;
            e->range.offset = used;
            used += stored_size(e->range.size);
        }
    }
    return DAUB_OK;
}

static daub_status place_all(struct daub_weights *w, struct daub_tensor *const *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        assert(list[i]->pack.kind != DAUB_PACK_NONE && "an op left its weight's packing unset");
        if (!find_entry(w, list[i]->name, &list[i]->pack))
            TRY(add_entry(w, list[i]));
    }
    return place(w, list, n);
}

// In the caller's turn, which nobody else changes entries in.
static daub_status bind_one(struct daub_weights *w, struct daub_tensor *weight)
{
    daub_mutex_lock(&w->lock);
    struct entry *e = find_entry(w, weight->name, &weight->pack);
    daub_mutex_unlock(&w->lock);
    if (!e->packed) {
        TRY(pack_into(w, weight, e->range));
        e->packed = true;
        w->n_entries++;
    }
    weight->data = &e->range;
    return DAUB_OK;
}

daub_status daub_weights_create(daub_device *dev, struct daub_checkpoint *ckpt, enum daub_component c,
                                struct daub_weights **out)
{
    daub_status status;
    const struct daub_host *host = daub_device_host(dev);
    struct daub_weights *w = daub_alloc(host, sizeof(*w));
    if (!w)
        return daub_no_memory("weights");
    w->dev = dev;
    w->ckpt = ckpt;
    w->component = c;
    w->host = host;
    TRY_OR_FAIL(daub_mutex_init(&w->turn));
    w->n_locks++;
    TRY_OR_FAIL(daub_mutex_init(&w->lock));
    w->n_locks++;
    *out = w;
    return DAUB_OK;

fail:
    daub_weights_destroy(&w);
    return status;
}

void daub_weights_clear(struct daub_weights *w)
{
    daub_mutex_lock(&w->turn);
    daub_mutex_lock(&w->lock);
    for (struct block *block = w->blocks; block; block = block->next)
        daub_buffer_destroy(w->dev, &block->buffer);
    w->blocks = NULL;
    w->size = 0;
    w->n_entries = 0;
    memset(w->buckets, 0, sizeof(w->buckets));
    daub_arena_destroy(&w->arena);
    daub_mutex_unlock(&w->lock);
    daub_mutex_unlock(&w->turn);
}

void daub_weights_destroy(struct daub_weights **weights)
{
    struct daub_weights *w = *weights;
    if (!w)
        return;
    if (w->n_locks == 2) {
        daub_weights_clear(w);
        daub_mutex_destroy(&w->lock);
    }
    if (w->n_locks > 0)
        daub_mutex_destroy(&w->turn);
    daub_weight_cache_close(&w->cache);
    daub_free(w->host, w);
    *weights = NULL;
}

daub_status daub_weights_bind(void *weights, struct daub_tensor *const *list, uint32_t n)
{
    struct daub_weights *w = weights;
    daub_mutex_lock(&w->turn);
    daub_mutex_lock(&w->lock);
    daub_status status = place_all(w, list, n);
    daub_mutex_unlock(&w->lock);
    for (uint32_t i = 0; i < n && status == DAUB_OK; i++)
        status = bind_one(w, list[i]);
    daub_mutex_unlock(&w->turn);
    // Reading a weight maps pages of its neighbours too, which may have been released before.
    daub_checkpoint_release(w->ckpt, w->component, NULL);
    return status;
}

daub_status daub_weights_pack(struct daub_weights *w, struct daub_tensor *const *list, uint32_t n, uint8_t *out)
{
    daub_status status = DAUB_OK;
    for (uint32_t i = 0; i < n && status == DAUB_OK; i++) {
        const uint64_t size = daub_pack_size(&list[i]->pack, list[i]->dims, list[i]->n_dims);
        daub_mutex_lock(&w->turn);
        status = make_packed(w, list[i], out, size);
        daub_mutex_unlock(&w->turn);
        out += stored_size(size);
    }
    daub_checkpoint_release(w->ckpt, w->component, NULL);
    return status;
}

uint64_t daub_weights_size(struct daub_weights *w)
{
    daub_mutex_lock(&w->lock);
    const uint64_t size = w->size;
    daub_mutex_unlock(&w->lock);
    return size;
}

uint64_t daub_weights_held(struct daub_weights *w)
{
    uint64_t held = 0;
    daub_mutex_lock(&w->lock);
    for (const struct block *block = w->blocks; block; block = block->next)
        held += daub_buffer_held(block->buffer);
    daub_mutex_unlock(&w->lock);
    return held;
}

uint64_t daub_weights_size_with(struct daub_weights *w, struct daub_tensor *const *list, uint32_t n)
{
    daub_mutex_lock(&w->lock);
    uint64_t size = w->size;
    for (uint32_t i = 0; i < n; i++) {
        const struct entry *e = find_entry(w, list[i]->name, &list[i]->pack);
        if (!e || !e->range.buf)
            size += daub_weights_size_of(&list[i], 1);
    }
    daub_mutex_unlock(&w->lock);
    return size;
}

uint64_t daub_weights_size_of(struct daub_tensor *const *list, uint32_t n)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < n; i++)
        size += stored_size(daub_pack_size(&list[i]->pack, list[i]->dims, list[i]->n_dims));
    return size;
}

void daub_weights_set_cache(struct daub_weights *weights, struct daub_weight_cache *cache)
{
    daub_weight_cache_close(&weights->cache);
    weights->cache = cache;
    weights->n_packed = 0;
}

struct keeping {
    struct daub_weights *w;
    struct daub_cached_weight *list;
    const struct entry **entries;
    void *bytes; // read back from the device, where its memory is not shared
};

static const void *packed_bytes(void *user, uint32_t i)
{
    struct keeping *k = user;
    const struct daub_range range = k->entries[i]->range;
    const uint8_t *mapped = daub_device_caps(k->w->dev)->uma ? daub_buffer_map(range.buf) : NULL;
    if (mapped)
        return mapped + range.offset;
    daub_free(k->w->host, k->bytes);
    k->bytes = daub_alloc(k->w->host, (size_t)range.size);
    return k->bytes && daub_download(k->w->dev, range, k->bytes) == DAUB_OK ? k->bytes : NULL;
}

static void keep_all(struct daub_weights *w)
{
    struct keeping k = { .w = w };
    k.list = daub_alloc_array(w->host, w->n_entries, sizeof(*k.list));
    k.entries = daub_alloc_array(w->host, w->n_entries, sizeof(*k.entries));
    uint32_t n = 0;
    for (uint32_t b = 0; b < N_BUCKETS && k.list && k.entries; b++)
        for (const struct entry *e = w->buckets[b]; e; e = e->next) {
            if (!e->packed)
                continue;
            k.list[n] = (struct daub_cached_weight) { .name = e->name, .pack = &e->pack, .size = e->range.size };
            k.entries[n++] = e;
        }
    if (n > 0)
        daub_weight_cache_write(w->cache, k.list, n, packed_bytes, &k);
    daub_free(w->host, k.bytes);
    daub_free(w->host, k.entries);
    daub_free(w->host, k.list);
}

void daub_weights_keep(struct daub_weights *weights)
{
    daub_mutex_lock(&weights->turn);
    if (weights->cache && weights->n_packed > 0) {
        weights->n_packed = 0; // tried once: a folder that cannot be written is not tried at every picture
        keep_all(weights);
    }
    daub_mutex_unlock(&weights->turn);
}
