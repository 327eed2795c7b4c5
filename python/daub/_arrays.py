"""Numbers in and out. numpy is asked for only where an array of its own is handed out, or something has to be
converted.

In: whatever has the buffer protocol (numpy arrays, memoryviews, array.array), and with numpy whatever it makes an array
of.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any, Sequence, Union

from . import _abi
from ._library import InvalidArgument, check, lib

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float32]
    Bytes = NDArray[numpy.uint8]
    ArrayLike = Union[NDArray[Any], memoryview, bytes, bytearray, Sequence[Any], Any]

Path = Union[str, "os.PathLike[str]"]


def need_numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise ImportError("daub: arrays need numpy, which is not installed; views and bytes do without it") from None
    return numpy


def _view(value: Any, dtype: str, form: str, what: str) -> memoryview:
    """`value` as a memoryview of one type, converted by numpy where it is another."""
    try:
        view = memoryview(value)
        if view.format in (form, "=" + form, "<" + form):
            return view
    except TypeError:
        pass
    numpy = need_numpy()
    array = numpy.asarray(value)
    if array.dtype != dtype and dtype == "uint8":
        raise InvalidArgument("%s has values of type %s; bytes (uint8, 0..255) are wanted" % (what, array.dtype))
    if array.dtype.kind not in "fiub":
        raise InvalidArgument("%s has values of type %s; numbers are wanted" % (what, array.dtype))
    return memoryview(numpy.ascontiguousarray(array, dtype))


def floats_in(value: Any, n_dims: int, what: str) -> tuple[Any, tuple[int, ...]]:
    """fp32 in C order for a `const float *`, and the shape."""
    view = _view(value, "float32", "f", what)
    shape = tuple(view.shape or ())
    if len(shape) != n_dims or 0 in shape:
        raise InvalidArgument("%s has the shape %s; %d dimensions are wanted" % (what, list(shape), n_dims))
    data = view.tobytes()
    return (ctypes.c_float * (len(data) // 4)).from_buffer_copy(data), shape


def image_in(value: Any, what: str) -> tuple[_abi.daub_image, Any]:
    """A daub_image that is lent, and what keeps its pixels."""
    from ._image import Image, read_image

    if isinstance(value, (str, os.PathLike)):
        value = read_image(value)
    view = value.view if isinstance(value, Image) else _view(value, "uint8", "B", what)
    shape = tuple(view.shape or ()) + ((1,) if view.ndim == 2 else ())
    if len(shape) != 3 or not 1 <= shape[2] <= 4 or 0 in shape:
        raise InvalidArgument(
            "%s has the shape %s; [height, width] or [height, width, 1..4] is wanted" % (what, list(view.shape or ()))
        )
    data = view.tobytes()
    image = _abi.daub_image(width=shape[1], height=shape[0], channels=shape[2])
    image.pixels = ctypes.cast(ctypes.c_char_p(data), ctypes.POINTER(ctypes.c_uint8))
    return image, data


def floats_out(floats: _abi.daub_floats) -> tuple[bytearray, tuple[int, ...]]:
    """A copy of the values, which are freed, and their shape."""
    shape = tuple(floats.dims[i] for i in range(floats.n_dims))
    n = 4
    for dim in shape:
        n *= dim
    try:
        return bytearray(ctypes.string_at(floats.values, n)), shape
    finally:
        lib.daub_floats_free(ctypes.byref(floats))


def float_array(data: bytearray, shape: tuple[int, ...]) -> Floats:
    """Writable, over the same memory."""
    array: Floats = need_numpy().frombuffer(data, "float32").reshape(shape)
    return array


# ---- the forward process
# -----------------------------------------------------------------------------------------------

_SCHEDULES = {
    "scaled_linear": _abi.DAUB_NOISE_SCALED_LINEAR,
    "linear": _abi.DAUB_NOISE_LINEAR,
    "cosine": _abi.DAUB_NOISE_COSINE,
}


def choice(table: dict[str, int], value: str, what: str) -> int:
    """One of some words as the library's number."""
    if value not in table:
        raise InvalidArgument("%s is %r; it can be %s" % (what, value, ", ".join(table)))
    return table[value]


def add_noise(x0: ArrayLike, t: int, seed: int = 0, schedule: str = "scaled_linear") -> Floats:
    """q(x_t | x_0): `x0` (any shape, pictures in -1..1) mixed with unit normal noise of `seed`, as after time step t of
    0..999.

    schedule is "scaled_linear" (Stable Diffusion's), "linear" or "cosine"; t = -1 copies. No device is needed.
    """
    numpy = need_numpy()
    source = numpy.ascontiguousarray(x0, "float32")
    out: Floats = numpy.empty_like(source)
    pointer = ctypes.POINTER(ctypes.c_float)
    check(
        lib.daub_add_noise(
            choice(_SCHEDULES, schedule, "schedule"),
            t,
            seed,
            source.ctypes.data_as(pointer),
            out.ctypes.data_as(pointer),
            source.size,
        )
    )
    return out


def alpha_bar(t: int, schedule: str = "scaled_linear") -> float:
    """The cumulative product of 1 - beta up to time step t of 0..999: how much of the picture's power is left."""
    out = ctypes.c_double()
    check(lib.daub_alpha_bar(choice(_SCHEDULES, schedule, "schedule"), t, ctypes.byref(out)))
    return out.value
