// tools.c - daub_tools.h: looking inside.
#include "include/daub_tools.h"

#include "runtime/api/model.h"
#include "runtime/api/params.h"
#include "runtime/base/near.h"

#include <stdio.h>
#include <string.h>

// Copies a text into memory that daub_tools_free frees, whatever the device's allocator.
static daub_status give_text(const char *text, char **out)
{
    *out = daub_strdup(NULL, text);
    return *out ? DAUB_OK : daub_no_memory("a text");
}

void daub_tools_free(char *text)
{
    daub_free(NULL, text);
}

// ---- texts -----------------------------------------------------------------------------------------------------------

daub_status daub_tools_caps_text(daub_device *dev, char **out)
{
    if (!dev || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_caps_text: an argument is NULL");
    const struct daub_caps *c = daub_device_caps(dev);
    char text[2048];
    snprintf(
        text, sizeof(text),
        "  api             %u.%u\n  kernels         %s\n  load path       %s\n  f16 storage     %d\n"
        "  f16 arithmetic  %d\n  subgroup        %u (arithmetic %d)\n  timeline        %d\n  sync2           %d\n"
        "  shared memory   %u KiB\n  binding range   %llu MiB\n  allocation      %llu MiB\n  memory limit    %llu MiB\n"
        "  unified memory  %d\n  timestamps      %d\n",
        c->api_version >> 22 & 0x7f, c->api_version >> 12 & 0x3ff, c->lane ? "lane" : "shared memory",
        c->texel && c->prefer_texel ? "texel buffers" : "storage buffers", c->f16_storage, c->f16_arithmetic,
        c->subgroup_size, c->subgroup_arithmetic, c->timeline, c->sync2, c->max_shared >> 10,
        (unsigned long long)(c->max_range >> 20), (unsigned long long)(c->max_alloc >> 20),
        (unsigned long long)(c->max_memory >> 20), c->uma, c->timestamps);
    return give_text(text, out);
}

void daub_tools_near_names(const char *text, const char *const *names, uint32_t n, char *out, size_t capacity)
{
    daub_near_names(text, names, n, out, capacity);
}

const char *daub_tools_debug_words(void)
{
    return "DAUB_DEBUG (comma separated): validate, names, nofuse, graph, plan, nocache, broken=KERNEL. "
           "DAUB_CAPS: -f16, -subgroup, -texel, +texel, -lane, -winograd, -shared, -timeline, -timestamps, -sync2, "
           "-uma, "
           "range=SIZE, "
           "shared=SIZE, alloc=SIZE, memory=SIZE, align=SIZE, rows=SIZE, api=1.1 (sizes with K, M or G).";
}

static void levels_text(char *out, size_t size, const uint32_t *values, uint32_t n)
{
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < n && at < size; i++) {
        const int made = snprintf(out + at, size - at, "%s%u", i ? ", " : "", values[i]);
        at += made > 0 ? (size_t)made : 0;
    }
}

daub_status daub_tools_inspect_text(const char *path, const daub_model_params *params, char **out)
{
    if (!out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_inspect_text: out is NULL");
    daub_model_params p;
    TRY(daub_params_copy("daub_model_params", params, &p, sizeof(p)));
    struct daub_checkpoint *ckpt = NULL;
    struct daub_arena *arena = NULL;
    struct daub_model_desc d = { 0 };
    TRY(daub_engine_describe(NULL, path, &p, &ckpt, &arena, &d));

    char text[8192], unet[128], vae[128];
    static const char *const predictions[] = { "epsilon", "v_prediction", "sample" };
    levels_text(unet, sizeof(unet), d.unet.block_out_channels, d.unet.n_levels);
    levels_text(vae, sizeof(vae), d.vae.block_out_channels, d.vae.n_levels);
    int n = snprintf(text, sizeof(text),
                     "%s\n  family      %s (%s)\n  unet        %.1f M parameters, widths %s, in %u, out %u\n"
                     "  prediction  %s\n  sampler     %s, schedule %s\n  defaults    %ux%u, %u steps, guidance %g\n",
                     daub_checkpoint_path(ckpt), d.family->name, d.evidence,
                     (double)daub_checkpoint_parameters(ckpt, DAUB_UNET) * 1e-6, unet, d.unet.in_channels,
                     d.unet.out_channels, predictions[d.sampler.prediction_type], d.sampler.sampler->name,
                     daub_sigma_spacing_name(d.sampler.sigma_spacing), d.width, d.height, d.n_steps,
                     (double)d.guidance_scale);
    if (d.has_text && n > 0 && (size_t)n < sizeof(text))
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "  text        %.1f M parameters, %u layers of %u, %u heads, %u tokens, %s\n",
                      (double)daub_checkpoint_parameters(ckpt, DAUB_TEXT) * 1e-6, d.text.num_hidden_layers,
                      d.text.hidden_size, d.text.num_attention_heads, d.text.max_position_embeddings,
                      d.text.quick_gelu ? "quick_gelu" : "gelu");
    if (d.has_vae && n > 0 && (size_t)n < sizeof(text))
        snprintf(text + n, sizeof(text) - (size_t)n,
                 "  vae         %.1f M parameters, widths %s, %u latent channels, scaling %g\n",
                 (double)daub_checkpoint_parameters(ckpt, DAUB_VAE) * 1e-6, vae, d.vae.latent_channels,
                 d.vae.scaling_factor);
    const struct daub_checkpoint *other = daub_checkpoint_vae(ckpt);
    const size_t used = strlen(text);
    if (other)
        snprintf(text + used, sizeof(text) - used, "              of %s, in place of the model's own\n",
                 daub_checkpoint_path(other));
    const daub_status status = give_text(text, out);
    daub_arena_destroy(&arena);
    daub_checkpoint_close(&ckpt);
    return status;
}

daub_status daub_tools_default_model(char *out, size_t capacity)
{
    return daub_default_model_path(NULL, out, capacity);
}
