# GEMM and implicit-GEMM convolution. Lane tiles are named rows x panels of 64 columns; narrow: 8 rows a lane, at most 8 columns.
daub_add_kernel(gemm_lane
    VARIANTS f16_8x2 f16_8x1 f16_2x1 f16_narrow f16_8x2_texel f16_8x1_texel f16_2x1_texel f16_narrow_texel
             f32_8x2 f32_8x1 f32_2x1 f32_narrow f32_8x2_texel f32_8x1_texel f32_2x1_texel f32_narrow_texel
    DEFINES_f16_8x2 REAL_F16 ROWS=8 PANELS=2
    DEFINES_f16_8x1 REAL_F16 ROWS=8 PANELS=1
    DEFINES_f16_2x1 REAL_F16 ROWS=2 PANELS=1
    DEFINES_f16_narrow REAL_F16 ROWS=8 PANELS=1 NARROW
    DEFINES_f16_8x2_texel REAL_F16 TEXEL ROWS=8 PANELS=2
    DEFINES_f16_8x1_texel REAL_F16 TEXEL ROWS=8 PANELS=1
    DEFINES_f16_2x1_texel REAL_F16 TEXEL ROWS=2 PANELS=1
    DEFINES_f16_narrow_texel REAL_F16 TEXEL ROWS=8 PANELS=1 NARROW
    DEFINES_f32_8x2 REAL_F32 ROWS=8 PANELS=2
    DEFINES_f32_8x1 REAL_F32 ROWS=8 PANELS=1
    DEFINES_f32_2x1 REAL_F32 ROWS=2 PANELS=1
    DEFINES_f32_narrow REAL_F32 ROWS=8 PANELS=1 NARROW
    DEFINES_f32_8x2_texel REAL_F32 TEXEL ROWS=8 PANELS=2
    DEFINES_f32_8x1_texel REAL_F32 TEXEL ROWS=8 PANELS=1
    DEFINES_f32_2x1_texel REAL_F32 TEXEL ROWS=2 PANELS=1
    DEFINES_f32_narrow_texel REAL_F32 TEXEL ROWS=8 PANELS=1 NARROW)

daub_add_kernel(gemm_shared VARIANTS f16 f32 DEFINES_f16 REAL_F16 DEFINES_f32 REAL_F32)
