// gemm_epilogue.glsl - what happens to a finished word of sums: bias, channel row, activation or GEGLU, residual, store; in fp32.
// Needs `p`, the push constants, and the bindings of gemm_bindings.glsl.
#ifndef DAUB_GEMM_EPILOGUE_GLSL
#define DAUB_GEMM_EPILOGUE_GLSL

// Rows of all results before this workgroup's batch or part.
#if !defined(GEMM_BATCH_ROW)
#define GEMM_BATCH_ROW 0
#endif
// The pixel of the result that row m of gemm_finish is.
#if !defined(GEMM_PIXEL)
#define GEMM_PIXEL m
#endif

// Bias of word `column` in the packed order of columns.
void gemm_bias(uint column, out vec4 lo, out vec4 hi)
{
    lo = hi = vec4(0.0);
    if ((p.flags & GEMM_HAS_BIAS) != 0) {
        lo = bias[2 * column];
        hi = bias[2 * column + 1];
    }
}

// Stores word `word` of row m, a pixel of picture `image`. lo and hi already hold the bias.
void gemm_finish(uint m, uint image, uint word, vec4 lo, vec4 hi)
{
    if (m >= p.row_end || word >= p.out_words)
        return;
    vec4 add_lo, add_hi;
    if ((p.flags & (GEMM_ROWS_COUNTER | GEMM_ROWS_IMAGE | GEMM_ROWS_FIRST)) != 0) {
        uint row = 0;
        if ((p.flags & GEMM_ROWS_COUNTER) != 0)
            row = counter[0] - 1;
        else if ((p.flags & GEMM_ROWS_IMAGE) != 0)
            row = image;
        LOAD(channel_rows, row * p.out_words + word, add_lo, add_hi)
        lo += add_lo;
        hi += add_hi;
    }
    lo = act(ACT, lo);
    hi = act(ACT, hi);
    if ((p.flags & GEMM_HAS_RESIDUAL) != 0) {
        LOAD(residual, GEMM_PIXEL * p.out_words + word - p.first_residual, add_lo, add_hi)
        lo += add_lo;
        hi += add_hi;
    }
    const uint at = (GEMM_BATCH_ROW + GEMM_PIXEL) * p.out_words + word - p.first_out;
#if defined(REAL_F16)
    if (OUT_F32) {
        dst_f32[2 * at] = lo;
        dst_f32[2 * at + 1] = hi;
        return;
    }
#endif
    STORE(dst, at, lo, hi);
}

#endif
