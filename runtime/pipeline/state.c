// state.c - see state.h.
#include "runtime/pipeline/state.h"

#include "runtime/pipeline/pipeline.h"

#include "runtime/base/limits.h"
#include "runtime/base/sha256.h"
#include "runtime/op/op.h"

#include <string.h>

static const char magic[8] = "daubst1";

struct header { // no padding
    char magic[8];
    uint8_t identity[32]; // of what the vectors mean
    uint8_t sum[32];      // SHA-256 of all that follows this field
    uint64_t size;        // of all bytes
    uint32_t call, step;  // the next call, and the steps before it
};

// Parts of the prompt with guidance; 0: none has it. A call outside the guidance interval is of a picture that has it.
static uint32_t guided_parts(const struct daub_denoise_params *params)
{
    if (!params->negative)
        return params->guided_first > 0 || params->guided_end > 0;
    return params->schedules ? params->schedules->n_parts : 1;
}

// What two runs must have in common for one's vectors to be the other's.
static daub_status identity_of(const struct daub_engine *engine, enum daub_dtype dtype,
                               const struct daub_denoise_params *params, uint8_t out[32])
{
    const uint32_t words = daub_sampler_table_words(params->program);
    uint32_t *table = daub_alloc_array(engine->host, words, sizeof(*table));
    if (!table)
        return daub_no_memory("the sampler's table");
    daub_sampler_table(params->program, table);
    const struct daub_unet_config *cfg = &engine->desc.unet;
    const uint32_t shape[] = { DAUB_VERSION,
                               params->batch,
                               params->h,
                               params->w,
                               cfg->in_channels,
                               cfg->out_channels,
                               guided_parts(params),
                               params->guided_first,
                               params->guided_end,
                               (uint32_t)dtype,
                               params->program->n_vecs };
    struct daub_sha256 sha;
    daub_sha256_init(&sha);
    daub_sha256_update(&sha, shape, sizeof(shape));
    daub_sha256_update(&sha, table, words * sizeof(*table));
    daub_sha256_final(&sha, out);
    daub_free(engine->host, table);
    return DAUB_OK;
}

static void sum_of(const uint8_t *state, size_t size, uint8_t out[32])
{
    const size_t from = offsetof(struct header, size);
    struct daub_sha256 sha;
    daub_sha256_init(&sha);
    daub_sha256_update(&sha, state + from, size - from);
    daub_sha256_final(&sha, out);
}

// Bytes of the network's input for all pictures, once: with guidance it holds them twice, both the same.
static uint64_t size_of_input(const struct daub_tensor *x, uint32_t batch)
{
    return daub_tensor_size(x) / x->shape.n * batch;
}

static struct daub_range rows_of_input(const struct daub_exec *exec, const struct daub_tensor *x, uint32_t batch,
                                       uint32_t i)
{
    struct daub_range range = daub_exec_range(exec, x);
    range.size = size_of_input(x, batch);
    range.offset += i * range.size;
    return range;
}

bool daub_state_wanted(const struct daub_denoise_params *params, uint32_t call)
{
    const int32_t step = params->program->calls[call].step;
    return params->keep && params->keep->every > 0 && step >= 0 && ((uint32_t)step + 1) % params->keep->every == 0;
}

