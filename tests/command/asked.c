// asked.c - see asked.h.
#include "tests/command/asked.h"

#include <stdarg.h>

char asked[ASKED];

void ask(const char *fmt, ...)
{
    const size_t n = strlen(asked);
    va_list args;
    va_start(args, fmt);
    vsnprintf(asked + n, sizeof(asked) - n, fmt, args);
    va_end(args);
}

static void ask_text(const char *name, const char *value)
{
    if (value)
        ask(" %s='%s'", name, value);
}

static void ask_number(const char *name, double value)
{
    if (value != 0.0)
        ask(" %s=%.9g", name, value);
}

static void ask_image(const char *name, const daub_image *image)
{
    if (image)
        ask(" %s=%ux%ux%u:%u", name, image->width, image->height, image->channels, image->pixels[0]);
}

// Every field that is not at its default, by its name.
void ask_params(const char *what, const daub_generate_params *p)
{
    ask("%s", what);
    ask_text("prompt", p->prompt);
    ask_text("negative", p->negative_prompt);
    ask_number("emphasis", p->emphasis);
    ask_number("padding", p->padding);
    ask_number("width", p->width);
    ask_number("height", p->height);
    ask_number("n_steps", p->n_steps);
    ask_number("guidance", (double)p->guidance_scale);
    ask_number("rescale", (double)p->guidance_rescale);
    ask_number("start", p->guidance_start);
    ask_number("end", p->guidance_end);
    if (p->seed)
        ask(" seed=%llu", (unsigned long long)p->seed);
    ask_number("rng", p->rng);
    ask_text("sampler", p->sampler);
    ask_text("schedule", p->schedule);
    ask_number("eta", p->eta);
    ask_number("clip_skip", p->clip_skip);
    ask_text("embeds", p->prompt_embeds_path);
    ask_image("init", p->init);
    ask_number("strength", p->strength);
    ask_image("mask", p->mask);
    ask_number("memory", p->memory);
    ask_number("vae_rows", p->vae_rows);
    ask_number("vae_memory", (double)p->vae_memory);
    if (p->on_preview)
        ask(" preview=%d:%u", (int)p->preview, p->preview_every);
    ask_number("hook", p->on_step != NULL);
    ask("\n");
}

void ask_device(const char *what, const daub_device_params *p)
{
    ask("%s", what);
    ask_text("device", p->device);
    ask_number("max_memory", (double)p->max_memory);
    ask(" log=%d\n", (int)p->log_level);
}

void ask_model(const char *what, const char *path, const daub_model_params *p)
{
    ask("%s", what);
    ask_text("path", path);
    ask_number("precision", p->precision);
    ask_text("config", p->config_from);
    ask_text("vae", p->vae);
    ask_text("cache", p->weight_cache);
    ask("\n");
}
