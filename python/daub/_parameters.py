"""What a picture says of itself: what made it, as a text in stable-diffusion-webui's grammar, and back."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
from dataclasses import dataclass, fields
from typing import Any, Optional, Union

from . import _abi, _info
from ._arrays import Path, choice
from ._info import from_struct, numbers
from ._library import Error, InvalidArgument, check, lib, sized
from ._library import text as to_c

_WORDS = {"rng": _info.RNG, "emphasis": _info.EMPHASIS, "padding": _info.PADDING, "precision": _info.PRECISION}
_PATH = 4096  # bytes of a found path


@dataclass(frozen=True)
class Parameters:
    """What a picture was made from and how, from read_parameters() or parse_parameters(), for generate(again=...).

    None, 0, "" and "default": the text does not say. Change one with dataclasses.replace().
    """

    prompt: str = ""
    negative_prompt: str = ""
    sampler: Optional[str] = None  # names of samplers() and schedules()
    schedule: Optional[str] = None
    width: int = 0
    height: int = 0
    n_steps: int = 0
    clip_skip: int = 0
    guidance_scale: float = 0.0
    guidance_rescale: float = 0.0
    guidance_start: float = 0.0  # 0 and 0: all steps
    guidance_end: float = 0.0
    seed: Optional[int] = None
    rng: str = "default"
    emphasis: str = "default"
    padding: str = "default"
    eta: float = 0.0
    strength: float = 0.0  # with a picture in
    precision: str = "default"
    vae_rows: int = 0
    vae_memory: int = 0  # bytes that bands of the VAE may take
    model: Optional[str] = None  # a name
    model_hash: Optional[str] = None  # 10 hexadecimal digits of the SHA-256 of its file
    parts_hash: Optional[str] = None  # of a folder's text encoder and VAE
    vae: Optional[str] = None  # of a VAE in place of the model's own
    vae_hash: Optional[str] = None
    config: Optional[str] = None  # the folder of configs for a single file
    config_hash: Optional[str] = None
    style: Optional[str] = None  # that set some of these; nothing is set from it again
    init: Optional[str] = None  # names of files, and 10 digits of each one's SHA-256; "array": it was none
    init_hash: Optional[str] = None
    mask: Optional[str] = None
    mask_hash: Optional[str] = None
    prompt_embeds: Optional[str] = None
    prompt_embeds_hash: Optional[str] = None
    jpeg_quality: int = 0  # of a JPEG, where it is not 92
    software: Optional[str] = None  # "daub 0.1.0", "v1.10.1"
    left_out: Optional[str] = None  # what the text asks for and daub cannot do or does not know, for a sentence

    def text(self) -> str:
        """As pictures carry it. Raises InvalidArgument where it would say fewer than three things beside the
        prompts."""
        return _write(self._struct())

    def find_model(self) -> Optional[str]:
        """The path of a model with this hash, or without a hash of this name: among the default model, those whose hash
        this user's cache knows, and what lies in the working folder. None: there is none."""
        return _find(lib.daub_parameters_find_model, self._struct())

    def find_vae(self) -> Optional[str]:
        """The same of the VAE in place of the model's own."""
        return _find(lib.daub_parameters_find_vae, self._struct())

    def _struct(self) -> Any:
        out = sized(_abi.daub_parameters)
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _WORDS:
                value = choice(numbers(_WORDS[field.name]), value, field.name)
            elif isinstance(value, str):
                value = to_c(value, field.name)
            elif field.name == "seed":
                out.has_seed, value = value is not None, value or 0
            setattr(out, field.name, value)
            if isinstance(value, int) and getattr(out, field.name) != value:  # ctypes cuts it
                raise InvalidArgument("%s is %d, which is out of range" % (field.name, value))
        return out


