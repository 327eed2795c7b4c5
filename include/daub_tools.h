// daub_tools.h - what the daub command needs beyond daub.h: measuring and looking inside. Public but UNSTABLE: it may
// change in any release, and nothing here is needed to make pictures.
#ifndef DAUB_TOOLS_H
#define DAUB_TOOLS_H
#include "daub.h"

#ifdef __cplusplus
extern "C" {
#endif

// Cost of one class of nodes (conv3x3, linear, attention, ...) over a whole picture.
typedef struct daub_tools_op_cost {
    char phase[16]; // "text", "prompt" (its keys and values), "time", "denoise", "sampler", "decode"
    char op[32];
    uint32_t n_dispatches;
    double seconds; // from timestamps
    double gflop;
    double gbytes; // read and written, counting each buffer once a dispatch
} daub_tools_op_cost;

// Runs one picture (params' size, steps, prompt) with a timestamp round every node. Fills up to `capacity` rows, *count in
// all: 0 on a device without timestamps. The picture's own result goes to `result`. In memory mode small, text and denoising
// have been released by then, and rows of decoding alone are left.
DAUB_API daub_status daub_tools_bench(daub_model *model, const daub_generate_params *params, daub_tools_op_cost *rows,
                                      uint32_t capacity, uint32_t *count, daub_result *result);

// Capabilities in use after DAUB_CAPS, one "name value" a line. The caller frees it with daub_tools_free.
DAUB_API daub_status daub_tools_caps_text(daub_device *dev, char **out);
// The words DAUB_DEBUG and DAUB_CAPS know, one line each.
DAUB_API const char *daub_tools_debug_words(void);
// Describes a model file without a GPU: family, configs, tensor counts, evidence. The caller frees it.
DAUB_API daub_status daub_tools_inspect_text(const char *path, const daub_model_params *params, char **out);
DAUB_API void daub_tools_free(char *text);

// First 10 hex digits of the SHA-256 of the model's file (single file, or the U-Net's of a folder), as A1111's "Model hash";
// cached by path, size and time in the user's cache folder. `out` has room for 11.
DAUB_API daub_status daub_tools_model_hash(const char *path, char out[11]);
// The path of the default model. Errors: IO when it is not found.
DAUB_API daub_status daub_tools_default_model(char *out, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
