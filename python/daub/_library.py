"""libdaub: where it is, and its failures as exceptions."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from . import _abi, _functions

HERE = os.path.dirname(os.path.abspath(__file__))


class Error(Exception):
    """A call of the library that failed. `str(error)` is the library's sentence, `status` the name of its status."""

    def __init__(self, message: str, status: str = "DAUB_ERROR_INVALID_ARG") -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> Any:
        return type(self), (str(self), self.status)


class InvalidArgument(Error, ValueError):
    """A rule was broken that the documentation states."""


class ClosedError(InvalidArgument):
    """A device, model or job was used after it was closed."""


class OutOfMemory(Error, MemoryError):
    """The device's memory or the host's; the sentence says how much was wanted and how much is free."""


class NoDevice(Error):
    """There is no Vulkan loader, or no GPU that meets the minimum."""


class DeviceLost(Error):
    """Close everything made from the device; a new device may work, and can go on from `Job.take_state()`."""


class FileError(Error):
    """A file cannot be opened, read or written."""


class BadFile(FileError):
    """A file is malformed, truncated, of an unknown kind, or lacks tensors."""


class Unsupported(Error):
    """Well-formed, but this build or GPU cannot do it."""


class Cancelled(Error):
    """The job was cancelled."""


_CLASSES = {
    _abi.DAUB_ERROR_INVALID_ARG: InvalidArgument,
    _abi.DAUB_ERROR_NO_HOST_MEMORY: OutOfMemory,
    _abi.DAUB_ERROR_NO_GPU_MEMORY: OutOfMemory,
    _abi.DAUB_ERROR_NO_DEVICE: NoDevice,
    _abi.DAUB_ERROR_DEVICE_LOST: DeviceLost,
    _abi.DAUB_ERROR_IO: FileError,
    _abi.DAUB_ERROR_BAD_FILE: BadFile,
    _abi.DAUB_ERROR_UNSUPPORTED: Unsupported,
    _abi.DAUB_ERROR_CANCELLED: Cancelled,
}


def _open() -> ctypes.CDLL:
    """$DAUB_LIBRARY, else the one that the wheel brought, else the system's."""
    name = {"win32": "daub.dll", "darwin": "libdaub.dylib"}.get(sys.platform, "libdaub.so")
    version = ".%d" % _abi.DAUB_VERSION_MAJOR if name == "libdaub.so" else ""
    named, packaged = os.environ.get("DAUB_LIBRARY"), os.path.join(HERE, "lib", name)
    if named:
        path = named
    elif os.path.exists(packaged):
        path = packaged
        # What libdaub needs beside the C library lies beside it; loaded first, it is found by its name.
        for needed in sorted(os.listdir(os.path.dirname(packaged))):
            if needed != name:
                ctypes.CDLL(os.path.join(HERE, "lib", needed))
    else:
        path = name + version
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            "daub: %s cannot be loaded (%s); install libdaub, or name its file in DAUB_LIBRARY" % (path, error)
        ) from None


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    running = int(library.daub_version())
    made_for = _abi.DAUB_VERSION_MAJOR * 1000000 + _abi.DAUB_VERSION_MINOR * 1000
    if running // 1000 != made_for // 1000:  # before 1.0 a minor version may change structs
        raise ImportError(
            "daub: this package is for libdaub %d.%d, and %s is %d.%d"
            % (
                _abi.DAUB_VERSION_MAJOR,
                _abi.DAUB_VERSION_MINOR,
                library._name,
                running // 1000000,
                running // 1000 % 1000,
            )
        )
    for name, (result, arguments) in _functions.FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


lib = _declare(_open())


def check(status: int) -> None:
    """Raises what a status that is not DAUB_OK stands for, with this thread's last sentence."""
    if status != _abi.DAUB_OK:
        name = lib.daub_status_text(status).decode()
        raise _CLASSES.get(status, Error)(lib.daub_last_error().decode("utf-8", "replace"), name)


def sized(kind: Any) -> Any:
    """A zeroed struct with its size set."""
    out = kind()
    out.struct_size = ctypes.sizeof(kind)
    return out


def text(value: str | os.PathLike[str] | None, what: str) -> bytes | None:
    """What C reads: UTF-8 without a zero byte inside. File names may hold bytes that are none."""
    if value is None:
        return None
    data = os.fspath(value)
    if not isinstance(data, str):
        raise TypeError("%s is text, not %s" % (what, type(value).__name__))
    if "\0" in data:
        raise InvalidArgument("%s has a zero byte, which ends text" % what)
    return data.encode("utf-8", "surrogateescape")


def default_model() -> bytes | None:
    """The default model that the wheel brought; None: the library knows where it is."""
    packaged = os.path.join(HERE, "model")
    if os.environ.get("DAUB_DEFAULT_MODEL") or not os.path.exists(os.path.join(packaged, "model_index.json")):
        return None
    return os.fsencode(packaged)