def _from_c(struct: Any) -> Parameters:
    """A copy of what a call filled, which is freed."""
    try:
        if not struct.has_seed:
            struct.seed = 0
        out = from_struct(Parameters, struct)
        if not struct.has_seed:
            object.__setattr__(out, "seed", None)
        return out
    finally:
        lib.daub_parameters_free(ctypes.byref(struct))


def _write(struct: Any) -> str:
    out = ctypes.c_void_p()
    check(lib.daub_parameters_write(ctypes.byref(struct), ctypes.byref(out)))
    return _take_text(out)


def _take_text(out: ctypes.c_void_p) -> str:
    try:
        return ctypes.string_at(out.value or 0).decode("utf-8", "replace")
    finally:
        lib.daub_text_free(out)


def _find(function: Any, struct: Any) -> Optional[str]:
    path, found = ctypes.create_string_buffer(_PATH), ctypes.c_bool()
    check(function(ctypes.byref(struct), path, _PATH, ctypes.byref(found)))
    return os.fsdecode(path.value) if found.value else None


def _source(source: Union[Path, bytes, bytearray, memoryview]) -> tuple[_abi.daub_source, Any]:
    """What is lent to a call, and what keeps it."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return _abi.daub_source(data=ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), size=len(data)), data
    return _abi.daub_source(path=to_c(source, "a picture's path")), None


def read_parameters(source: Union[Path, bytes, bytearray, memoryview]) -> Parameters:
    """What a PNG or JPEG says of itself, from a file or from the bytes of one: daub's pictures, and those of
    stable-diffusion-webui.

    Raises FileError, BadFile (no such picture, nothing in it, or a damaged one), OutOfMemory.
    """
    lent, keep = _source(source)
    out = sized(_abi.daub_parameters)
    check(lib.daub_parameters_read(ctypes.byref(lent), ctypes.byref(out)))
    del keep
    return _from_c(out)


def parse_parameters(text: str) -> Parameters:
    """The same from such a text, of up to 4 MiB, as Image.parameters is one. Raises BadFile, OutOfMemory."""
    out = sized(_abi.daub_parameters)
    check(lib.daub_parameters_parse(to_c(text, "a picture's text"), ctypes.byref(out)))
    return _from_c(out)


def picture_text(source: Union[Path, bytes, bytearray, memoryview]) -> str:
    """The text in a PNG or JPEG as it stands there. Raises what read_parameters() does."""
    lent, keep = _source(source)
    out = ctypes.c_void_p()
    check(lib.daub_picture_text(ctypes.byref(lent), ctypes.byref(out)))
    del keep
    return _take_text(out)


# ---- to a picture's params -------------------------------------------------------------------------------------------


def apply(parameters: Any, params: Any) -> Any:
    """Fills what is zero in daub_generate_params. Returns what keeps its strings."""
    if not isinstance(parameters, Parameters):
        raise TypeError("again is Parameters, as read_parameters() gives them, not %s" % type(parameters).__name__)
    struct = parameters._struct()
    check(lib.daub_parameters_apply(ctypes.byref(struct), ctypes.byref(params)))
    return struct


def warn(parameters: Parameters, hashes: Hashes, precision: str) -> None:
    """Of what will make another picture."""
    say = logging.getLogger("daub").warning
    if parameters.left_out:
        say("the picture asks for what daub does not do: %s", parameters.left_out)
    if (parameters.precision == "f32") != (precision == "f32"):
        say("the picture was not drawn in this model's precision: one of them is f32")
    for what, name, wanted, own in (
        ("model", parameters.model, parameters.model_hash, hashes.model),
        ("text encoder or VAE of", parameters.model, parameters.parts_hash, hashes.parts),
        ("configs", parameters.config, parameters.config_hash, hashes.config),
        ("VAE", parameters.vae, parameters.vae_hash, hashes.vae),
    ):
        if wanted and own() != wanted:
            say("the picture was drawn by the %s %s, of hash %s; %s is here", what, name, wanted, own() or "another")


# ---- from a picture that was drawn -----------------------------------------------------------------------------------


class Hashes:
    """The first 10 digits of the SHA-256 of a model's file and of the VAE's in place of its own, read when they are
    wanted."""

    def __init__(
        self, model: Optional[bytes], vae: Optional[bytes], config_from: Optional[bytes], in_memory: bool
    ) -> None:
        self.config_from = config_from
        self._paths = (model, vae)
        self._in_memory = in_memory
        self._known: dict[str, Optional[str]] = {}

    def _hash(self, what: str, function: Any, path: Optional[bytes]) -> Optional[str]:
        if what not in self._known:
            out = ctypes.create_string_buffer(11)
            try:
                check(function(path, out))
                self._known[what] = out.value.decode()
            except Error:  # the file has gone since: the text then names it without a hash
                self._known[what] = None
        return self._known[what]

    def model(self) -> Optional[str]:
        """None: the model is bytes in memory, or its file has gone."""
        return None if self._in_memory else self._hash("model", lib.daub_tools_model_hash, self._paths[0])

    def parts(self) -> Optional[str]:
        """The same of a folder's text encoder and VAE. None, too: the model is one file."""
        return None if self._in_memory else self._hash("parts", lib.daub_tools_parts_hash, self._paths[0]) or None

    def config(self) -> Optional[str]:
        """The same of a folder of configs. None: there is none."""
        return self._hash("config", lib.daub_tools_config_hash, self.config_from) if self.config_from else None

    def vae(self) -> Optional[str]:
        """None: there is none."""
        return self._hash("vae", lib.daub_tools_vae_hash, self._paths[1]) if self._paths[1] else None


