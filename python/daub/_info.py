"""What the library says about devices, models, samplers and pictures, as frozen dataclasses with the C structs' field
names."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields
from typing import Any, Optional, Type, TypeVar

from . import _abi
from ._library import check, lib, sized

T = TypeVar("T")


def _words(prefix: str) -> dict[int, str]:
    """The members of an enum as words: DAUB_MEMORY_MODE_SMALL is "small"."""
    return {v: k[len(prefix) :].lower() for k, v in vars(_abi).items() if k.startswith(prefix)}


KINDS = _words("DAUB_DEVICE_")
PHASES = _words("DAUB_PHASE_")
MEMORY = _words("DAUB_MEMORY_MODE_")
PRECISION = _words("DAUB_PRECISION_")
PREVIEW = _words("DAUB_PREVIEW_")
EMPHASIS = _words("DAUB_EMPHASIS_")
PADDING = _words("DAUB_PADDING_")
RNG = {k: v.replace("_", "-") for k, v in _words("DAUB_RNG_").items()}
_ENUMS = {
    "kind": KINDS,
    "phase": PHASES,
    "mode": MEMORY,
    "rng": RNG,
    "emphasis": EMPHASIS,
    "padding": PADDING,
    "precision": PRECISION,
}


def numbers(words: dict[int, str]) -> dict[str, int]:
    return {word: number for number, word in words.items()}


def from_struct(kind: Type[T], struct: Any) -> T:
    """A dataclass filled from a struct's fields of the same names."""
    values = {}
    dataclass_of: Any = kind
    for field in fields(dataclass_of):
        value = getattr(struct, field.name)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, _abi.daub_phase_memory):
            value = from_struct(PhaseMemory, value)
        elif field.name in _ENUMS:
            value = _ENUMS[field.name].get(value, str(value))
        values[field.name] = value
    return kind(**values)


@dataclass(frozen=True)
class DeviceInfo:
    """A GPU, and whether and why it would be opened."""

    index: int  # what Device(...) takes
    name: str
    driver: str  # name and version
    kind: str  # "discrete", "integrated", "virtual", "cpu", "other"
    api_version: int  # VK_MAKE_API_VERSION form
    memory: int  # bytes in the device-local heap
    memory_free: int  # bytes of it free now; 0 if the driver does not say
    usable: bool  # meets the minimum
    chosen: bool  # what Device() opens
    reason: str  # why usable or not, why chosen or not


@dataclass(frozen=True)
class ModelInfo:
    """What a model is, and what it draws if it is not told otherwise."""

    family: str  # "sd1", "sd2", "ddpm"
    text: bool  # draws from a prompt; False: unconditional
    width: int  # pixels, of pictures that are not told their size
    height: int
    size_multiple: int  # width and height must be multiples of it
    latent_channels: int  # latents are [latent_channels, height / latent_scale, width / latent_scale]
    latent_scale: int
    text_width: int  # values a token of prompt embeddings; 0 without text
    linear_preview: bool  # whether preview="linear" is known for its VAE
    n_steps: int
    guidance_scale: float
    sampler: str
    schedule: str
    max_tokens: int  # prompt length in tokens that fits; more is cut
    n_parameters: int
    weights_size: int  # bytes on the device; 0 of inspect()
    path: str
    vae: str  # path of the VAE in place of the model's own; "" where there is none
    evidence: str  # what decided the family and prediction type, one sentence


@dataclass(frozen=True)
class SamplerInfo:
    """A sampler by its names."""

    name: str  # "dpmpp_2m"
    label: str  # "DPM++ 2M"
    aliases: str  # comma separated
    description: str  # one line, with the paper
    order: int  # convergence order claimed
    stochastic: bool  # draws noise between steps


@dataclass(frozen=True)
class ScheduleInfo:
    """How a schedule spaces the noise levels between the ends."""

    name: str  # "karras"
    label: str
    description: str  # one line, with the paper


@dataclass(frozen=True)
class StyleInfo:
    """A preset: what it sets of what generate() is not told. 0 and None: it leaves that alone."""

    name: str  # "strict"
    description: str  # one line
    guidance_factor: float  # guidance - 1 is the model's own times this
    guidance_rescale: float  # with guidance
    guidance_start: float
    guidance_end: float
    steps_factor: float  # steps are the model's own times this, rounded
    sampler: Optional[str]
    schedule: Optional[str]  # only where no sampler is given


