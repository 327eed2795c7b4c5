// pack_phases.c - 3x3 weights of a convolution after nearest upsampling by 2, as four kernels of 2x2 on the smaller picture. Output
// pixel (2y + a, 2x + b) looks at rows 2y + a - 1 .. 2y + a + 1 of the larger picture, which are two rows of the smaller one:
// y - 1 and y (twice) for a = 0, y (twice) and y + 1 for a = 1. Taps that fall on one pixel are summed here, once.
// Four ninths of the products are left. Taps of a panel: phase 2a + b, then tap (i, j) as 2i + j.
#include "runtime/io/pack_private.h"

// w0 w1 w2 of a row or column, seen from phase a.
static void halve(const float *w, uint32_t step, int a, float *out)
{
    out[0] = a == 0 ? w[0] : w[0] + w[step];
    out[1] = a == 0 ? w[step] + w[2 * step] : w[2 * step];
}

void daub_phases_transform(const float *g, uint32_t n, float *u)
{
    for (uint32_t k = 0; k < n; k++, g += 9, u += 16)
        for (int phase = 0; phase < 4; phase++) {
            float rows[2][3], pair[2]; // 2x3: rows of the kernel summed
            for (uint32_t x = 0; x < 3; x++) {
                halve(g + x, 3, phase / 2, pair);
                rows[0][x] = pair[0];
                rows[1][x] = pair[1];
            }
            halve(rows[0], 1, phase % 2, u + 4 * phase);
            halve(rows[1], 1, phase % 2, u + 4 * phase + 2);
        }
}