daub_status daub_state_read(const struct daub_engine *engine, const struct daub_denoise_params *params, uint32_t call,
                            struct daub_exec *exec, const struct daub_tensor *x, const struct daub_tensor *vecs)
{
    struct daub_state_keep *keep = params->keep;
    const size_t x_size = (size_t)size_of_input(x, params->batch);
    struct header header = {
        .size = sizeof(header) + x_size + daub_tensor_size(vecs),
        .call = call + 1,
        .step = (uint32_t)params->program->calls[call].step + 1,
    };
    memcpy(header.magic, magic, sizeof(magic));
    TRY(identity_of(engine, engine->dtype, params, header.identity));
    uint8_t *state = daub_alloc(keep->host, (size_t)header.size);
    if (!state)
        return daub_no_memory("a sampler's state");
    memcpy(state, &header, sizeof(header));
    daub_status status = daub_download(engine->dev, rows_of_input(exec, x, params->batch, 0), state + sizeof(header));
    if (status == DAUB_OK)
        status = daub_download(engine->dev, daub_exec_range(exec, vecs), state + sizeof(header) + x_size);
    if (status != DAUB_OK) {
        daub_free(keep->host, state);
        return status;
    }
    sum_of(state, (size_t)header.size, state + offsetof(struct header, sum));
    daub_free(keep->host, keep->data);
    keep->data = state;
    keep->size = (size_t)header.size;
    keep->step = header.step;
    return DAUB_OK;
}

daub_status daub_state_write(const struct daub_engine *engine, const struct daub_denoise_params *params,
                             struct daub_exec *exec, const struct daub_tensor *x, const struct daub_tensor *vecs)
{
    const uint8_t *state = params->resume;
    const uint64_t x_size = size_of_input(x, params->batch);
    if (params->resume_size != sizeof(struct header) + x_size + daub_tensor_size(vecs))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the state has %zu bytes, and this picture's has %llu",
                         params->resume_size,
                         (unsigned long long)(sizeof(struct header) + x_size + daub_tensor_size(vecs)));
    for (uint32_t i = 0; i < x->shape.n / params->batch; i++)
        TRY(daub_upload(engine->dev, rows_of_input(exec, x, params->batch, i), state + sizeof(struct header)));
    return daub_upload(engine->dev, daub_exec_range(exec, vecs), state + sizeof(struct header) + x_size);
}

daub_status daub_state_check(const struct daub_engine *engine, const struct daub_denoise_params *params,
                             const void *state, size_t size, uint32_t *call, uint32_t *step)
{
    struct header header;
    uint8_t want[32];
    if (size < sizeof(header))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the state is cut: it has %zu bytes", size);
    memcpy(&header, state, sizeof(header));
    if (memcmp(header.magic, magic, sizeof(magic)) != 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the state is none of daub_job_take_state");
    sum_of(state, size, want);
    if (header.size != size || memcmp(header.sum, want, sizeof(want)) != 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the state is cut or damaged: it has %zu bytes", size);
    TRY(identity_of(engine, engine->precision, params, want));
    if (memcmp(header.identity, want, sizeof(want)) != 0 || header.call > params->program->n_calls)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the state is of a picture with another size, precision, guidance "
                                                 "(its interval and the parts of AND with it), "
                                                 "sampler or number of steps");
    *call = header.call;
    *step = header.step;
    return DAUB_OK;
}

daub_status daub_request_take_state(const struct daub_engine *engine, const daub_generate_params *params,
                                    struct daub_request *request)
{
    if (params->keep_state_every > DAUB_MAX_STEPS)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "keep_state_every %u is outside 0..%d", params->keep_state_every,
                         DAUB_MAX_STEPS);
    request->keep_state_every = params->keep_state_every;
    if (!params->resume_state)
        return DAUB_OK;
    const uint32_t scale = daub_latent_scale(&engine->desc);
    static const float some = 0.0f; // only its presence counts
    const struct daub_denoise_params denoise = {
        .program = &request->program,
        .batch = request->batch,
        .h = request->height / scale,
        .w = request->width / scale,
        .negative = request->guided ? &some : NULL,
        .schedules = request->schedules.of_step ? &request->schedules : NULL,
        .guided_first = request->guided_first,
        .guided_end = request->guided_end,
    };
    TRY(daub_state_check(engine, &denoise, params->resume_state, params->resume_size, &request->first_call,
                         &request->first_step));
    request->resume = daub_arena_alloc(request->arena, params->resume_size);
    if (!request->resume)
        return daub_no_memory("a sampler's state");
    memcpy(request->resume, params->resume_state, params->resume_size);
    request->resume_size = params->resume_size;
    return DAUB_OK;
}
