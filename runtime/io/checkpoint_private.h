// checkpoint_private.h - what the files of the checkpoint reader share.
#ifndef DAUB_IO_CHECKPOINT_PRIVATE_H
#define DAUB_IO_CHECKPOINT_PRIVATE_H
#include "runtime/io/checkpoint.h"

#include <stdatomic.h>

struct daub_ckpt_file {
    struct daub_safetensors *st;
    atomic_bool *used; // a flag a tensor: some find has found it. Set from any thread.
};

struct daub_ckpt_part {
    struct daub_ckpt_file *files; // of a folder: one, or the shards
    uint32_t n_files;
    struct daub_json config; // root NULL: none
    bool present;
};

struct daub_checkpoint {
    const struct daub_host *host;
    char *path;
    struct daub_fs *fs;           // what path and all below it are of; NULL: the machine's
    bool fs_lent;                 // another checkpoint's
    bool bare;                    // a single file whose names have no prefix: a VAE alone
    struct daub_checkpoint *vae;  // stands for the model's own; NULL: none does
    struct daub_ckpt_file single; // st NULL: a folder
    struct daub_ckpt_part parts[DAUB_COMPONENT_COUNT];
    struct daub_json index, scheduler, defaults;
    char *tokenizer_dir;
    struct daub_ldm_layout layout;
};

// The checkpoint that a component's tensors are in.
static inline const struct daub_checkpoint *daub_ckpt_of(const struct daub_checkpoint *ckpt, enum daub_component c)
{
    return c == DAUB_VAE && ckpt->vae ? ckpt->vae : ckpt;
}

// checkpoint_vae.c: opens the VAE that the origin names, if it does.
daub_status daub_ckpt_vae_open(struct daub_checkpoint *ckpt, const struct daub_origin *origin);
// Takes the blob, also on failure.
daub_status daub_ckpt_file_open(const struct daub_host *host, struct daub_blob *blob, struct daub_ckpt_file *out);
// checkpoint_folder.c: everything a folder in diffusers layout has.
daub_status daub_ckpt_folder_open(struct daub_checkpoint *ckpt);
// The VAE of such a folder alone, or of one that is an AutoencoderKL itself.
daub_status daub_ckpt_folder_open_vae(struct daub_checkpoint *ckpt);
// config.json of a folder as a component's. Nothing where it is not there.
daub_status daub_ckpt_config_load(struct daub_checkpoint *ckpt, enum daub_component c, const char *dir);
// What a safetensors file that is not what was wanted may be.
const char *daub_ckpt_looks_like(const struct daub_safetensors *st);
// Fills what is still missing from another folder's config.json files, scheduler and tokenizer.
daub_status daub_ckpt_configs_from(struct daub_checkpoint *ckpt, const char *dir);

#endif
