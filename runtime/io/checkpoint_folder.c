// checkpoint_folder.c - opens a folder in diffusers layout: which files it has, which of several variants is read.
#include "runtime/base/blob.h"
#include "runtime/base/file.h"
#include "runtime/io/checkpoint_private.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

// Names under which a component's weights are found, behind "diffusion_pytorch_model" or "model": the first that is
// there.
static const struct {
    const char *ending;
    bool index;
} weight_files[] = {
    { ".safetensors", false },
    { ".safetensors.index.json", true },
    { ".fp16.safetensors", false },
    { ".safetensors.index.fp16.json", true },
    { ".fp16.safetensors.index.json", true },
    { ".bf16.safetensors", false },
    { ".non_ema.safetensors", false },
};

enum { LONGEST_PATH = 4096 }; // bytes

static const char *stem_of(enum daub_component c)
{
    return c == DAUB_TEXT ? "model" : "diffusion_pytorch_model";
}

// dir/name, or NULL with the status set. Freed by the caller.
static char *join(const struct daub_checkpoint *ckpt, const char *dir, const char *name, daub_status *status)
{
    char *path = daub_path_join(ckpt->host, dir, name);
    if (!path)
        *status = daub_no_memory("a path");
    return path;
}

// Takes no memory, whose lack would look like a file that is not there. No system opens a longer path.
static bool has_file(const struct daub_checkpoint *ckpt, const char *dir, const char *name)
{
    char path[LONGEST_PATH];
    return daub_path_put(path, sizeof(path), dir, name) && daub_fs_is_file(ckpt->fs, path);
}

// Loads dir/name if it is there and nothing has been loaded yet.
static daub_status load_json(const struct daub_checkpoint *ckpt, const char *dir, const char *name,
                             struct daub_json *out)
{
    if (out->root || !has_file(ckpt, dir, name))
        return DAUB_OK;
    daub_status status = DAUB_OK;
    char *path = join(ckpt, dir, name, &status);
    if (path)
        status = daub_json_load_from(ckpt->host, ckpt->fs, path, out);
    daub_free(ckpt->host, path);
    return status;
}

static daub_status add_file(struct daub_checkpoint *ckpt, struct daub_ckpt_part *part, const char *dir,
                            const char *name)
{
    daub_status status = DAUB_OK;
    char *path = join(ckpt, dir, name, &status);
    struct daub_blob *blob = NULL;
    if (path)
        status = daub_blob_open(ckpt->host, ckpt->fs, path, &blob);
    if (blob)
        status = daub_ckpt_file_open(ckpt->host, blob, &part->files[part->n_files++]);
    daub_free(ckpt->host, path);
    return status;
}

// A shard's name is a file beside the index, never a path to elsewhere.
static bool plain_name(const char *name)
{
    return name[0] && strcmp(name, "..") != 0 && !strpbrk(name, "/\\:");
}

// Opens every file that the index's weight_map names.
static daub_status add_shards(struct daub_checkpoint *ckpt, struct daub_ckpt_part *part, const char *dir,
                              const struct daub_json *index)
{
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(index->root, "weight_map");
    if (!cJSON_IsObject(map) || !map->child)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s has no weight_map", index->name);
    part->files = daub_alloc_array(ckpt->host, DAUB_MAX_SHARDS, sizeof(*part->files));
    const char **names = daub_alloc_array(ckpt->host, DAUB_MAX_SHARDS, sizeof(*names));
    daub_status status = DAUB_OK;
    if (!part->files || !names)
        status = daub_no_memory("a list of shards");
    for (const cJSON *item = map->child; item && status == DAUB_OK; item = item->next) {
        if (!cJSON_IsString(item) || !plain_name(item->valuestring)) {
            status = daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s is not in a file of this folder", index->name,
                               item->string);
            break;
        }
        uint32_t i = 0;
        while (i < part->n_files && strcmp(names[i], item->valuestring) != 0)
            i++;
        if (i < part->n_files)
            continue;
        if (part->n_files == DAUB_MAX_SHARDS) {
            status = daub_fail(DAUB_ERROR_BAD_FILE, "%s names more than %d files", index->name, DAUB_MAX_SHARDS);
            break;
        }
        names[part->n_files] = item->valuestring;
        status = add_file(ckpt, part, dir, item->valuestring);
    }
    daub_free(ckpt->host, names);
    return status;
}

static daub_status open_index(struct daub_checkpoint *ckpt, struct daub_ckpt_part *part, const char *dir,
                              const char *name)
{
    struct daub_json index = { .root = NULL };
    TRY(load_json(ckpt, dir, name, &index));
    const daub_status status = add_shards(ckpt, part, dir, &index);
    daub_json_free(&index);
    return status;
}

