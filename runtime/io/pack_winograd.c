// pack_winograd.c - 3x3 weights as U = G g G^T, the weights of F(2x2, 3x3): Lavin and Gray 2015, arXiv:1509.09308, section 4.1. The
// layout is that of a panel whose kernel has 16 (or 9) taps, one a position.
#include "runtime/io/pack_private.h"

#include "runtime/base/half.h"
#include "runtime/base/thread.h"

#include <string.h>

enum { PANEL = 64, BLOCK = 64, TAPS = 9, MOST = 16 };

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
        if (positions == MOST)
            *u++ = sum - middle;
        *u++ = t[r][2];
    }
}

struct job {
    const struct daub_pack *pack;
    const struct daub_view *view;
    uint8_t *out;
    uint32_t n_in, in_physical;
};

// One column's values for input channels i..i+n-1 into the panel at `out`, whose rows k..k+n-1 they are.
static void pack_run(const struct job *job, uint32_t row, uint32_t i, uint32_t n, uint32_t k, void *out,
                     uint32_t column)
{
    const uint32_t positions = job->pack->winograd;
    float g[BLOCK * TAPS], u[BLOCK][MOST], one[BLOCK];
    uint16_t halves[BLOCK];
    daub_pack_floats(job->view, ((uint64_t)row * job->n_in + i) * TAPS, n * TAPS, g);
    for (uint32_t j = 0; j < n; j++)
        transform(g + j * TAPS, positions, u[j]);
    for (uint32_t p = 0; p < positions; p++) {
        const size_t at = ((size_t)p * job->in_physical + k) * PANEL + column;
        for (uint32_t j = 0; j < n; j++)
            one[j] = u[j][p];
        if (job->pack->dtype == DAUB_F16) {
            uint16_t *to = (uint16_t *)out + at;
            daub_half_from_floats(halves, one, n);
            for (uint32_t j = 0; j < n; j++)
                to[(size_t)j * PANEL] = halves[j];
        } else {
            float *to = (float *)out + at;
            for (uint32_t j = 0; j < n; j++)
                to[(size_t)j * PANEL] = one[j];
        }
    }
}

static void pack_panel(void *arg, uint32_t panel)
{
    const struct job *job = arg;
    const struct daub_pack *pack = job->pack;
    const size_t size = (size_t)pack->winograd * job->in_physical * PANEL * (pack->dtype == DAUB_F16 ? 2 : 4);
    uint8_t *out = job->out + panel * size;
    memset(out, 0, size);
    for (uint32_t k = 0; k < job->in_physical;) {
        const uint32_t i = daub_channels_logical(&pack->in, k);
        if (i == UINT32_MAX) {
            k++;
            continue;
        }
        uint32_t n = 1; // channels that follow each other in both orders
        while (n < BLOCK && k + n < job->in_physical && daub_channels_logical(&pack->in, k + n) == i + n)
            n++;
        for (uint32_t column = 0; column < PANEL; column++) {
            const uint32_t row = daub_channels_logical(&pack->out, panel * PANEL + column);
            if (row != UINT32_MAX)
                pack_run(job, row, i, n, k, out, column);
        }
        k += n;
    }
}

void daub_pack_winograd(const struct daub_pack *pack, const struct daub_view *view, uint32_t n_panels, void *out)
{
    struct job job = { .pack = pack, .view = view, .out = out, .n_in = (uint32_t)view->dims[1] };
    job.in_physical = daub_channels_physical(&pack->in);
    daub_parallel_for(n_panels, pack_panel, &job);
}
