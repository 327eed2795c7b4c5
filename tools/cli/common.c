// common.c - errors, opening device and model, parameters, Ctrl-C.
#include "cli.h"
#include "platform.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void cli_print_line(FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n && text[i]; i++)
        fputc((unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i], out);
}

static char about[512];

void cli_about(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(about, sizeof(about), fmt, args);
    va_end(args);
}

static void complain(const char *kind, const char *fmt, va_list args)
{
    char text[4096];
    vsnprintf(text, sizeof(text), fmt, args);
    fprintf(stderr, "daub: %s", kind);
    cli_print_line(stderr, about, sizeof(about));
    cli_print_line(stderr, text, sizeof(text));
    fputs("\n", stderr);
}

void cli_complain(const char *fmt, va_list args)
{
    complain("", fmt, args);
}

void cli_warn(const struct cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!cli->quiet)
        complain("warning: ", fmt, args);
    va_end(args);
}

int cli_fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    cli_complain(fmt, args);
    va_end(args);
    return EXIT_FAILED;
}

int cli_fail_name(const char *what, const char *const *names, const char *value)
{
    char all[256] = "", near[128];
    uint32_t n = 0;
    while (names[n])
        n++;
    for (uint32_t i = 0; i < n; i++) {
        const size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", names[i]);
    }
    daub_tools_near_names(value, names, n, near, sizeof(near));
    if (strcmp(near, all) == 0) // of names this short each is near
        near[0] = '\0';
    return cli_fail("%s wants %s, not '%s'%s%s%s", what, all, value, near[0] ? "; did you mean " : "", near,
                    near[0] ? "?" : "");
}

int cli_failed(void)
{
    return cli_fail("%s", daub_last_error());
}

static void log_message(void *user, daub_log_level level, const char *message)
{
    (void)user;
    static const char *const names[] = { "", "error: ", "warning: ", "", "" };
    fprintf(stderr, "daub: %s%s\n", level <= DAUB_LOG_DEBUG ? names[level] : "", message);
}

double cli_seconds(void)
{
    static double first;
    const double now = platform_seconds();
    if (first <= 0.0)
        first = now;
    return now - first;
}

int cli_quality(const struct cli *cli)
{
    return cli->quality ? (int)cli->quality : CLI_QUALITY;
}

static double opened;
static daub_image init_picture, mask_picture; // what --init and --mask name, once read

double cli_opened(void)
{
    return opened;
}

// "900M", "1.2G" or bytes, in powers of ten like all that daub prints.
static bool read_bytes(const char *text, uint64_t *bytes)
{
    if (!text)
        return true;
    char *end;
    const double number = strtod(text, &end);
    const char *const unit = strchr("kKmMgG", *end);
    const double scale = *end == '\0' || !unit ? 1.0 : (unit[0] | 32) == 'k' ? 1e3 : (unit[0] | 32) == 'm' ? 1e6 : 1e9;
    const double value = number * scale;
    if (*text < '0' || *text > '9' || (*end != '\0' && (!unit || end[1] != '\0')) || !(value >= 1.0 && value < 1e18))
        return false;
    *bytes = (uint64_t)value;
    return true;
}

daub_device_params cli_device_params(const struct cli *cli)
{
    return (daub_device_params) {
        .struct_size = sizeof(daub_device_params),
        .device = cli->device,
        .log = log_message,
        .log_level = cli->quiet     ? DAUB_LOG_ERROR
                     : cli->verbose ? DAUB_LOG_INFO
                                    : DAUB_LOG_WARNING,
    };
}

bool cli_open(const struct cli *cli, daub_device **dev, daub_model **model)
{
    static const char *const precisions[] = { "f16", "f32", NULL };
    daub_model_params params = { .struct_size = sizeof(params),
                                 .config_from = cli->config_from,
                                 .vae = cli->vae,
                                 .weight_cache = cli->weight_cache };
    if (cli->precision && strcmp(cli->precision, "f32") == 0)
        params.precision = DAUB_PRECISION_F32;
    else if (cli->precision && strcmp(cli->precision, "f16") != 0) {
        cli_fail_name("--precision", precisions, cli->precision);
        return false;
    }
    uint64_t max_memory = 0;
    if (!read_bytes(cli->max_memory, &max_memory)) {
        cli_fail("--max-memory wants bytes, as in 900M or 1.2G, not '%s'", cli->max_memory);
        return false;
    }
    daub_device_params device_params = cli_device_params(cli);
    device_params.max_memory = max_memory;
    if (daub_device_create(&device_params, dev) != DAUB_OK) {
        cli_failed();
        return false;
    }
    opened = cli_seconds();
    if (daub_model_load(*dev, cli->model, &params, model) != DAUB_OK) {
        cli_failed();
        daub_device_destroy(dev);
        return false;
    }
    return true;
}

void cli_close(daub_device **dev, daub_model **model)
{
    daub_image_free(&init_picture);
    daub_image_free(&mask_picture);
    daub_model_destroy(model);
    daub_device_destroy(dev);
}

static bool read_tiles(const char *text, uint32_t *rows)
{
    if (!text || strcmp(text, "auto") == 0)
        return true;
    if (strcmp(text, "off") == 0) {
        *rows = DAUB_VAE_WHOLE;
        return true;
    }
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    *rows = (uint32_t)value;
    return *text >= '0' && *text <= '9' && *end == '\0' && value >= 1 && value <= 16384;
}

// The picture that an option names, into *image; NULL stays NULL.
static bool read_picture(const char *path, daub_image *image, const daub_image **out)
{
    if (!path)
        return true;
    daub_image_free(image);
    if (daub_image_read(path, image) != DAUB_OK) {
        cli_failed();
        return false;
    }
    *out = image;
    return true;
}

