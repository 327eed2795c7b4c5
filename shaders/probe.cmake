daub_add_kernel(probe
    VARIANTS ssbo texel_u texel_f
    DEFINES_ssbo SSBO
    DEFINES_texel_u TEXEL_U
    DEFINES_texel_f TEXEL_F)
