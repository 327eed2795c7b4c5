// checkpoint.c - a checkpoint's life, its getters, and where in it a tensor stands.
#include "runtime/io/checkpoint.h"
#include "runtime/base/blob.h"
#include "runtime/base/file.h"
#include "runtime/base/sha256.h"
#include "runtime/io/checkpoint_private.h"
#include "runtime/io/names_ldm.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_SIZE = 512 };

struct place { // of a tensor
    const struct daub_ckpt_file *file;
    const struct daub_st_tensor *tensor;
    struct daub_ldm_name how; // of single files
};

static void file_close(const struct daub_host *host, struct daub_ckpt_file *file)
{
    daub_free(host, file->used);
    file->used = NULL;
    daub_safetensors_close(&file->st);
}

static bool find_in(const struct daub_ckpt_file *file, const char *name, struct place *out)
{
    out->file = file;
    out->tensor = daub_safetensors_find(file->st, name);
    return out->tensor != NULL;
}

static bool find_exact(const struct daub_checkpoint *ckpt, enum daub_component c, const char *name, struct place *out)
{
    out->how.n_rows = 0;
    out->how.transposed = false;
    if (ckpt->single.st) {
        for (uint32_t variant = 0; daub_ldm_name(c, &ckpt->layout, name, variant, &out->how); variant++)
            if (find_in(&ckpt->single, out->how.name + (ckpt->bare ? strlen(daub_ldm_prefix(c)) : 0), out))
                return true;
        return false;
    }
    const struct daub_ckpt_part *part = &ckpt->parts[c];
    for (uint32_t i = 0; i < part->n_files; i++)
        if (find_in(&part->files[i], name, out))
            return true;
    return false;
}

// The other name that files of another age give the same tensor. false: it has only one.
static bool other_name(enum daub_component c, const char *name, char out[NAME_MAX_SIZE])
{
    if (c == DAUB_TEXT) {
        static const char outer[] = "text_model.";
        const size_t n = sizeof(outer) - 1;
        const int size = strncmp(name, outer, n) == 0 ? snprintf(out, NAME_MAX_SIZE, "%s", name + n)
                                                      : snprintf(out, NAME_MAX_SIZE, "%s%s", outer, name);
        return size < NAME_MAX_SIZE;
    }
    // Of diffusers before 0.15: the VAE's attention layers.
    static const char *const renamed[][2] = {
        { ".to_q.", ".query." }, { ".to_k.", ".key." }, { ".to_v.", ".value." }, { ".to_out.0.", ".proj_attn." }
    };
    for (size_t i = 0; c == DAUB_VAE && i < sizeof(renamed) / sizeof(renamed[0]); i++) {
        const char *at = strstr(name, renamed[i][0]);
        if (at)
            return snprintf(out, NAME_MAX_SIZE, "%.*s%s%s", (int)(at - name), name, renamed[i][1],
                            at + strlen(renamed[i][0])) < NAME_MAX_SIZE;
    }
    return false;
}

static bool find_place(const struct daub_checkpoint *ckpt, enum daub_component c, const char *name, struct place *out)
{
    char other[NAME_MAX_SIZE];
    return find_exact(ckpt, c, name, out) || (other_name(c, name, other) && find_exact(ckpt, c, other, out));
}

// The rows of a fused tensor that are wanted. false: it does not have them.
static bool slice_rows(const struct daub_st_tensor *t, const struct daub_ldm_name *how, struct daub_view *view)
{
    const uint64_t rows = t->n_dims ? t->dims[0] : 0;
    if (rows < (uint64_t)how->first_row + how->n_rows)
        return false;
    const uint64_t skipped = t->size / rows * how->first_row;
    if (view->data)
        view->data += skipped;
    view->at += skipped;
    view->dims[0] = how->n_rows;
    return true;
}

const char *daub_component_name(enum daub_component c)
{
    static const char *const names[DAUB_COMPONENT_COUNT] = {
        [DAUB_UNET] = "unet",
        [DAUB_VAE] = "vae",
        [DAUB_TEXT] = "text_encoder",
    };
    return names[c];
}

