// styles.c - presets over daub_generate_params: one table, which the command's list, its help and the documents are made from.
#include "runtime/api/model.h"
#include "runtime/api/params.h"
#include "runtime/base/near.h"

#include <math.h>
#include <string.h>

// By trial with the default model, 36 pictures a row: the share of the object's pixels that touch 0 or 255 (burnt out), and the median number of
// training pictures of other things that are nearer to a picture than any of its own thing. docs/user-guide.md shows more.
//
//   guidance 4 (the model's)  7.6 %  2        8, rescale 0.7                9.3 %  0
//   6                        11.6 %  1        11, rescale 0.7              11.4 %  0
//   6, rescale 0.3            9.8 %  1        8, rescale 0.7, 40 steps      9.4 %  1
//   8                        14.1 %  1        8, rescale 0.7, dpmpp_2m     10.0 %  0
//   11                       17.6 %  3        8, rescale 0.7, 0.1..0.8      7.0 %  1
static const daub_style_info styles[] = {
    {
        .name = "strict",
        .description = "follows the prompt to the letter: more guidance at every step, a little rescaled",
        .guidance_factor = 1.6,
        .guidance_rescale = 0.3f,
        .guidance_end = 1.0,
        .steps_factor = 1.0,
    },
    {
        .name = "vivid",
        .description = "stylised: much more guidance, rescaled so that colours do not burn out, and finer steps",
        .guidance_factor = 2.3,
        .guidance_rescale = 0.7f,
        .guidance_end = 1.0,
        .steps_factor = 1.2,
        .sampler = "dpmpp_2m",
        .schedule = "karras",
    },
};

enum { N_STYLES = sizeof(styles) / sizeof(styles[0]) };

uint32_t daub_style_count(void)
{
    return N_STYLES;
}

daub_status daub_style_get_info(uint32_t index, daub_style_info *out)
{
    if (!out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_style_get_info: out is NULL");
    if (index >= N_STYLES)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "there is no style %u; there are %u", index, N_STYLES);
    return daub_params_give("daub_style_info", &styles[index], sizeof(styles[index]), out);
}

static daub_status find(const char *name, const daub_style_info **out)
{
    const char *names[N_STYLES];
    for (uint32_t i = 0; i < N_STYLES; i++) {
        names[i] = styles[i].name;
        if (daub_name_same(name, strlen(name), styles[i].name)) {
            *out = &styles[i];
            return DAUB_OK;
        }
    }
    return daub_unknown_name("style", name, names, N_STYLES);
}

// A model whose own guidance is off was distilled for its sampler and its few steps: it stays as it is.
static void fill(const daub_style_info *style, const struct daub_model_desc *desc, daub_generate_params *p)
{
    if (desc->guidance_scale <= 1.0f)
        return;
    if (p->guidance_scale == 0.0f)
        p->guidance_scale = (float)(1.0 + style->guidance_factor * ((double)desc->guidance_scale - 1.0));
    if (p->guidance_scale > 1.0f) {
        if (p->guidance_rescale == 0.0f)
            p->guidance_rescale = style->guidance_rescale;
        if (p->guidance_start == 0.0 && p->guidance_end == 0.0) {
            p->guidance_start = style->guidance_start;
            p->guidance_end = style->guidance_end;
        }
    }
    if (p->n_steps == 0)
        p->n_steps = (uint32_t)lrint(style->steps_factor * desc->n_steps);
    if (!p->sampler) { // a schedule goes with its sampler
        p->sampler = style->sampler;
        if (!p->schedule)
            p->schedule = style->schedule;
    }
}

daub_status daub_style_apply(const daub_model *model, const char *style, daub_generate_params *params)
{
    if (!style || (model && !params))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_style_apply: style or params is NULL");
    const daub_style_info *found = NULL;
    TRY(find(style, &found));
    if (!model)
        return DAUB_OK;
    daub_generate_params p;
    TRY(daub_params_copy("daub_generate_params", params, &p, sizeof(p)));
    const struct daub_model_desc *desc = &daub_model_engine(model)->desc;
    if (!desc->has_text)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "a style (%s) is about prompts, and this model takes none",
                         found->name);
    fill(found, desc, &p);
    return daub_params_give("daub_generate_params", &p, sizeof(p), params);
}
