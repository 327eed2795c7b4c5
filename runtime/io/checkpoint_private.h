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
    struct daub_ckpt_file single; // st NULL: a folder
    struct daub_ckpt_part parts[DAUB_COMPONENT_COUNT];
    struct daub_json index, scheduler, defaults;
    char *tokenizer_dir;
    struct daub_ldm_layout layout;
};

// Takes the blob, also on failure.
daub_status daub_ckpt_file_open(const struct daub_host *host, struct daub_blob *blob, struct daub_ckpt_file *out);
// checkpoint_folder.c: everything a folder in diffusers layout has.
daub_status daub_ckpt_folder_open(struct daub_checkpoint *ckpt);
// Fills what is still missing from another folder's config.json files, scheduler and tokenizer.
daub_status daub_ckpt_configs_from(struct daub_checkpoint *ckpt, const char *dir);

#endif
