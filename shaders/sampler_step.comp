// sampler_step.comp - all that happens between two model calls: guidance, a sampler's element-wise ops, the next network input.
//
// What to do stands in a table (params/sampler_step.h) and the counter names the entry, so that the same commands serve every step.
// One invocation owns one word of the latent in every vector; nothing but the statistics below crosses words.
//
//   step_f32, step_f16   one part of an entry. Part 0 of an entry > 0 first puts u + g (c - u) into vector 0 (Ho and Salimans 2022,
//                        arXiv:2207.12598), times the rescale factor; a part after a threshold first applies it, v = clamp(v, -s, s) / s;
//                        then the ops; the last part then writes c_in * vector into the network's input, once or twice. A grid
//                        of at least ceil(B * pixels * words / 64) workgroups. The input's storage is fp32 or fp16.
//   stats, factor        guidance rescale (Lin et al. 2023, arXiv:2305.08891, eq. 14-16): f = phi std(c) / std(guided) + 1 - phi over a
//                        picture. An invocation a (picture, chunk) leaves mean and sum of squared deviations, taken about the
//                        chunk's first value; then an invocation a picture combines them as group_norm.comp does.
//   threshold_lane, _shared   dynamic thresholding (Saharia et al. 2022, arXiv:2205.11487, section 2.3): s = the ratio quantile of |v|
//                        over a picture, linear between neighbours, held to 1..max. The value at a rank is built bit by bit from
//                        the top: non-negative floats are ordered as their bits, so the largest b with count(|v| < b) <= rank is
//                        exact. Padding is 0 and comes first, which moves the rank. A lane or a workgroup a picture.
//   gather               where all draws together exceed what one binding may span: copies the entry's draws that are in the
//                        window into slots. Grid as step.
//   advance              counter + 1; one workgroup.
//
// Of a prompt in parts, c - u is the sum of weight (c_i - u) (Liu et al. 2022, arXiv:2206.01714, eq. 11).
//
//   bindings   0 output: fp32 [B or (1 + parts) B,H,W,C]   1 x: [same,H,W,C_in]   2 vecs: fp32 [n_vecs B,H,W,C]   3 noise: fp32 [n_noises B,H,W,C]
//              4 table   5 counter   6 scales [B] of 8: rescale factor, threshold   7 stats: partial [B][chunks] of 8; gather: slots
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/sampler_step.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { sampler_step_params p; };

#if defined(ADVANCE)
layout(set = 0, binding = 5, std430) restrict buffer Counter { uint counter[]; };

void main()
{
    if (gl_GlobalInvocationID.x == 0)
        counter[0] += 1;
}

#else
FLOATS_IN(0, network_output);
UINTS_IN(4, table);
UINTS_IN(5, counter);

// First word of the current entry, or 0 beyond the last.
uint find_entry()
{
    return counter[0] < table[0] ? SAMPLER_HEADER + counter[0] * table[2] : 0;
}
uint part_word(uint entry, uint part)
{
    return entry + 2 * part;
}
uint threshold_word(uint entry, uint i)
{
    return entry + 2 * (table[1] + 1) + 3 * i;
}
uint next_word(uint entry)
{
    return entry + table[2] - 2;
}
uint vector_size() // in words of 8
{
    return p.batch * p.pixels * p.words;
}
// What the prompt makes of u.
vec4 prompted(uint at, vec4 u)
{
    if (p.parts == 1)
        return network_output[at + 2 * vector_size()];
    vec4 c = u;
    for (uint part = 0; part < p.parts; part++)
        c += p.weights[part] * (network_output[at + 2 * (part + 1) * vector_size()] - u);
    return c;
}
vec4 guide(uint at)
{
    const vec4 u = network_output[at];
    if (p.guided == 0)
        return u;
    return u + p.guidance_scale * (prompted(at, u) - u);
}
#endif

#if defined(STEP)
WORDS_INOUT(1, x);
layout(set = 0, binding = 2, std430) restrict buffer Vecs { vec4 vecs[]; };
FLOATS_IN(3, noise);
FLOATS_IN(6, scales);

