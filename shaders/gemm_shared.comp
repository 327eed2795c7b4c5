// gemm_shared.comp - C = epilogue(A W) for GPUs: tiles of A and W staged in shared memory. Formula, layouts, parameters and
// bindings are those of gemm_lane.comp.
//
// A workgroup of 128 makes 64 rows by 64 columns of C, each thread 4 rows by one word of 8 columns, 32 k at a time:
//
//   tile[0..511]     A transposed: tile[16 k + (g ^ 2 (k / 8))] = A[4g..4g+3, k]; the exclusive or spreads the four words of a
//                    row, which neighbouring threads write, over the banks
//   tile[512..1023]  W: tile[512 + 16 k + 8 h + w] = half h of word w of row k
//
// in fp32, 16 KiB. Threads 0..63 fetch A (4 rows, one word each: 64 bytes of a row are read together), 64..127 fetch W (whole
// rows of a panel). With GEGLU the 64 columns are 4 words of a value panel and the same 4 of its gate panel; the gates pass
// through shared memory at the end. Of four batches (gl_WorkGroupID.z), the phases 2a + b of a convolution after upsampling by 2, each
// makes the pixels (2y + a, 2x + b) of the stored pixels (y, x). Dispatch: (M / 64, panels, batches). Variants: REAL_F16, REAL_F32.
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#include "common/gemm_bindings.glsl"
#include "common/gemm_address.glsl"
#define GEMM_BATCH_ROW batch_row
#define GEMM_PIXEL pixel
uint batch_row, pixel;
#include "common/gemm_epilogue.glsl"

layout(local_size_x = 128) in;

// The pixel that row m is in this workgroup's phase.
uint pixel_of(uint m)
{
    if (p.batches == 1)
        return m;
    const uint phase = gl_WorkGroupID.z, line = m / p.out_w, x = m - line * p.out_w;
    return (2 * line + phase / 2) * 2 * p.out_w + 2 * x + phase % 2;
}

shared vec4 tile[1024];

// 4 rows of one word of `source` into r, row by row. Words past the pixel's end and taps outside the image give zero.
#define FETCH_A(source, words, first)                                                                  \
    [[unroll]] for (int i = 0; i < 4; i++) {                                                           \
        const uint word = step_word + a_word;                                                          \
        const uint keep = word < words ? keeps[i] : 0u;                                                \
        GEMM_LOAD_KEPT(source, pixels[i] * words + min(word, words - 1) - first, keep, r[2 * i], r[2 * i + 1]) \
    }

