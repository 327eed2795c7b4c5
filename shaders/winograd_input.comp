// winograd_input.comp - V = B^T d B for every 4x4 patch d of the input that makes a 2x2 tile of the output: the first of the three
// steps of F(2x2, 3x3), Lavin and Gray 2015, arXiv:1509.09308, section 4.1, where the matrices are. Convolutions of kernel 3, stride 1
// and padding 1 only. The sums are fp32.
//
//   V [P][tiles][K]: position (r, c) of the transformed patch is batch 4 r + c of the GEMM that follows (P = 16)
//
// UPSAMPLED: the input is a map upsampled by exactly 2 (nearest), so that rows 1 and 2 of every patch are one row of the source.
// Then row 2 of B^T d vanishes, and column 2 of d B: P = 9, rows and columns 0, 1 and 3.
//
//   dispatch   a grid of at least ceil(tiles * words / 64) workgroups of 64; one invocation a word of a patch
//   bindings   0 x0 [N,H,W,C0]   1 x1 [N,H,W,C1]   2 V
//   variants   f32 f16 (storage), texel
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common/word.glsl"
#include "common/light.glsl"
#include "params/winograd.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(constant_id = SPEC_WINOGRAD_UPSAMPLED) const bool UPSAMPLED = false;
layout(constant_id = SPEC_WINOGRAD_PAIR) const bool PAIR = false;
layout(push_constant, std430) uniform Push { winograd_params p; };
WORDS_IN(WINOGRAD_SOURCE0, x0);
WORDS_IN(WINOGRAD_SOURCE1, x1);
WORDS_OUT(WINOGRAD_OUT, v);

// Word `word` of the stored pixel under (y, x) of the map as the convolution sees it; zeros outside.
void load(uint image, int y, int x, int h, int w, uint shift, uint word, out vec4 lo, out vec4 hi)
{
    const int inside_y = clamp(y, 0, h - 1), inside_x = clamp(x, 0, w - 1);
    const uint pixel = (image * p.src_h + (uint(inside_y) >> shift)) * p.src_w + (uint(inside_x) >> shift);
    if (PAIR && word >= p.words0)
        LOAD(x1, pixel * p.words1 + word - p.words0 - p.first1, lo, hi)
    else
        LOAD(x0, pixel * p.words0 + word - p.first0, lo, hi)
    const bool keep = y == inside_y && x == inside_x;
    lo = keep ? lo : vec4(0.0);
    hi = keep ? hi : vec4(0.0);
}

void main()
{
    const uint i = light_index();
    const uint words = p.words0 + p.words1;
    if (i >= p.n_tiles * words)
        return;
    const uint word = i % words, tile = p.tile_first + i / words;
    const uint line = tile / p.tiles_w, image = line / p.tiles_h;
    const int ty = int(line - image * p.tiles_h), tx = int(tile - line * p.tiles_w);

    // d B, a row of the patch at a time: 4 columns (or 3) of lo and hi.
    vec4 h[32];
    if (UPSAMPLED) {
        [[unroll]] for (int r = 0; r < 3; r++) {
            vec4 d[6];
            [[unroll]] for (int c = 0; c < 3; c++)
                load(image, ty - 1 + r, tx - 1 + c, int(p.src_h), int(p.src_w), 0, word, d[2 * c], d[2 * c + 1]);
            [[unroll]] for (int k = 0; k < 2; k++) {
                h[6 * r + k] = d[k] - d[2 + k];
                h[6 * r + 2 + k] = 2.0 * d[2 + k];
                h[6 * r + 4 + k] = d[2 + k] - d[4 + k];
            }
        }
    } else {
        [[unroll]] for (int r = 0; r < 4; r++) {
            vec4 d[8];
            [[unroll]] for (int c = 0; c < 4; c++)
                load(image, 2 * ty - 1 + r, 2 * tx - 1 + c, int(p.out_h), int(p.out_w), p.shift, word, d[2 * c],
                     d[2 * c + 1]);
            [[unroll]] for (int k = 0; k < 2; k++) {
                h[8 * r + k] = d[k] - d[4 + k];
                h[8 * r + 2 + k] = d[2 + k] + d[4 + k];
                h[8 * r + 4 + k] = d[4 + k] - d[2 + k];
                h[8 * r + 6 + k] = d[2 + k] - d[6 + k];
            }
        }
    }

    uint at = i;
    const uint step = p.n_tiles * words;
    if (UPSAMPLED) {
        [[unroll]] for (int r = 0; r < 3; r++)
            [[unroll]] for (int c = 0; c < 6; c += 2) {
                const vec4 lo = r == 0 ? h[c] - h[6 + c] : r == 1 ? 2.0 * h[6 + c] : h[6 + c] - h[12 + c];
                const vec4 hi = r == 0 ? h[c + 1] - h[7 + c] : r == 1 ? 2.0 * h[7 + c] : h[7 + c] - h[13 + c];
                STORE(v, at, lo, hi);
                at += step;
            }
    } else {
        [[unroll]] for (int r = 0; r < 4; r++)
            [[unroll]] for (int c = 0; c < 8; c += 2) {
                const int a = r == 0 ? 0 : r == 2 ? 2 : 1, b = r == 0 ? 2 : r == 1 ? 2 : r == 2 ? 1 : 3;
                const float sign = r == 1 ? 1.0 : -1.0;
                const vec4 lo = h[8 * a + c] + sign * h[8 * b + c], hi = h[8 * a + c + 1] + sign * h[8 * b + c + 1];
                STORE(v, at, lo, hi);
                at += step;
            }
    }
}
