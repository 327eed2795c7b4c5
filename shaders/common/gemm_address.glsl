// gemm_address.glsl - implicit GEMM: which input pixel a row of A stands for, tap by tap. Needs `p`, the push constants.
//
// A[m, (ky, kx, c)] = x[n, oy * stride - pad_top + ky, ox * stride - pad_left + kx, c], zero outside, with m = (n, oy, ox).
#ifndef DAUB_GEMM_ADDRESS_GLSL
#define DAUB_GEMM_ADDRESS_GLSL

struct gemm_row {
    uint image;
    int y, x; // of tap (0, 0) in the (upsampled) input
};

// Rows past the end repeat the last one: their sums are never stored.
gemm_row gemm_row_of(uint m)
{
    m = min(m, p.row_end - 1);
    const uint line = m / p.out_w, image = line / p.out_h;
    return gemm_row(image, int((line - image * p.out_h) * p.stride) - int(p.pad_top),
                    int((m - line * p.out_w) * p.stride) - int(p.pad_left));
}

// The stored pixel under tap (ky, kx), clamped into the image; `keep` is all ones, or zero where the tap falls outside.
uint gemm_pixel(gemm_row row, int ky, int kx, out uint keep)
{
    const int y = row.y + ky, x = row.x + kx;
    const int inside_y = clamp(y, 0, int(p.in_h) - 1), inside_x = clamp(x, 0, int(p.in_w) - 1);
    keep = y == inside_y && x == inside_x ? 0xffffffffu : 0u;
    return (row.image * p.src_h + (uint(inside_y) >> p.shift)) * p.src_w + (uint(inside_x) >> p.shift);
}

#if defined(REAL_F16)
#define GEMM_LOAD_KEPT(name, i, keep, lo, hi)                                                       \
    {                                                                                               \
        const uvec4 kept_ = RAW_(name, i) & (keep);                                                 \
        UNPACK_(kept_, lo, hi)                                                                      \
    }
#else
#define GEMM_LOAD_KEPT(name, i, keep, lo, hi)                                                       \
    {                                                                                               \
        lo = uintBitsToFloat(floatBitsToUint(RAW_(name, 2 * (i))) & (keep));                        \
        hi = uintBitsToFloat(floatBitsToUint(RAW_(name, 2 * (i) + 1)) & (keep));                    \
    }
#endif

#endif