def _file_hash(path: Any) -> Optional[str]:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()[:10]
    except OSError:  # it was there when it was read
        return None


class Maker:
    """What a picture is made from, kept until it is asked for as a text. Holds on to no model and no array."""

    def __init__(self, params: Any, info: Any, given: dict[str, Any], hashes: Hashes, precision: str) -> None:
        self._told = sized(_abi.daub_generate_params)
        for name in ("prompt", "negative_prompt", "prompt_embeds_path", "eta", "vae_rows"):
            setattr(self._told, name, getattr(params, name))
        self._info, self._hashes = info, hashes
        again = given["again"]
        self._more: dict[str, Any] = {"style": to_c(again.style if again else given["style"], "style")}
        if precision == "f32":
            self._more["precision"] = _abi.DAUB_PRECISION_F32
        for name in ("init", "mask", "prompt_embeds"):
            value = given[name]
            if isinstance(value, (str, os.PathLike)):
                self._more[name] = to_c(value, name)
                digits = _file_hash(value)
                self._more[name + "_hash"] = digits.encode() if digits else None
            elif value is not None:
                self._more[name] = b"array"
        # Keys of daub's own, which readers leave out, and say so: a picture again would be another one.
        self._unknown = ", Start latents: array" if given["latents"] is not None else ""
        self._result: Any = None

    def drawn(self, result: Any, changed: bool) -> None:
        """What was really used, and whether a callback changed latents between steps."""
        self._result = result
        self._unknown += ", Latents: changed" if changed else ""

    def text(self) -> str:
        """In stable-diffusion-webui's grammar, with the hash of the model, whose file is read for it."""
        out = sized(_abi.daub_parameters)
        refs = ctypes.byref(self._told), ctypes.byref(self._result), ctypes.byref(self._info), ctypes.byref(out)
        check(lib.daub_parameters_describe(*refs))
        try:
            for name, value in self._more.items():
                setattr(out, name, value)
            model, vae = self._hashes.model(), self._hashes.vae()
            parts, config = self._hashes.parts(), self._hashes.config()
            out.model_hash, out.vae_hash = model and model.encode(), vae and vae.encode()
            out.parts_hash, out.config_hash = parts and parts.encode(), config and config.encode()
            out.config = self._hashes.config_from
            return _write(out) + self._unknown
        finally:
            lib.daub_parameters_free(ctypes.byref(out))