// *found: some file of the component is there.
static daub_status open_weights(struct daub_checkpoint *ckpt, enum daub_component c, const char *dir, bool *found)
{
    struct daub_ckpt_part *part = &ckpt->parts[c];
    *found = false;
    for (size_t i = 0; i < sizeof(weight_files) / sizeof(weight_files[0]); i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", stem_of(c), weight_files[i].ending);
        if (!has_file(ckpt, dir, name))
            continue;
        *found = part->present = true;
        if (weight_files[i].index)
            return open_index(ckpt, part, dir, name);
        part->files = daub_alloc(ckpt->host, sizeof(*part->files));
        if (!part->files)
            return daub_no_memory("a checkpoint's files");
        return add_file(ckpt, part, dir, name);
    }
    return DAUB_OK;
}

static daub_status no_weights(const struct daub_checkpoint *ckpt, enum daub_component c, const char *dir)
{
    static const char *const pickles[] = { "diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.bin",
                                           "pytorch_model.bin", "pytorch_model.fp16.bin", "model.ckpt" };
    for (size_t i = 0; i < sizeof(pickles) / sizeof(pickles[0]); i++)
        if (has_file(ckpt, dir, pickles[i]))
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s holds %s, a PyTorch pickle; %s.safetensors is wanted", dir,
                             pickles[i], stem_of(c));
    return daub_fail(DAUB_ERROR_BAD_FILE,
                     "%s holds no %s.safetensors (nor its .fp16. variant, nor shards with an index)", dir, stem_of(c));
}

static daub_status open_part(struct daub_checkpoint *ckpt, enum daub_component c, const char *dir)
{
    TRY(load_json(ckpt, dir, "config.json", &ckpt->parts[c].config));
    bool found;
    TRY(open_weights(ckpt, c, dir, &found));
    return found ? DAUB_OK : no_weights(ckpt, c, dir);
}

// Whether model_index.json says that the pipeline has the component: "vae": ["diffusers", "AutoencoderKL"].
static bool index_names(const struct daub_checkpoint *ckpt, enum daub_component c)
{
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(ckpt->index.root, daub_component_name(c));
    return cJSON_IsArray(entry) && cJSON_IsString(entry->child);
}

// A host's file system knows files only: a component's folder is there if a file that is looked for in it is.
static bool has_folder(const struct daub_checkpoint *ckpt, enum daub_component c, const char *dir)
{
    if (!ckpt->fs)
        return daub_path_is_dir(dir);
    bool has = has_file(ckpt, dir, "config.json");
    for (size_t i = 0; i < sizeof(weight_files) / sizeof(weight_files[0]) && !has; i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", stem_of(c), weight_files[i].ending);
        has = has_file(ckpt, dir, name);
    }
    return has;
}

static daub_status open_subfolder(struct daub_checkpoint *ckpt, enum daub_component c)
{
    daub_status status = DAUB_OK;
    char *dir = join(ckpt, ckpt->path, daub_component_name(c), &status);
    if (!dir)
        return status;
    if (has_folder(ckpt, c, dir))
        status = open_part(ckpt, c, dir);
    else if (index_names(ckpt, c))
        status = daub_fail(DAUB_ERROR_BAD_FILE, "%s is not there, but model_index.json names it", dir);
    daub_free(ckpt->host, dir);
    return status;
}

// Which component a config.json describes; false: none of ours.
static bool component_of(const struct daub_json *config, enum daub_component *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config->root, "_class_name");
    if (!item) { // transformers' spelling
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(config->root, "architectures");
        item = list ? list->child : NULL;
    }
    const char *name = cJSON_IsString(item) ? item->valuestring : "";
    if (strncmp(name, "UNet2D", 6) == 0)
        *out = DAUB_UNET;
    else if (strcmp(name, "AutoencoderKL") == 0)
        *out = DAUB_VAE;
    else if (strncmp(name, "CLIPText", 8) == 0)
        *out = DAUB_TEXT;
    else
        return false;
    return true;
}

