// tune.c - measures, once a driver, what no table can know of every machine; see tune.h.
#include "runtime/op/tune.h"

#include "runtime/base/file.h"
#include "runtime/base/limits.h"
#include "runtime/base/thread.h"
#include "runtime/op/exec.h"
#include "runtime/op/op.h"

#include <stdio.h>
#include <string.h>

enum {
    M = 480, // rows: whole tiles of 12 and of 16
    K = 640,
    N = 640,
    MAX_RUNS = 100,
    MEASURE_NS = 150000000, // of a kernel
    KEY_SIZE = 64,
    MAX_RATE = 100000000, // MFLOP a second: 100 TFLOP, which no CPU reaches
};

static const float CLEARLY = 1.15f;

// ---- the file --------------------------------------------------------------------------------------------------------
// A line a driver: KEY texel|storage RATE12 RATE16, the rates in MFLOP a second.

// The rest of the line that begins with `key`, or NULL.
static const char *find_line(const char *text, const char *key)
{
    const size_t n = strlen(key);
    while (text && *text) {
        if (strncmp(text, key, n) == 0 && text[n] == ' ')
            return text + n + 1;
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return NULL;
}

// A whole number of 1..MAX_RATE, which ends at a space or at the line's end.
static bool take_rate(const char **at, float *out)
{
    uint32_t value = 0;
    const char *p = *at;
    for (; *p >= '0' && *p <= '9' && value <= MAX_RATE; p++)
        value = value * 10 + (uint32_t)(*p - '0');
    if (p == *at || value == 0 || value > MAX_RATE || (*p != ' ' && *p != '\n' && *p))
        return false;
    *at = *p == ' ' ? p + 1 : p;
    *out = (float)value / 1e3f;
    return true;
}

bool daub_tuning_find(const char *text, const char *key, struct daub_tuning *out)
{
    static const char *const paths[] = { "storage ", "texel " };
    const char *line = find_line(text, key);
    for (int texel = 0; line && texel < 2; texel++) {
        const char *at = line + strlen(paths[texel]);
        struct daub_tuning found = { .texel = texel };
        if (strncmp(line, paths[texel], strlen(paths[texel])) == 0 && take_rate(&at, &found.rate12) &&
            take_rate(&at, &found.rate16)) {
            *out = found;
            return true;
        }
    }
    return false;
}

char *daub_tuning_set(const struct daub_host *host, const char *old, const char *key, const struct daub_tuning *tuning)
{
    const size_t n_key = strlen(key), size = strlen(old) + n_key + 64;
    char *text = daub_alloc(host, size), *put = text;
    for (const char *line = old; text && *line;) {
        size_t n = strcspn(line, "\n");
        const char *next = line + n + (line[n] == '\n');
        if (strncmp(line, key, n_key) != 0 || line[n_key] != ' ') {
            memcpy(put, line, n);
            put += n;
            *put++ = '\n'; // also behind a last line that was cut
        }
        line = next;
    }
    if (text && tuning) // whole numbers: a point is a comma in some of our hosts' locales
        snprintf(put, size - (size_t)(put - text), "%s %s %lu %lu\n", key, tuning->texel ? "texel" : "storage",
                 (unsigned long)(tuning->rate12 * 1e3f + 0.5f), (unsigned long)(tuning->rate16 * 1e3f + 0.5f));
    return text;
}

static daub_status write_file(const struct daub_host *host, const char *path, const char *old, const char *key,
                              const struct daub_tuning *tuning)
{
    char *text = daub_tuning_set(host, old, key, tuning);
    const daub_status status = text ? daub_file_write(host, path, text, strlen(text)) : daub_no_memory("tuning.txt");
    daub_free(host, text);
    return status;
}

// ---- measuring -------------------------------------------------------------------------------------------------------

static daub_status bind_zeros(void *user, struct daub_tensor *const *weights, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        weights[i]->data = user;
    return DAUB_OK;
}

// GFLOP a second of one GEMM as the device is tuned now.
static daub_status measure(daub_device *dev, struct daub_range *zeros, float *rate)
{
    struct daub_net *net = NULL;
    TRY(daub_net_create(daub_device_host(dev), "tune", DAUB_F16, &net));
    struct daub_tensor *x = daub_net_input(net, "x", DAUB_STAGE_STEP, DAUB_F16, (struct daub_shape) { 1, 1, M, K });
    struct daub_tensor *w = daub_net_weight(net, "weight", 2, (uint32_t[]) { N, K });
    daub_net_output(net, "y", daub_linear(net, x, w, NULL, 1));
    const struct daub_exec_params params = { .bind_weights = bind_zeros, .user = zeros, .name = "tune" };
    struct daub_exec *exec = NULL;
    TRY(daub_exec_create(dev, net, &params, &exec));
    uint64_t best = UINT64_MAX, spent = 0;
    daub_status status = daub_exec_run(exec, DAUB_STAGE_STEP); // compiles
    // A single run of 6 ms may be twice as slow when a worker wakes up late.
    for (int i = 0; i < MAX_RUNS && spent < MEASURE_NS && status == DAUB_OK; i++) {
        const uint64_t start = daub_now_ns();
        status = daub_exec_run(exec, DAUB_STAGE_STEP);
        const uint64_t ns = daub_now_ns() - start;
        spent += ns;
        best = ns < best ? ns : best;
    }
    daub_exec_destroy(&exec);
    *rate = (float)(2.0 * M * K * N / (double)(best ? best : 1));
    return status;
}

// With 16 rows by each path, then 12 rows by the faster.
static daub_status measure_all(daub_device *dev, struct daub_tuning *out)
{
    const struct daub_caps *caps = daub_device_caps(dev);
    const bool table_texel = caps->prefer_texel;
    struct daub_buffer *buffer = NULL;
    TRY(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, K * N * 2, "tune", &buffer));
    struct daub_range zeros = { buffer, 0, K * N * 2 };
    float storage = 0.0f, texel = 0.0f;
    daub_status status = daub_fill(dev, zeros, 0);
    daub_device_tune(dev, false, 0.0f, 1.0f);
    if (status == DAUB_OK)
        status = measure(dev, &zeros, &storage);
    if (status == DAUB_OK && caps->texel && !caps->prefer_texel) { // else a mask has decided
        daub_device_tune(dev, true, 0.0f, 1.0f);
        status = measure(dev, &zeros, &texel);
    }
    // What the driver's table says, unless the other path is clearly faster here.
    const float favour = table_texel ? 1.0f / CLEARLY : CLEARLY;
    out->texel = caps->texel && (texel > storage * favour || (texel == 0.0f && caps->prefer_texel));
    out->rate16 = out->texel && texel > 0.0f ? texel : storage;
    daub_device_tune(dev, out->texel, 1.0f, 0.0f);
    if (status == DAUB_OK)
        status = measure(dev, &zeros, &out->rate12);
    daub_buffer_destroy(dev, &buffer);
    return status;
}

