// rates.c - see rates.h. The shapes are those of SD 1.5's layers at 512x512 with guidance, so of two pictures: the classes that most of a step's
// products are in, a large and a small one of each. Smallest first, because what the next will take is told by those before.
#include "runtime/check/rates.h"

#include "runtime/base/half.h"
#include "runtime/base/thread.h"
#include "runtime/check/variant.h"
#include "runtime/io/pack.h"
#include "runtime/op/count.h"
#include "runtime/op/gemm.h"
#include "runtime/vk/kernels/embed.h"

#include <stdio.h>
#include <string.h>

enum kind { LINEAR, GEGLU, CONV, UP_CONV, ATTENTION, STREAM };
static const char *const kind_names[] = { "linear", "geglu", "conv3x3", "up+conv3x3", "attention", "stream" };

struct shape {
    enum kind kind;
    uint32_t side, c, out; // a map's; of attention: c the width
    uint32_t heads, n_k;   // of attention; n_k 0: as many as pixels
};

// clang-format off
static const struct shape shapes[] = {
    // kind    side  c     out    heads n_k
    { STREAM,    64, 320,      0, 0,  0 },
    { LINEAR,     8, 1280,  1280, 0,  0 },
    { CONV,      64, 320,      4, 0,  0 }, // narrow kernels
    { ATTENTION, 16, 1280,     0, 8,  0 },
    { ATTENTION, 64, 320,      0, 8, 77 },
    { LINEAR,    64, 320,    320, 0,  0 },
    { LINEAR,    16, 1280,  1280, 0,  0 },
    { CONV,       8, 1280,  1280, 0,  0 },
    { ATTENTION, 32, 640,      0, 8,  0 },
    { GEGLU,     64, 320,   2560, 0,  0 },
    { GEGLU,     16, 1280, 10240, 0,  0 },
    { CONV,      64, 320,    320, 0,  0 },
    { CONV,      32, 640,    640, 0,  0 },
    { CONV,      16, 2560,  1280, 0,  0 },
    { ATTENTION, 64, 320,      0, 8,  0 },
    { CONV,      64, 960,    320, 0,  0 },
    { UP_CONV,   16, 1280,  1280, 0,  0 },
};
// clang-format on
enum {
    N_SHAPES = sizeof(shapes) / sizeof(shapes[0]),
    N_PICTURES = 2,
    MAX_RUNS = 30,
    N_BUFFERS = 16,
    BLOCK = 1 << 20,      // bytes of random values, repeated
    MAX_COPY = 256 << 20, // bytes
    MAX_TIMES = 4096,
};
// Of the time for all: what the device's own choice gets, more than its part since that is what it will run.
static const double OWN_PART = 0.4, DEFAULT_SECONDS = 30.0;

struct session {
    const daub_device_params *device;
    const daub_tools_rates_params *params;
    const struct daub_variant *variant;
    daub_device *dev;
    enum daub_dtype dtype;
    uint8_t *block;
    struct daub_buffer *buffers[N_BUFFERS]; // weights of the shape in hand
    struct daub_range ranges[N_BUFFERS];
    uint32_t n_buffers, n_rates;
    struct daub_cmd_time *times;
    double flop_rate; // of the last shape in this variant, flops a second; 0: none yet
};

// ---- one shape -------------------------------------------------------------------------------------------------------

static struct daub_tensor *input(struct daub_net *net, const char *name, uint32_t side, uint32_t c)
{
    return daub_net_input(net, name, DAUB_STAGE_STEP, daub_net_dtype(net),
                          (struct daub_shape) { N_PICTURES, side, side, c });
}

static struct daub_tensor *build(struct daub_net *net, const struct shape *s)
{
    const uint32_t matrix[] = { s->out, s->c }, conv[] = { s->out, s->c, 3, 3 };
    const struct daub_conv pad = { 1, 1, 1, 1, 1 };
    struct daub_tensor *x = input(net, "x", s->side, s->c);
    switch (s->kind) {
    case LINEAR:
        return daub_linear(net, x, daub_net_weight(net, "weight", 2, matrix), NULL, 1);
    case GEGLU:
        return daub_geglu(net, daub_linear(net, x, daub_net_weight(net, "weight", 2, matrix), NULL, 1));
    case UP_CONV:
        x = daub_upsample_nearest(net, x, 2 * s->side, 2 * s->side);
        return daub_conv2d(net, x, daub_net_weight(net, "weight", 4, conv), NULL, pad);
    case CONV:
        return daub_conv2d(net, x, daub_net_weight(net, "weight", 4, conv), NULL, pad);
    case STREAM:
        return daub_act(net, x, DAUB_ACT_SILU);
    default:
        break;
    }
    const struct daub_shape tokens = { N_PICTURES, 1, s->n_k ? s->n_k : s->side * s->side, s->c };
    struct daub_tensor *k = daub_net_input(net, "k", DAUB_STAGE_STEP, daub_net_dtype(net), tokens);
    struct daub_tensor *v = daub_net_input(net, "v", DAUB_STAGE_STEP, daub_net_dtype(net), tokens);
    x->heads = k->heads = v->heads = s->heads;
    return daub_attention(net, x, k, v, false);
}

