"""Models, and what is asked of them."""

from __future__ import annotations

import ctypes
import functools
import os
from inspect import signature as signature_of
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from . import _abi, _info
from ._arrays import Path, choice, float_array, floats_in, floats_out, image_in, need_numpy
from ._device import Closing, Device, Log, log_callback, log_level
from ._handles import Handle
from ._image import Image, take_image
from ._info import Estimate, ModelInfo, from_struct, numbers
from ._job import Hooks, Job, OnPreview, OnProgress, OnStep, State
from ._library import InvalidArgument, check, default_model, lib, sized, text
from ._parameters import Hashes, Maker, Parameters, apply, warn

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec

    from ._arrays import ArrayLike, Floats

    P = ParamSpec("P")
    R = TypeVar("R")


def _asks_like(
    method: Callable[Concatenate[Model, P], Job],
) -> Callable[[Callable[..., R]], Callable[Concatenate[Model, P], R]]:
    """A method that takes what another takes, for help() and type checkers alike."""

    def decorate(function: Callable[..., R]) -> Callable[Concatenate[Model, P], R]:
        @functools.wraps(method)
        def wrapper(self: Model, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return function(self, *args, **kwargs)

        wrapper.__name__, wrapper.__qualname__ = function.__name__, function.__qualname__
        wrapper.__doc__ = function.__doc__
        wrapper.__annotations__ = {**method.__annotations__, "return": function.__annotations__["return"]}
        signature = signature_of(method)
        signature = signature.replace(return_annotation=function.__annotations__["return"])
        setattr(wrapper, "__signature__", signature)
        return wrapper

    return decorate


class Model(Closing):
    """Weights and networks on a device; read-only once loaded. Thread safe: jobs run one after the other, in the order
    of start().

    path: a folder in diffusers layout or one .safetensors file in the original layout; None: the default model that
    comes with daub.
    device: a Device, which is left open, or what Device() takes: then the model has a device of its own that closes
    with it.
    precision: "f16" (weights and activations; sums are fp32) or "f32".
    memory: what pictures use that are not told otherwise: "resident", "small" (one network on the device at a time) or
    "stream" (and of
        the U-Net's weights only some).
    data: the bytes of a .safetensors file instead of a path; not copied, and must not change until the model is closed.
    vae: a VAE in place of the model's own, decoder and encoder: a folder or a .safetensors file.
    config_from: folder in diffusers layout whose config.json files describe a single file that is too odd to tell.
    weight_cache, weight_cache_limit: folder where packed weights are kept for later loads, and its bytes (0: 16 GB).

    Raises FileError, BadFile, Unsupported, OutOfMemory, and what Device() does. Closing a model cancels and closes its
    jobs.
    """

    def __init__(
        self,
        path: Optional[Path] = None,
        *,
        device: Union[Device, int, str, None] = None,
        precision: str = "default",
        memory: str = "default",
        data: Union[bytes, bytearray, memoryview, None] = None,
        vae: Optional[Path] = None,
        config_from: Optional[Path] = None,
        weight_cache: Optional[Path] = None,
        weight_cache_limit: int = 0,
    ) -> None:
        self._memory = choice(numbers(_info.MEMORY), memory, "memory")
        params = sized(_abi.daub_model_params)
        params.precision = choice(numbers(_info.PRECISION), precision, "precision")
        params.config_from, params.weight_cache = text(config_from, "config_from"), text(weight_cache, "weight_cache")
        params.vae = text(vae, "vae")
        params.weight_cache_limit = _whole(weight_cache_limit, "weight_cache_limit", 2**64 - 1)
        name, keep = text(path, "a model's path"), None
        if data is not None:
            lent = bytes(data) if isinstance(data, memoryview) or not isinstance(data, (bytes, bytearray)) else data
            start = (
                (ctypes.c_char * len(lent)).from_buffer(lent) if isinstance(lent, bytearray) else ctypes.c_char_p(lent)
            )
            source = _abi.daub_source(data=ctypes.cast(start, ctypes.c_void_p), size=len(lent))
            params.source, keep = ctypes.pointer(source), (lent, start, source)
        elif name is None:
            name = default_model()
        self._precision, self._hashes = precision, Hashes(
            name, params.vae, params.config_from, data is not None
        )
        self._owned = None if isinstance(device, Device) else Device(device)
        self._device = device if isinstance(device, Device) else self._owned
        assert self._device
        try:
            handle = Handle("model", self._device._handle, lib.daub_model_destroy)
            handle.keep.append(keep)
            with self._device._handle.use() as pointer:
                check(lib.daub_model_load(pointer, name, ctypes.byref(params), ctypes.byref(handle.pointer)))
                handle.opened()
        except BaseException:
            if self._owned:
                self._owned.close()
            raise
        self._own(handle)

    def __repr__(self) -> str:
        return "<daub.Model closed>" if self.closed else "<daub.Model %s %s>" % (self.info.family, self.info.path)

    def close(self) -> None:
        super().close()
        if self._owned:
            self._owned.close()

    @property
    def device(self) -> Device:
        """What it is on."""
        assert self._device
        return self._device

    @property
    def info(self) -> ModelInfo:
        """What it is, and what it draws if it is not told otherwise."""
        return from_struct(ModelInfo, self._info_struct())

    def _info_struct(self) -> Any:
        out = sized(_abi.daub_model_info)
        with self._handle.use() as pointer:
            check(lib.daub_model_get_info(pointer, ctypes.byref(out)))
        return out

    def start(
        self,
        prompt: Optional[str] = None,
        *,
        negative: Optional[str] = None,
        emphasis: str = "default",
        padding: str = "default",
        width: int = 0,
        height: int = 0,
        steps: int = 0,
        guidance: float = 0.0,
        guidance_rescale: float = 0.0,
        guidance_start: float = 0.0,
        guidance_end: float = 0.0,
        style: Optional[str] = None,
        seed: int = 0,
        rng: str = "default",
        sampler: Optional[str] = None,
        schedule: Optional[str] = None,
        eta: float = 0.0,
        clip_skip: int = 0,
        init: Union[Image, ArrayLike, Path, None] = None,
        strength: float = 0.0,
        mask: Union[Image, ArrayLike, Path, None] = None,
        prompt_embeds: Union[ArrayLike, Path, None] = None,
        negative_embeds: Optional[ArrayLike] = None,
        latents: Optional[ArrayLike] = None,
        keep_floats: bool = False,
        memory: str = "default",
        vae_rows: int = 0,
        preview: Optional[str] = None,
        preview_every: int = 0,
        on_progress: Optional[OnProgress] = None,
        on_preview: Optional[OnPreview] = None,
        on_step: Optional[OnStep] = None,
        log: Optional[Log] = None,
        keep_state_every: int = 0,
        resume: Union[State, bytes, None] = None,
        again: Optional[Parameters] = None,
    ) -> Job:
        """Begins a picture and returns at once. Zero and None are the model's or the library's default everywhere.

        prompt, negative: text up to 1 MiB; models with a text encoder want a prompt (or prompt_embeds), others refuse
            one.
        emphasis: "webui" reads (word:1.3), [word], BREAK, [a:b:0.5], AND, and long prompts as stable-diffusion-webui
            does, "off" takes every character as text, as diffusers does; default "webui".
        padding: what the shorter of prompt and negative gets where they are of other numbers of chunks: "off" nothing,
            "empty" empty chunks ("Pad conds"), "last" its last vector ("Pad conds v0"); default "off".
        width, height: pixels, multiples of info.size_multiple, up to 16384. steps: 1..1000.
        guidance: classifier-free guidance, 1..1000; 1 is off, half the work. guidance_rescale: 0..1.
        guidance_start, guidance_end: the steps that have guidance, as fractions of all from the noisy end, 0 <= start
            < end <= 1; default all. style: a preset of styles() for what is not told otherwise.
        seed: of the noise, 0..2^64 - 1. rng: "torch-cpu", or "cuda" (Philox), as torch draws there.
        sampler, schedule: names of samplers() and schedules(). eta: DDIM's stochasticity, 0..1. clip_skip: 1 is none.
        init, strength: a picture to begin with (an Image, uint8 [height, width, 1..4], or a path), and how much of it
            is drawn anew, 0 < strength <= 1, default 0.8, with a mask 1.
        mask: of the same size, white is painted, black keeps init's bytes.
        prompt_embeds, negative_embeds: float32 [1..4096 tokens, info.text_width] of encode(); or prompt_embeds is the
            path of a file.
        latents: start noise, unit normal, float32 [latent_channels, height / latent_scale, width / latent_scale].
        keep_floats: for Image.floats. memory: "resident", "small", "stream"; default: the model's. vae_rows: rows of
            the latents that the VAE decodes at a time.
        preview: "linear" (a pixel a latent) or "vae" (full size, decoded): pictures of what becomes of the latents,
            after every preview_every-th step (0: every one), for on_preview(image, step, n_steps), or without it in
            Progress.preview of events of their own.
        on_progress(Progress), on_step(Step): called after every step; returning False cancels. log(level, message).
            Callbacks run on a thread of the job's and must not wait for a job of the same model. What one raises ends
            the job.
        keep_state_every: the state is kept after so many steps, for Job.take_state(); resume: goes on from one.
        again: Parameters of read_parameters(): a picture as it says that it was made, in whatever is not told
            otherwise (0 and None are not; dataclasses.replace() changes those too). Its init, mask and embeddings
            have to be given. By the same model and VAE in the same precision the picture is the same; another one,
            and what daub cannot do of it, is a warning. Not with a style.

        Raises InvalidArgument, OutOfMemory (now, not half-way through), FileError, BadFile, Unsupported, ClosedError.
        """
        given: dict[str, Any] = locals()
        if keep_floats not in (False, True):
            raise InvalidArgument("keep_floats is True or False")
        hooks = Hooks(on_progress, on_preview, on_step)
        handle = Handle("job", self._handle, lib.daub_job_destroy, lib.daub_job_cancel)
        params, lent = self._params(given)
        if again:
            warn(again, self._hashes, self._precision)
        maker = Maker(params, self._info_struct(), given, self._hashes, self._precision)
        hooks.install(params, handle, preview is not None)
        if log:
            params.log, params.log_level = log_callback(log, handle), log_level(log)
            handle.keep.append(params.log)
        with self._handle.use() as pointer:
            check(lib.daub_job_submit(pointer, ctypes.byref(params), ctypes.byref(handle.pointer)))
            handle.opened()
        del lent  # the call has copied it
        return Job(self, handle, hooks, keep_floats, maker)

    def _params(self, given: dict[str, Any]) -> tuple[_abi.daub_generate_params, list[Any]]:
        """What start() was given as a struct, and what keeps its pointers alive."""
        params, lent = sized(_abi.daub_generate_params), []
        params.prompt, params.negative_prompt = text(given["prompt"], "prompt"), text(given["negative"], "negative")
        for field, name, most in (
            ("width", "width", 2**32 - 1),
            ("height", "height", 2**32 - 1),
            ("n_steps", "steps", 2**32 - 1),
            ("seed", "seed", 2**64 - 1),
            ("clip_skip", "clip_skip", 2**32 - 1),
            ("vae_rows", "vae_rows", 2**32 - 1),
            ("preview_every", "preview_every", 2**32 - 1),
            ("keep_state_every", "keep_state_every", 2**32 - 1),
        ):
            setattr(params, field, _whole(given[name], name, most))
        params.guidance_scale, params.guidance_rescale = given["guidance"], given["guidance_rescale"]
        params.guidance_start, params.guidance_end = given["guidance_start"], given["guidance_end"]
        params.eta, params.strength, params.keep_floats = given["eta"], given["strength"], given["keep_floats"]
        params.sampler, params.schedule = text(given["sampler"], "sampler"), text(given["schedule"], "schedule")
        params.emphasis = choice(numbers(_info.EMPHASIS), given["emphasis"], "emphasis")
        params.padding = choice(numbers(_info.PADDING), given["padding"], "padding")
        params.rng = choice(numbers(_info.RNG), given["rng"], "rng")
        params.memory = choice(numbers(_info.MEMORY), given["memory"], "memory") or self._memory
        params.preview = choice(numbers(_info.PREVIEW), given["preview"] or "default", "preview")
        for name in ("init", "mask"):
            if given[name] is not None:
                image, pixels = image_in(given[name], name)
                setattr(params, name, ctypes.pointer(image))
                lent += [image, pixels]
        self._embeds(params, given["prompt_embeds"], given["negative_embeds"], lent)
        if given["again"] is not None:
            if given["style"] is not None:
                raise InvalidArgument("style sets what again has: one of them is to be given")
            lent.append(apply(given["again"], params))
        if given["latents"] is not None:
            self._latents(params, given["latents"], lent)
        if given["style"] is not None:
            with self._handle.use() as pointer:
                check(lib.daub_style_apply(pointer, text(given["style"], "style"), ctypes.byref(params)))
        resume = given["resume"]
        if resume is not None:
            state = resume.data if isinstance(resume, State) else bytes(resume)
            params.resume_state, params.resume_size = ctypes.cast(ctypes.c_char_p(state), ctypes.c_void_p), len(state)
            lent.append(state)
        return params, lent

    def _embeds(self, params: _abi.daub_generate_params, prompt: Any, negative: Any, lent: list[Any]) -> None:
        if isinstance(prompt, (str, os.PathLike)):
            params.prompt_embeds_path = text(prompt, "prompt_embeds")
            if negative is not None:
                raise InvalidArgument("negative_embeds go with prompt_embeds as an array; a file holds both")
            return
        for name, value in (("prompt_embeds", prompt), ("negative_embeds", negative)):
            if value is None:
                continue
            values, (n, width) = floats_in(value, 2, name)
            if width != self.info.text_width:
                raise InvalidArgument(
                    "%s has %d values a token; this model has %d" % (name, width, self.info.text_width)
                )
            which = "negative_prompt_embeds" if name == "negative_embeds" else "prompt_embeds"
            setattr(params, "n_negative_embed_tokens" if name == "negative_embeds" else "n_embed_tokens", n)
            setattr(params, which, ctypes.cast(values, ctypes.POINTER(ctypes.c_float)))
            lent.append(values)

    def _latents(self, params: _abi.daub_generate_params, value: Any, lent: list[Any]) -> None:
        values, shape = floats_in(value, 3, "latents")
        info = self.info
        width, height = params.width or info.width, params.height or info.height
        if params.init:
            width, height = params.width or params.init.contents.width, params.height or params.init.contents.height
        wanted = (info.latent_channels, height // info.latent_scale, width // info.latent_scale)
        if shape != wanted:
            raise InvalidArgument(
                "latents have the shape %s; a picture of %dx%d wants %s" % (list(shape), width, height, list(wanted))
            )
        params.latents = ctypes.cast(values, ctypes.POINTER(ctypes.c_float))
        lent.append(values)

    @_asks_like(start)
    def generate(self, *args: Any, **kwargs: Any) -> Image:
        """Draws a picture and returns it. Takes what start() takes, which says what each is; Ctrl-C cancels.

        Raises what start() and Job.result() raise.
        """
        with self.start(*args, **kwargs) as job:
            return job.result()

    @_asks_like(start)
    def estimate(self, *args: Any, **kwargs: Any) -> Estimate:
        """What a picture will take of the device's memory, before anything is allocated for it. Takes what start()
        takes; needs no prompt. Raises what start() does, save for OutOfMemory."""
        given = dict(_defaults(Model.start), **kwargs)
        if args:
            (given["prompt"],) = args
        params, lent = self._params(given)
        if given["preview"] or given["on_preview"]:
            params.on_preview = Hooks.no_preview()
        out = sized(_abi.daub_memory_estimate)
        with self._handle.use() as pointer:
            check(lib.daub_estimate(pointer, ctypes.byref(params), ctypes.byref(out)))
        del lent
        return from_struct(Estimate, out)

    def decode(self, latents: ArrayLike, *, memory: str = "default", vae_rows: int = 0) -> Image:
        """The picture of latents, float32 [latent_channels, h, w] as Image.latents and Step.latents have them, by the model's VAE.

        Raises InvalidArgument, OutOfMemory, Unsupported.
        """
        info = self.info
        values, shape = floats_in(latents, 3, "latents")
        if shape[0] != info.latent_channels:
            raise InvalidArgument("latents have %d channels; this model has %d" % (shape[0], info.latent_channels))
        params, out = sized(_abi.daub_generate_params), _abi.daub_image()
        params.width, params.height = shape[2] * info.latent_scale, shape[1] * info.latent_scale
        params.memory = choice(numbers(_info.MEMORY), memory, "memory") or self._memory
        params.vae_rows = _whole(vae_rows, "vae_rows", 2**32 - 1)
        start = ctypes.cast(values, ctypes.POINTER(ctypes.c_float))
        with self._handle.use() as pointer:
            check(lib.daub_decode_latents(pointer, ctypes.byref(params), start, ctypes.byref(out)))
        return take_image(out)

    def encode(self, prompt: str, *, emphasis: str = "default", clip_skip: int = 0) -> Floats:
        """The prompt's text embeddings, float32 [tokens, info.text_width], for prompt_embeds. Needs numpy.

        Raises Unsupported (a model without text), InvalidArgument (editing, alternation or AND, which have no single
        one).
        """
        return self.encode_pair(prompt, emphasis=emphasis, clip_skip=clip_skip)[0]

    def encode_pair(
        self,
        prompt: str,
        negative: str = "",
        *,
        emphasis: str = "default",
        padding: str = "default",
        clip_skip: int = 0,
    ) -> tuple[Floats, Floats]:
        """The embeddings of a prompt and of its negative prompt, for prompt_embeds and negative_embeds; each has as many
        tokens as its chunks have. Raises what encode() does."""
        need_numpy()
        params = sized(_abi.daub_generate_params)
        params.prompt, params.negative_prompt = text(prompt, "prompt"), text(negative, "negative")
        params.emphasis = choice(numbers(_info.EMPHASIS), emphasis, "emphasis")
        params.padding = choice(numbers(_info.PADDING), padding, "padding")
        params.clip_skip = _whole(clip_skip, "clip_skip", 2**32 - 1)
        first, second = _abi.daub_floats(), _abi.daub_floats()
        with self._handle.use() as pointer:
            check(lib.daub_encode_text_floats(pointer, ctypes.byref(params), ctypes.byref(first), ctypes.byref(second)))
        return float_array(*floats_out(first)), float_array(*floats_out(second))


def _whole(value: int, name: str, most: int) -> int:
    """A number that fits its field: ctypes would cut it."""
    if not 0 <= value <= most:
        raise InvalidArgument("%s is %d; it can be 0 to %d" % (name, value, most))
    return int(value)


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    return dict(function.__kwdefaults__ or {}, prompt=None)


def inspect(path: Optional[Path] = None, *, config_from: Optional[Path] = None) -> ModelInfo:
    """What a file or folder is, without a GPU; raises as Model() would. None: the default model."""
    params, out = sized(_abi.daub_model_params), sized(_abi.daub_model_info)
    params.config_from = text(config_from, "config_from")
    name = default_model() if path is None else text(path, "a model's path")
    check(lib.daub_model_inspect(name, ctypes.byref(params), ctypes.byref(out)))
    return from_struct(ModelInfo, out)
