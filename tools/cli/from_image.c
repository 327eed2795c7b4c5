// from_image.c - daub from-image FILE: a picture again, from what its file says.
#include "lines.h"
#include "platform.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH = 4096 };

struct found { // files that the picture names, where they are here
    char model[PATH], vae[PATH], init[PATH], mask[PATH], embeds[PATH], config[PATH];
};

static bool is_jpeg(const char *path)
{
    unsigned char head[2] = { 0 };
    FILE *file = fopen(path, "rb");
    const bool ok = file && fread(head, 1, 2, file) == 2;
    if (file)
        fclose(file);
    return ok && head[0] == 0xff && head[1] == 0xd8;
}

// Something that is to be drawn makes another picture: a warning, or with --exact a failure.
static bool differs(const struct cli *cli, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

static bool differs(const struct cli *cli, const char *fmt, ...)
{
    char text[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (cli->exact)
        cli_fail("%s", text);
    else
        cli_warn(cli, "%s", text);
    return cli->exact;
}

// ---- files that it was made from -------------------------------------------------------------------------------------

typedef bool (*hash_fn)(const char *path, char out[11]);

static bool config_hash(const char *path, char out[11])
{
    return daub_tools_config_hash(path, out) == DAUB_OK;
}

static bool has_hash(hash_fn hash_it, const char *path, const char *hash)
{
    char own[11];
    return hash && hash_it(path, own) && strcmp(own, hash) == 0;
}

// A file of the picture's by its name, as it stands and beside the picture. Only one whose hash is that which the picture names: it may come
// from anyone.
static bool find_file(hash_fn hash_it, const char *picture, const char *name, const char *hash, char out[PATH])
{
    const char *slash = platform_last_slash(picture), *last = strrchr(name, '/');
    const int folder = slash ? (int)(slash - picture) + 1 : 0;
    last = last ? last + 1 : name;
    if (name[0] != '/' && snprintf(out, PATH, "%s", name) < PATH && has_hash(hash_it, out, hash))
        return true;
    if (name[0] != '/' && snprintf(out, PATH, "%.*s%s", folder, picture, name) < PATH && has_hash(hash_it, out, hash))
        return true;
    return snprintf(out, PATH, "%.*s%s", folder, picture, last) < PATH && has_hash(hash_it, out, hash);
}

// Fills *option, unless it was given; one that was given is compared. Where it is the file that the picture names, the new picture calls
// it the same: *named. False after a sentence.
static bool take_hashed(const struct cli *cli, hash_fn hash_it, const char *picture, const char *what, const char *name,
                        const char *hash, char out[PATH], const char **option, const char **named)
{
    if (*option && hash && !has_hash(hash_it, *option, hash))
        return !differs(cli, "%s was drawn from another %s: %s, of hash %s", picture, what, name ? name : "unnamed",
                        hash);
    *named = !*option || hash ? name : NULL;
    if (*option || !name)
        return true;
    if (!find_file(hash_it, picture, name, hash, out)) {
        cli_fail("%s was drawn from %s%s%s, which is not here as it was; give it by --%s", picture, name,
                 hash ? ", of hash " : "", hash ? hash : "", what);
        return false;
    }
    *option = out;
    return true;
}

static bool take_file(const struct cli *cli, const char *picture, const char *what, const char *name, const char *hash,
                      char out[PATH], const char **option, const char **named)
{
    return take_hashed(cli, cli_file_hash, picture, what, name, hash, out, option, named);
}

// A folder's text encoder and VAE, which its model's hash does not tell.
static bool check_parts(const struct cli *cli, const char *picture, const daub_parameters *p)
{
    char own[11];
    if (!p->parts_hash)
        return true;
    if (daub_tools_parts_hash(cli->model, own) != DAUB_OK)
        return cli_failed() == EXIT_OK;
    return strcmp(own, p->parts_hash) == 0 ||
           !differs(cli, "%s was drawn with another text encoder or VAE, of hash %s, than %s has, of hash %s", picture,
                    p->parts_hash, cli->model ? cli->model : "the default model", own[0] ? own : "its file's");
}

static bool take_model(struct cli *cli, const char *picture, const daub_parameters *p, char out[PATH])
{
    char hash[11];
    bool found = false;
    const char *name = p->model ? p->model : "unnamed";
    if (!cli->model && (p->model || p->model_hash)) {
        if (daub_parameters_find_model(p, out, PATH, &found) != DAUB_OK)
            return cli_failed() == EXIT_OK;
        if (!found) {
            cli_fail("%s was drawn by the model %s%s%s, which is not found here; give it by --model", picture, name,
                     p->model_hash ? ", of hash " : "", p->model_hash ? p->model_hash : "");
            return false;
        }
        cli->model = out;
        cli->named_model = p->model;
    }
    if (!p->model_hash)
        return !differs(cli, "%s names no hash of its model; it is drawn by %s", picture,
                        cli->model ? cli->model : "the default model");
    if (strlen(p->model_hash) != sizeof(hash) - 1)
        return !differs(cli, "%s names its model's hash in an older kind, %s, which cannot be compared with %s",
                        picture, p->model_hash, cli->model);
    if (found)
        return true;
    if (daub_tools_model_hash(cli->model, hash) != DAUB_OK)
        return cli_failed() == EXIT_OK;
    if (strcmp(hash, p->model_hash) == 0)
        cli->named_model = p->model;
    else
        return !differs(cli, "%s was drawn by the model %s, of hash %s; %s is of hash %s", picture, name, p->model_hash,
                        cli->model, hash);
    return true;
}

// Without the VAE the picture is another one.
static bool take_vae(struct cli *cli, const char *picture, const daub_parameters *p, char out[PATH])
{
    char hash[11];
    bool found = false;
    if (cli->vae || (!p->vae && !p->vae_hash)) {
        const bool same = cli->vae && p->vae_hash && daub_tools_vae_hash(cli->vae, hash) == DAUB_OK &&
                          strcmp(hash, p->vae_hash) == 0;
        cli->named_vae = same ? p->vae : NULL;
        return same || !cli->vae || !p->vae_hash ||
               !differs(cli, "%s was decoded by the VAE %s, of hash %s, which %s is not", picture,
                        p->vae ? p->vae : "unnamed", p->vae_hash, cli->vae);
    }
    if (daub_parameters_find_vae(p, out, PATH, &found) != DAUB_OK)
        return cli_failed() == EXIT_OK;
    if (!found)
        return !differs(cli, "%s was decoded by the VAE %s%s%s, which is not found here; give it by --vae", picture,
                        p->vae ? p->vae : "unnamed", p->vae_hash ? ", of hash " : "", p->vae_hash ? p->vae_hash : "");
    cli->vae = out;
    cli->named_vae = p->vae;
    return true;
}

// ---- options ---------------------------------------------------------------------------------------------------------

// What the command needs beyond daub_parameters_apply, for options that were not given.
static bool fill(struct cli *cli, const char *picture, const daub_parameters *p, struct found *found)
{
    static char version[32];
    snprintf(version, sizeof(version), "daub %d.%d.%d", DAUB_VERSION_MAJOR, DAUB_VERSION_MINOR, DAUB_VERSION_PATCH);
    if (p->left_out && differs(cli, "%s asks for what daub does not do: %s", picture, p->left_out))
        return false;
    if (p->software && strncmp(p->software, "daub ", 5) == 0 && strcmp(p->software, version) != 0 &&
        differs(cli, "%s was drawn by %s, and this is %s", picture, p->software, version))
        return false;
    if (p->strength > 0.0 && !p->init && !cli->init) {
        cli_fail("%s was drawn from another picture, which it does not name; give it by --init", picture);
        return false;
    }
    if (!take_model(cli, picture, p, found->model) || !check_parts(cli, picture, p) ||
        !take_vae(cli, picture, p, found->vae) ||
        !take_hashed(cli, config_hash, picture, "config-from", p->config, p->config_hash, found->config,
                     &cli->config_from, &cli->named_config) ||
        !take_file(cli, picture, "init", p->init, p->init_hash, found->init, &cli->init, &cli->named_init) ||
        !take_file(cli, picture, "mask", p->mask, p->mask_hash, found->mask, &cli->mask, &cli->named_mask))
        return false;
    if (!cli->text && !take_file(cli, picture, "prompt-embeds", p->prompt_embeds, p->prompt_embeds_hash, found->embeds,
                                 &cli->prompt_embeds, &cli->named_embeds))
        return false;
    if (!cli->precision && p->precision == DAUB_PRECISION_F32)
        cli->precision = "f32";
    cli->named_style = p->style;
    cli->quality = cli->quality ? cli->quality : p->jpeg_quality;
    if (!cli->format && !cli->output)
        cli->format = is_jpeg(picture) ? "jpg" : "png";
    return true;
}

int cli_from_image(const struct cli *cli)
{
    const char *picture = cli->text;
    const daub_source source = { .path = picture };
    daub_parameters p = { .struct_size = sizeof(p) };
    if (daub_parameters_read(&source, &p) != DAUB_OK)
        return cli_failed();
    struct found *found = calloc(1, sizeof(*found));
    struct line line = { .cli = *cli, .from = &p };
    line.cli.text = cli->prompt;
    int status = found ? EXIT_OK : cli_fail("no memory for the names of files");
    if (status == EXIT_OK && !fill(&line.cli, picture, &p, found))
        status = EXIT_FAILED;
    if (cli_given(cli, "seed"))
        line.seed = line.cli.seed_text ? line.cli.seed : cli_random_seed();
    else
        line.seed = p.has_seed ? p.seed : cli_random_seed();
    if (status == EXIT_OK)
        status = cli_draw_lines(&line.cli, &line, 1);
    free(found);
    daub_parameters_free(&p);
    return status;
}
