#!/usr/bin/env python3
"""Makes the goldens prompts/tiny-sd15_weighted, e2e/tiny-sd15_t2i_edited and e2e/tiny-sd15_t2i_long*: what stable-diffusion-webui's formulas
give for tiny-sd15.

    make_prompts.py TOKENIZER_FOLDER

Weighted chunks (weights times the encoder's result, the mean of each chunk restored), and guidance with texts that change between steps
and parts with weights, computed with torch, transformers and diffusers from the formulas alone. What a prompt is cut into is written here
by hand, so that nothing of a prompt parser is in it. Prompts of other numbers of chunks go through the network one by one, each with its own
(modules/sd_samplers_cfg_denoiser.py), unless they are padded; the texts of one schedule are one batch of the encoder, filled up by empty
chunks (modules/sd_hijack_clip.py), and parts get their last vector again up to the longest (modules/prompt_parser.py).
"""
import json
import os
import sys

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "checkpoints", "tiny-sd15")
WINDOW, ROOM = 77, 75

# Pieces with their weights; None ends a chunk. The text of the prompt is PROMPT; its second chunk is full at "word" 75, and goes back
# to its last comma.
PROMPT = ("a (quiet:1.3) harbour, ((boats)) BREAK [fog] " + "seven, " + "word " * 66 + ", (end:0.5) of it all and more words here")
PIECES = [("a ", 1.0), ("quiet", 1.3), (" harbour, ", 1.0), ("boats", 1.1 * 1.1), ("", 1.0), None, ("fog", 1 / 1.1),
          (" seven, " + "word " * 66 + ", ", 1.0), ("end", 0.5), (" of it all and more words here", 1.0)]
NEGATIVE, NEGATIVE_PIECES = "blurry, (bad:1.4)", [("blurry, ", 1.0), ("bad", 1.4)]

EDITED = "a [(cat:1.3):dog:2] AND a (red:1.2) house :0.6"
EDITED_NEGATIVE = "[blurry|(low quality:1.2)]"
CAT, DOG, HOUSE = [("a cat", 1.0)], [("a dog", 1.0)], [(" a ", 1.0), ("red", 1.2), (" house", 1.0)]
WEIGHED_CAT = [("a ", 1.0), ("cat", 1.3)]
BLURRY, LOW = [("blurry", 1.0)], [("low quality", 1.2)]
# Which text it is in steps 0..6, of the negative prompt's [BLURRY, LOW] and of the first part's [WEIGHED_CAT, DOG].
STEPS = [(0, 0), (0, 0), (1, 0), (0, 1), (1, 1), (0, 1), (1, 1)]
WEIGHTS, SEED, SIZE = (1.0, 0.6), 1077, 32

# Of other lengths: the texts' pieces, as they are in each step, and whether a schedule makes a text longer.
LONG = "a (quiet:1.3) harbour BREAK with many boats BREAK at night"
LONG_PIECES = [("a ", 1.0), ("quiet", 1.3), (" harbour", 1.0), None, ("with many boats", 1.0), None, ("at night", 1.0)]
SHORT, SHORT_PIECES = "blurry", [("blurry", 1.0)]
PARTS = "a [cat:dog BREAK in snow:2] AND a (red:1.2) house :0.6"
DOG_IN_SNOW = [("a dog", 1.0), None, ("in snow", 1.0)]


def chunks_of(tokenizer, pieces):
    comma = tokenizer.convert_tokens_to_ids(",</w>")
    chunks, at = [], []
    last = None  # place of the last comma in the chunk at hand
    for piece in pieces:
        if piece is None:
            chunks.append(at)
            at, last = [], None
            continue
        for token in tokenizer(piece[0], add_special_tokens=False)["input_ids"]:
            if token == comma:
                last = len(at)
            elif len(at) == ROOM and last is not None and len(at) - last <= 20:
                chunks.append(at[:last + 1])
                at, last = at[last + 1:], None
            if len(at) == ROOM:
                chunks.append(at)
                at, last = [], None
            at.append((token, piece[1]))
    if at or not chunks:
        chunks.append(at)
    return chunks


def encode_schedule(tokenizer, model, texts):
    """Texts as lists of chunks, one for each entry of a schedule, encoded as one batch: the mean of a chunk is that of all texts."""
    columns = []
    for chunks in zip(*texts):
        ids = [[tokenizer.bos_token_id] + [t for t, _ in chunk] + [tokenizer.eos_token_id] * (WINDOW - 1 - len(chunk)) for chunk in chunks]
        weights = np.array([[1.0] + [w for _, w in chunk] + [1.0] * (WINDOW - 1 - len(chunk)) for chunk in chunks], np.float32)
        z = model(torch.tensor(ids)).last_hidden_state
        weighted = z * torch.from_numpy(weights)[:, :, None]
        columns.append(weighted * (z.mean() / weighted.mean()) if (weights != 1.0).any() else z)
    return torch.cat(columns, 1)


def encode(tokenizer, model, chunks, n=0):
    return encode_schedule(tokenizer, model, [chunks + [[]] * (n - len(chunks))])[0]