static bool read_emphasis(const char *text, daub_emphasis *out)
{
    static const char *const modes[] = { "webui", "off", NULL };
    if (text && strcmp(text, "webui") != 0 && strcmp(text, "off") != 0)
        return cli_fail_name("--emphasis", modes, text) == EXIT_OK;
    *out = !text ? DAUB_EMPHASIS_DEFAULT : text[0] == 'o' ? DAUB_EMPHASIS_OFF : DAUB_EMPHASIS_WEBUI;
    return true;
}

static bool read_padding(const char *text, daub_prompt_padding *out)
{
    static const char *const names[] = { "off", "empty", "last", NULL }; // in the enum's order
    for (int i = 0; text && names[i]; i++)
        if (strcmp(text, names[i]) == 0)
            *out = (daub_prompt_padding)(DAUB_PADDING_OFF + i);
    if (text && *out == DAUB_PADDING_DEFAULT)
        cli_fail_name("--pad-prompts", names, text);
    return !text || *out != DAUB_PADDING_DEFAULT;
}

static int read_interval(const char *text, daub_generate_params *out)
{
    double start, end;
    char rest;
    if (!text)
        return EXIT_OK;
    if (sscanf(text, "%lf:%lf%c", &start, &end, &rest) != 2 || !(start >= 0.0 && start < end && end <= 1.0))
        return cli_fail("--guidance-interval wants START:END of 0..1, as in 0.2:0.8, not '%s'", text);
    out->guidance_start = start;
    out->guidance_end = end;
    return EXIT_OK;
}

int cli_apply_style(const struct cli *cli, const daub_model *model, daub_generate_params *params)
{
    if (!cli->style)
        return EXIT_OK;
    if (daub_style_apply(model, cli->style, params) != DAUB_OK)
        return cli_failed();
    if (cli->guidance_rescale >= 0.0f)
        params->guidance_rescale = cli->guidance_rescale;
    return EXIT_OK;
}

int cli_params(const struct cli *cli, daub_generate_params *out)
{
    static const char *const modes[] = { "resident", "small", "stream", NULL };
    static const char *const rngs[] = { "torch-cpu", "cuda", NULL };
    *out = (daub_generate_params) {
        .struct_size = sizeof(*out),
        .prompt = cli->text,
        .negative_prompt = cli->negative,
        .width = cli->width,
        .height = cli->height,
        .n_steps = cli->steps,
        .guidance_scale = cli->guidance,
        .guidance_rescale = cli->guidance_rescale > 0.0f ? cli->guidance_rescale : 0.0f,
        .sampler = cli->sampler,
        .schedule = cli->schedule,
        .eta = cli->eta,
        .clip_skip = cli->clip_skip,
        .prompt_embeds_path = cli->prompt_embeds,
        .seed = cli->seed,
        .strength = cli->strength,
    };
    if (!read_picture(cli->init, &init_picture, &out->init) || !read_picture(cli->mask, &mask_picture, &out->mask))
        return EXIT_FAILED;
    if (cli->memory && strcmp(cli->memory, "small") == 0)
        out->memory = DAUB_MEMORY_MODE_SMALL;
    else if (cli->memory && strcmp(cli->memory, "stream") == 0)
        out->memory = DAUB_MEMORY_MODE_STREAM;
    else if (cli->memory && strcmp(cli->memory, "resident") != 0)
        return cli_fail_name("--memory", modes, cli->memory);
    if (!read_tiles(cli->vae_tiles, &out->vae_rows))
        return cli_fail("--vae-tiles wants auto, off or a number from 1 to 16384, not '%s'", cli->vae_tiles);
    if (!read_emphasis(cli->emphasis, &out->emphasis) || !read_padding(cli->pad_prompts, &out->padding))
        return EXIT_FAILED;
    if (!cli->rng)
        out->rng = DAUB_RNG_DEFAULT;
    else if (strcmp(cli->rng, "torch-cpu") == 0 || strcmp(cli->rng, "cpu") == 0)
        out->rng = DAUB_RNG_TORCH_CPU;
    else if (strcmp(cli->rng, "cuda") == 0 || strcmp(cli->rng, "nv") == 0 || strcmp(cli->rng, "philox") == 0)
        out->rng = DAUB_RNG_CUDA;
    else
        return cli_fail_name("--rng", rngs, cli->rng);
    if (cli->style && daub_style_apply(NULL, cli->style, NULL) != DAUB_OK)
        return cli_failed();
    return read_interval(cli->guidance_interval, out);
}

void cli_json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const uint8_t *at = (const uint8_t *)text; *at;) {
        const uint8_t *const start = at;
        const uint32_t c = text_next_code(&at);
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", (int)c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", (unsigned)c);
        else if (c == '?' && *start != '?') // names of files may be of any bytes
            fputs("\\ufffd", out);
        else
            fwrite(start, 1, (size_t)(at - start), out);
    }
    fputc('"', out);
}

void cli_json_path(const char *path)
{
    fputs("{\"path\": ", stdout);
    cli_json_text(stdout, path);
    puts("}");
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

bool cli_interrupted(void)
{
    return interrupted != 0;
}

void cli_catch_interrupt(void)
{
    platform_catch_interrupt(on_interrupt);
}

void cli_hold_interrupt(bool hold)
{
    platform_hold_interrupt(hold);
}

int cli_no_room(const daub_memory_estimate *need)
{
    return cli_fail("%ux%u needs %.1f MB of device memory%s; the limit is %.1f MB", need->width, need->height,
                    (double)need->peak * 1e-6,
                    need->peak > need->limit ? ""
                                             : ", more than is left beside other use or than one allocation may have",
                    (double)need->limit * 1e-6);
}
