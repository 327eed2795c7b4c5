// lists.c - daub devices, samplers, inspect, encode.
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = { "other", "integrated", "discrete", "virtual", "cpu" };

static void print_device_json(const daub_device_info *d, bool last)
{
    fputs("  {\"index\": ", stdout);
    printf("%u, \"name\": ", d->index);
    cli_json_text(stdout, d->name);
    fputs(", \"driver\": ", stdout);
    cli_json_text(stdout, d->driver);
    printf(", \"kind\": \"%s\", \"memory\": %llu, \"usable\": %s, \"chosen\": %s, \"reason\": ", kind_names[d->kind],
           (unsigned long long)d->memory, d->usable ? "true" : "false", d->chosen ? "true" : "false");
    cli_json_text(stdout, d->reason);
    printf("}%s\n", last ? "" : ",");
}

static void print_caps(const struct cli *cli)
{
    const daub_device_params params = { .struct_size = sizeof(params), .device = cli->device };
    daub_device *dev = NULL;
    char *text = NULL;
    if (daub_device_create(&params, &dev) == DAUB_OK && daub_tools_caps_text(dev, &text) == DAUB_OK)
        printf("\nin use:\n%s", text);
    daub_tools_free(text);
    daub_device_destroy(&dev);
}

int cli_devices(const struct cli *cli)
{
    daub_device_info devices[32] = { { .struct_size = sizeof(devices[0]) } };
    uint32_t n = 0;
    const daub_device_params params = { .struct_size = sizeof(params), .device = cli->device };
    if (daub_device_list(&params, devices, 32, &n) != DAUB_OK)
        return cli_failed();
    if (n > 32)
        n = 32;
    if (cli->json) {
        puts("[");
        for (uint32_t i = 0; i < n; i++)
            print_device_json(&devices[i], i + 1 == n);
        puts("]");
        return EXIT_OK;
    }
    if (n == 0)
        return cli_fail("no Vulkan device; a CPU one comes with the package mesa-vulkan-drivers");
    for (uint32_t i = 0; i < n; i++) {
        const daub_device_info *d = &devices[i];
        printf("%c %u  %s (%s, %.1f GB)\n", d->chosen ? '*' : ' ', d->index, d->name, kind_names[d->kind],
               (double)d->memory * 1e-9);
        if (cli->verbose)
            printf("     driver %s, Vulkan %u.%u\n     %s\n", d->driver, d->api_version >> 22 & 0x7f,
                   d->api_version >> 12 & 0x3ff, d->reason);
    }
    if (cli->verbose)
        print_caps(cli);
    return EXIT_OK;
}

int cli_samplers(const struct cli *cli)
{
    daub_schedule_info schedule = { .struct_size = sizeof(schedule) };
    daub_sampler_info s = { .struct_size = sizeof(s) };
    if (cli->json)
        puts("{\"samplers\": [");
    for (uint32_t i = 0; i < daub_sampler_count() && daub_sampler_get_info(i, &s) == DAUB_OK; i++) {
        if (cli->json) {
            printf("%s  {\"name\": \"%s\", \"label\": ", i ? ",\n" : "", s.name);
            cli_json_text(stdout, s.label);
            fputs(", \"aliases\": ", stdout);
            cli_json_text(stdout, s.aliases);
            printf(", \"order\": %u, \"stochastic\": %s}", s.order, s.stochastic ? "true" : "false");
        } else {
            printf("%-13s %s\n", s.name, s.description);
            if (cli->verbose)
                printf("%-13s also: %s\n", "", s.aliases);
        }
    }
    fputs(cli->json ? "\n], \"schedules\": [" : "\nschedules:\n", stdout);
    for (uint32_t i = 0; i < daub_schedule_count(); i++)
        if (daub_schedule_get_info(i, &schedule) != DAUB_OK)
            return cli_failed();
        else if (cli->json)
            printf("%s\"%s\"", i ? ", " : "", schedule.name);
        else
            printf("%-13s %s\n", schedule.name, schedule.description);
    if (cli->json)
        puts("]}");
    return EXIT_OK;
}

int cli_inspect(const struct cli *cli)
{
    const daub_model_params params = { .struct_size = sizeof(params),
                                       .config_from = cli->config_from,
                                       .vae = cli->vae };
    if (cli->json) {
        daub_model_info info = { .struct_size = sizeof(info) };
        if (daub_model_inspect(cli->text, &params, &info) != DAUB_OK)
            return cli_failed();
        fputs("{\"path\": ", stdout);
        cli_json_text(stdout, info.path);
        fputs(", \"vae\": ", stdout);
        cli_json_text(stdout, info.vae);
        printf(", \"family\": \"%s\", \"text\": %s, \"width\": %u, \"height\": %u, \"steps\": %u, \"guidance\": %g, "
               "\"sampler\": \"%s\", \"schedule\": \"%s\", \"max_tokens\": %u, \"parameters\": %llu, \"evidence\": ",
               info.family, info.text ? "true" : "false", info.width, info.height, info.n_steps,
               (double)info.guidance_scale, info.sampler, info.schedule, info.max_tokens,
               (unsigned long long)info.n_parameters);
        cli_json_text(stdout, info.evidence);
        puts("}");
        return EXIT_OK;
    }
    char *text = NULL;
    if (daub_tools_inspect_text(cli->text, &params, &text) != DAUB_OK)
        return cli_failed();
    fputs(text, stdout);
    daub_tools_free(text);
    return EXIT_OK;
}

int cli_encode(const struct cli *cli)
{
    if (!cli->output)
        return cli_fail("daub encode wants -o FILE.safetensors");
    if (strcmp(cli->output, "-") == 0)
        return cli_fail("daub encode writes a file, not standard output");
    if (!picture_check_writable(cli->output))
        return EXIT_FAILED;
    daub_generate_params params;
    if (cli_params(cli, &params) != EXIT_OK)
        return EXIT_FAILED;
    daub_device *dev = NULL;
    daub_model *model = NULL;
    if (!cli_open(cli, &dev, &model))
        return EXIT_FAILED;
    int status = EXIT_OK;
    cli_catch_interrupt();
    if (daub_encode_text(model, &params, cli->output) != DAUB_OK)
        status = cli_failed();
    else if (cli->json)
        cli_json_path(cli->output);
    else if (!cli->quiet)
        puts(cli->output);
    cli_close(&dev, &model);
    if (status == EXIT_OK && cli_interrupted())
        status = EXIT_CANCELLED;
    return status;
}
