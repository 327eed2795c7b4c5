// types.h - lets C11 and GLSL read the same params headers: 4-byte scalars only, so std430 and C agree on every offset.
#ifndef DAUB_PARAMS_TYPES_H
#define DAUB_PARAMS_TYPES_H
#ifndef GL_core_profile
#ifndef VULKAN
#include <stdint.h>
typedef uint32_t uint;
#endif
#endif

#define SPEC_LOCAL_X 0 // workgroup size
#define SPEC_LOCAL_Y 1
#define SPEC_LOCAL_Z 2
#define SPEC_SUBGROUP 3
#define SPEC_OWN 8 // an op's own constants start here

#define DAUB_WORD 8 // channels a word
#endif
