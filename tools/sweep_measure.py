"""What tools/sweep measures pictures by: the data's latents (a VAE's encoder in numpy), and how near a drawn latent is to the concept asked for.

The measure is that of the training's eval: nearest is the highest correlation of latents, less the data's mean, with a picture of the data
set as it is or mirrored.
"""
import concurrent.futures
import importlib.util
import json
import multiprocessing
import os
import zlib

import numpy as np

import figures_clip

EPS = 1e-6  # of the VAE's group norms, as diffusers has it


class Encoder:
    """AutoencoderKL's encoder and quant_conv, fp32, [n, h, w, 3] in -1..1 to the means [n, channels, h, w] as the diffusion has them."""

    def __init__(self, folder):
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            self.config = json.load(file)
        weights = figures_clip.read_safetensors(os.path.join(folder, "diffusion_pytorch_model.safetensors"))
        self.w = {k: v.astype(np.float32) for k, v in weights.items() if not k.startswith(("decoder", "post"))}
        self.crc = 0
        for name in sorted(self.w):
            self.crc = zlib.crc32(self.w[name].tobytes(), self.crc)

    def conv(self, x, name, stride=1, pad=(1, 1)):
        """3x3, or 1x1; pad: zeros before and behind each side."""
        w, b = self.w[name + ".weight"], self.w[name + ".bias"]
        if w.shape[2] == 1:
            return x @ w[:, :, 0, 0].T + b
        x = np.pad(x, ((0, 0), pad, pad, (0, 0)))
        high, wide = ((n - 3) // stride + 1 for n in x.shape[1:3])
        taps = [x[:, i:i + stride * (high - 1) + 1:stride, j:j + stride * (wide - 1) + 1:stride] for i in range(3) for j in range(3)]
        return np.concatenate(taps, axis=3) @ w.transpose(2, 3, 1, 0).reshape(-1, len(b)) + b

    def norm(self, x, name, silu=True):
        n, h, w, c = x.shape
        groups = self.config.get("norm_num_groups", 32)
        x = x.reshape(n, h * w, c)

        def spread(sums):  # of each channel: the mean of its group
            return (sums.reshape(n, groups, -1).sum(2) / (h * w * (c // groups))).repeat(c // groups, axis=1)[:, None]

        x = x - spread(np.ones(h * w, np.float32) @ x)
        scale = 1 / np.sqrt(spread(np.einsum("npc,npc->nc", x, x)) + EPS)
        x = (x * (scale * self.w[name + ".weight"]) + self.w[name + ".bias"]).reshape(n, h, w, c)
        return x / (1 + np.exp(-x)) if silu else x

    def resnet(self, x, name):
        h = self.conv(self.norm(x, name + ".norm1"), name + ".conv1")
        h = self.conv(self.norm(h, name + ".norm2"), name + ".conv2")
        return h + (self.conv(x, name + ".conv_shortcut") if name + ".conv_shortcut.weight" in self.w else x)

    def attention(self, x, name):
        n, h, w, c = x.shape
        y = self.norm(x, name + ".group_norm", silu=False).reshape(n, h * w, c)
        q, k, v = (y @ self.w["%s.to_%s.weight" % (name, p)].T + self.w["%s.to_%s.bias" % (name, p)] for p in "qkv")
        a = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(c))
        a = np.exp(a - a.max(2, keepdims=True))
        y = a / a.sum(2, keepdims=True) @ v
        return x + (y @ self.w[name + ".to_out.0.weight"].T + self.w[name + ".to_out.0.bias"]).reshape(x.shape)

    def __call__(self, x):
        x = self.conv(x.astype(np.float32), "encoder.conv_in")
        for i in range(len(self.config["block_out_channels"])):
            block = "encoder.down_blocks.%d." % i
            for j in range(self.config["layers_per_block"]):
                x = self.resnet(x, block + "resnets.%d" % j)
            if block + "downsamplers.0.conv.weight" in self.w:
                x = self.conv(x, block + "downsamplers.0.conv", 2, (0, 1))
        x = self.resnet(x, "encoder.mid_block.resnets.0")
        x = self.resnet(self.attention(x, "encoder.mid_block.attentions.0"), "encoder.mid_block.resnets.1")
        x = self.conv(self.conv(self.norm(x, "encoder.conv_norm_out"), "encoder.conv_out"), "quant_conv")
        return x[..., :self.config["latent_channels"]].transpose(0, 3, 1, 2) * np.float32(self.config["scaling_factor"])


def load_icons(folder):
    """The data set by its own loader."""
    path = os.path.join(folder, "load_icons.py")
    spec = importlib.util.spec_from_file_location("load_icons", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Icons(os.path.join(folder, "icons64.bin"), os.path.join(folder, "captions.jsonl.xz"))


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


class Measure:
    """icons: the data set. latents: [pictures, 2, values] fp16, as they are and mirrored."""

    def __init__(self, icons, latents):
        self.icons = icons
        z = latents.astype(np.float32)
        self.mean = z[:, 0].mean(0)
        self.base = unit(z - self.mean)
        self.concept = np.array([row["concept"] for row in icons.rows])
        self.style = np.array([row["style"] for row in icons.rows])

    def choose(self, split, n, seed=0):
        """n rows of different concepts, as eval with this seed chooses them: (rows of train, rows of held)[split]."""
        rng, found = np.random.default_rng(seed), {}
        for name, rows in (("train", self.icons.train), ("held", self.icons.held)):
            first = {}
            for i in rng.permutation(rows):
                first.setdefault(self.concept[i], int(i))
            found[name] = list(first.values())[:n]
        return found[split]

    def prompt(self, row):
        return "%s, %s style" % (self.icons.rows[row]["name"], self.style[row])

    def ranks(self, rows, drawn):
        """drawn: latents of a picture a row. Of each: where in the order of nearness, from 1, the first picture of the concept asked for
        stands, and whether the nearest picture has the style asked for."""
        q = unit(drawn.reshape(len(rows), -1) - self.mean)
        near = np.maximum(q @ self.base[:, 0].T, q @ self.base[:, 1].T)
        ranks, styles = [], []
        for i, row in enumerate(rows):
            best = near[i][self.concept == self.concept[row]].max()
            ranks.append(1 + int((near[i] > best).sum()))
            styles.append(bool(self.style[near[i].argmax()] == self.style[row]))
        return ranks, styles


def encode(encoder, rgb, batch=4):
    """uint8 [n, h, w, 3] to latents fp16 [n, 2, values]: as they are, and mirrored left to right."""
    out = []
    for at in range(0, len(rgb), batch):
        x = rgb[at:at + batch].astype(np.float32) / np.float32(127.5) - 1
        z = np.stack([encoder(x), encoder(x[:, :, ::-1])], axis=1)
        out.append(z.reshape(len(x), 2, -1).astype(np.float16))
    return np.concatenate(out)


_encoder = None  # of this process


def _encode_part(folder, rgb):
    global _encoder
    _encoder = _encoder or Encoder(folder)
    return encode(_encoder, rgb)


def latents_of(icons, vae, pack, cache, say=print):
    """encode of all pictures, by as many processes as there are cores; kept in the folder `cache`, for this VAE and this file of pictures."""
    with open(pack, "rb") as file:
        path = os.path.join(cache, "latents-%08x.npy" % zlib.crc32(file.read(), Encoder(vae).crc))
    if os.path.exists(path):
        return np.load(path)
    say("encoding %d pictures, each as it is and mirrored: 5 to 10 minutes, and kept in %s" % (len(icons.rows), path))
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of the processes that are started here
    with concurrent.futures.ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(_encode_part, vae, icons.rgb[i:i + 256]) for i in range(0, len(icons.rows), 256)]
        z = np.concatenate([job.result() for job in jobs])
    os.makedirs(cache, exist_ok=True)
    np.save(path + ".part.npy", z)
    os.replace(path + ".part.npy", path)
    return z
