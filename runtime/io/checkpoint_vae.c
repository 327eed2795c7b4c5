// checkpoint_vae.c - a VAE of its own, in place of a model's: which of the forms that such files have this one is.
#include "runtime/base/blob.h"
#include "runtime/base/file.h"
#include "runtime/io/checkpoint_private.h"
#include "runtime/io/names_ldm.h"

#include <stdio.h>
#include <string.h>

static bool has(const struct daub_safetensors *st, const char *prefix, const char *name)
{
    char whole[256];
    snprintf(whole, sizeof(whole), "%s%s", prefix, name);
    return daub_safetensors_find(st, whole) != NULL;
}

// The folder that a path's file is in, as a config.json beside it is looked for. Freed by the caller; NULL: no memory.
static char *folder_of(const struct daub_host *host, const char *path)
{
    char *dir = daub_strdup(host, path);
    if (!dir)
        return NULL;
    char *slash = strrchr(dir, '/');
#if defined(_WIN32)
    char *back = strrchr(dir, '\\');
    slash = !slash || (back && back > slash) ? back : slash;
#endif
    if (!slash) {
        daub_free(host, dir);
        return daub_strdup(host, ".");
    }
    slash[slash == dir] = '\0'; // "/x": the root
    return dir;
}

// Diffusers' names say nothing of a scale, and stand beside a config that does.
static daub_status take_component(struct daub_checkpoint *vae, const struct daub_origin *origin)
{
    struct daub_ckpt_part *part = &vae->parts[DAUB_VAE];
    part->files = daub_alloc(vae->host, sizeof(*part->files));
    if (!part->files)
        return daub_no_memory("a checkpoint's files");
    part->files[0] = vae->single;
    part->n_files = 1;
    part->present = true;
    vae->single = (struct daub_ckpt_file) { .st = NULL };
    if (origin->vae) {
        char *dir = folder_of(vae->host, origin->vae);
        if (!dir)
            return daub_no_memory("a path");
        const daub_status status = daub_ckpt_config_load(vae, DAUB_VAE, dir);
        daub_free(vae->host, dir);
        TRY(status);
    }
    if (!part->config.root && origin->config_from)
        TRY(daub_ckpt_configs_from(vae, origin->config_from));
    return part->config.root ? DAUB_OK
                             : daub_fail(DAUB_ERROR_BAD_FILE,
                                         "%s has diffusers' names, and no config.json beside it describes the VAE; "
                                         "config_from may name a folder with vae/config.json",
                                         vae->path);
}

static daub_status take_single(struct daub_checkpoint *vae, const struct daub_origin *origin, struct daub_blob *blob)
{
    TRY(daub_ckpt_file_open(vae->host, blob, &vae->single));
    const struct daub_safetensors *st = vae->single.st;
    if (has(st, "", "decoder.mid_block.resnets.0.norm1.weight"))
        return take_component(vae, origin);
    static const char ldm[] = "decoder.mid.block_1.norm1.weight";
    vae->bare = has(st, "", ldm);
    vae->parts[DAUB_VAE].present = vae->bare || has(st, daub_ldm_prefix(DAUB_VAE), ldm);
    if (!vae->parts[DAUB_VAE].present)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s holds no VAE (no tensor is named %s): it looks like %s", vae->path,
                         ldm, daub_ckpt_looks_like(st));
    return origin->config_from ? daub_ckpt_configs_from(vae, origin->config_from) : DAUB_OK;
}

static daub_status open_it(struct daub_checkpoint *vae, const struct daub_origin *origin)
{
    struct daub_blob *blob = NULL;
    if (origin->vae_source)
        TRY(daub_blob_open_source(vae->host, "daub_model_params.vae_source", origin->vae_source, &blob));
    vae->path = daub_strdup(vae->host, blob ? daub_blob_name(blob) : origin->vae);
    if (!vae->path) {
        daub_blob_close(&blob);
        return daub_no_memory("a checkpoint");
    }
    if (!blob && (vae->fs ? !daub_fs_is_file(vae->fs, vae->path) : daub_path_is_dir(vae->path)))
        return daub_ckpt_folder_open_vae(vae);
    if (!blob)
        TRY(daub_blob_open(vae->host, vae->fs, vae->path, &blob));
    return take_single(vae, origin, blob);
}

static daub_status open_alone(const struct daub_host *host, struct daub_fs *fs, const struct daub_origin *origin,
                              struct daub_checkpoint **out)
{
    struct daub_checkpoint *vae = daub_alloc(host, sizeof(*vae));
    if (!vae)
        return daub_no_memory("a checkpoint");
    vae->host = host;
    vae->fs = fs;
    vae->fs_lent = true;
    const daub_status status = open_it(vae, origin);
    if (status != DAUB_OK) {
        daub_checkpoint_close(&vae);
        return status;
    }
    *out = vae;
    return DAUB_OK;
}

daub_status daub_checkpoint_open_vae(const struct daub_host *host, const char *path, struct daub_checkpoint **out)
{
    const struct daub_origin origin = { .vae = path };
    return open_alone(host, NULL, &origin, out);
}

daub_status daub_ckpt_vae_open(struct daub_checkpoint *ckpt, const struct daub_origin *origin)
{
    if (origin->vae && origin->vae_source)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "a VAE comes from a path (%s) or from a source, not from both",
                         origin->vae);
    if (!origin->vae && !origin->vae_source)
        return DAUB_OK;
    return open_alone(ckpt->host, ckpt->fs, origin, &ckpt->vae);
}