static void describe(const struct shape *s, daub_tools_rate *rate)
{
    const uint32_t pixels = s->side * s->side;
    snprintf(rate->op, sizeof(rate->op), "%s", kind_names[s->kind]);
    if (s->kind == LINEAR || s->kind == GEGLU)
        snprintf(rate->shape, sizeof(rate->shape), "%ux%ux%u", N_PICTURES * pixels, s->out, s->c);
    else if (s->kind == ATTENTION)
        snprintf(rate->shape, sizeof(rate->shape), "%ux%u %u heads of %u", pixels, s->n_k ? s->n_k : pixels, s->heads,
                 s->c / s->heads);
    else if (s->kind == STREAM)
        snprintf(rate->shape, sizeof(rate->shape), "%ux%u of %u", s->side, s->side, s->c);
    else
        snprintf(rate->shape, sizeof(rate->shape), "%ux%u %u -> %u", s->side, s->side, s->c, s->out);
}

static void tell(struct session *s, const daub_tools_rate *rate)
{
    s->n_rates++;
    s->params->on_rate(s->params->user, rate);
}

static daub_status fill(const struct session *s, struct daub_range range)
{
    for (uint64_t at = 0; at < range.size; at += BLOCK) {
        const uint64_t n = range.size - at < BLOCK ? range.size - at : BLOCK;
        TRY(daub_upload(s->dev, (struct daub_range) { range.buf, range.offset + at, n }, s->block));
    }
    return DAUB_OK;
}

static daub_status bind(void *user, struct daub_tensor *const *weights, uint32_t n)
{
    struct session *s = user;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t size = daub_pack_size(&weights[i]->pack, weights[i]->dims, weights[i]->n_dims);
        const uint32_t at = s->n_buffers;
        if (at == N_BUFFERS)
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "a layer that is timed has at most %d weights", N_BUFFERS);
        TRY(daub_buffer_create(s->dev, DAUB_MEMORY_DEVICE, size, weights[i]->name, &s->buffers[at]));
        s->n_buffers++;
        s->ranges[at] = (struct daub_range) { s->buffers[at], 0, size };
        weights[i]->data = &s->ranges[at];
        TRY(fill(s, s->ranges[at]));
    }
    return DAUB_OK;
}

struct largest { // the dispatch with most products, or bytes where there are none
    daub_tools_rate *rate;
    double most, bytes;
};

static daub_status look(void *user, const struct daub_node *node, const struct daub_dispatch *d)
{
    struct largest *l = user;
    const double bytes = (double)daub_dispatch_bytes(d), size = d->flop * 1e6 + bytes;
    l->bytes += bytes;
    if (size <= l->most)
        return DAUB_OK;
    l->most = size;
    snprintf(l->rate->kernel, sizeof(l->rate->kernel), "%s", daub_kernel_name(d->kernel));
    const struct daub_gemm_attrs *attrs = node->op == &daub_op_gemm ? node->attrs : NULL;
    l->rate->tile[0] = '\0';
    if (attrs)
        snprintf(l->rate->tile, sizeof(l->rate->tile), "%ux%u%s", attrs->tile->rows, 64 * attrs->tile->panels,
                 attrs->winograd ? " w"
                 : attrs->phases ? " p"
                                 : "");
    return DAUB_OK;
}

// Seconds of one run: by the device's clock where it has one.
static daub_status run_once(struct session *s, struct daub_exec *exec, double *seconds)
{
    const uint64_t start = daub_now_ns();
    TRY(daub_exec_run(exec, DAUB_STAGE_STEP));
    *seconds = (double)(daub_now_ns() - start) * 1e-9;
    if (!daub_device_caps(s->dev)->timestamps)
        return DAUB_OK;
    uint32_t n;
    double sum = 0.0;
    TRY(daub_exec_times(exec, DAUB_STAGE_STEP, s->times, MAX_TIMES, &n));
    for (uint32_t i = 0; i < n && i < MAX_TIMES; i++)
        sum += s->times[i].seconds;
    *seconds = n <= MAX_TIMES && sum > 0.0 ? sum : *seconds;
    return DAUB_OK;
}