void main()
{
    const uint t = gl_LocalInvocationID.x;
    const bool fetches_a = t < 64;
    const uint a_word = t % 4, a_group = t / 4 % 16; // in fetching A
    const uint group = t / 8, column = t % 8;        // in multiplying

    const uint q = p.panel_first + gl_WorkGroupID.y; // panel, or with GEGLU half a pair of panels
    const uint own_panel = GEGLU ? q / 2 * 2 + column / 4 : q;
    const uint own_word = GEGLU ? q % 2 * 4 + column % 4 : column;
    const uint part_panels = p.panels / p.parts, part = own_panel / part_panels;
    batch_row = part * p.rows;
    const uint panel_rows = p.taps * (p.words0 + p.words1) * 8;
    const uint phase = gl_WorkGroupID.z;
    const uint w_at = (own_panel * p.batches + phase) * panel_rows * GEMM_PANEL + own_word - p.first_weight;

    gemm_row rows[4];
    [[unroll]] for (int i = 0; i < 4; i++) {
        rows[i] = gemm_row_of(p.row_first + gl_WorkGroupID.x * 64 + a_group * 4 + i);
        rows[i].y += int(phase / 2);
        rows[i].x += int(phase % 2);
    }

    vec4 sum[8];
    [[unroll]] for (int i = 0; i < 8; i++)
        sum[i] = vec4(0.0);

    const uint n_sources = PAIR ? 2 : 1;
    uint k_row = 0; // row of W that the step begins with
    int ky = 0, kx = 0;
    for (uint tap = 0; tap < p.taps; tap++) {
        uint pixels[4], keeps[4];
        [[unroll]] for (int i = 0; i < 4; i++)
            pixels[i] = gemm_pixel(rows[i], ky, kx, keeps[i]);

        for (uint source = 0; source < n_sources; source++) {
            const uint words = source == 0 ? p.words0 : p.words1;
            for (uint step_word = 0; step_word < words; step_word += 4) {
                vec4 r[8];
                if (!fetches_a) {
                    // Rows past the source's end meet zeros of A; they need only be readable.
                    [[unroll]] for (int i = 0; i < 4; i++) {
                        const uint k = min(k_row + step_word * 8 + t / 8 % 8 + 8 * i, panel_rows - 1);
                        LOAD(weight, w_at + k * GEMM_PANEL, r[2 * i], r[2 * i + 1])
                    }
                } else if (!PAIR || source == 0) {
                    FETCH_A(source0, p.words0, p.first0)
                } else {
                    FETCH_A(source1, p.words1, p.first1)
                }
                barrier(); // all have multiplied the last tile
                if (fetches_a) {
                    [[unroll]] for (int j = 0; j < 8; j++)
                        tile[(a_word * 8 + j) * 16 + (a_group ^ (2 * a_word))] =
                            vec4(r[j / 4][j % 4], r[2 + j / 4][j % 4], r[4 + j / 4][j % 4], r[6 + j / 4][j % 4]);
                } else {
                    [[unroll]] for (int i = 0; i < 4; i++) {
                        const uint at = 512 + (t / 8 % 8 + 8 * i) * 16 + column;
                        tile[at] = r[2 * i];
                        tile[at + 8] = r[2 * i + 1];
                    }
                }
                barrier();
                // Rolled on the outside: unrolled, it takes Mesa 25's CPU driver 5 s to compile, and GPUs gain nothing.
                [[dont_unroll]] for (uint word = 0; word < 4; word++) {
                    [[unroll]] for (uint j = 0; j < 8; j++) {
                        const uint row = (word * 8 + j) * 16;
                        const vec4 a = tile[row + (group ^ (2 * word))];
                        const vec4 b_lo = tile[512 + row + column], b_hi = tile[520 + row + column];
                        [[unroll]] for (int i = 0; i < 4; i++) {
                            sum[2 * i] = fma(vec4(a[i]), b_lo, sum[2 * i]);
                            sum[2 * i + 1] = fma(vec4(a[i]), b_hi, sum[2 * i + 1]);
                        }
                    }
                }
            }
            k_row += words * 8;
        }
        kx++;
        if (kx == int(p.kernel_w)) {
            kx = 0;
            ky++;
        }
    }

    vec4 bias_lo, bias_hi;
    const uint bias_word = own_panel * GEMM_PANEL + own_word;
    gemm_bias(GEGLU ? bias_word : min(bias_word, p.parts * p.out_words - 1), bias_lo, bias_hi);
    [[unroll]] for (int i = 0; i < 4; i++) {
        sum[2 * i] += bias_lo;
        sum[2 * i + 1] += bias_hi;
    }

    if (GEGLU) {
        barrier();
        if (column >= 4) {
            [[unroll]] for (int i = 0; i < 8; i++)
                tile[(group * 4 + column - 4) * 8 + i] = gelu(sum[i]);
        }
        barrier();
        if (column < 4) {
            [[unroll]] for (int i = 0; i < 8; i++)
                sum[i] *= tile[(group * 4 + column) * 8 + i];
        }
    }

    const uint word = GEGLU ? q / 2 * GEMM_PANEL + own_word : bias_word - part * part_panels * GEMM_PANEL;
    [[unroll]] for (int i = 0; i < 4; i++) {
        const uint m = p.row_first + gl_WorkGroupID.x * 64 + group * 4 + i;
        pixel = pixel_of(m);
        if (!GEGLU || column < 4)
            gemm_finish(m, m / (p.out_w * p.out_h), word, sum[2 * i], sum[2 * i + 1]);
    }
}
