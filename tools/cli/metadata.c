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

// The text, in memory that free frees.
static char *write_text(const daub_parameters *p)
{
    char *text = NULL, *copy;
    if (daub_parameters_write(p, &text) != DAUB_OK) {
        cli_failed();
        return NULL;
    }
    copy = strdup(text);
    daub_text_free(text);
    if (!copy)
        cli_fail("no memory for the picture's parameters");
    return copy;
}

char *metadata_text(const struct cli *cli, const daub_generate_params *params, const daub_model_info *model,
                    const daub_result *result, const char *hash, const char *vae_hash, const char *format)
{
    char init[11], mask[11], embeds[11];
    daub_parameters p = { .struct_size = sizeof(p) };
    if (daub_parameters_describe(params, result, model, &p) != DAUB_OK) {
        cli_failed();
        return NULL;
    }
    p.model_hash = hash;
    p.vae_hash = vae_hash;
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
    char *text = write_text(&p);
    daub_parameters_free(&p);
    return text;
}

// As A1111 quotes a value: a JSON text where it has a comma, a colon or a newline.
static size_t put_value(char *out, const char *value)
{
    char *const begin = out;
    const bool quoted = strpbrk(value, ",:\n") != NULL;
    if (quoted)
        *out++ = '"';
    for (; *value; value++) {
        if (quoted && (unsigned char)*value < 0x20) {
            out += sprintf(out, "\\u%04x", (unsigned)*value);
            continue;
        }
        if (quoted && (*value == '"' || *value == '\\'))
            *out++ = '\\';
        *out++ = *value;
    }
    if (quoted)
        *out++ = '"';
    *out = '\0';
    return (size_t)(out - begin);
}

bool metadata_append(char **text, const char *key, const char *value)
{
    const size_t n = strlen(*text), n_key = strlen(key);
    char *more = realloc(*text, n + n_key + 6 * strlen(value) + 8);
    if (!more) {
        free(*text);
        *text = NULL;
        return false;
    }
    sprintf(more + n, ", %s: ", key);
    (void)put_value(more + n + n_key + 4, value);
    *text = more;
    return true;
}
