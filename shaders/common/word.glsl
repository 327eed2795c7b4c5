// word.glsl - reading and writing words of 8 channels, by storage type (REAL_F16 or REAL_F32) and load path (TEXEL or storage buffer).
//
// A kernel declares its buffers with the macros below and then sees only vec8-like pairs of vec4:
//
//   WORDS_IN(0, src)          binding 0, read by LOAD(src, word, lo, hi); by LOAD_HALF(src, half word, v)
//   WORDS_OUT(3, dst)         binding 3, written by STORE(dst, word, lo, hi)
//   WORDS_INOUT(3, dst)       both; LOAD_RW(dst, word, lo, hi)
//
// word counts words of 8 channels from the start of the binding. F16: one uvec4 a word. F32: two vec4.
#ifndef DAUB_WORD_GLSL
#define DAUB_WORD_GLSL

#if defined(REAL_F16)
#if defined(TEXEL)
#define WORDS_IN(b, name) layout(set = 0, binding = b) uniform utextureBuffer name
#define RAW_(name, i) texelFetch(name, int(i))
#else
#define WORDS_IN(b, name) layout(set = 0, binding = b, std430) readonly restrict buffer Words_##name { uvec4 name[]; }
#define RAW_(name, i) name[i]
#endif
#define WORDS_OUT(b, name) layout(set = 0, binding = b, std430) writeonly restrict buffer Words_##name { uvec4 name[]; }
#define WORDS_INOUT(b, name) layout(set = 0, binding = b, std430) restrict buffer Words_##name { uvec4 name[]; }
#define UNPACK_(raw, lo, hi)                                            \
    {                                                                   \
        const uvec4 raw_ = raw;                                         \
        lo = vec4(unpackHalf2x16(raw_.x), unpackHalf2x16(raw_.y));      \
        hi = vec4(unpackHalf2x16(raw_.z), unpackHalf2x16(raw_.w));      \
    }
#define LOAD(name, i, lo, hi) UNPACK_(RAW_(name, i), lo, hi)
#define LOAD_HALF(name, i, v)                                           \
    {                                                                   \
        const uvec4 raw_ = RAW_(name, (i) / 2);                         \
        const uvec2 half_ = ((i) & 1) != 0 ? raw_.zw : raw_.xy;         \
        v = vec4(unpackHalf2x16(half_.x), unpackHalf2x16(half_.y));     \
    }
#define LOAD_RW(name, i, lo, hi) UNPACK_(name[i], lo, hi)
#define STORE(name, i, lo, hi) \
    name[i] = uvec4(packHalf2x16(lo.xy), packHalf2x16(lo.zw), packHalf2x16(hi.xy), packHalf2x16(hi.zw))

#elif defined(REAL_F32)
#if defined(TEXEL)
#define WORDS_IN(b, name) layout(set = 0, binding = b) uniform textureBuffer name
#define RAW_(name, i) texelFetch(name, int(i))
#else
#define WORDS_IN(b, name) layout(set = 0, binding = b, std430) readonly restrict buffer Words_##name { vec4 name[]; }
#define RAW_(name, i) name[i]
#endif
#define WORDS_OUT(b, name) layout(set = 0, binding = b, std430) writeonly restrict buffer Words_##name { vec4 name[]; }
#define WORDS_INOUT(b, name) layout(set = 0, binding = b, std430) restrict buffer Words_##name { vec4 name[]; }
#define LOAD(name, i, lo, hi)         \
    {                                 \
        lo = RAW_(name, 2 * (i));     \
        hi = RAW_(name, 2 * (i) + 1); \
    }
#define LOAD_HALF(name, i, v) v = RAW_(name, i);
#define LOAD_RW(name, i, lo, hi)  \
    {                             \
        lo = name[2 * (i)];       \
        hi = name[2 * (i) + 1];   \
    }
#define STORE(name, i, lo, hi)    \
    {                             \
        name[2 * (i)] = lo;       \
        name[2 * (i) + 1] = hi;   \
    }
#endif

// fp32 vectors and always-fp32 tensors, whatever REAL_ is.
#define FLOATS_IN(b, name) layout(set = 0, binding = b, std430) readonly restrict buffer Floats_##name { vec4 name[]; }
#define FLOATS_OUT(b, name) layout(set = 0, binding = b, std430) writeonly restrict buffer Floats_##name { vec4 name[]; }
#define UINTS_IN(b, name) layout(set = 0, binding = b, std430) readonly restrict buffer Uints_##name { uint name[]; }

#endif
