"""Pictures: pixels with what made them, read from and written to files."""

from __future__ import annotations

import ctypes
import importlib
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _abi
from ._arrays import Path, float_array, floats_out, need_numpy
from ._info import Result
from ._library import InvalidArgument, check, lib, text

if TYPE_CHECKING:
    from ._arrays import Bytes, Floats
    from ._parameters import Maker


class Image:
    """Pixels [height, width, channels], bytes of sRGB, rows top down; channels is 1 (grey), 2 (grey, alpha), 3 (RGB) or
    4 (RGBA).

    `array` is numpy's view of them, `view` a memoryview that needs no numpy, and both write through. Pictures that a
    model drew have `result`, `seed` and `latents` too.
    """

    def __init__(
        self,
        width: int,
        height: int,
        channels: int,
        pixels: Union[bytes, bytearray],
        *,
        result: Optional[Result] = None,
        parameters: Optional[str] = None,
    ) -> None:
        if len(pixels) != width * height * channels:
            raise InvalidArgument(
                "%d bytes are no picture of %dx%d with %d channels" % (len(pixels), width, height, channels)
            )
        self.width, self.height, self.channels = width, height, channels
        self.result = result  # what made it; None of pictures that were read
        self._parameters = parameters
        self._maker: Optional[Maker] = None
        self._pixels = bytearray(pixels)
        self._latents: Optional[tuple[bytearray, tuple[int, ...]]] = None
        self._floats: Optional[tuple[bytearray, tuple[int, ...]]] = None

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__, _parameters=self.parameters, _maker=None)

    def __repr__(self) -> str:
        return "<daub.Image %dx%d%s>" % (self.width, self.height, ", seed %d" % self.result.seed if self.result else "")

    @property
    def seed(self) -> int:
        """Of the noise. Raises AttributeError where no model drew the picture."""
        if self.result is None:
            raise AttributeError("this picture was not drawn by a model, and has no seed")
        return self.result.seed

    @property
    def parameters(self) -> Optional[str]:
        """What made it as a text, in stable-diffusion-webui's grammar, for read_parameters() and other programs; save()
        puts it into the file. May be set. None of pictures that no model drew. The first time the model's file is read,
        for its hash, unless this user's cache knows it."""
        if self._parameters is None and self._maker is not None:
            self._parameters = self._maker.text()
        return self._parameters

    @parameters.setter
    def parameters(self, value: Optional[str]) -> None:
        self._parameters, self._maker = value, None

    @property
    def view(self) -> memoryview:
        """Bytes [height, width, channels], writable."""
        return memoryview(self._pixels).cast("B", (self.height, self.width, self.channels))

    @property
    def array(self) -> Bytes:
        """numpy uint8 [height, width, channels], writable, over the picture's own memory. Needs numpy."""
        array: Bytes = need_numpy().frombuffer(self._pixels, "uint8").reshape(self.height, self.width, self.channels)
        return array

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> Any:
        numpy = need_numpy()
        if copy is False and dtype not in (None, numpy.dtype("uint8")):
            raise ValueError("a picture's bytes as %s are a copy" % dtype)
        return numpy.array(self.array, dtype=dtype, copy=True) if copy or dtype else self.array

    def tobytes(self) -> bytes:
        """A copy of the pixels."""
        return bytes(self._pixels)

    @property
    def latents(self) -> Floats:
        """float32 [latent_channels, height / latent_scale, width / latent_scale], as the sampler left them. Needs
        numpy."""
        if self._latents is None:
            raise AttributeError("this picture was not drawn by a model, and has no latents")
        return float_array(*self._latents)

    @property
    def floats(self) -> Floats:
        """float32 [3, height, width] in about -1..1, not clamped; a byte is round(127.5 v + 127.5). Needs numpy, and
        keep_floats=True when the picture was drawn."""
        if self._floats is None:
            raise AttributeError("this picture has no floats; draw it with keep_floats=True")
        return float_array(*self._floats)

    def save(self, path: Path, *, parameters: bool = True) -> None:
        """Writes a .png or .jpg, with what made the picture inside unless `parameters` is False; .ppm; or what else
        Pillow writes. All but .png and .ppm need Pillow; a JPEG is of quality 92. A .png or .ppm is replaced whole or
        not at all. Raises InvalidArgument for other suffixes, OSError."""
        suffix = os.path.splitext(os.fspath(path))[1].lower()
        if suffix == ".png":
            _replace(path, png(self, self.parameters if parameters else None))
        elif suffix in (".ppm", ".pgm") and self.channels == (3 if suffix == ".ppm" else 1):
            _replace(
                path, b"P%d\n%d %d\n255\n" % (6 if suffix == ".ppm" else 5, self.width, self.height) + self._pixels
            )
        else:
            try:
                pillow = importlib.import_module("PIL.Image")
            except ImportError:
                raise InvalidArgument(
                    "%s: daub writes .png and .ppm; for other formats Pillow is needed" % os.fspath(path)
                ) from None
            mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[self.channels]
            more: dict[str, Any] = {}
            if suffix in (".jpg", ".jpeg"):
                more["quality"] = 92  # the command's
                if parameters and self.parameters:
                    more["exif"] = exif(self.parameters)
            pillow.frombytes(mode, (self.width, self.height), self.tobytes()).save(path, **more)


