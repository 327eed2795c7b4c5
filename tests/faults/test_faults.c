// test_faults.c - every n-th host allocation, file operation and Vulkan call fails once, through load, generate, decode and destroy: each time
// a status with a sentence, nothing left over, no hang, and the next call works.
//
//     test_faults [--all] [--gpu] [--kind alloc|file|vulkan] [--scenario NAME] [--from N] [--stride N] [-v]
//
// Without --all half a dozen calls of each kind fail (DAUB_FAULTS: how many, or "all"); with it, all of them. Dispatches are
// skipped, since only the host's part can fail here; --gpu runs them, and compares the pictures.
#include "harness_inject.h"

#include "runtime/base/status.h"
#include "tests/test.h"

#include <ftw.h>
#include <unistd.h>

enum { SECONDS = 120 }; // what one run may take

static struct {
    bool all, gpu, verbose;
    const char *kind, *scenario;
    uint64_t from, stride, few;
} options = { .from = 1, .few = 6 };

static char folder[64], embeds[96], weights[96];
static const char *const model_path = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15";

// ---- one run ---------------------------------------------------------------------------------------------------------

enum mode {
    ONCE,    // the first failure ends the run
    AGAIN,   // a failed call is made once more, on the same objects, and must succeed then
    LASTING, // like that, and all calls fail from the first on until daub has told of it
    MODES
};

struct run {
    enum inject_kind kind;
    enum mode mode;
    daub_status status; // of the first call that failed
    char sentence[512]; // its
    daub_device *dev;
    daub_model *model;
    daub_image image;
    uint64_t hash; // of the picture; 0 without one
};

// Whether the run goes on.
static bool went_well(struct run *run, daub_status status, const char *what)
{
    if (status == DAUB_OK)
        return true;
    inject_mend();
    if (run->status != DAUB_OK)
        TEST_FAIL("%s fails again: %s; at first: %s", what, daub_last_error(), run->sentence);
    run->status = status;
    snprintf(run->sentence, sizeof(run->sentence), "%s", daub_last_error());
    if (!inject_fired())
        TEST_FAIL("%s fails without a fault: %s", what, run->sentence);
    if (!run->sentence[0] || strchr(run->sentence, '\n') || strcmp(daub_status_text(status), "unknown status") == 0)
        TEST_FAIL("%s: status %d with the sentence \"%s\"", what, (int)status, run->sentence);
    const bool memory = status == DAUB_ERROR_NO_HOST_MEMORY,
               file = status == DAUB_ERROR_IO || status == DAUB_ERROR_BAD_FILE;
    const bool vulkan = memory || status == DAUB_ERROR_NO_GPU_MEMORY || status == DAUB_ERROR_NO_DEVICE;
    if (run->kind == INJECT_ALLOC ? !memory : run->kind == INJECT_FILE ? !file : !vulkan)
        TEST_FAIL("%s: %s is not the status of a failed %s: %s", what, daub_status_text(status), inject_fired(),
                  run->sentence);
    return false;
}

#define STEP(run, call)                         \
    do {                                        \
        if (!went_well((run), (call), #call)) { \
            if ((run)->mode == ONCE)            \
                return;                         \
            went_well((run), (call), #call);    \
        }                                       \
    } while (0)

static daub_status picture(struct run *run, const daub_generate_params *params)
{
    return daub_generate(run->model, params, &run->image);
}

// Everything stays on the device, which shares its memory with the host; no folder is written.
static void resident(struct run *run)
{
    STEP(run, daub_device_create(daub_device_params(.debug = "nocache"), &run->dev));
    STEP(run, daub_model_load(run->dev, model_path, NULL, &run->model));
    STEP(run, picture(run, daub_generate_params(.prompt = "a star", .width = 64, .height = 64, .n_steps = 1)));
}

// A device with staging and fences, phases that take turns, bands, embeddings in a file, and the caches on disk.
static void poor(struct run *run)
{
    STEP(run, daub_device_create(
                  daub_device_params(.caps = "-uma,-timeline,-sync2,-texel,rows=12", .debug = "", .cache_dir = folder),
                  &run->dev));
    STEP(run, daub_model_load(run->dev, model_path, daub_model_params(.weight_cache = weights), &run->model));
    STEP(run, daub_encode_text(run->model, daub_generate_params(.prompt = "a star", .guidance_scale = 2), embeds));
    STEP(run, picture(run, daub_generate_params(.prompt_embeds_path = embeds, .width = 64, .height = 64, .n_steps = 2,
                                                .guidance_scale = 2, .sampler = "euler_a", .vae_rows = 4,
                                                .memory = DAUB_MEMORY_MODE_SMALL)));
}

// The measurement of a driver's kernels, kept in a file.
static void tuned(struct run *run)
{
    STEP(run, daub_device_create(daub_device_params(.debug = "", .caps = "", .cache_dir = folder), &run->dev));
}

static const struct scenario {
    const char *name;
    void (*play)(struct run *run);
} scenarios[] = { { "resident", resident }, { "poor", poor }, { "tuned", tuned } };

static const char *left; // a file that a broken write has left

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    if (strstr(path, ".tmp"))
        left = path;
    return where->level > 0 ? remove(path) : 0;
}

static bool empty_folder(void)
{
    left = NULL;
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return left == NULL;
}

static uint64_t hash_of(const daub_image *image)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < (size_t)image->width * image->height * image->channels; i++)
        hash = (hash ^ image->pixels[i]) * 0x100000001b3u;
    return image->pixels ? hash : 0;
}

