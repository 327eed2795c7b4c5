#!/usr/bin/env python3
"""What tools/bench-peers runs in processes of their own: PyTorch, stable-diffusion.cpp's Python package, and sgemm.

    bench_peers_child.py sgemm
    bench_peers_child.py torch ROW MODEL SIZE STEPS SEED GUIDANCE
    bench_peers_child.py sdcpp - MODEL SIZE STEPS SEED GUIDANCE PROMPT NEGATIVE
"""
import json
import os
import sys
import tempfile
import time

SD15 = {
    "unet": dict(_class_name="UNet2DConditionModel", sample_size=64, in_channels=4, out_channels=4, layers_per_block=2,
                 block_out_channels=[320, 640, 1280, 1280], attention_head_dim=8, cross_attention_dim=768, norm_num_groups=32,
                 down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
                 up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3),
    "vae": dict(_class_name="AutoencoderKL", sample_size=512, in_channels=3, out_channels=3, latent_channels=4,
                block_out_channels=[128, 256, 512, 512], layers_per_block=2, norm_num_groups=32,
                down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4),
    "text": dict(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                 max_position_embeddings=77, hidden_act="quick_gelu"),
}


def torch_part(part, model):
    """A component in fp32: of a diffusers folder, or of a single file of Stable Diffusion 1.x."""
    import diffusers
    if part == "text":
        from transformers import CLIPTextConfig, CLIPTextModel
        if os.path.isdir(model):
            return CLIPTextModel.from_pretrained(os.path.join(model, "text_encoder")).float().eval()
        from safetensors import safe_open
        prefix = "cond_stage_model.transformer."
        net = CLIPTextModel(CLIPTextConfig(**SD15["text"]))
        wanted = net.state_dict()
        with safe_open(model, "pt") as file:
            values = {key[len(prefix):]: file.get_tensor(key).float() for key in file.keys() if key.startswith(prefix)}
        if not set(values) & set(wanted):  # newer versions have no text_model in front
            values = {key.replace("text_model.", "", 1): value for key, value in values.items()}
        missing = net.load_state_dict(values, strict=False).missing_keys
        if [key for key in missing if not key.endswith("position_ids")]:
            raise SystemExit("the file has no %s" % missing[0])
        return net.eval()
    kind = diffusers.UNet2DConditionModel if part == "unet" else diffusers.AutoencoderKL
    if os.path.isdir(model):
        return kind.from_pretrained(os.path.join(model, part)).float().eval()
    with tempfile.TemporaryDirectory() as folder:
        json.dump(SD15[part], open(os.path.join(folder, "config.json"), "w"))
        return kind.from_single_file(model, config=folder, local_files_only=True).float().eval()


def torch_child(row, model, size, steps, seed, guidance):
    """Prints a JSON line a result: {"seconds": ...}, or {"step": ...} at the end of each step."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    torch.manual_seed(seed)

    def text():
        net = torch_part("text", model)
        cfg = net.config
        ids = torch.randint(0, cfg.vocab_size - 2, (2, cfg.max_position_embeddings))
        ids[:, 0], ids[:, -1] = cfg.vocab_size - 2, cfg.vocab_size - 1
        return lambda: net(ids)[0]

    def step(states=None):
        net = torch_part("unet", model)
        states = states if states is not None else torch.randn(2, 77, net.config.cross_attention_dim)
        x = torch.randn(1, net.config.in_channels, size // 8, size // 8)

        def one():
            u, c = net(torch.cat([x, x]), torch.tensor(500), encoder_hidden_states=states).sample.chunk(2)
            return x - 0.1 * (u + float(guidance) * (c - u))
        return one

    def decode():
        net = torch_part("vae", model)
        side = size // 2 ** (len(net.config.block_out_channels) - 1)
        z = torch.randn(1, net.config.latent_channels, side, side)
        return lambda: net.decode(z / net.config.scaling_factor).sample

    with torch.inference_mode():
        if row in ("memory", "start-first", "start-later"):
            states = text()()
            one = step(states)
            for _ in range(1 if row == "memory" else 3):
                one()
                print(json.dumps({"step": 1}), flush=True)
            if row == "memory":
                del one
                decode()()
            return
        work = {"step": step, "step-large": step, "decode": decode, "text": text}[row]()
        for _ in range(max(2, steps)):
            began = time.monotonic()
            work()
            print(json.dumps({"seconds": time.monotonic() - began}), flush=True)


def sdcpp_child(_, model, size, steps, seed, guidance, prompt, negative):
    """Draws with the Python package, which prints what the command would."""
    import stable_diffusion_cpp
    net = stable_diffusion_cpp.StableDiffusion(model_path=model, wtype="f16", vae_decode_only=True, verbose=True)
    net.generate_image(prompt=prompt, negative_prompt=negative, width=size, height=size, cfg_scale=float(guidance),
                       sample_method="euler", sample_steps=steps, seed=seed,
                       progress_callback=lambda i, n, seconds: print(json.dumps({"step": i, "seconds": seconds}), flush=True))


def sgemm_child():
    """GFLOP/s of one fp32 product of 2048x2048 matrices, the best of a second."""
    n, best = 2048, 0.0
    try:
        import numpy
        a, b = (numpy.random.default_rng(i).standard_normal((n, n), dtype=numpy.float32) for i in range(2))
    except ImportError:
        import torch
        a, b = torch.randn(n, n), torch.randn(n, n)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        began = time.monotonic()
        a @ b
        best = max(best, 2e-9 * n ** 3 / (time.monotonic() - began))
    print(json.dumps({"gflops": best}))


def main():
    if sys.argv[1] == "sgemm":
        return sgemm_child()
    row, model, size, steps, seed, *more = sys.argv[2:]
    return {"torch": torch_child, "sdcpp": sdcpp_child}[sys.argv[1]](row, model, int(size), int(steps), int(seed), *more)


if __name__ == "__main__":
    main()
