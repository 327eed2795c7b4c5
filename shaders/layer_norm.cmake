daub_add_kernel(layer_norm VARIANTS lane_f32 lane_f16 shared_f32 shared_f16
    DEFINES_lane_f32 REAL_F32
    DEFINES_lane_f16 REAL_F16
    DEFINES_shared_f32 REAL_F32 SHARED
    DEFINES_shared_f16 REAL_F16 SHARED)
