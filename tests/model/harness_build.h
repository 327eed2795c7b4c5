// harness_build.h - building a network on the host alone and holding it against a checkpoint's list of tensors.
#ifndef DAUB_TESTS_MODEL_HARNESS_BUILD_H
#define DAUB_TESTS_MODEL_HARNESS_BUILD_H
#include "runtime/base/json.h"
#include "runtime/graph/net.h"
#include "tests/test.h"

// Paths are from the source tree's root.
struct daub_json build_json(const char *path);
struct daub_json build_json_text(const char *text);

struct daub_net *build_net(void); // fp32, every point kept
struct daub_tensor *build_input(struct daub_net *net, const char *name, enum daub_stage stage, uint32_t n, uint32_t h,
                                uint32_t w, uint32_t c);
void build_require_shape(const struct daub_tensor *t, uint32_t n, uint32_t h, uint32_t w, uint32_t c);
// Finishes the net, fails with its sentence.
void build_finish(struct daub_net *net);

// Every weight is in the file with its shape, and, unless a prefix is given, every tensor of the file is a weight. With
// a prefix only the file's tensors of that beginning must be weights.
void build_check_weights(const struct daub_net *net, const char *safetensors, const char *prefix);
// Every tensor block.NAME of a golden, NAME beginning with `prefix`, is a point of as many values.
void build_check_points(const struct daub_net *net, const char *golden, const char *const *prefixes, uint32_t n,
                        uint32_t at_least);
uint32_t build_count_ops(const struct daub_net *net, const char *op);

#endif