void load(uint vector, uint i, out vec4 lo, out vec4 hi)
{
    if ((vector & SAMPLER_NOISE) == 0) {
        const uint at = 2 * (vector * vector_size() + i);
        lo = vecs[at];
        hi = vecs[at + 1];
    } else {
        const uint draw = p.slots != 0 ? vector >> SAMPLER_SLOT_SHIFT & SAMPLER_SLOT_MASK : vector & SAMPLER_DRAW_MASK;
        const uint at = 2 * (draw * vector_size() + i);
        lo = noise[at];
        hi = noise[at + 1];
    }
}

void store(uint vector, uint i, vec4 lo, vec4 hi)
{
    const uint at = 2 * (vector * vector_size() + i);
    vecs[at] = lo;
    vecs[at + 1] = hi;
}

void run_op(uint op, uint i, uint channel)
{
    const uint to = table[op + 1];
    vec4 lo, hi;
    if (table[op] == 0 || table[op] == 3) { // DAUB_OP_LINCOMB, DAUB_OP_BLEND
        vec4 sum_lo = vec4(0.0), sum_hi = vec4(0.0);
        const uint n = table[op + 2];
        for (uint t = 0; t < n; t++) {
            const float weight = uintBitsToFloat(table[op + SAMPLER_OP_TERMS + 2 * t + 1]);
            load(table[op + SAMPLER_OP_TERMS + 2 * t], i, lo, hi);
            sum_lo += weight * lo;
            sum_hi += weight * hi;
        }
        if (table[op] == 3) {
            vec4 mask_lo, mask_hi;
            load(table[op + 3], i, mask_lo, mask_hi);
            load(to, i, lo, hi);
            sum_lo = (1.0 - mask_lo) * sum_lo + mask_lo * lo;
            sum_hi = (1.0 - mask_hi) * sum_hi + mask_hi * hi;
        }
        store(to, i, sum_lo, sum_hi);
    } else { // DAUB_OP_CLAMP
        const float low = uintBitsToFloat(table[op + 3]), high = uintBitsToFloat(table[op + 4]);
        load(to, i, lo, hi);
        lo = clamp(lo, low, high) * channel_mask(channel, p.channels); // 0 need not lie in low..high
        hi = clamp(hi, low, high) * channel_mask(channel + 4, p.channels);
        store(to, i, lo, hi);
    }
}

void write_input(uint vector, float c_in, uint i, uint word)
{
    const uint pixel = i / p.words;
    vec4 lo, hi;
    load(vector, i, lo, hi);
    lo *= c_in;
    hi *= c_in;
    for (uint copy = 0; copy < p.x_copies; copy++) {
        const uint at = (copy * p.batch * p.pixels + pixel) * p.x_words + word;
        if (8 * word + 8 > p.channels) { // the rest of the word belongs to others
            vec4 old_lo, old_hi;
            LOAD_RW(x, at, old_lo, old_hi)
            lo = mix(old_lo, lo, channel_mask(8 * word, p.channels));
            hi = mix(old_hi, hi, channel_mask(8 * word + 4, p.channels));
        }
        STORE(x, at, lo, hi);
    }
}

void main()
{
    const uint i = light_index(), entry = find_entry();
    if (i >= vector_size() || entry == 0)
        return;
    const uint word = i % p.words;
    const uint image = i / (p.words * p.pixels);

    if (p.part == 0 && counter[0] > 0) {
        const float scale = p.guidance_rescale != 0.0 ? scales[2 * image].x : 1.0;
        store(0, i, guide(2 * i) * scale, guide(2 * i + 1) * scale);
    }
    if (p.part > 0) {
        const uint vector = table[threshold_word(entry, p.part - 1)];
        if (vector != SAMPLER_NONE) {
            const float s = scales[2 * image].y;
            vec4 lo, hi;
            load(vector, i, lo, hi);
            store(vector, i, clamp(lo, -s, s) / s, clamp(hi, -s, s) / s);
        }
    }
    const uint part = part_word(entry, p.part);
    const uint first = table[part], n = table[part + 1];
    for (uint k = 0; k < n; k++)
        run_op(table[3] + (first + k) * SAMPLER_OP, i, 8 * word);

    const uint next = next_word(entry);
    if (p.part == table[1] && table[next] != SAMPLER_NONE)
        write_input(table[next], uintBitsToFloat(table[next + 1]), i, word);
}