// Best of as many runs as fit.
static daub_status run_best(struct session *s, struct daub_exec *exec, double budget, daub_tools_rate *rate)
{
    double unused;
    TRY(run_once(s, exec, &unused)); // some drivers compile now
    const uint64_t start = daub_now_ns();
    for (int i = 0; i < MAX_RUNS && (i == 0 || (double)(daub_now_ns() - start) * 1e-9 < budget); i++) {
        double seconds;
        TRY(run_once(s, exec, &seconds));
        rate->seconds = i == 0 || seconds < rate->seconds ? seconds : rate->seconds;
        rate->n_runs++;
    }
    return DAUB_OK;
}

static daub_status time_exec(struct session *s, struct daub_exec *exec, double budget, daub_tools_rate *rate)
{
    struct daub_net *net = daub_exec_net(exec);
    struct largest largest = { .rate = rate };
    const struct daub_walk walk = { look, &largest };
    TRY(daub_exec_walk(daub_device_caps(s->dev), net, &walk));
    rate->gbytes = largest.bytes * 1e-9;
    for (uint32_t i = 0; i < daub_net_n_tensors(net); i++)
        if (daub_net_tensor(net, i)->kind == DAUB_TENSOR_INPUT && daub_net_tensor(net, i)->size > 0)
            TRY(fill(s, daub_exec_range(exec, daub_net_tensor(net, i))));
    return run_best(s, exec, budget, rate);
}

// `budget`: seconds for its runs. A shape that would take half of the `rest` for a run to warm up and a timed one is left out; the first is
// not.
static daub_status time_shape(struct session *s, const struct shape *shape, double budget, double rest)
{
    struct daub_net *net = NULL;
    struct daub_exec *exec = NULL;
    daub_tools_rate rate = { .precision = s->dtype == DAUB_F16 ? DAUB_PRECISION_F16 : DAUB_PRECISION_F32 };
    snprintf(rate.words, sizeof(rate.words), "%s", s->variant->words);
    describe(shape, &rate);
    TRY(daub_net_create(daub_device_host(s->dev), "bench", s->dtype, &net));
    daub_net_output(net, "y", build(net, shape));
    rate.gflop = daub_count_flop(net) * 1e-9;
    daub_status status = DAUB_OK;
    if (s->flop_rate > 0.0 && 2.0 * rate.gflop * 1e9 / s->flop_rate > rest / 2.0) {
        daub_net_destroy(&net);
    } else {
        const struct daub_exec_params params = {
            .bind_weights = bind, .user = s, .profile = daub_device_caps(s->dev)->timestamps, .name = "bench"
        };
        status = daub_exec_create(s->dev, net, &params, &exec);
        if (status == DAUB_OK)
            status = time_exec(s, exec, budget, &rate);
        if (status == DAUB_OK)
            rate.gflop = daub_count_flop(daub_exec_net(exec)) * 1e-9; // as fused and chosen
        if (shape->kind != STREAM && rate.seconds > 0.0)
            s->flop_rate = rate.gflop * 1e9 / rate.seconds;
    }
    daub_exec_destroy(&exec);
    for (; s->n_buffers > 0; s->n_buffers--)
        daub_buffer_destroy(s->dev, &s->buffers[s->n_buffers - 1]);
    if (status != DAUB_OK)
        snprintf(rate.sentence, sizeof(rate.sentence), "%s", daub_last_error());
    tell(s, &rate);
    return status == DAUB_ERROR_DEVICE_LOST || status == DAUB_ERROR_NO_HOST_MEMORY ? status : DAUB_OK;
}

// ---- copying ---------------------------------------------------------------------------------------------------------

static daub_status time_copies(struct session *s, struct daub_buffer *const pair[2], struct daub_cmd *cmd,
                               double budget, daub_tools_rate *rate)
{
    const uint64_t size = daub_buffer_size(pair[0]);
    TRY(daub_fill(s->dev, (struct daub_range) { pair[0], 0, size }, 0x3c003c00u));
    TRY(daub_cmd_copy(cmd, (struct daub_range) { pair[1], 0, size }, (struct daub_range) { pair[0], 0, size }));
    TRY(daub_cmd_end(cmd));
    TRY(daub_submit_and_wait(s->dev, cmd)); // touches every page
    const uint64_t first = daub_now_ns();
    for (int i = 0; i < MAX_RUNS && (i == 0 || (double)(daub_now_ns() - first) * 1e-9 < budget); i++) {
        const uint64_t start = daub_now_ns();
        TRY(daub_submit_and_wait(s->dev, cmd));
        const double seconds = (double)(daub_now_ns() - start) * 1e-9;
        rate->seconds = i == 0 || seconds < rate->seconds ? seconds : rate->seconds;
        rate->n_runs++;
    }
    return DAUB_OK;
}

