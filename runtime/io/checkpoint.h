// checkpoint.h - a model on disk, whatever its layout, seen as components with diffusers' tensor names.
//
//   folder   model_index.json, <component>/config.json, <component>/*.safetensors (also .fp16. variants, also shards with
//            an index), tokenizer/, scheduler/scheduler_config.json, daub.json
//   single   one .safetensors in the original LDM layout; names are translated by names_ldm.c
#ifndef DAUB_IO_CHECKPOINT_H
#define DAUB_IO_CHECKPOINT_H
#include "runtime/base/json.h"
#include "runtime/io/safetensors.h"

enum daub_component { DAUB_UNET, DAUB_VAE, DAUB_TEXT, DAUB_COMPONENT_COUNT };
const char *daub_component_name(enum daub_component c); // "unet", "vae", "text_encoder": folder names

struct daub_checkpoint;

// Opens files and parses JSON; no tensor is read. config_from may be NULL; for single files its config.json, scheduler and
// tokenizer stand in for the missing ones. A folder that holds only a bare component (config.json and a safetensors) is that component.
// Errors: IO, BAD_FILE ("X is neither a diffusers folder nor a .safetensors file: ...").
daub_status daub_checkpoint_open(const struct daub_host *host, const char *path, const char *config_from,
                                 struct daub_checkpoint **out);
// The same of a host's files, or of one source, which stands for a single file. What they lead to outlives the checkpoint.
struct daub_origin {
    const char *path;          // NULL with a source
    const daub_source *source; // may be NULL; so may the rest
    const daub_files *files;
    const char *config_from;
    const char *vae;               // stands for the model's own: see daub_checkpoint_vae; of `files`, where that is set
    const daub_source *vae_source; // or this
};
daub_status daub_checkpoint_open_from(const struct daub_host *host, const struct daub_origin *origin,
                                      struct daub_checkpoint **out);
void daub_checkpoint_close(struct daub_checkpoint **ckpt);

// A VAE alone: a folder in diffusers layout with a vae/, or the component's own, or a .safetensors file with the names of the LDM layout (with
// first_stage_model. before them or not) or diffusers' (with config.json beside it). Errors: IO, BAD_FILE.
daub_status daub_checkpoint_open_vae(const struct daub_host *host, const char *path, struct daub_checkpoint **out);
// The VAE that stands for the model's own, NULL where none does. What is asked of the model's VAE below is answered by it.
const struct daub_checkpoint *daub_checkpoint_vae(const struct daub_checkpoint *ckpt);

const struct daub_host *daub_checkpoint_host(const struct daub_checkpoint *ckpt);
const char *daub_checkpoint_path(const struct daub_checkpoint *ckpt);
bool daub_checkpoint_is_single(const struct daub_checkpoint *ckpt);
bool daub_checkpoint_has(const struct daub_checkpoint *ckpt, enum daub_component c);     // some tensor of it is there
bool daub_checkpoint_has_own(const struct daub_checkpoint *ckpt, enum daub_component c); // the model itself has one
// NULL when there is none.
const struct daub_json *daub_checkpoint_index(const struct daub_checkpoint *ckpt); // model_index.json
const struct daub_json *daub_checkpoint_config(const struct daub_checkpoint *ckpt, enum daub_component c);
const struct daub_json *daub_checkpoint_own_config(const struct daub_checkpoint *ckpt, enum daub_component c);
const struct daub_json *daub_checkpoint_scheduler(const struct daub_checkpoint *ckpt); // scheduler_config.json
const struct daub_json *daub_checkpoint_defaults(const struct daub_checkpoint *ckpt);  // daub.json
const struct daub_fs *daub_checkpoint_fs(const struct daub_checkpoint *ckpt);  // which that is of; NULL: the machine's
const char *daub_checkpoint_tokenizer_dir(const struct daub_checkpoint *ckpt); // holds merges.txt; NULL: none
// The file whose SHA-256 is A1111's hash: the single file, or the component's (first shard), or where there is none of it any other's.
const char *daub_checkpoint_hash_path(const struct daub_checkpoint *ckpt, enum daub_component c);

// The raw names and shapes of a single file, for families to recognise it by. NULL for folders.
const struct daub_safetensors *daub_checkpoint_single(const struct daub_checkpoint *ckpt);
// What a single file's names of a component begin with: as daub_ldm_prefix, or "" in a VAE alone that is without.
const char *daub_checkpoint_prefix(const struct daub_checkpoint *ckpt, enum daub_component c);

// What names_ldm needs to know of the networks; set by the family before the first find of a single file.
struct daub_ldm_layout {
    uint32_t unet_levels, unet_layers_per_block;
    uint32_t vae_levels, vae_layers_per_block;
    bool open_clip;       // cond_stage_model.model.*: fused in_proj, transposed text_projection
    uint32_t text_hidden; // rows of a slice of in_proj
};
void daub_checkpoint_set_layout(struct daub_checkpoint *ckpt, const struct daub_ldm_layout *layout);

// A component's tensor by its diffusers (transformers) name, marked as used. Old VAE attention names (query, key, value, proj_attn) and
// text names with and without "text_model." are found too. false: it is not there.
bool daub_checkpoint_find(struct daub_checkpoint *ckpt, enum daub_component c, const char *name, struct daub_view *out);
// Lets go of the pages that hold a tensor (see file.h); name NULL: of all pages of the component's files.
void daub_checkpoint_release(struct daub_checkpoint *ckpt, enum daub_component c, const char *name);

// Checks every weight of a network against the checkpoint: all missing, misshapen and (where nothing excuses them) unused tensors
// of the component in one sentence, by name, with shapes (the first 12 of each kind, then "and n more"). Call once a component
// after building its network(s). Tensors real files carry and nobody needs (position_ids, model_ema.*, betas, logit_scale,
// a last OpenCLIP layer that is never run, ...) are excused.
struct daub_wanted {
    const char *name;
    uint32_t n_dims;
    const uint32_t *dims;
};
daub_status daub_checkpoint_check(struct daub_checkpoint *ckpt, enum daub_component c, const struct daub_wanted *wanted,
                                  uint32_t n);
// What a component's tensors are read from, told from every other file (see safetensors.h), and whether that stands still.
void daub_checkpoint_identity(const struct daub_checkpoint *ckpt, enum daub_component c, uint8_t out[32]);
bool daub_checkpoint_settled(const struct daub_checkpoint *ckpt, enum daub_component c, uint64_t before_ns);
uint64_t daub_checkpoint_parameters(const struct daub_checkpoint *ckpt, enum daub_component c); // elements

#endif
