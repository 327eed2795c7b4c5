// variant.c - see variant.h.
#include "runtime/check/variant.h"

#include "runtime/op/tune.h"

#include <string.h>

#define LANE "gemm,conv2d,attention,group_norm"

// clang-format off
static const struct daub_variant list[] = {
    // words              ops            both   thorough
    { "",                 "*",           true,  false },
    { "-lane",            "*",           true,  false }, // the shared-memory kernels, where the device runs lane kernels,
    { "-shared",          "*",           true,  false }, // and the other way round
    { "-texel",           LANE,          false, false },
    { "+texel",           LANE,          false, false },
    { "-subgroup",        LANE,          false, false },
    { "-winograd",        "conv2d",      false, false },
    { "rows=12",          "gemm,conv2d", false, false },
    { "rows=16",          "gemm,conv2d", false, false },
    { "-subgroup,-texel", LANE,          false, true },
    { "-subgroup,+texel", LANE,          false, true },
    { "-shared,+texel",   LANE,          false, true },
};
// clang-format on
enum { N_LIST = sizeof(list) / sizeof(list[0]) };
_Static_assert(N_LIST <= sizeof(((struct daub_variants *)0)->seen) / sizeof(struct daub_kernel_choice), "room for all");

// The shared-memory kernels have no variants among themselves.
static struct daub_kernel_choice choice_of(const struct daub_caps *caps)
{
    const struct daub_kernel_choice shared = { false, false, false, false, 0 };
    const struct daub_kernel_choice lane = {
        .lane = true,
        .winograd = caps->winograd,
        .shuffle = caps->shuffle8,
        .texel = caps->texel && caps->prefer_texel,
        .rows = !caps->shuffle8        ? 0
                : caps->rate16 <= 0.0f ? 12
                : caps->rate12 <= 0.0f ? 16
                                       : 0,
    };
    return caps->lane || !caps->shared_kernels ? lane : shared;
}

static bool same(const struct daub_kernel_choice *a, const struct daub_kernel_choice *b)
{
    return a->lane == b->lane && a->winograd == b->winograd && a->shuffle == b->shuffle && a->texel == b->texel &&
           a->rows == b->rows;
}

static bool is_new(struct daub_variants *v, const struct daub_kernel_choice *choice)
{
    for (uint32_t i = 0; i < v->n_seen; i++)
        if (same(&v->seen[i], choice))
            return false;
    v->seen[v->n_seen++] = *choice;
    return true;
}

daub_status daub_variant_open(const struct daub_variant *variant, const daub_device_params *params, daub_device **out)
{
    TRY(daub_vk_device_create_with(params, variant->words, out));
    daub_tune(*out, params->cache_dir);
    return DAUB_OK;
}

daub_status daub_variants_next(struct daub_variants *v, const daub_device_params *params, bool thorough,
                               const struct daub_variant **variant, daub_device **out)
{
    while (v->next < N_LIST) {
        *variant = &list[v->next++];
        if ((*variant)->thorough && !thorough)
            continue;
        TRY(daub_variant_open(*variant, params, out));
        const struct daub_caps *caps = daub_device_caps(*out);
        const struct daub_kernel_choice choice = choice_of(caps);
        const bool against = v->n_seen > 0 && !caps->lane &&
                             !caps->shared_kernels; // the caller has masked lane kernels
        if (!against && is_new(v, &choice))
            return DAUB_OK;
        daub_vk_device_destroy(out);
    }
    *variant = NULL;
    return DAUB_OK;
}

uint32_t daub_variants_left(const struct daub_variants *v)
{
    uint32_t n = 0;
    for (uint32_t i = v->next; i < N_LIST; i++)
        n += !list[i].thorough;
    return n;
}