static daub_status time_copy(struct session *s, double budget)
{
    uint64_t size = MAX_COPY;
    while (size > 1 << 20 &&
           (size > daub_device_memory_limit(s->dev) / 8 || size > daub_device_caps(s->dev)->max_alloc))
        size /= 2;
    struct daub_buffer *pair[2] = { NULL, NULL };
    struct daub_cmd *cmd = NULL;
    daub_tools_rate rate = { .op = "copy", .gbytes = 2e-9 * (double)size };
    snprintf(rate.shape, sizeof(rate.shape), "%llu MiB", (unsigned long long)(size >> 20));
    daub_status status = daub_cmd_create(s->dev, "copy", &cmd);
    for (int i = 0; i < 2 && status == DAUB_OK; i++)
        status = daub_buffer_create(s->dev, DAUB_MEMORY_DEVICE, size, "copy", &pair[i]);
    if (status == DAUB_OK)
        status = time_copies(s, pair, cmd, budget, &rate);
    daub_cmd_destroy(s->dev, &cmd);
    daub_buffer_destroy(s->dev, &pair[0]);
    daub_buffer_destroy(s->dev, &pair[1]);
    if (status == DAUB_OK)
        tell(s, &rate);
    return status;
}

// ---- all -------------------------------------------------------------------------------------------------------------

static void make_block(struct session *s)
{
    uint32_t state = 1;
    for (uint32_t i = 0; i < BLOCK / 4; i++) {
        state = state * 1664525u + 1013904223u;
        const float value = ((float)(state >> 8) / (float)(1 << 24) - 0.5f) * 0.25f;
        const uint32_t half = daub_half_from_float(value), pair = half << 16 | half;
        memcpy(s->block + 4 * (size_t)i, s->dtype == DAUB_F16 ? (const void *)&pair : (const void *)&value, 4);
    }
}

static bool wanted(const struct session *s, const char *op)
{
    return !s->params->ops || daub_glob(s->params->ops, op);
}

static bool takes_part(const struct session *s, const struct shape *shape)
{
    static const char *const ops[] = { "gemm", "gemm", "conv2d", "conv2d", "attention", "" };
    if (!wanted(s, kind_names[shape->kind]))
        return false;
    return !s->variant->words[0] || (shape->kind != STREAM && daub_glob(s->variant->ops, ops[shape->kind]));
}

static daub_status run_variant(struct session *s, double budget)
{
    const uint64_t start = daub_now_ns();
    s->flop_rate = 0.0;
    uint32_t left = 0;
    for (uint32_t i = 0; i < N_SHAPES; i++)
        left += takes_part(s, &shapes[i]);
    if (!s->variant->words[0] && wanted(s, "copy"))
        TRY(time_copy(s, budget / (left + 1)));
    for (uint32_t i = 0; i < N_SHAPES; i++)
        if (takes_part(s, &shapes[i])) {
            const double rest = budget - (double)(daub_now_ns() - start) * 1e-9;
            TRY(time_shape(s, &shapes[i], rest / left, rest));
            left--;
        }
    return DAUB_OK;
}

static daub_status run_all(struct session *s)
{
    const double total = s->params->seconds > 0.0 ? s->params->seconds : DEFAULT_SECONDS;
    const uint64_t start = daub_now_ns();
    struct daub_variants variants = { 0 };
    for (;;) {
        TRY(daub_variants_next(&variants, s->device, false, &s->variant, &s->dev));
        if (!s->variant)
            break;
        const double left = total - (double)(daub_now_ns() - start) * 1e-9;
        const double budget = s->variant->words[0] ? left / (1 + daub_variants_left(&variants)) : OWN_PART * total;
        const bool starts = left > 0.0 || s->n_rates == 0; // opening the device may have taken all
        const daub_status status = starts ? run_variant(s, budget) : DAUB_OK;
        daub_vk_device_destroy(&s->dev);
        TRY(status);
    }
    if (s->n_rates == 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "no op that is timed is called \"%s\"; daub bench --kernels names them",
                         s->params->ops ? s->params->ops : "");
    return DAUB_OK;
}

daub_status daub_kernel_rates(const daub_device_params *device, const daub_tools_rates_params *params)
{
    struct session s = {
        .device = device,
        .params = params,
        .dtype = params->precision == DAUB_PRECISION_F32 ? DAUB_F32 : DAUB_F16,
    };
    const struct daub_host host = { .allocator = device->allocator };
    s.block = daub_alloc(&host, BLOCK);
    s.times = daub_alloc_array(&host, MAX_TIMES, sizeof(*s.times));
    daub_status status = s.block && s.times ? DAUB_OK : daub_no_memory("timings");
    if (status == DAUB_OK) {
        make_block(&s);
        status = run_all(&s);
    }
    daub_free(&host, s.block);
    daub_free(&host, s.times);
    return status;
}
