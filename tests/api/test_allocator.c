// test_allocator.c - the host's allocator has all of a device's, its models' and their jobs' memory: the library's own code never
// calls malloc, and every block comes back. malloc and its kin are this program's own here, and ask who calls: a return address
// within this program is the library's, which is linked into it. What other libraries do for themselves (the driver, the
// threads, cJSON while a config is read) is counted apart.
#include "tests/api/harness_single.h"

#include <stdatomic.h>

#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int main(void)
{
    return TEST_SKIPPED; // malloc is glibc's to replace, and the sanitizers' to have
}
#else
#include <dlfcn.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void __libc_free(void *ptr);
extern const char __executable_start, etext;

#define SHOWN __attribute__((visibility("default"))) // to the other libraries
SHOWN void *malloc(size_t size);
SHOWN void *calloc(size_t n, size_t size);
SHOWN void *realloc(void *ptr, size_t size);

static atomic_bool watching; // the library is at work
static atomic_uint n_own, n_json, n_others;
static const void *_Atomic own_caller;

static void count(const void *caller)
{
    if (!atomic_load(&watching))
        return;
    const uintptr_t at = (uintptr_t)caller;
    if (at >= (uintptr_t)&__executable_start && at < (uintptr_t)&etext) {
        atomic_fetch_add(&n_own, 1);
        atomic_store(&own_caller, caller);
        return;
    }
    Dl_info info;
    const bool json = dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "cjson");
    atomic_fetch_add(json ? &n_json : &n_others, 1);
}

void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *realloc(void *ptr, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(ptr, size);
}

// ---- the host's allocator --------------------------------------------------------------------------------------------

static atomic_uint n_allocs, n_frees;
static atomic_llong live;

struct block { // stands before each
    size_t size;
    uint64_t mark[7]; // so that what follows is aligned for any type
};
static const uint64_t mark = 0x6461756268656170u;

static void *host_alloc(void *user, size_t size)
{
    REQUIRE(user == &live);
    struct block *block = __libc_malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    *block = (struct block) { .size = size, .mark = { mark } };
    memset(block + 1, 0xa5, size); // nobody may rely on zeros
    atomic_fetch_add(&n_allocs, 1);
    atomic_fetch_add(&live, (long long)size);
    return block + 1;
}

static void host_free(void *user, void *ptr)
{
    REQUIRE(user == &live);
    if (!ptr)
        return;
    struct block *block = (struct block *)ptr - 1;
    REQUIRE(block->mark[0] == mark); // none of another allocator
    block->mark[0] = 0;
    atomic_fetch_add(&n_frees, 1);
    atomic_fetch_sub(&live, (long long)block->size);
    __libc_free(block);
}

static bool on_step(void *user, daub_step *step)
{
    static float values[16 * 8 * 8];
    (void)user;
    REQUIRE_OK(daub_step_read(step, values));
    values[0] += 1.0f;
    REQUIRE_OK(daub_step_write(step, values));
    return true;
}

static void on_preview(void *user, const daub_preview *preview)
{
    (void)user;
    (void)preview;
}

static void draw(daub_model *model, daub_memory_mode mode)
{
    daub_job *job = NULL;
    daub_image image = { 0 }, decoded = { 0 };
    daub_floats latents = { 0 }, floats = { 0 }, prompt = { 0 }, negative = { 0 };
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    const daub_generate_params params = {
        .struct_size = sizeof(params),
        .prompt = "a star",
        .n_steps = 2,
        .keep_floats = true,
        .memory = mode,
        .on_step = on_step,
        .on_preview = on_preview,
        .preview = DAUB_PREVIEW_VAE,
    };
    REQUIRE_OK(daub_estimate(model, &params, &e));
    REQUIRE_OK(daub_encode_text_floats(model, &params, &prompt, &negative));
    REQUIRE_OK(daub_job_submit(model, &params, &job));
    REQUIRE_OK(daub_job_wait(job, UINT64_MAX, NULL));
    REQUIRE_OK(daub_job_take_image(job, &image));
    REQUIRE_OK(daub_job_take_latents(job, &latents));
    REQUIRE_OK(daub_decode_latents(model, &params, latents.values, &decoded));
    REQUIRE_OK(daub_job_take_floats(job, &floats));
    daub_job_destroy(&job);
    daub_image_free(&image);
    daub_image_free(&decoded);
    daub_floats_free(&latents);
    daub_floats_free(&floats);
    daub_floats_free(&prompt);
    daub_floats_free(&negative);
}

static void failures(daub_device *dev, daub_model *model)
{
    daub_model *none = NULL;
    daub_job *job = NULL;
    const daub_source bad = { .data = "{}{}{}{}{}{}", .size = 12 };
    REQUIRE(daub_model_load(dev, "/no/such/file", NULL, &none) != DAUB_OK);
    REQUIRE(daub_model_load(dev, NULL, daub_model_params(.source = &bad), &none) != DAUB_OK);
    REQUIRE(daub_job_submit(model, daub_generate_params(.prompt = "x", .sampler = "no such"), &job) != DAUB_OK);
}

int main(void)
{
    daub_device *dev = NULL;
    daub_model *model = NULL;
    const daub_allocator allocator = { .alloc = host_alloc, .free = host_free, .user = &live };
    setvbuf(stdout, NULL, _IONBF, 0);
    atomic_store(&watching, true);
    REQUIRE_OK(daub_device_create(daub_device_params(.allocator = allocator), &dev));
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    draw(model, DAUB_MEMORY_MODE_RESIDENT);
    draw(model, DAUB_MEMORY_MODE_SMALL);
    failures(dev, model);
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    atomic_store(&watching, false);

    const void *caller = atomic_load(&own_caller);
    printf(
        "host allocator: %u blocks; malloc: by daub %u (last at +%#lx), by cJSON %u, by driver, loader and libc %u\n",
        n_allocs, n_own, caller ? (unsigned long)((uintptr_t)caller - (uintptr_t)&__executable_start) : 0, n_json,
        n_others);
    REQUIRE(n_allocs > 500 && n_allocs == n_frees && live == 0);
    REQUIRE(n_own == 0 && n_json > 0 && n_others > 0); // the last two: the counting works
    return 0;
}
#endif
