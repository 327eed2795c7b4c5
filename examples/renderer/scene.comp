// scene.comp - a scene that moves: balls that melt into one another, lit from above, a pixel an invocation.
#version 460
#extension GL_EXT_control_flow_attributes : require
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0, std430) writeonly buffer Pixels { uint pixels[]; };
layout(push_constant, std430) uniform Push { float time; uint width, height; };

const int BALLS = 5, STEPS = 12;

float distance_to_scene(vec3 p)
{
    float sum = 0.0;
    [[unroll]] for (int i = 0; i < BALLS; i++) {
        const float a = time * (0.5 + 0.13 * float(i)) + 1.7 * float(i);
        const vec3 to = p - vec3(1.3 * cos(a), 0.7 * sin(1.3 * a), 0.9 * sin(0.7 * a));
        sum += exp(-3.0 * (length(to) - 0.45));
    }
    return -log(sum) / 3.0;
}

void main()
{
    const uvec2 at = gl_GlobalInvocationID.xy;
    if (at.x >= width || at.y >= height)
        return;
    const vec2 uv = (2.0 * (vec2(at) + 0.5) - vec2(width, height)) / float(height);
    const vec3 eye = vec3(0.0, 0.0, -4.0), ray = normalize(vec3(uv, 2.0));
    float t = 2.0, d = 1.0;
    for (int i = 0; i < STEPS && d > 0.01; i++) {
        d = distance_to_scene(eye + t * ray);
        t += d;
    }
    vec3 colour = mix(vec3(0.05, 0.07, 0.12), vec3(0.2, 0.25, 0.4), 0.5 - 0.5 * uv.y);
    if (d <= 0.05) {
        const vec3 p = eye + t * ray;
        const vec2 e = vec2(0.01, 0.0);
        const vec3 n = normalize(vec3(distance_to_scene(p + e.xyy), distance_to_scene(p + e.yxy),
                                      distance_to_scene(p + e.yyx)) - distance_to_scene(p));
        colour = (0.25 + 0.75 * max(0.0, dot(n, normalize(vec3(0.4, -0.8, -0.5))))) * (0.5 + 0.5 * n);
    }
    pixels[at.y * width + at.x] = packUnorm4x8(vec4(colour, 1.0));
}
