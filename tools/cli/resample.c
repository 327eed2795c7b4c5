// resample.c - a picture in another size, for terminals.
#include "terminal.h"

#include <math.h>

struct taps { // of one output pixel along one axis
    double centre, support;
    int32_t first, last;
};

static struct taps taps_of(uint32_t at, uint32_t from, uint32_t to)
{
    const double scale = (double)from / (double)to, support = scale > 1.0 ? scale : 1.0;
    const double centre = ((double)at + 0.5) * scale - 0.5;
    return (struct taps) { centre, support, (int32_t)floor(centre - support) + 1, (int32_t)ceil(centre + support) - 1 };
}

static double weight(const struct taps *t, int32_t i)
{
    return 1.0 - fabs((double)i - t->centre) / t->support;
}

static uint32_t inside(int32_t i, uint32_t n)
{
    return i < 0 ? 0 : (uint32_t)i >= n ? n - 1 : (uint32_t)i;
}

void resample(const uint8_t *from, uint32_t width, uint32_t height, uint8_t *to, uint32_t to_width, uint32_t to_height)
{
    for (uint32_t y = 0; y < to_height; y++) {
        const struct taps down = taps_of(y, height, to_height);
        for (uint32_t x = 0; x < to_width; x++, to += 3) {
            const struct taps across = taps_of(x, width, to_width);
            double sum[3] = { 0.0 }, total = 0.0;
            for (int32_t i = down.first; i <= down.last; i++)
                for (int32_t j = across.first; j <= across.last; j++) {
                    const uint8_t *p = from + 3 * ((size_t)inside(i, height) * width + inside(j, width));
                    const double w = weight(&down, i) * weight(&across, j);
                    total += w;
                    for (int c = 0; c < 3; c++)
                        sum[c] += w * p[c];
                }
            for (int c = 0; c < 3; c++)
                to[c] = (uint8_t)(sum[c] / total + 0.5);
        }
    }
}