// A folder that is itself a component, as the published unconditional models are.
static daub_status open_bare(struct daub_checkpoint *ckpt)
{
    struct daub_json config = { .root = NULL };
    TRY(load_json(ckpt, ckpt->path, "config.json", &config));
    enum daub_component c;
    if (!component_of(&config, &c)) {
        daub_json_free(&config);
        return daub_fail(DAUB_ERROR_BAD_FILE,
                         "%s: config.json describes none of UNet2DConditionModel, UNet2DModel, "
                         "AutoencoderKL and CLIPTextModel",
                         ckpt->path);
    }
    ckpt->parts[c].config = config;
    bool found;
    TRY(open_weights(ckpt, c, ckpt->path, &found));
    if (!found)
        return no_weights(ckpt, c, ckpt->path);
    return load_json(ckpt, ckpt->path, "scheduler_config.json", &ckpt->scheduler);
}

// Scheduler and tokenizer, where they have not been found yet.
static daub_status open_rest(struct daub_checkpoint *ckpt, const char *root)
{
    daub_status status = DAUB_OK;
    char *dir = join(ckpt, root, "scheduler", &status);
    if (dir)
        status = load_json(ckpt, dir, "scheduler_config.json", &ckpt->scheduler);
    daub_free(ckpt->host, dir);
    TRY(status);
    if (ckpt->tokenizer_dir)
        return DAUB_OK;
    dir = join(ckpt, root, "tokenizer", &status);
    if (!dir)
        return status;
    if (has_file(ckpt, dir, "merges.txt")) {
        ckpt->tokenizer_dir = dir;
        return DAUB_OK;
    }
    daub_free(ckpt->host, dir);
    if (has_file(ckpt, root, "merges.txt") && has_file(ckpt, root, "vocab.json")) {
        ckpt->tokenizer_dir = daub_strdup(ckpt->host, root);
        return ckpt->tokenizer_dir ? DAUB_OK : daub_no_memory("a path");
    }
    return DAUB_OK;
}

daub_status daub_ckpt_folder_open(struct daub_checkpoint *ckpt)
{
    TRY(load_json(ckpt, ckpt->path, "model_index.json", &ckpt->index));
    TRY(load_json(ckpt, ckpt->path, "daub.json", &ckpt->defaults));
    if (has_file(ckpt, ckpt->path, "config.json")) {
        TRY(open_bare(ckpt));
    } else {
        for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
            TRY(open_subfolder(ckpt, (enum daub_component)c));
    }
    bool any = false;
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        any = any || ckpt->parts[c].present;
    if (!any)
        return daub_fail(
            DAUB_ERROR_BAD_FILE,
            "%s is neither a diffusers folder nor a .safetensors file: it holds %s, and none of unet, vae and "
            "text_encoder",
            ckpt->path, ckpt->index.root ? "a model_index.json" : "no model_index.json");
    return open_rest(ckpt, ckpt->path);
}

daub_status daub_ckpt_folder_open_vae(struct daub_checkpoint *ckpt)
{
    if (!has_file(ckpt, ckpt->path, "config.json")) {
        daub_status status = DAUB_OK;
        char *dir = join(ckpt, ckpt->path, daub_component_name(DAUB_VAE), &status);
        if (!dir)
            return status;
        if (has_folder(ckpt, DAUB_VAE, dir))
            status = open_part(ckpt, DAUB_VAE, dir);
        else
            status = daub_fail(DAUB_ERROR_BAD_FILE, "%s holds no VAE: neither a config.json nor a folder vae",
                               ckpt->path);
        daub_free(ckpt->host, dir);
        return status;
    }
    TRY(open_bare(ckpt));
    return ckpt->parts[DAUB_VAE].present
               ? DAUB_OK
               : daub_fail(DAUB_ERROR_BAD_FILE, "%s: config.json describes no AutoencoderKL", ckpt->path);
}

daub_status daub_ckpt_config_load(struct daub_checkpoint *ckpt, enum daub_component c, const char *dir)
{
    return load_json(ckpt, dir, "config.json", &ckpt->parts[c].config);
}

daub_status daub_ckpt_configs_from(struct daub_checkpoint *ckpt, const char *dir)
{
    if (!ckpt->fs && !daub_path_is_dir(dir))
        return daub_fail(DAUB_ERROR_IO, "%s, from which configs are wanted, is not a folder", dir);
    bool any = false;
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++) {
        daub_status status = DAUB_OK;
        char *part = join(ckpt, dir, daub_component_name((enum daub_component)c), &status);
        if (part)
            status = load_json(ckpt, part, "config.json", &ckpt->parts[c].config);
        any = any || (part && has_file(ckpt, part, "config.json"));
        daub_free(ckpt->host, part);
        TRY(status);
    }
    if (!any)
        return daub_fail(DAUB_ERROR_BAD_FILE,
                         "%s holds no unet/config.json, vae/config.json or text_encoder/config.json", dir);
    return open_rest(ckpt, dir);
}
