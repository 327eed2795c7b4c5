daub_add_kernel(attention VARIANTS f32 f16 f32_texel f16_texel
    DEFINES_f32 REAL_F32 DEFINES_f16 REAL_F16 DEFINES_f32_texel REAL_F32 TEXEL DEFINES_f16_texel REAL_F16 TEXEL)
daub_add_kernel(attention_subgroup VARIANTS f32 f16 f32_texel f16_texel
    DEFINES_f32 REAL_F32 DEFINES_f16 REAL_F16 DEFINES_f32_texel REAL_F32 TEXEL DEFINES_f16_texel REAL_F16 TEXEL)
daub_add_kernel(attention_shared VARIANTS f32 f16 DEFINES_f32 REAL_F32 DEFINES_f16 REAL_F16)
daub_add_kernel(attention_scores VARIANTS f32 f16 f32_texel f16_texel
    DEFINES_f32 REAL_F32 DEFINES_f16 REAL_F16 DEFINES_f32_texel REAL_F32 TEXEL DEFINES_f16_texel REAL_F16 TEXEL)
daub_add_kernel(attention_softmax VARIANTS lane shared DEFINES_shared SHARED)
daub_add_kernel(attention_values VARIANTS f32 f16 f32_texel f16_texel
    DEFINES_f32 REAL_F32 DEFINES_f16 REAL_F16 DEFINES_f32_texel REAL_F32 TEXEL DEFINES_f16_texel REAL_F16 TEXEL)