void daub_tune(daub_device *dev, const char *cache_dir)
{
    if (!daub_device_tunable(dev))
        return;
    const struct daub_host *host = daub_device_host(dev);
    const struct daub_caps *caps = daub_device_caps(dev);
    const struct daub_tuning table = { caps->prefer_texel, caps->rate12, caps->rate16 };
    struct daub_tuning choice = table;
    char key[KEY_SIZE];
    daub_device_tuning_key(dev, key, sizeof(key));

    char *own = cache_dir ? NULL : daub_cache_dir(host);
    const char *dir = cache_dir ? cache_dir : own;
    char *path = dir && *dir ? daub_path_join(host, dir, "tuning.txt") : NULL, *text = NULL;
    size_t size = 0;
    if (path && daub_path_is_file(path))
        (void)daub_file_read(host, path, DAUB_MAX_TUNING, &text, &size);

    const bool known = text && daub_tuning_find(text, key, &choice);
    if (!known && path) {
        const char *old = text ? text : "";
        // Without a place to keep it, every start would measure: so the file is tried first.
        daub_status status = daub_make_dirs(dir);
        if (status == DAUB_OK)
            status = write_file(host, path, old, key, NULL);
        if (status == DAUB_OK)
            status = measure_all(dev, &choice);
        if (status == DAUB_OK) {
            daub_log(host, DAUB_LOG_INFO, "measured %s: %s buffers, tiles of 12 rows %.1f, of 16 rows %.1f GFLOP/s",
                     caps->driver, choice.texel ? "texel" : "storage", (double)choice.rate12, (double)choice.rate16);
            status = write_file(host, path, old, key, &choice);
        }
        if (status != DAUB_OK)
            daub_log(host, DAUB_LOG_INFO, "this driver's kernels are not measured: %s", daub_last_error());
    }
    if (choice.rate12 <= 0.0f || choice.rate16 <= 0.0f)
        choice = table;
    daub_device_tune(dev, choice.texel, choice.rate12, choice.rate16);
    daub_free(host, text);
    daub_free(host, path);
    daub_free(host, own);
}
