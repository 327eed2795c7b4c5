"""CLIP's text encoder in numpy (Radford et al. 2021, arXiv:2103.00020), for tools/figures: slow, short, and by the model's own files."""
import json
import os
import struct

import numpy as np

TYPES = {"F16": np.float16, "F32": np.float32}


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    head, out = json.loads(data[8:8 + size]), {}
    for name, entry in head.items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            out[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).astype(np.float64).reshape(entry["shape"])
    return out


def tokenize(folder, text):
    """Byte-pair encoding of lower-case words without punctuation: the tokens, and their ids."""
    with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as file:
        ids = json.load(file)
    with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as file:
        pairs = [tuple(line.split()) for line in file.read().splitlines() if line and not line.startswith("#version")]
    rank, tokens = {pair: i for i, pair in enumerate(pairs)}, []
    for word in text.split():
        parts = list(word[:-1]) + [word[-1] + "</w>"]
        while len(parts) > 1:
            best = min(range(len(parts) - 1), key=lambda i: rank.get((parts[i], parts[i + 1]), len(rank)))
            if (parts[best], parts[best + 1]) not in rank:
                break
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        tokens += parts
    return tokens, [ids[token] for token in tokens]


def run(model, text):
    """The tokens that are shown, their attention [layers, heads, n, n], and the last hidden state [positions, width]."""
    folder = os.path.join(model, "text_encoder")
    weights = read_safetensors(os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    tokens, ids = tokenize(os.path.join(model, "tokenizer"), text)
    n, heads = config["max_position_embeddings"], config["num_attention_heads"]
    ids = [config["bos_token_id"]] + ids + [config["eos_token_id"]]
    shown = len(ids)
    ids += [config["pad_token_id"]] * (n - len(ids))

    def w(name):
        return weights["text_model." + name]

    def linear(x, name):
        return x @ w(name + ".weight").T + w(name + ".bias")

    def norm(x, name):
        x = x - x.mean(axis=1, keepdims=True)
        return x / np.sqrt((x * x).mean(axis=1, keepdims=True) + config["layer_norm_eps"]) * w(name + ".weight") + w(name + ".bias")

    x = w("embeddings.token_embedding.weight")[ids] + w("embeddings.position_embedding.weight")[:n]
    mask = np.triu(np.full((n, n), -np.inf), 1)  # causal: a token sees itself and what is before it
    maps = []
    for layer in range(config["num_hidden_layers"]):
        at = "encoder.layers.%d." % layer
        y = norm(x, at + "layer_norm1")
        q, k, v = (linear(y, at + "self_attn.%s_proj" % part).reshape(n, heads, -1).transpose(1, 0, 2) for part in "qkv")
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[2]) + mask
        p = np.exp(scores - scores.max(axis=2, keepdims=True))
        p /= p.sum(axis=2, keepdims=True)
        maps.append(p[:, :shown, :shown])
        x = x + linear((p @ v).transpose(1, 0, 2).reshape(n, -1), at + "self_attn.out_proj")
        y = linear(norm(x, at + "layer_norm2"), at + "mlp.fc1")
        x = x + linear(y / (1.0 + np.exp(-1.702 * y)), at + "mlp.fc2")  # quick_gelu
    names = ["start"] + [token.replace("</w>", "") for token in tokens] + ["end"]
    return names, np.array(maps), norm(x, "final_layer_norm")
