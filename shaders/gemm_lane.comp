// gemm_lane.comp - C = epilogue(A W) for CPU drivers: no shared memory, no barrier, sums in registers.
//
//   A [M, K]: output pixels by (ky, kx, channels of source 0, channels of source 1), gathered from NHWC (gemm_address.glsl)
//   W [K, N]: panels of 64 columns, each [K][64] (runtime/io/pack.h)
//   C [M, N]: sums in fp32, in the order of K
//
// One workgroup is 8 lanes, one vector of llvmpipe. Lane l owns word l (8 columns) of one or two panels and ROWS rows of C.
// Dispatch: (M / ROWS, panels / PANELS). With PANELS = 2 the pair may be value and gate of a GEGLU.
//
// All lanes need every word of A. A load costs llvmpipe the same whether its lanes read one word or eight (about 80 instructions
// with the unpacking), so with SHUFFLE lane l loads the word of row 8 g + l, and subgroupShuffle by a constant, one instruction, spreads
// each of its values. It needs subgroups of exactly the 8 lanes. Without, each lane loads every row's word.
//
// Parts: several weights of equal size lie one after the other, and so do their results (to_q, to_k and to_v of one x).
// Batches (gl_WorkGroupID.z) are plain matrices one after the other in source 0 and the result; batch z takes tap z of the weight.
//
// NARROW, for at most 8 columns: the lanes lie along M instead, each owns ROWS pixels, and W is what all lanes need: lane l loads row
// l of a word's 8 rows. Dispatch: (M / (8 * ROWS), 1).
//
// Variants: REAL_F16 and REAL_F32; TEXEL (uniform texel buffers) or storage buffers; SHUFFLE; NARROW. ROWS and PANELS are specialised.
// Every loop of
// constant length is unrolled and no array is indexed by a variable: a rolled one is a gather. The sums of one row are finished for
// all 8 values of k before the next row's, so that they stay in registers meanwhile. The code of a loop over K has to fit the first
// level's instruction cache of 32 KiB: 16 rows do, 20 run a quarter slower. Loops over K test at their end, because llvmpipe
// runs the body of a loop once more, masked, to find out that it is over.
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#if defined(SHUFFLE)
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "common/gemm_bindings.glsl"
#include "common/gemm_address.glsl"
#define GEMM_BATCH_ROW batch_row
uint batch_row;
#include "common/gemm_epilogue.glsl"

layout(local_size_x = 8) in;
layout(constant_id = SPEC_GEMM_TILE_ROWS) const int ROWS = 8;
layout(constant_id = SPEC_GEMM_TILE_PANELS) const int PANELS = 1;

#define LANE gl_LocalInvocationID.x

#if defined(NARROW)
#define ROW(i) (p.row_first + (gl_WorkGroupID.x * ROWS + (i)) * 8 + LANE)
#define WORD 0
#else
#define ROW(i) (p.row_first + gl_WorkGroupID.x * ROWS + (i))
#define WORD LANE
#endif

// LOADS: words of A that a lane loads; LOADED(g): the row of the g-th; A_VALUE(i, j): channel j of row i's word;
// B_LOADS, B_ROW(j), B_LO(j), B_HI(j): the same for the rows of W, of which there are 8 a word.
#if defined(SHUFFLE) && !defined(NARROW)
#define LOADS ((ROWS + 7) / 8)
#define LOADED(g) ROW(min(8 * (g) + LANE, uint(ROWS - 1)))
#define A_VALUE(i, j) subgroupShuffle(a[2 * ((i) / 8) + (j) / 4][(j) % 4], uint((i) % 8))
#else
#define LOADS ROWS
#define LOADED(g) ROW(g)
#define A_VALUE(i, j) a[2 * (i) + (j) / 4][(j) % 4]
#endif
#if defined(SHUFFLE) && defined(NARROW)
#define B_LOADS 1
#define B_ROW(j) LANE
#define B_LO(j) subgroupShuffle(b[0], uint(j))
#define B_HI(j) subgroupShuffle(b[1], uint(j))
#else
#define B_LOADS 8
#define B_ROW(j) uint(j)
#define B_LO(j) b[2 * (j)]
#define B_HI(j) b[2 * (j) + 1]
#endif

