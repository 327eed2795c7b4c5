// act.glsl - the activation functions, on vec4. ACT_* are enum daub_act of runtime/op/op.h.
#ifndef DAUB_ACT_GLSL
#define DAUB_ACT_GLSL

#define ACT_NONE 0
#define ACT_SILU 1
#define ACT_GELU 2
#define ACT_QUICK_GELU 3

// x * sigmoid(x). exp overflows to infinity below -88, where the quotient is the right -0.
vec4 silu(vec4 x)
{
    return x / (1.0 + exp(-x));
}

vec4 quick_gelu(vec4 x)
{
    return x / (1.0 + exp(-1.702 * x));
}

// x * Phi(x), Phi the normal distribution. With t = |x|, 2 Phi(-t) = erfc(t / sqrt 2) = 2^(-t q(t)): q is a minimax fit on 0..8 in
// the absolute error of erfc (5.5e-8, 1.5e-7 in fp32 arithmetic), positive and growing beyond, so that nothing needs a clamp.
// This form keeps the relative accuracy of the lower tail, which 1 + erf loses.
vec4 gelu(vec4 x)
{
    const vec4 t = abs(x);
    vec4 q = vec4(1.19716242e-06);
    q = fma(q, t, vec4(-2.13001276e-05));
    q = fma(q, t, vec4(0.000108548571));
    q = fma(q, t, vec4(0.00030265667));
    q = fma(q, t, vec4(-0.00724953366));
    q = fma(q, t, vec4(0.0526029281));
    q = fma(q, t, vec4(0.459180564));
    q = fma(q, t, vec4(1.15110755));
    const vec4 tail = 0.5 * x * exp2(-t * q); // |x Phi(-t)|, with the sign of x
    return mix(tail, x - tail, greaterThan(x, vec4(0.0)));
}

vec4 act(uint kind, vec4 x)
{
    if (kind == ACT_SILU)
        return silu(x);
    if (kind == ACT_GELU)
        return gelu(x);
    if (kind == ACT_QUICK_GELU)
        return quick_gelu(x);
    return x;
}

#endif
