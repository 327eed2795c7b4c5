// gemm_lane.comp - C = epilogue(A W) for CPU drivers: no shared memory, no barrier, sums in registers.
//
//   A [M, K]: output pixels by (ky, kx, channels of source 0, channels of source 1), gathered from NHWC (gemm_address.glsl)
//   W [K, N]: panels of 64 columns, each [K][64] (runtime/io/pack.h)
//   C [M, N]: sums in fp32, in the order of K
//
// One workgroup is 8 lanes, one vector of llvmpipe. Lane l owns word l (8 columns) of one or two panels and ROWS rows of C: all
// lanes read the same words of A, and neighbouring words of W. Dispatch: (M / ROWS, panels / PANELS). With PANELS = 2 the
// pair may be value and gate of a GEGLU.
//
// NARROW, for at most 8 columns: the lanes lie along M instead, each owns ROWS pixels, W is the same for all.
// Dispatch: (M / (8 * ROWS), 1).
//
// Variants: REAL_F16 and REAL_F32; TEXEL (uniform texel buffers) or storage buffers; ROWS, PANELS, NARROW. Every loop of
// constant length is unrolled and no array is indexed by a variable: a rolled one is a gather. Loops over K test at their end,
// because llvmpipe runs the body of a loop once more, masked, to find out that it is over.
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#include "common/gemm_bindings.glsl"
#include "common/gemm_address.glsl"
#include "common/gemm_epilogue.glsl"

layout(local_size_x = 8) in;

#if defined(NARROW)
#define ROW(i) (p.row_first + (gl_WorkGroupID.x * ROWS + i) * 8 + gl_LocalInvocationID.x)
#define WORD 0
#else
#define ROW(i) (p.row_first + gl_WorkGroupID.x * ROWS + i)
#define WORD gl_LocalInvocationID.x
#endif

// C[0..ROWS-1][word of each panel] += A[.., k] W[k, ..] for the channels of one word of `source`.
#define MULTIPLY(source, first_word)                                                                                  \
    {                                                                                                                 \
        vec4 a[2 * ROWS];                                                                                             \
        [[unroll]] for (int i = 0; i < ROWS; i++)                                                                     \
            GEMM_LOAD_KEPT(source, first_word[i] + k, keep[i], a[2 * i], a[2 * i + 1])                                \
        [[unroll]] for (int j = 0; j < 8; j++) {                                                                      \
            [[unroll]] for (int g = 0; g < PANELS; g++) {                                                             \
                vec4 b_lo, b_hi;                                                                                      \
                LOAD(weight, at[g] + uint(j) * GEMM_PANEL, b_lo, b_hi)                                                \
                [[unroll]] for (int i = 0; i < ROWS; i++) {                                                           \
                    sum[(i * PANELS + g) * 2] = fma(vec4(a[2 * i + j / 4][j % 4]), b_lo, sum[(i * PANELS + g) * 2]);  \
                    sum[(i * PANELS + g) * 2 + 1] =                                                                   \
                        fma(vec4(a[2 * i + j / 4][j % 4]), b_hi, sum[(i * PANELS + g) * 2 + 1]);                      \
                }                                                                                                     \
            }                                                                                                         \
        }                                                                                                             \
        [[unroll]] for (int g = 0; g < PANELS; g++)                                                                   \
            at[g] += 8 * GEMM_PANEL;                                                                                  \
    }

void main()
{
    gemm_row row[ROWS];
    [[unroll]] for (int i = 0; i < ROWS; i++)
        row[i] = gemm_row_of(ROW(i));

    const uint panel = (p.panel_first + gl_WorkGroupID.y) * PANELS;
    const uint panel_words = p.taps * (p.words0 + p.words1) * 8 * GEMM_PANEL;
    uint at[PANELS];
    [[unroll]] for (int g = 0; g < PANELS; g++)
        at[g] = min(panel + g, p.panels - 1) * panel_words + WORD - p.first_weight;

    vec4 sum[ROWS * PANELS * 2];
    [[unroll]] for (int g = 0; g < PANELS; g++) {
        const uint column = GEGLU ? (panel + g) * GEMM_PANEL + WORD
                                  : min((panel + g) * GEMM_PANEL + WORD, p.out_words - 1);
        vec4 lo, hi;
        gemm_bias(column, lo, hi);
        [[unroll]] for (int i = 0; i < ROWS; i++) {
            sum[(i * PANELS + g) * 2] = lo;
            sum[(i * PANELS + g) * 2 + 1] = hi;
        }
    }

    int ky = 0, kx = 0;
    uint tap = 0;
    do {
        uint keep[ROWS], first0[ROWS], first1[ROWS];
        [[unroll]] for (int i = 0; i < ROWS; i++) {
            const uint pixel = gemm_pixel(row[i], ky, kx, keep[i]);
            first0[i] = pixel * p.words0 - p.first0;
            first1[i] = pixel * p.words1 - p.first1;
        }
        uint k = 0;
        do
            MULTIPLY(source0, first0)
        while (++k < p.words0);
        if (PAIR) {
            k = 0;
            do
                MULTIPLY(source1, first1)
            while (++k < p.words1);
        }
        kx++;
        if (kx == int(p.kernel_w)) {
            kx = 0;
            ky++;
        }
    } while (++tap < p.taps);

    [[unroll]] for (int i = 0; i < ROWS; i++) {
#if PANELS == 2
        if (GEGLU) {
            gemm_finish(ROW(i), row[i].image, panel / 2 * GEMM_PANEL + WORD, sum[4 * i] * gelu(sum[4 * i + 2]),
                        sum[4 * i + 1] * gelu(sum[4 * i + 3]));
        } else
#endif
        {
            [[unroll]] for (int g = 0; g < PANELS; g++)
                gemm_finish(ROW(i), row[i].image, (panel + g) * GEMM_PANEL + WORD, sum[(i * PANELS + g) * 2],
                            sum[(i * PANELS + g) * 2 + 1]);
        }
    }
}