#elif defined(STATS)
FLOATS_OUT(7, partial);

void main()
{
    const uint i = light_index();
    if (i >= p.batch * p.chunks)
        return;
    const uint image = i / p.chunks, begin = (i - image * p.chunks) * p.chunk_pixels;
    const uint n = min(p.chunk_pixels, p.pixels - begin) * p.words;
    const uint first = (image * p.pixels + begin) * p.words;

    const float pivot_c = prompted(2 * first, network_output[2 * first]).x, pivot_g = guide(2 * first).x;
    vec4 sum_c = vec4(0.0), square_c = vec4(0.0), sum_g = vec4(0.0), square_g = vec4(0.0);
    for (uint k = 0; k < n; k++) {
        [[unroll]] for (uint half_word = 0; half_word < 2; half_word++) {
            const uint at = 2 * (first + k) + half_word;
            const vec4 mask = channel_mask((first + k) % p.words * 8 + 4 * half_word, p.channels);
            const vec4 c = (prompted(at, network_output[at]) - pivot_c) * mask;
            const vec4 g = (guide(at) - pivot_g) * mask;
            sum_c += c;
            square_c += c * c;
            sum_g += g;
            square_g += g * g;
        }
    }
    const vec4 one = vec4(1.0);
    const float scale = 1.0 / float(n / p.words * p.channels);
    const float mean_c = dot(sum_c, one), mean_g = dot(sum_g, one);
    partial[2 * i] = vec4(pivot_c + mean_c * scale, dot(square_c, one) - mean_c * mean_c * scale, 0.0, 0.0);
    partial[2 * i + 1] = vec4(pivot_g + mean_g * scale, dot(square_g, one) - mean_g * mean_g * scale, 0.0, 0.0);
}

#elif defined(FACTOR)
FLOATS_OUT(6, scales);
FLOATS_IN(7, partial);

// Sum of squared deviations of all chunks' values from their mean; which: 0 conditional, 1 guided.
float combine(uint image, uint which)
{
    const uint first = 2 * image * p.chunks + which;
    const float last = float(p.pixels - (p.chunks - 1) * p.chunk_pixels), pivot = partial[first].x;
    float mean = 0.0;
    for (uint k = 0; k < p.chunks; k++)
        mean += (k + 1 == p.chunks ? last : float(p.chunk_pixels)) * (partial[first + 2 * k].x - pivot);
    mean /= float(p.pixels);
    float square = 0.0;
    for (uint k = 0; k < p.chunks; k++) {
        const float away = partial[first + 2 * k].x - pivot - mean;
        const float count = (k + 1 == p.chunks ? last : float(p.chunk_pixels)) * float(p.channels);
        square += partial[first + 2 * k].y + count * away * away;
    }
    return square;
}

void main()
{
    const uint image = light_index();
    if (image >= p.batch)
        return;
    const float ratio = sqrt(combine(image, 0) / combine(image, 1));
    scales[2 * image] = vec4(p.guidance_rescale * ratio + (1.0 - p.guidance_rescale), 0.0, 0.0, 0.0);
}

#elif defined(THRESHOLD)
FLOATS_IN(2, vecs);
layout(set = 0, binding = 6, std430) restrict buffer Scales { vec4 scales[]; };

#if defined(SHARED)
shared uint tree[LIGHT_LOCAL];