daub_status daub_ckpt_file_open(const struct daub_host *host, struct daub_blob *blob, struct daub_ckpt_file *out)
{
    TRY(daub_safetensors_open_blob(host, blob, &out->st));
    out->used = daub_alloc_array(host, daub_safetensors_count(out->st) + 1, sizeof(*out->used));
    return out->used ? DAUB_OK : daub_no_memory("a checkpoint's tensors");
}

const char *daub_ckpt_looks_like(const struct daub_safetensors *st)
{
    static const struct {
        const char *part, *what;
    } kinds[] = {
        { "lora", "a LoRA, which changes a model" },
        { "control_model.", "a ControlNet" },
        { "controlnet_", "a ControlNet" },
        { "emb_params", "a textual inversion" },
        { "double_blocks.", "a Flux model" },
        { "down_blocks.", "one component of a diffusers folder; the folder that holds model_index.json is wanted" },
        { "text_model.", "one component of a diffusers folder; the folder that holds model_index.json is wanted" },
        { "conv_in.", "a VAE alone" },
    };
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        for (uint32_t i = 0; i < daub_safetensors_count(st); i++)
            if (strstr(daub_safetensors_at(st, i)->name, kinds[k].part))
                return kinds[k].what;
    return "something else";
}

static daub_status single_open(struct daub_checkpoint *ckpt, struct daub_blob *blob)
{
    TRY(daub_ckpt_file_open(ckpt->host, blob, &ckpt->single));
    const struct daub_safetensors *st = ckpt->single.st;
    bool any = false;
    for (uint32_t i = 0; i < daub_safetensors_count(st); i++) {
        for (int c = 0; c < DAUB_COMPONENT_COUNT; c++) {
            const char *prefix = daub_ldm_prefix((enum daub_component)c);
            if (strncmp(daub_safetensors_at(st, i)->name, prefix, strlen(prefix)) == 0)
                any = ckpt->parts[c].present = true;
        }
    }
    if (!any)
        return daub_fail(
            DAUB_ERROR_BAD_FILE,
            "%s is a safetensors file but not a model in the original LDM layout (no tensor of it begins with "
            "%s): it looks like %s",
            ckpt->path, daub_ldm_prefix(DAUB_UNET), daub_ckpt_looks_like(st));
    return DAUB_OK;
}

// A path that a host's file system calls no file is taken for a folder: it is not asked for those.
static daub_status path_open(struct daub_checkpoint *ckpt)
{
    if (ckpt->fs ? !daub_fs_is_file(ckpt->fs, ckpt->path) : daub_path_is_dir(ckpt->path))
        return daub_ckpt_folder_open(ckpt);
    struct daub_blob *blob = NULL;
    TRY(daub_blob_open(ckpt->host, ckpt->fs, ckpt->path, &blob));
    return single_open(ckpt, blob);
}

daub_status daub_checkpoint_open_from(const struct daub_host *host, const struct daub_origin *origin,
                                      struct daub_checkpoint **out)
{
    daub_status status;
    struct daub_blob *blob = NULL;
    struct daub_checkpoint *ckpt = daub_alloc(host, sizeof(*ckpt));
    if (!ckpt)
        return daub_no_memory("a checkpoint");
    ckpt->host = host;
    if (origin->files)
        TRY_OR_FAIL(daub_fs_create(host, origin->files, &ckpt->fs));
    if (origin->source)
        TRY_OR_FAIL(daub_blob_open_source(host, "daub_model_params.source", origin->source, &blob));
    ckpt->path = daub_strdup(host, blob ? daub_blob_name(blob) : origin->path);
    if (!ckpt->path) {
        daub_blob_close(&blob);
        status = daub_no_memory("a checkpoint");
        goto fail;
    }
    TRY_OR_FAIL(blob ? single_open(ckpt, blob) : path_open(ckpt));
    if (origin->config_from)
        TRY_OR_FAIL(daub_ckpt_configs_from(ckpt, origin->config_from));
    TRY_OR_FAIL(daub_ckpt_vae_open(ckpt, origin));
    *out = ckpt;
    return DAUB_OK;

fail:
    daub_checkpoint_close(&ckpt);
    return status;
}

