// winograd_output.comp - y = epilogue(A^T M A): the last step of F(2x2, 3x3), see winograd_input.comp. M [P][tiles][N] are the products of
// V with the transformed weights (runtime/io/pack_winograd.c); the epilogue is that of any GEMM (gemm_epilogue.glsl). Sums are fp32.
//
//   dispatch   a grid of at least ceil(tiles * words / 64) workgroups of 64; one invocation a word of a 2x2 tile
//   bindings   those of gemm.h: GEMM_SOURCE0 is M; GEMM_SOURCE1 and GEMM_WEIGHT are unused
//   variants   f32 f16 (storage), texel
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "params/winograd.h"
#define GEMM_PARAMS winograd_params
#include "common/gemm_bindings.glsl"
#include "common/gemm_epilogue.glsl"
#include "common/light.glsl"

layout(local_size_x = LIGHT_LOCAL) in;
layout(constant_id = SPEC_WINOGRAD_UPSAMPLED) const bool UPSAMPLED = false;

void main()
{
    const uint i = light_index();
    if (i >= p.n_tiles * p.out_words)
        return;
    const uint word = i % p.out_words, tile = p.tile_first + i / p.out_words;
    const uint line = tile / p.tiles_w, image = line / p.tiles_h;
    const uint y = 2 * (line - image * p.tiles_h), x = 2 * (tile - line * p.tiles_w);

    // A^T M, a column of M at a time: rows 0 and 1 of 4 columns of lo and hi. Position 2 of an upsampled map is zero.
    vec4 s[16];
    uint at = i;
    const uint step = p.n_tiles * p.out_words;
    [[unroll]] for (int k = 0; k < 16; k++)
        s[k] = vec4(0.0);
    [[unroll]] for (int r = 0; r < 4; r++)
        [[unroll]] for (int c = 0; c < 4; c++)
            if (!UPSAMPLED || (r != 2 && c != 2)) {
                vec4 lo, hi;
                LOAD(source0, at, lo, hi)
                at += step;
                if (r < 3) {
                    s[2 * c] += lo;
                    s[2 * c + 1] += hi;
                }
                if (r == 1) {
                    s[8 + 2 * c] += lo;
                    s[8 + 2 * c + 1] += hi;
                } else if (r > 1) {
                    s[8 + 2 * c] -= lo;
                    s[8 + 2 * c + 1] -= hi;
                }
            }
    vec4 bias_lo, bias_hi;
    gemm_bias(word, bias_lo, bias_hi);
    [[unroll]] for (int a = 0; a < 2; a++) {
        const uint m = (image * p.out_h + y + a) * p.out_w + x;
        if (y + a < p.out_h) {
            gemm_finish(m, image, word, bias_lo + s[8 * a] + s[8 * a + 2] + s[8 * a + 4],
                        bias_hi + s[8 * a + 1] + s[8 * a + 3] + s[8 * a + 5]);
            if (x + 1 < p.out_w)
                gemm_finish(m + 1, image, word, bias_lo + s[8 * a + 2] - s[8 * a + 4] - s[8 * a + 6],
                            bias_hi + s[8 * a + 3] - s[8 * a + 5] - s[8 * a + 7]);
        }
    }
}