uint reduce(uint v, bool least)
{
    const uint i = gl_LocalInvocationIndex;
    tree[i] = v;
    barrier();
    [[unroll]] for (uint stride = LIGHT_LOCAL / 2; stride > 0; stride /= 2) {
        if (i < stride)
            tree[i] = least ? min(tree[i], tree[i + stride]) : tree[i] + tree[i + stride];
        barrier();
    }
    const uint result = tree[0];
    barrier(); // tree[] may be written again
    return result;
}
#define INDEX light_group()
#define BEGIN gl_LocalInvocationIndex
#define STRIDE LIGHT_LOCAL
#else
#define reduce(v, least) (v)
#define INDEX light_index()
#define BEGIN 0
#define STRIDE 1
#endif

// Of the n vec4 from `first`: how many magnitudes, as bits, are below `limit`.
uint count_below(uint first, uint n, uint limit)
{
    uvec4 count = uvec4(0);
    for (uint k = BEGIN; k < n; k += STRIDE)
        count += uvec4(lessThan(floatBitsToUint(abs(vecs[first + k])), uvec4(limit)));
    return reduce(count.x + count.y + count.z + count.w, false);
}

// The least magnitude, as bits, that is at least `limit`.
uint least_from(uint first, uint n, uint limit)
{
    uvec4 least = uvec4(0xffffffffu);
    for (uint k = BEGIN; k < n; k += STRIDE) {
        const uvec4 bits = floatBitsToUint(abs(vecs[first + k]));
        least = min(least, mix(bits, uvec4(0xffffffffu), lessThan(bits, uvec4(limit))));
    }
    return reduce(min(min(least.x, least.y), min(least.z, least.w)), true);
}

void main()
{
    const uint image = INDEX, entry = find_entry();
    if (image >= p.batch || entry == 0) // the same for all of a workgroup
        return;
    const uint threshold = threshold_word(entry, p.part);
    if (table[threshold] == SAMPLER_NONE)
        return;
    const uint n = 2 * p.pixels * p.words;
    const uint first = 2 * table[threshold] * vector_size() + image * n;
    const uint values = p.pixels * p.channels;

    const float rank = uintBitsToFloat(table[threshold + 1]) * float(values - 1);
    const uint below = min(uint(floor(rank)), values - 1) + (4 * n - values);
    uint bits = 0;
    for (int bit = 30; bit >= 0; bit--) {
        const uint trial = bits | 1u << bit;
        if (count_below(first, n, trial) <= below)
            bits = trial;
    }
    const bool again = count_below(first, n, bits + 1) > below + 1 || below + 1 == 4 * n;
    const uint next = least_from(first, n, bits + 1);

    const float low = uintBitsToFloat(bits), high = again ? low : uintBitsToFloat(next);
    const float s = clamp(low + (high - low) * (rank - floor(rank)), 1.0, uintBitsToFloat(table[threshold + 2]));
    if (BEGIN == 0)
        scales[2 * image].y = s;
}

#elif defined(GATHER)
FLOATS_IN(3, noise);
FLOATS_OUT(7, slots);

void fetch(uint vector, uint i)
{
    const uint draw = vector & SAMPLER_DRAW_MASK, slot = vector >> SAMPLER_SLOT_SHIFT & SAMPLER_SLOT_MASK;
    if ((vector & SAMPLER_NOISE) == 0 || vector == SAMPLER_NONE || draw < p.draw_begin || draw >= p.draw_end)
        return;
    const uint from = 2 * (draw * vector_size() + i - p.noise_first), to = 2 * (slot * vector_size() + i);
    slots[to] = noise[from];
    slots[to + 1] = noise[from + 1];
}

void main()
{
    const uint i = light_index(), entry = find_entry();
    if (i >= vector_size() || entry == 0)
        return;
    for (uint part = 0; part <= table[1]; part++) {
        const uint first = table[part_word(entry, part)], n = table[part_word(entry, part) + 1];
        for (uint k = 0; k < n; k++) {
            const uint op = table[3] + (first + k) * SAMPLER_OP, terms = table[op + 2];
            for (uint t = 0; t < terms; t++)
                fetch(table[op + SAMPLER_OP_TERMS + 2 * t], i);
            if (table[op] == 3) // a blend's mask
                fetch(table[op + 3], i);
        }
    }
    fetch(table[next_word(entry)], i);
}
#endif
