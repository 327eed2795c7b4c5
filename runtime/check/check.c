// check.c - the ops that have a reference.
#include "runtime/check/check.h"

#include <string.h>

extern const struct daub_check daub_check_of_attention, daub_check_of_concat, daub_check_of_conv2d,
    daub_check_of_elementwise, daub_check_of_embed, daub_check_of_finite, daub_check_of_geglu, daub_check_of_gemm,
    daub_check_of_group_norm, daub_check_of_layer_norm, daub_check_of_rgb8, daub_check_of_rgba,
    daub_check_of_sampler_step, daub_check_of_upsample;

const struct daub_check *const daub_checks[] = {
    &daub_check_of_gemm,         &daub_check_of_conv2d, &daub_check_of_attention,   &daub_check_of_group_norm,
    &daub_check_of_layer_norm,   &daub_check_of_geglu,  &daub_check_of_elementwise, &daub_check_of_upsample,
    &daub_check_of_concat,       &daub_check_of_embed,  &daub_check_of_rgb8,        &daub_check_of_rgba,
    &daub_check_of_sampler_step, &daub_check_of_finite,
};
const uint32_t daub_n_checks = sizeof(daub_checks) / sizeof(daub_checks[0]);

const struct daub_check *daub_check_find(const char *op)
{
    for (uint32_t i = 0; i < daub_n_checks; i++)
        if (strcmp(daub_checks[i]->op, op) == 0)
            return daub_checks[i];
    return NULL;
}
