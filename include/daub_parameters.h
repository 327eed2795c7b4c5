// daub_parameters.h - what a picture says of itself: a PNG or JPEG can carry what made it, in the grammar of stable-diffusion-webui
// ("A1111"), and be drawn again from that. docs/formats.md lists the keys. The rules at the head of daub.h hold.
//
//     daub_parameters p = { .struct_size = sizeof(p) };
//     daub_generate_params again = { .struct_size = sizeof(again) };
//     daub_parameters_read(&(daub_source) { .path = "fox.png" }, &p);
//     daub_parameters_apply(&p, &again);
//     daub_generate(model, &again, &image);
//     daub_parameters_free(&p);
#ifndef DAUB_PARAMETERS_H
#define DAUB_PARAMETERS_H
#include "daub.h"

#ifdef __cplusplus
extern "C" {
#endif

// What such a text says, or is to say. NULL and 0: it does not. Of one that a call filled, the strings live until daub_parameters_free.
typedef struct daub_parameters {
    uint32_t struct_size;
    void *owned;                          // the strings' memory; NULL where they are yours
    const char *prompt, *negative_prompt; // "" where the text has none
    const char *sampler, *schedule;       // as in daub_sampler_info.name, daub_schedule_info.name
    uint32_t width, height, n_steps, clip_skip;
    float guidance_scale, guidance_rescale;
    double guidance_start, guidance_end; // 0 and 0: all steps
    uint64_t seed;
    bool has_seed; // 0 is a seed too
    daub_rng_source rng;
    daub_emphasis emphasis;
    daub_prompt_padding padding; // OFF is not written
    double eta, strength;
    daub_precision precision; // daub_model_params's
    uint32_t vae_rows;
    uint64_t vae_memory;        // daub_generate_params's
    const char *model;          // a name; where one is written, a path whose last part is the name
    const char *model_hash;     // 10 hexadecimal digits of the SHA-256 of its file
    const char *parts_hash;     // of a folder's other files: see daub_tools_parts_hash
    const char *vae, *vae_hash; // of a VAE in place of the model's own
    // daub_model_params.config_from as it was named (an absolute path without its folders), and daub_tools_config_hash of it
    const char *config, *config_hash;
    const char *style; // that set some of these; nothing is set from it again
    // What else it was made from, as it was named (an absolute path without its folders), and 10 digits of each file's SHA-256.
    const char *init, *init_hash, *mask, *mask_hash, *prompt_embeds, *prompt_embeds_hash;
    uint32_t jpeg_quality; // of a JPEG, where it is not 92
    const char *software;  // "daub 0.1.0", "v1.10.1"; NULL, where one is written: this daub
    // What the text asks for and daub cannot do, or does not know, for a sentence: "Hires upscale 2, Lora hashes aa: 12".
    // A picture that is drawn nevertheless is another one.
    const char *left_out;
} daub_parameters;

#define daub_parameters(...) (&(daub_parameters) { .struct_size = sizeof(daub_parameters), __VA_ARGS__ })

// The text "parameters" of a PNG (tEXt, zTXt, iTXt) or a JPEG (EXIF's UserComment, or a comment), UTF-8 of up to 4 MiB; freed with
// daub_text_free. Errors: IO, BAD_FILE (no such picture, none in it, or a damaged one), NO_HOST_MEMORY.
DAUB_API daub_status daub_picture_text(const daub_source *source, char **out);
DAUB_API void daub_text_free(char *text); // NULL is fine

// Takes a text apart, or a picture's. `out` needs its struct_size. What A1111 leaves out is filled in as A1111 means it. Errors:
// BAD_FILE (not UTF-8, beyond docs/limits.md), as daub_picture_text, NO_HOST_MEMORY.
DAUB_API daub_status daub_parameters_parse(const char *text, daub_parameters *out);
DAUB_API daub_status daub_parameters_read(const daub_source *source, daub_parameters *out);
DAUB_API void daub_parameters_free(daub_parameters *parameters); // zeroes all but struct_size; NULL is fine

// Fills those fields of *params that are zero, seed and size included, and lends them its strings. init, mask and embeddings that the
// picture was made from have to be in params already. The schedule goes with its sampler, and the guidance interval with guidance above 1:
// where params say another sampler or guidance 1 they stay as they are. Errors: INVALID_ARG, where one of them is missing.
DAUB_API daub_status daub_parameters_apply(const daub_parameters *parameters, daub_generate_params *params);

// The other way: what a picture was made from and how. `model` may be NULL. What only its maker knows is to be added before it is
// written: model_hash, precision, the names and hashes of files. Errors: INVALID_ARG, NO_HOST_MEMORY.
DAUB_API daub_status daub_parameters_describe(const daub_generate_params *params, const daub_result *result,
                                              const daub_model_info *model, daub_parameters *out);
// Another key and its value, quoted as need be, to the end of such a text, which moves. Errors: INVALID_ARG, NO_HOST_MEMORY; *text stays as
// it is.
DAUB_API daub_status daub_parameters_append(char **text, const char *key, const char *value);
// As a text, in UTF-8, for daub_parameters_parse and other programs; freed with daub_text_free. Errors: INVALID_ARG (fewer than three
// values beside the prompts, which would read as a prompt), NO_HOST_MEMORY.
DAUB_API daub_status daub_parameters_write(const daub_parameters *parameters, char **out);

// The path of a model with the hash of the parameters, among the default model, those whose hash this user's cache knows, and
// files and folders of its name in the working folder; without a hash, one of the name. *found says whether one is there, and `path`
// keeps `capacity` bytes, a zero included. Errors: INVALID_ARG.
DAUB_API daub_status daub_parameters_find_model(const daub_parameters *parameters, char *path, size_t capacity,
                                                bool *found);
// The same of the VAE in place of the model's own.
DAUB_API daub_status daub_parameters_find_vae(const daub_parameters *parameters, char *path, size_t capacity,
                                              bool *found);

#ifdef __cplusplus
}
#endif
#endif