def put(index, entry, tensors):
    path = os.path.join(HERE, entry["file"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    index["goldens"] = [g for g in index["goldens"] if (g["group"], g["id"]) != (entry["group"], entry["id"])] + [entry]


def draw(index, unet, vae, name, steps, scale, note, params):
    """A picture of diffusers' DDIM with guidance from each step's embeddings: the negative prompt's, then the parts'."""
    scheduler = DDIMScheduler(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                              clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    scheduler.set_timesteps(len(steps))
    noise = torch.randn((1, 4, SIZE // 8, SIZE // 8), generator=torch.Generator().manual_seed(SEED))
    x, latents = noise * scheduler.init_noise_sigma, []
    for t, (negative, *parts) in zip(scheduler.timesteps, steps):
        u = unet(x, t, encoder_hidden_states=negative[None]).sample
        guided = u.clone()
        for weight, part in zip(WEIGHTS, parts):
            guided += scale * weight * (unet(x, t, encoder_hidden_states=part[None]).sample - u)
        x = scheduler.step(guided, t, x).prev_sample
        latents.append(x)
    image = (vae.decode(x / vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    config = {k: scheduler.config[k] for k in ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
                                               "set_alpha_to_one", "prediction_type", "timestep_spacing", "steps_offset",
                                               "clip_sample")}
    put(index, {
        "id": "tiny-sd15_t2i_" + name, "group": "e2e", "checkpoint": "tiny-sd15",
        "file": "goldens/e2e/tiny-sd15_t2i_%s.safetensors" % name,
        "params": {"pipeline": "txt2img", "emphasis": "webui", "seed": SEED, "scheduler": "DDIMScheduler",
                   "scheduler_config": config, "num_inference_steps": len(steps), "guidance_scale": scale, **params,
                   "height": SIZE, "width": SIZE},
        "inputs": ["noise.0"], "expected": ["latents_steps", "image", "image_u8"],
        "tolerance": {"rel_l2_fp32": 1e-3 if name == "edited" else 1e-5, "rel_l2_fp16": 3e-2},
        "note": note + "; tensors as in e2e/tiny-sd15_t2i_default; make_prompts.py",
    }, {"noise.0": noise, "latents_steps": torch.stack(latents), "image": image,
        "image_u8": (image * 255).round().to(torch.uint8)})


def main():
    torch.set_grad_enabled(False)
    tokenizer = CLIPTokenizer.from_pretrained(sys.argv[1])
    text = CLIPTextModel.from_pretrained(os.path.join(MODEL, "text_encoder"), torch_dtype=torch.float32)
    unet = UNet2DConditionModel.from_pretrained(os.path.join(MODEL, "unet"), torch_dtype=torch.float32)
    vae = AutoencoderKL.from_pretrained(os.path.join(MODEL, "vae"), torch_dtype=torch.float32)
    with open(os.path.join(HERE, "index.json"), encoding="utf-8") as f:
        index = json.load(f)

    chunks = chunks_of(tokenizer, PIECES)
    print([len(c) for c in chunks])
    put(index, {
        "id": "tiny-sd15_weighted", "group": "prompts", "checkpoint": "tiny-sd15",
        "file": "goldens/prompts/tiny-sd15_weighted.safetensors",
        "params": {"prompt": PROMPT, "negative_prompt": NEGATIVE, "chunks": len(chunks), "negative_chunks": 1},
        "inputs": [], "expected": ["prompt_embeds", "negative_prompt_embeds"],
        "tolerance": {"rel_l2_fp32": 1e-4, "rel_l2_fp16": 1e-2},
        "note": "webui's emphasis Original over chunks; make_prompts.py",
    }, {"prompt_embeds": encode(tokenizer, text, chunks),
        "negative_prompt_embeds": encode(tokenizer, text, chunks_of(tokenizer, NEGATIVE_PIECES))})

    def embed(pieces, n=0):
        return encode(tokenizer, text, chunks_of(tokenizer, pieces), n)

    def longer(z, n):  # by the last vector
        return torch.cat([z, z[-1:].repeat(n * WINDOW - len(z), 1)])

    def add(name, prompt, negative, steps, note, scale=3.0, **params):
        draw(index, unet, vae, name, steps, scale, note, {"negative_prompt": negative, "prompt": prompt, **params})

    def schedule(*texts):
        return encode_schedule(tokenizer, text, [chunks_of(tokenizer, pieces) for pieces in texts])

    # Alternation is an entry a step, the first text's at steps 1, 3, 5 and 7; editing is two.
    blurry, first = schedule(BLURRY, LOW, BLURRY, LOW, BLURRY, LOW, BLURRY), schedule(WEIGHED_CAT, DOG)
    add("edited", EDITED, EDITED_NEGATIVE, [(blurry[n], first[i], embed(HOUSE)) for n, i in STEPS],
        "webui's prompt editing, alternation and AND in diffusers' DDIM", scale=6.0)
    short, long = embed(SHORT_PIECES), embed(LONG_PIECES)
    add("long", LONG, SHORT, 5 * [(short, long)], "a prompt of three chunks and a negative one of one, each run by itself")
    add("long_negative", SHORT, LONG, 5 * [(long, short)], "a prompt of one chunk and a negative one of three, each run by itself")
    add("long_empty", LONG, SHORT, 5 * [(embed(SHORT_PIECES, 3), long)], "webui's option pad_cond_uncond", padding="empty")
    add("long_last", LONG, SHORT, 5 * [(longer(short, 3), long)], "webui's option pad_cond_uncond_v0", padding="last")
    add("long_cut", SHORT, LONG, 5 * [(long[:WINDOW], short)], "webui's option pad_cond_uncond_v0, which cuts", padding="last")
    cat, dog, house = embed(CAT, 2), embed(DOG_IN_SNOW), longer(embed(HOUSE), 2)
    add("long_parts", PARTS, LONG, 3 * [(long, cat, house)] + 2 * [(long, dog, house)],
        "texts of a schedule as long as its longest, parts of AND as long as theirs, and a longer negative prompt")
    with open(os.path.join(HERE, "index.json"), "w", encoding="utf-8") as f:
        json.dump(index, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
