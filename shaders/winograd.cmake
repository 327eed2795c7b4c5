foreach(step input output)
    daub_add_kernel(winograd_${step} ROLLED VARIANTS f16 f16_texel f32 f32_texel DEFINES_f16 REAL_F16 DEFINES_f16_texel REAL_F16 TEXEL
                    DEFINES_f32 REAL_F32 DEFINES_f32_texel REAL_F32 TEXEL)
endforeach()