daub_status daub_checkpoint_open(const struct daub_host *host, const char *path, const char *config_from,
                                 struct daub_checkpoint **out)
{
    const struct daub_origin origin = { .path = path, .config_from = config_from };
    return daub_checkpoint_open_from(host, &origin, out);
}

void daub_checkpoint_close(struct daub_checkpoint **ckpt)
{
    struct daub_checkpoint *k = *ckpt;
    if (!k)
        return;
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++) {
        struct daub_ckpt_part *part = &k->parts[c];
        for (uint32_t i = 0; i < part->n_files; i++)
            file_close(k->host, &part->files[i]);
        daub_free(k->host, part->files);
        daub_json_free(&part->config);
    }
    file_close(k->host, &k->single);
    daub_json_free(&k->index);
    daub_json_free(&k->scheduler);
    daub_json_free(&k->defaults);
    daub_free(k->host, k->tokenizer_dir);
    daub_free(k->host, k->path);
    daub_checkpoint_close(&k->vae);
    if (!k->fs_lent)
        daub_fs_destroy(&k->fs);
    daub_free(k->host, k);
    *ckpt = NULL;
}

const struct daub_host *daub_checkpoint_host(const struct daub_checkpoint *ckpt)
{
    return ckpt->host;
}

const char *daub_checkpoint_path(const struct daub_checkpoint *ckpt)
{
    return ckpt->path;
}

bool daub_checkpoint_is_single(const struct daub_checkpoint *ckpt)
{
    return ckpt->single.st != NULL;
}

const struct daub_checkpoint *daub_checkpoint_vae(const struct daub_checkpoint *ckpt)
{
    return ckpt->vae;
}

bool daub_checkpoint_has(const struct daub_checkpoint *ckpt, enum daub_component c)
{
    return daub_ckpt_of(ckpt, c)->parts[c].present;
}

bool daub_checkpoint_has_own(const struct daub_checkpoint *ckpt, enum daub_component c)
{
    return ckpt->parts[c].present;
}

static const struct daub_json *json_or_null(const struct daub_json *json)
{
    return json->root ? json : NULL;
}

const struct daub_json *daub_checkpoint_index(const struct daub_checkpoint *ckpt)
{
    return json_or_null(&ckpt->index);
}

const struct daub_json *daub_checkpoint_config(const struct daub_checkpoint *ckpt, enum daub_component c)
{
    return json_or_null(&daub_ckpt_of(ckpt, c)->parts[c].config);
}

const struct daub_json *daub_checkpoint_own_config(const struct daub_checkpoint *ckpt, enum daub_component c)
{
    return json_or_null(&ckpt->parts[c].config);
}

const struct daub_json *daub_checkpoint_scheduler(const struct daub_checkpoint *ckpt)
{
    return json_or_null(&ckpt->scheduler);
}

const struct daub_json *daub_checkpoint_defaults(const struct daub_checkpoint *ckpt)
{
    return json_or_null(&ckpt->defaults);
}

const char *daub_checkpoint_tokenizer_dir(const struct daub_checkpoint *ckpt)
{
    return ckpt->tokenizer_dir;
}

const struct daub_fs *daub_checkpoint_fs(const struct daub_checkpoint *ckpt)
{
    return ckpt->fs;
}

const char *daub_checkpoint_hash_path(const struct daub_checkpoint *ckpt, enum daub_component wanted)
{
    if (ckpt->single.st)
        return ckpt->path;
    if (ckpt->parts[wanted].n_files > 0)
        return daub_safetensors_path(ckpt->parts[wanted].files[0].st);
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        if (ckpt->parts[c].n_files > 0)
            return daub_safetensors_path(ckpt->parts[c].files[0].st);
    return ckpt->path;
}

const struct daub_safetensors *daub_checkpoint_single(const struct daub_checkpoint *ckpt)
{
    return ckpt->single.st;
}

const char *daub_checkpoint_prefix(const struct daub_checkpoint *ckpt, enum daub_component c)
{
    return ckpt->bare ? "" : daub_ldm_prefix(c);
}

void daub_checkpoint_set_layout(struct daub_checkpoint *ckpt, const struct daub_ldm_layout *layout)
{
    ckpt->layout = *layout;
    if (ckpt->vae)
        ckpt->vae->layout = *layout;
}