def _replace(path: Path, data: bytes) -> None:
    beside = "%s.%d.tmp" % (os.fspath(path), os.getpid())
    try:
        with open(beside, "wb") as file:
            file.write(data)
        os.replace(beside, path)
    except BaseException as error:
        if os.path.exists(beside):
            os.unlink(beside)
        if isinstance(error, OSError) and error.filename == beside:  # a name that the caller has never heard of
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(image: Image, parameters: Optional[str] = None) -> bytes:
    """The picture as a PNG; `parameters` goes into a tEXt chunk, or into an iTXt chunk where Latin-1 does not reach."""
    n = image.channels
    row = image.width * n
    rows = []
    for y in range(image.height):
        line = bytes(image._pixels[y * row : (y + 1) * row])
        # Filter 1 of PNG's specification, 9.2: differences from the pixel on the left.
        rows.append(b"\1" + line[:n] + bytes([(a - b) & 255 for a, b in zip(line[n:], line)]))
    out = b"\x89PNG\r\n\x1a\n"
    out += _chunk(b"IHDR", struct.pack(">IIBBBBB", image.width, image.height, 8, {1: 0, 2: 4, 3: 2, 4: 6}[n], 0, 0, 0))
    if parameters:
        try:
            out += _chunk(b"tEXt", b"parameters\0" + parameters.encode("latin-1"))
        except UnicodeEncodeError:
            out += _chunk(b"iTXt", b"parameters\0\0\0\0\0" + parameters.encode("utf-8", "replace"))
    return out + _chunk(b"IDAT", zlib.compress(b"".join(rows), 6)) + _chunk(b"IEND", b"")


def exif(parameters: str) -> bytes:
    """EXIF with one field, UserComment (0x9286) in UTF-16, as a TIFF of two directories; empty beyond a segment's 64
    KiB."""
    comment = b"UNICODE\0" + parameters.encode("utf-16-be", "replace")
    first = b"MM\0*" + struct.pack(">IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0)
    out = b"Exif\0\0" + first + struct.pack(">HHHIII", 1, 0x9286, 7, len(comment), 44, 0) + comment
    return out if len(out) + 2 <= 0xFFFF else b""


def take_image(image: _abi.daub_image, **more: Any) -> Image:
    """A copy of the library's pixels, which are freed."""
    try:
        pixels = ctypes.string_at(image.pixels, image.width * image.height * image.channels)
        return Image(image.width, image.height, image.channels, pixels, **more)
    finally:
        lib.daub_image_free(ctypes.byref(image))


def set_floats(image: Image, latents: Optional[_abi.daub_floats], floats: Optional[_abi.daub_floats]) -> None:
    if latents is not None:
        image._latents = floats_out(latents)
    if floats is not None:
        image._floats = floats_out(floats)


def read_image(source: Union[Path, bytes, bytearray, memoryview]) -> Image:
    """A PNG, JPEG, BMP, TGA, PGM or PPM, from a file or from the bytes of one, with as many channels as it has.

    At most 16384 pixels a side. Raises FileError, BadFile, OutOfMemory.
    """
    out = _abi.daub_image()
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        lent = _abi.daub_source(data=ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), size=len(data))
        check(lib.daub_image_read_source(ctypes.byref(lent), ctypes.byref(out)))
    else:
        check(lib.daub_image_read(text(source, "a picture's path"), ctypes.byref(out)))
    return take_image(out)
