daub_add_kernel(paste VARIANTS byte half float DEFINES_byte BYTE DEFINES_half HALF DEFINES_float FLOAT)