bool daub_checkpoint_find(struct daub_checkpoint *ckpt, enum daub_component c, const char *name, struct daub_view *out)
{
    struct place p;
    struct daub_view view;
    if (!find_place(daub_ckpt_of(ckpt, c), c, name, &p) || !daub_safetensors_view(p.file->st, p.tensor, &view))
        return false;
    if (p.how.n_rows > 0 && !slice_rows(p.tensor, &p.how, &view))
        return false;
    if (p.how.transposed && view.n_dims == 2) {
        const uint64_t rows = view.dims[0];
        view.dims[0] = view.dims[1];
        view.dims[1] = rows;
        view.transposed = true;
    }
    // LDM stores the VAE's attention layers as 1x1 convolutions.
    if (c == DAUB_VAE && strstr(name, ".attentions.") && view.n_dims == 4 && view.dims[2] == 1 && view.dims[3] == 1)
        view.n_dims = 2;
    const ptrdiff_t index = p.tensor - daub_safetensors_at(p.file->st, 0);
    atomic_store_explicit(&p.file->used[index], true, memory_order_relaxed);
    *out = view;
    return true;
}

void daub_checkpoint_release(struct daub_checkpoint *whole, enum daub_component c, const char *name)
{
    const struct daub_checkpoint *const ckpt = daub_ckpt_of(whole, c);
    struct place p;
    if (name && find_place(ckpt, c, name, &p))
        daub_safetensors_release(p.file->st, p.tensor);
    if (name)
        return;
    if (ckpt->single.st)
        daub_safetensors_release(ckpt->single.st, NULL);
    for (uint32_t i = 0; i < ckpt->parts[c].n_files; i++)
        daub_safetensors_release(ckpt->parts[c].files[i].st, NULL);
}

static uint64_t count_elements(const struct daub_safetensors *st, const char *prefix)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < daub_safetensors_count(st); i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(st, i);
        if (strncmp(t->name, prefix, strlen(prefix)) != 0 || t->dtype == DAUB_FILE_I64 || t->dtype == DAUB_FILE_I32)
            continue; // position_ids and counters are no parameters
        uint64_t elements = 1;
        for (uint32_t d = 0; d < t->n_dims; d++)
            elements *= t->dims[d];
        sum += elements;
    }
    return sum;
}

uint64_t daub_checkpoint_parameters(const struct daub_checkpoint *whole, enum daub_component c)
{
    const struct daub_checkpoint *const ckpt = daub_ckpt_of(whole, c);
    if (ckpt->single.st)
        return count_elements(ckpt->single.st, daub_checkpoint_prefix(ckpt, c));
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ckpt->parts[c].n_files; i++)
        sum += count_elements(ckpt->parts[c].files[i].st, "");
    return sum;
}

void daub_checkpoint_identity(const struct daub_checkpoint *whole, enum daub_component c, uint8_t out[32])
{
    const struct daub_checkpoint *const ckpt = daub_ckpt_of(whole, c);
    struct daub_sha256 sha;
    daub_sha256_init(&sha);
    const struct daub_ldm_layout *l = &ckpt->layout; // how names lead to the tensors of a single file
    const uint32_t layout[] = { l->unet_levels, l->unet_layers_per_block,
                                l->vae_levels,  l->vae_layers_per_block,
                                l->open_clip,   l->text_hidden };
    daub_sha256_update(&sha, layout, sizeof(layout));
    if (ckpt->single.st)
        daub_safetensors_identity(ckpt->single.st, &sha);
    for (uint32_t i = 0; i < ckpt->parts[c].n_files; i++)
        daub_safetensors_identity(ckpt->parts[c].files[i].st, &sha);
    daub_sha256_final(&sha, out);
}

bool daub_checkpoint_settled(const struct daub_checkpoint *whole, enum daub_component c, uint64_t before_ns)
{
    const struct daub_checkpoint *const ckpt = daub_ckpt_of(whole, c);
    bool settled = !ckpt->single.st || daub_safetensors_settled(ckpt->single.st, before_ns);
    for (uint32_t i = 0; i < ckpt->parts[c].n_files; i++)
        settled = settled && daub_safetensors_settled(ckpt->parts[c].files[i].st, before_ns);
    return settled;
}