// C[0..ROWS-1][word of each panel] += A[.., k] W[k, ..] for the channels of one word of `source`.
#define MULTIPLY(source, first_word)                                                                         \
    {                                                                                                        \
        vec4 a[2 * LOADS];                                                                                   \
        [[unroll]] for (int g = 0; g < LOADS; g++)                                                           \
            GEMM_LOAD_KEPT(source, first_word[g] + k, keep[g], a[2 * g], a[2 * g + 1])                       \
        [[unroll]] for (int panel = 0; panel < PANELS; panel++) {                                            \
            vec4 b[2 * B_LOADS];                                                                             \
            [[unroll]] for (int j = 0; j < B_LOADS; j++)                                                     \
                LOAD(weight, at[panel] + B_ROW(j) * GEMM_PANEL, b[2 * j], b[2 * j + 1])                      \
            [[unroll]] for (int i = 0; i < ROWS; i++) {                                                      \
                vec4 lo = sum[(i * PANELS + panel) * 2], hi = sum[(i * PANELS + panel) * 2 + 1];             \
                [[unroll]] for (int j = 0; j < 8; j++) {                                                     \
                    const vec4 value = vec4(A_VALUE(i, j));                                                  \
                    lo = fma(value, B_LO(j), lo);                                                            \
                    hi = fma(value, B_HI(j), hi);                                                            \
                }                                                                                            \
                sum[(i * PANELS + panel) * 2] = lo;                                                          \
                sum[(i * PANELS + panel) * 2 + 1] = hi;                                                      \
            }                                                                                                \
            at[panel] += 8 * GEMM_PANEL;                                                                     \
        }                                                                                                    \
    }

void main()
{
    gemm_row row[LOADS];
    [[unroll]] for (int g = 0; g < LOADS; g++)
        row[g] = gemm_row_of(LOADED(g));

    const uint panel = (p.panel_first + gl_WorkGroupID.y) * PANELS;
    const uint part_panels = p.panels / p.parts, part = panel / part_panels;
    const uint source_row = gl_WorkGroupID.z * p.row_end;
    batch_row = source_row + part * p.rows;
    const uint batch_words = p.taps * (p.words0 + p.words1) * 8 * GEMM_PANEL, panel_words = p.batches * batch_words;
    uint at[PANELS];
    [[unroll]] for (int g = 0; g < PANELS; g++)
        at[g] = min(panel + g, p.panels - 1) * panel_words + gl_WorkGroupID.z * batch_words + WORD - p.first_weight;

    vec4 sum[ROWS * PANELS * 2];
    [[unroll]] for (int g = 0; g < PANELS; g++) {
        const uint column = GEGLU ? (panel + g) * GEMM_PANEL + WORD
                                  : min((panel + g) * GEMM_PANEL + WORD, p.parts * p.out_words - 1);
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
        uint keep[LOADS], first0[LOADS], first1[LOADS];
        [[unroll]] for (int g = 0; g < LOADS; g++) {
            const uint pixel = gemm_pixel(row[g], ky, kx, keep[g]);
            first0[g] = (source_row + pixel) * p.words0 - p.first0;
            first1[g] = pixel * p.words1 - p.first1;
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
        const uint image = min(ROW(i), p.row_end - 1) / (p.out_w * p.out_h);
        const int value = i * PANELS * 2, gate = (i * PANELS + PANELS - 1) * 2;
        if (GEGLU) {
            gemm_finish(ROW(i), image, panel / 2 * GEMM_PANEL + WORD, sum[value] * gelu(sum[gate]),
                        sum[value + 1] * gelu(sum[gate + 1]));
        } else {
            [[unroll]] for (int g = 0; g < PANELS; g++)
                gemm_finish(ROW(i), image, (panel - part * part_panels + g) * GEMM_PANEL + WORD, sum[(i * PANELS + g) * 2],
                            sum[(i * PANELS + g) * 2 + 1]);
        }
    }
}
