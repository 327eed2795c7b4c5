// metadata.c - what made a picture, as the text that goes into its file: daub.h's daub_parameters with what only the command knows.
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool cli_file_hash(const char *path, char out[11])
{
    struct stat info; // a pipe has been read already
    return path && stat(path, &info) == 0 && S_ISREG(info.st_mode) && daub_tools_file_hash(path, out) == DAUB_OK;
}

char *metadata_text(const struct cli *cli, const daub_generate_params *params, const daub_model_info *model,
                    const daub_result *result, const struct cli_hashes *hashes, const char *format)
{
    char init[11], mask[11], embeds[11], config[11], *text = NULL;
    daub_parameters p = { .struct_size = sizeof(p) };
    if (daub_parameters_describe(params, result, model, &p) != DAUB_OK) {
        cli_failed();
        return NULL;
    }
    p.model_hash = hashes->model;
    p.parts_hash = hashes->parts;
    p.vae_hash = hashes->vae;
    p.config = cli->named_config ? cli->named_config : cli->config_from;
    p.config_hash = cli->config_from && daub_tools_config_hash(cli->config_from, config) == DAUB_OK ? config : NULL;
    p.style = cli->named_style ? cli->named_style : cli->style;
    if (cli->precision && strcmp(cli->precision, "f32") == 0)
        p.precision = DAUB_PRECISION_F32;
    p.model = cli->named_model ? cli->named_model : p.model;
    p.vae = cli->named_vae ? cli->named_vae : p.vae;
    p.init = cli->named_init ? cli->named_init : cli->init;
    p.mask = cli->named_mask ? cli->named_mask : cli->mask;
    p.prompt_embeds = cli->named_embeds ? cli->named_embeds : cli->prompt_embeds;
    p.init_hash = cli_file_hash(cli->init, init) ? init : NULL;
    p.mask_hash = cli_file_hash(cli->mask, mask) ? mask : NULL;
    p.prompt_embeds_hash = cli_file_hash(cli->prompt_embeds, embeds) ? embeds : NULL;
    if (strcmp(format, "jpg") == 0 && cli_quality(cli) != CLI_QUALITY)
        p.jpeg_quality = (uint32_t)cli_quality(cli);
    if (daub_parameters_write(&p, &text) != DAUB_OK)
        cli_failed();
    daub_parameters_free(&p);
    return text;
}
