#!/usr/bin/env python3
"""Makes the goldens of guidance intervals (goldens/e2e/tiny-sd15_interval_*.safetensors and their entries in index.json) with diffusers:
its guider says which steps have guidance and puts the predictions together, its U-Net, scheduler and VAE do the rest.

    python tests/golden/make_guidance_interval.py          (torch, diffusers, transformers and safetensors; a CPU)
"""
import json
import pathlib

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, EulerDiscreteScheduler, UNet2DConditionModel
from diffusers.guiders import ClassifierFreeGuidance
from safetensors.torch import save_file
from transformers import CLIPTextModel

HERE = pathlib.Path(__file__).resolve().parent
MODEL = HERE / "checkpoints/tiny-sd15"
BETAS = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
         "prediction_type": "epsilon"}
CASES = [  # DPM++ 2M remembers the step before, also across an end of the interval
    ("euler", EulerDiscreteScheduler, {**BETAS, "timestep_spacing": "linspace"},
     {"guidance_start": 0.25, "guidance_end": 0.75, "guidance_scale": 7.5, "num_inference_steps": 8, "seed": 2001,
      "height": 72, "width": 88}),
    ("dpmpp_rescale", DPMSolverMultistepScheduler, {**BETAS, "timestep_spacing": "linspace", "use_karras_sigmas": True},
     {"guidance_start": 0.3, "guidance_end": 0.8, "guidance_scale": 9.0, "guidance_rescale": 0.7, "num_inference_steps": 7,
      "seed": 2002, "height": 64, "width": 64}),
]
PROMPT, NEGATIVE = "a photo of a cat", "cat"


def embed(encoder, text):
    known = {t["text"]: t["ids"] for t in json.loads((HERE / "goldens/tokens/clip_bpe.json").read_text())}
    ids = [49406] + known[text]
    return encoder(torch.tensor([ids + [49407] * (77 - len(ids))]))[0]


def draw(scheduler_class, config, p):
    text = CLIPTextModel.from_pretrained(MODEL / "text_encoder", torch_dtype=torch.float32)
    unet = UNet2DConditionModel.from_pretrained(MODEL / "unet", torch_dtype=torch.float32)
    vae = AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32)
    cond, uncond = embed(text, PROMPT), embed(text, NEGATIVE)
    scheduler = scheduler_class(**config)
    scheduler.set_timesteps(p["num_inference_steps"])
    guider = ClassifierFreeGuidance(guidance_scale=p["guidance_scale"], guidance_rescale=p.get("guidance_rescale", 0.0),
                                    start=p["guidance_start"], stop=p["guidance_end"])
    shape = (1, 4, p["height"] // 8, p["width"] // 8)
    noise = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(p["seed"]))
    latents, steps = noise * scheduler.init_noise_sigma, []
    for i, t in enumerate(scheduler.timesteps):
        guider.set_state(step=i, num_inference_steps=p["num_inference_steps"], timestep=t)
        x = scheduler.scale_model_input(latents, t)
        c = unet(x, t, encoder_hidden_states=cond).sample
        u = unet(x, t, encoder_hidden_states=uncond).sample if guider.num_conditions == 2 else None
        latents = scheduler.step(guider.forward(c, u).pred, t, latents).prev_sample
        steps.append(latents)
    image = (vae.decode(latents / vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    return {"noise.0": noise, "latents_steps": torch.stack(steps), "image": image.contiguous(),
            "image_u8": (image * 255).round().to(torch.uint8).contiguous()}


def main():
    index = json.loads((HERE / "index.json").read_text())
    goldens = [g for g in index["goldens"] if not g["id"].startswith("tiny-sd15_interval_")]
    for name, scheduler, config, params in CASES:
        golden, file = f"tiny-sd15_interval_{name}", f"goldens/e2e/tiny-sd15_interval_{name}.safetensors"
        with torch.no_grad():
            save_file(draw(scheduler, config, params), HERE / file)
        goldens.append({
            "id": golden, "group": "e2e", "checkpoint": "tiny-sd15", "file": file,
            "params": {"pipeline": "txt2img", "scheduler": scheduler.__name__, "scheduler_config": config,
                       "prompt": PROMPT, "negative_prompt": NEGATIVE, **params},
            "inputs": ["noise.0"], "expected": ["latents_steps", "image", "image_u8"],
            "tolerance": {"rel_l2_fp32": 0.001, "rel_l2_fp16": 0.03},
            "note": "Guidance within an interval of the steps, by diffusers' ClassifierFreeGuidance(start, stop); made by "
                    "make_guidance_interval.py.",
        })
    index["goldens"] = goldens
    (HERE / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
