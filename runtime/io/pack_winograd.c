// pack_winograd.c - 3x3 weights as U = G g G^T, the weights of F(2x2, 3x3): Lavin and Gray 2015, arXiv:1509.09308, section 4.1. The
// layout is that of a panel whose kernel has 16 (or 9) taps, one a position.
#include "runtime/io/pack_private.h"

// U of one 3x3 kernel: 16 positions, or the 9 without row and column 2.
static void transform(const float *g, uint32_t positions, float *u)
{
    float t[4][3]; // G g
    for (int i = 0; i < 3; i++) {
        const float sum = 0.5f * (g[i] + g[6 + i]), middle = 0.5f * g[3 + i];
        t[0][i] = g[i];
        t[1][i] = sum + middle;
        t[2][i] = sum - middle;
        t[3][i] = g[6 + i];
    }
    for (int r = 0; r < 4; r++) {
        if (positions == 9 && r == 2)
            continue;
        const float sum = 0.5f * (t[r][0] + t[r][2]), middle = 0.5f * t[r][1];
        *u++ = t[r][0];
        *u++ = sum + middle;
        if (positions == 16)
            *u++ = sum - middle;
        *u++ = t[r][2];
    }
}

void daub_winograd_transform(const float *g, uint32_t n, uint32_t positions, float *u)
{
    for (uint32_t j = 0; j < n; j++)
        transform(g + j * 9, positions, u + j * positions);
}
