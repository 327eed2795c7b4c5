"""A checkpoint with Stable Diffusion 1.5's tensors, names and sizes, and made-up values: what speed and memory depend
on, without a download. 1,066,235,307 values, 2.1 GB, in a few seconds.

Values are normal, with a deviation of 1 / sqrt(inputs of an output), so that activations stay about as large as they
were. There is one block of 65,521 values a deviation, repeated; a prime, so that rows of a matrix differ.
"""

import json
import math
import random
import struct
import zlib

PERIOD = 65521
CHUNK = 64  # periods in a write
UNET, VAE, CLIP = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."
PARAMETERS = 1066235307


def affine(name, n):
    """Weight and bias of a norm."""
    return [(name + ".weight", [n], 1.0, 0.2), (name + ".bias", [n], 0.0, 0.1)]


def layer(name, *shape, bias=True):
    """Weight [out, in, ...] and bias of a linear layer or convolution."""
    rows = [(name + ".weight", list(shape), 0.0, 1.0 / math.sqrt(math.prod(shape[1:])))]
    return rows + ([(name + ".bias", [shape[0]], 0.0, 0.1)] if bias else [])


def conv(name, inputs, outputs, size=3):
    return layer(name, outputs, inputs, size, size)


def unet_resnet(name, inputs, outputs):
    rows = affine(name + ".in_layers.0", inputs) + conv(name + ".in_layers.2", inputs, outputs)
    rows += layer(name + ".emb_layers.1", outputs, 1280)
    rows += affine(name + ".out_layers.0", outputs) + conv(name + ".out_layers.3", outputs, outputs)
    return rows + (conv(name + ".skip_connection", inputs, outputs, 1) if inputs != outputs else [])


def unet_attention(name, width):
    block = name + ".transformer_blocks.0."
    rows = (
        affine(name + ".norm", width)
        + conv(name + ".proj_in", width, width, 1)
        + conv(name + ".proj_out", width, width, 1)
    )
    for i, context in ((1, width), (2, 768)):
        attn = block + "attn%d." % i
        rows += layer(attn + "to_q", width, width, bias=False)
        rows += layer(attn + "to_k", width, context, bias=False) + layer(attn + "to_v", width, context, bias=False)
        rows += layer(attn + "to_out.0", width, width)
    for i in (1, 2, 3):
        rows += affine(block + "norm%d" % i, width)
    return rows + layer(block + "ff.net.0.proj", 8 * width, width) + layer(block + "ff.net.2", width, 4 * width)


def unet():
    widths = [320, 640, 1280, 1280]
    rows = layer(UNET + "time_embed.0", 1280, 320) + layer(UNET + "time_embed.2", 1280, 1280)
    rows += conv(UNET + "input_blocks.0.0", 4, 320)
    skips, width, i = [320], 320, 1
    for level in range(4):
        for _ in range(2):
            name = UNET + "input_blocks.%d." % i
            rows += unet_resnet(name + "0", width, widths[level])
            width = widths[level]
            if level < 3:
                rows += unet_attention(name + "1", width)
            skips.append(width)
            i += 1
        if level < 3:
            rows += conv(UNET + "input_blocks.%d.0.op" % i, width, width)
            skips.append(width)
            i += 1
    middle = UNET + "middle_block."
    rows += (
        unet_resnet(middle + "0", 1280, 1280)
        + unet_attention(middle + "1", 1280)
        + unet_resnet(middle + "2", 1280, 1280)
    )
    for i in range(12):
        level, name = 3 - i // 3, UNET + "output_blocks.%d." % i
        rows += unet_resnet(name + "0", width + skips.pop(), widths[level])
        width = widths[level]
        if level < 3:
            rows += unet_attention(name + "1", width)
        if level > 0 and i % 3 == 2:
            rows += conv(name + "%d.conv" % (2 if level < 3 else 1), width, width)
    return rows + affine(UNET + "out.0", 320) + conv(UNET + "out.2", 320, 4)


def vae_resnet(name, inputs, outputs):
    rows = affine(name + ".norm1", inputs) + conv(name + ".conv1", inputs, outputs)
    rows += affine(name + ".norm2", outputs) + conv(name + ".conv2", outputs, outputs)
    return rows + (conv(name + ".nin_shortcut", inputs, outputs, 1) if inputs != outputs else [])


def vae_half(name, blocks, up):
    """Encoder or decoder: four levels of 128, 256, 512 and 512 channels and a middle of 512."""
    widths = [128, 256, 512, 512]
    width = 512 if up else 128
    rows = conv(name + "conv_in", 4 if up else 3, width)
    for level in (3, 2, 1, 0) if up else (0, 1, 2, 3):
        part = name + ("up.%d." if up else "down.%d.") % level
        for i in range(blocks):
            rows += vae_resnet(part + "block.%d" % i, width, widths[level])
            width = widths[level]
        if level != (0 if up else 3):
            rows += conv(part + ("upsample.conv" if up else "downsample.conv"), width, width)
    rows += vae_resnet(name + "mid.block_1", 512, 512) + vae_resnet(name + "mid.block_2", 512, 512)
    rows += affine(name + "mid.attn_1.norm", 512)
    for part in ("q", "k", "v", "proj_out"):
        rows += conv(name + "mid.attn_1." + part, 512, 512, 1)
    return rows + affine(name + "norm_out", width) + conv(name + "conv_out", width, 3 if up else 8)


def vae():
    rows = vae_half(VAE + "encoder.", 2, False) + vae_half(VAE + "decoder.", 3, True)
    return rows + conv(VAE + "quant_conv", 8, 8, 1) + conv(VAE + "post_quant_conv", 4, 4, 1)


def text():
    rows = [
        (CLIP + "embeddings.token_embedding.weight", [49408, 768], 0.0, 0.5),
        (CLIP + "embeddings.position_embedding.weight", [77, 768], 0.0, 0.5),
    ]
    for i in range(12):
        name = CLIP + "encoder.layers.%d." % i
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            rows += layer(name + "self_attn." + part, 768, 768)
        rows += layer(name + "mlp.fc1", 3072, 768) + layer(name + "mlp.fc2", 768, 3072)
        rows += affine(name + "layer_norm1", 768) + affine(name + "layer_norm2", 768)
    return rows + affine(CLIP + "final_layer_norm", 768)


def tensors():
    """(name, shape, mean, deviation) of each."""
    return unet() + vae() + text()


def header(rows):
    """What a .safetensors file begins with, and the bytes of all tensors."""
    head, at = {}, 0
    for name, shape, _, _ in rows:
        size = 2 * math.prod(shape)
        head[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text_of_head = json.dumps(head, separators=(",", ":")).encode()
    text_of_head += b" " * (-len(text_of_head) % 8)
    return struct.pack("<Q", len(text_of_head)) + text_of_head, at


def write(path):
    """Writes the checkpoint, fp16."""
    rows = tensors()
    rng = random.Random(1)
    normal = [rng.gauss(0.0, 1.0) for _ in range(PERIOD)]
    blocks = {}
    with open(path, "wb") as file:
        file.write(header(rows)[0])
        for name, shape, mean, deviation in rows:
            key = mean, deviation
            if key not in blocks:
                values = struct.pack("<%de" % PERIOD, *[mean + deviation * x for x in normal])
                blocks[key] = memoryview(values * (CHUNK + 1))
            first = 2 * (zlib.crc32(name.encode()) % PERIOD)
            left = 2 * math.prod(shape)
            while left > 0:
                n = min(left, 2 * PERIOD * CHUNK)
                file.write(blocks[key][first : first + n])
                left -= n