@dataclass(frozen=True)
class Result:
    """What a picture really used, every default resolved, and what it cost."""

    width: int
    height: int
    n_steps: int
    clip_skip: int
    guidance_scale: float
    guidance_rescale: float
    guidance_start: float  # 0 and 1: every step had guidance, or none
    guidance_end: float
    seed: int
    rng: str
    sampler: str
    schedule: str
    emphasis: str  # "webui", "off"
    n_tokens: int  # of the prompt (its longest text): used,
    n_tokens_cut: int  # and left out, where emphasis is off and the model's window full
    n_chunks: int  # windows of the text encoder that the prompt takes; 0 where embeddings were given
    n_negative_chunks: int  # and the negative prompt
    padding: str  # "empty" or "last" where it changed something, else "off"
    prompt_cut: str  # the beginning of what was left out
    strength: float  # 0 without init
    masked: bool
    vae_memory: int  # that memory left for bands of the VAE, bytes; 0: it decoded whole, or in bands of vae_rows
    n_model_calls: int
    prepare_seconds: float
    text_seconds: float
    encode_seconds: float
    denoise_seconds: float
    decode_seconds: float
    first_step_seconds: float  # of denoise_seconds
    arena_size: int  # bytes of activations at the peak
    memory_peak: int  # bytes of device memory at the peak
    weights_at_seconds: float  # from the job's beginning until the denoiser's weights were on the device,
    first_step_at_seconds: float  # and until its first step began
    nonfinite_layer: str  # the first layer whose values left fp16's range; "" where all was finite
    n_repeated_in_f32: int  # networks that ran again in fp32 for that


@dataclass(frozen=True)
class PhaseMemory:
    """Bytes of device memory in one phase of a picture."""

    weights: int
    activations: int
    arena: int
    staging: int
    total: int  # weights, arena and staging


@dataclass(frozen=True)
class Estimate:
    """What a picture will take, by phase, in bytes."""

    mode: str  # "resident", "small", "stream"
    width: int
    height: int
    text: PhaseMemory
    encode: PhaseMemory
    denoise: PhaseMemory
    decode: PhaseMemory
    peak: int  # of device memory at the picture's widest phase
    host: int
    limit: int  # of device memory that may be used now
    bands: int  # that layers of the VAE decode in, at the most; 0: it decodes whole
    fits: bool  # now: generating would not be refused with OutOfMemory


@dataclass(frozen=True)
class Limits:
    """What the library refuses to go beyond, whatever the device."""

    max_size: int  # pixels of a side
    max_steps: int
    max_guidance_scale: float
    max_prompt_size: int  # bytes
    max_prompt_chunks: int
    max_embed_tokens: int
    max_header_size: int  # bytes of a .safetensors file's header
    max_tensors: int
    max_tensor_name: int  # bytes
    max_json_size: int  # bytes of a config file
    max_json_nesting: int
    max_parameters_size: int  # bytes of a picture's text
    max_batch_size: int  # bytes of a batch file
    max_batch_lines: int


def _all(kind: type[T], struct: type[ctypes.Structure], count: Any, get_info: Any) -> list[T]:
    out = []
    for i in range(count()):
        info = sized(struct)
        check(get_info(i, ctypes.byref(info)))
        out.append(from_struct(kind, info))
    return out


def samplers() -> list[SamplerInfo]:
    """All samplers; generate() takes their names, and other systems' spellings ("Euler a")."""
    return _all(SamplerInfo, _abi.daub_sampler_info, lib.daub_sampler_count, lib.daub_sampler_get_info)


def schedules() -> list[ScheduleInfo]:
    """All schedules; the first is a sampler's own spacing."""
    return _all(ScheduleInfo, _abi.daub_schedule_info, lib.daub_schedule_count, lib.daub_schedule_get_info)


def styles() -> list[StyleInfo]:
    """All presets that generate(style=...) takes."""
    return _all(StyleInfo, _abi.daub_style_info, lib.daub_style_count, lib.daub_style_get_info)


def limits() -> Limits:
    """What the library refuses to go beyond."""
    out = sized(_abi.daub_limits)
    check(lib.daub_get_limits(ctypes.byref(out)))
    return from_struct(Limits, out)


def version() -> str:
    """The library's version, "0.1.0"."""
    v = int(lib.daub_version())
    return "%d.%d.%d" % (v // 1000000, v // 1000 % 1000, v % 1000)
