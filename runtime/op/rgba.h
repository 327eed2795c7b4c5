// rgba.h - pixels for a host, outside of any graph.
#ifndef DAUB_OP_RGBA_H
#define DAUB_OP_RGBA_H
#include "runtime/graph/tensor.h"
#include "runtime/vk/cmd.h"
#include "runtime/vk/io.h"

struct daub_rgba {
    const struct daub_tensor *x; // three channels in -1..1, fp16 or fp32
    struct daub_range x_range;   // all of it
    uint32_t x_first, n;         // pixels of it that are converted
    struct daub_range y;         // of the host's pixels, halves or floats
    enum daub_pixels pixels;     // of y: not bytes, which a graph makes (rgb8.h)
    uint32_t y_first;            // pixel of y that takes x_first
};

daub_status daub_rgba_record(const struct daub_caps *caps, struct daub_cmd *cmd, const struct daub_rgba *rgba);

// All of `picture` under what is given to keep: n pixels of R, G, B and mask, a byte each.
daub_status daub_paste_record(const struct daub_caps *caps, struct daub_cmd *cmd, const struct daub_picture *picture,
                              uint32_t n);

#endif
