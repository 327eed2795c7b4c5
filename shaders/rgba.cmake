daub_add_kernel(rgba VARIANTS f32_half f16_half f32_float f16_float
    DEFINES_f32_half REAL_F32 HALF DEFINES_f16_half REAL_F16 HALF DEFINES_f32_float REAL_F32 DEFINES_f16_float REAL_F16)
