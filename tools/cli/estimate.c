// estimate.c - daub estimate: what a picture will take of the device, before it takes it.
#include "cli.h"

enum { N_PHASES = 4 };

static double megabytes(uint64_t bytes)
{
    return (double)bytes * 1e-6;
}

static const char *mode_name(daub_memory_mode mode)
{
    return mode == DAUB_MEMORY_MODE_STREAM ? "stream" : mode == DAUB_MEMORY_MODE_SMALL ? "small" : "resident";
}

static void print_text(const daub_memory_estimate *e, const char *const names[N_PHASES],
                       const daub_phase_memory *const phases[N_PHASES])
{
    printf("%ux%u, memory %s; MB of the device\n%-10s %10s %12s %10s %10s %10s\n", e->width, e->height,
           mode_name(e->mode), "phase", "weights", "activations", "arena", "staging", "in all");
    for (int i = 0; i < N_PHASES; i++)
        if (phases[i]->total > 0)
            printf("%-10s %10.1f %12.1f %10.1f %10.1f %10.1f\n", names[i], megabytes(phases[i]->weights),
                   megabytes(phases[i]->activations), megabytes(phases[i]->arena), megabytes(phases[i]->staging),
                   megabytes(phases[i]->total));
    printf("peak %.1f MB of the %.1f MB that may be used; %.1f MB of the host\n", megabytes(e->peak),
           megabytes(e->limit), megabytes(e->host));
    if (e->bands > 0)
        printf("the VAE decodes in bands, at most %u a layer\n", e->bands);
}

static void print_json(const daub_memory_estimate *e, const char *const names[N_PHASES],
                       const daub_phase_memory *const phases[N_PHASES])
{
    printf("{\"width\": %u, \"height\": %u, \"memory\": \"%s\", \"peak\": %llu, \"limit\": %llu, "
           "\"host\": %llu, \"bands\": %u, \"fits\": %s",
           e->width, e->height, mode_name(e->mode), (unsigned long long)e->peak, (unsigned long long)e->limit,
           (unsigned long long)e->host, e->bands, e->fits ? "true" : "false");
    for (int i = 0; i < N_PHASES; i++)
        printf(", \"%s\": {\"weights\": %llu, \"activations\": %llu, \"arena\": %llu, \"staging\": %llu, "
               "\"total\": %llu}",
               names[i], (unsigned long long)phases[i]->weights, (unsigned long long)phases[i]->activations,
               (unsigned long long)phases[i]->arena, (unsigned long long)phases[i]->staging,
               (unsigned long long)phases[i]->total);
    puts("}");
}

int cli_estimate(const struct cli *cli)
{
    daub_generate_params params;
    if (cli_params(cli, &params) != EXIT_OK)
        return EXIT_FAILED;
    daub_device *dev = NULL;
    daub_model *model = NULL;
    if (!cli_open(cli, &dev, &model))
        return EXIT_FAILED;
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    int status = cli_apply_style(cli, model, &params);
    if (status == EXIT_OK && daub_estimate(model, &params, &e) != DAUB_OK)
        status = cli_failed();
    if (status == EXIT_OK) {
        static const char *const names[N_PHASES] = { "text", "encode", "denoise", "decode" };
        const daub_phase_memory *const phases[N_PHASES] = { &e.text, &e.encode, &e.denoise, &e.decode };
        (cli->json ? print_json : print_text)(&e, names, phases);
    }
    cli_close(&dev, &model);
    return status;
}
