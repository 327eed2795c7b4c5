daub_add_kernel(group_norm VARIANTS stats_f32 stats_f16 finish_lane finish_shared apply_f32 apply_f16
    DEFINES_stats_f32 STATS REAL_F32
    DEFINES_stats_f16 STATS REAL_F16
    DEFINES_finish_lane FINISH
    DEFINES_finish_shared FINISH SHARED
    DEFINES_apply_f32 APPLY REAL_F32
    DEFINES_apply_f16 APPLY REAL_F16)

daub_add_kernel(group_norm_whole ROLLED VARIANTS f32 f16 f32_texel f16_texel
    DEFINES_f32 REAL_F32
    DEFINES_f16 REAL_F16
    DEFINES_f32_texel REAL_F32 TEXEL
    DEFINES_f16_texel REAL_F16 TEXEL)