// Plays a scenario with call number `nth` failing. False: that call was never made.
static bool play(const struct scenario *s, enum inject_kind kind, uint64_t nth, enum mode mode, struct run *run,
                 uint64_t *calls)
{
    struct inject_held before;
    *run = (struct run) { .kind = kind, .mode = mode };
    daub_set_last_error("");
    inject_held(&before);
    alarm(SECONDS);
    inject_arm(kind, nth, mode == LASTING);
    s->play(run);
    REQUIRE_OK(daub_model_destroy(&run->model));
    REQUIRE_OK(daub_device_destroy(&run->dev));
    *calls = inject_disarm();
    alarm(0);
    run->hash = hash_of(&run->image);
    daub_image_free(&run->image);
    const char *fired = inject_fired();
    if (options.verbose)
        printf("%s %llu %s: %s: %s\n", s->name, (unsigned long long)nth, fired ? fired : "-",
               daub_status_text(run->status), run->sentence);
    fflush(stdout);
    if (inject_leaks(&before))
        TEST_FAIL("%s: call %llu (%s) failed, and the above was left over; the sentence was \"%s\"", s->name,
                  (unsigned long long)nth, fired, run->sentence);
    if (!empty_folder() && mode != LASTING && (!fired || strcmp(fired, "unlink") != 0))
        TEST_FAIL("%s: call %llu (%s) failed, and a temporary file is left", s->name, (unsigned long long)nth, fired);
    return fired != NULL;
}

// ---- all runs --------------------------------------------------------------------------------------------------------

static bool wanted(const char *option, const char *name)
{
    return !option || strcmp(option, name) == 0;
}

static void play_all(const struct scenario *s, enum inject_kind kind, const char *name, uint64_t reference)
{
    struct run run;
    uint64_t calls = 0, n_told[MODES] = { 0 }, n_runs[MODES] = { 0 }, unused;
    REQUIRE(!play(s, kind, 0, ONCE, &run, &calls) && run.status == DAUB_OK);
    const uint64_t stride = options.stride                       ? options.stride
                            : options.all || calls < options.few ? 1
                                                                 : calls / options.few;
    for (uint64_t n = options.from; n <= calls || options.all; n += stride) {
        for (int mode = 0; mode < MODES; mode++) {
            const bool fired = play(s, kind, n, (enum mode)mode, &run, &unused);
            if (!fired && n > calls) // threads take turns differently each time: the last calls need not come
                goto end;
            n_runs[mode] += fired;
            n_told[mode] += run.status != DAUB_OK;
            // What could be done without gives the same picture, and so does the next call on the same objects.
            const bool whole = (run.status == DAUB_OK || mode != ONCE) && s->play != tuned;
            REQUIRE(!whole || (run.hash != 0 && (!options.gpu || run.hash == reference)));
        }
    }
end:
    printf("%s, %s: %llu calls; of %llu that failed once %llu were told, of %llu that kept failing %llu; the rest were "
           "done without\n",
           s->name, name, (unsigned long long)calls, (unsigned long long)n_runs[ONCE], (unsigned long long)n_told[ONCE],
           (unsigned long long)n_runs[LASTING], (unsigned long long)n_told[LASTING]);
}

static void read_options(int argc, char **argv)
{
    const char *env = getenv("DAUB_FAULTS");
    options.all = env && strcmp(env, "all") == 0;
    options.few = env && atoi(env) > 0 ? (uint64_t)atoi(env) : options.few;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--all") == 0)
            options.all = true;
        else if (strcmp(argv[i], "--gpu") == 0)
            options.gpu = true;
        else if (strcmp(argv[i], "-v") == 0)
            options.verbose = true;
        else if (strcmp(argv[i], "--kind") == 0 && ++i)
            options.kind = value;
        else if (strcmp(argv[i], "--scenario") == 0 && ++i)
            options.scenario = value;
        else if (strcmp(argv[i], "--from") == 0 && ++i)
            options.from = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--stride") == 0 && ++i)
            options.stride = strtoull(value, NULL, 10);
        else
            TEST_FAIL("unknown option %s", argv[i]);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum inject_kind kind;
    } kinds[] = { { "alloc", INJECT_ALLOC }, { "file", INJECT_FILE }, { "vulkan", INJECT_VULKAN } };
    read_options(argc, argv);
    snprintf(folder, sizeof(folder), "%s", "/tmp/daub-faults-XXXXXX");
    REQUIRE(mkdtemp(folder));
    snprintf(embeds, sizeof(embeds), "%s/embeds.safetensors", folder);
    snprintf(weights, sizeof(weights), "%s/weights", folder);
    inject_begin();
    inject_skip_dispatches(!options.gpu);

    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (!wanted(options.scenario, scenarios[i].name))
            continue;
        struct run run;
        uint64_t calls;
        (void)play(&scenarios[i], INJECT_NONE, 0, ONCE, &run, &calls);
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
            if (wanted(options.kind, kinds[k].name))
                play_all(&scenarios[i], kinds[k].kind, kinds[k].name, run.hash);
    }
    rmdir(folder);
    return 0;
}
