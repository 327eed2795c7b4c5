daub_add_kernel(sampler_step VARIANTS step_f32 step_f16 stats factor threshold_lane threshold_shared gather advance
    DEFINES_step_f32 STEP REAL_F32
    DEFINES_step_f16 STEP REAL_F16
    DEFINES_stats STATS
    DEFINES_factor FACTOR
    DEFINES_threshold_lane THRESHOLD
    DEFINES_threshold_shared THRESHOLD SHARED
    DEFINES_gather GATHER
    DEFINES_advance ADVANCE)
