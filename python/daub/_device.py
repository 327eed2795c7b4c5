"""GPUs."""

from __future__ import annotations

import ctypes
import logging
import weakref
from types import TracebackType
from typing import Any, Callable, Optional, Type, TypeVar, Union

from . import _abi
from ._arrays import Path
from ._handles import Handle
from ._info import DeviceInfo, from_struct
from ._library import check, lib, sized, text

Log = Callable[[str, str], object]  # (level, message)
logger = logging.getLogger("daub")

_LEVELS = {
    _abi.DAUB_LOG_ERROR: "error",
    _abi.DAUB_LOG_WARNING: "warning",
    _abi.DAUB_LOG_INFO: "info",
    _abi.DAUB_LOG_DEBUG: "debug",
}
_LOGGING = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


def log_level(log: Optional[Log]) -> int:
    """The most talkative level that anyone reads; of a callback of the user's, all but debug."""
    if log:
        return _abi.DAUB_LOG_INFO
    for number, name in sorted(_LEVELS.items(), reverse=True):
        if logger.isEnabledFor(_LOGGING[name]):
            return number
    return _abi.DAUB_LOG_ERROR


def log_callback(log: Optional[Log], handle: Handle) -> Any:
    """A daub_log_fn. What a log callback raises goes to threading.excepthook: a message is no reason to end a
    picture."""

    def callback(user: object, level: int, message: bytes) -> None:
        name = _LEVELS.get(level, "debug")
        with handle.callback():
            if log:
                log(name, message.decode("utf-8", "replace"))
            else:
                logger.log(_LOGGING[name], "%s", message.decode("utf-8", "replace"))

    return _abi.daub_log_fn(callback)


Self = TypeVar("Self", bound="Closing")


class Closing:
    """What a handle's owner has: close(), closed, and use in a with statement."""

    _handle: Handle

    def _own(self, handle: Handle) -> None:
        """Closes the handle when this object goes, or the interpreter ends."""
        self._handle = handle
        weakref.finalize(self, handle.finalize)

    def close(self) -> None:
        """Ends it and all made from it, and gives its memory back. Jobs are cancelled first, and calls in other threads
        waited for. Does nothing when it is closed already. Raises InvalidArgument within its own callbacks, which it
        would wait for.
        """
        self._handle.close()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._handle.closed

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class Device(Closing):
    """One GPU: its queue, memory and compiled kernels. Thread safe.

    device: an index as devices() counts, or part of a name in any case; None: discrete before integrated before virtual
    before CPU, and
        the environment's DAUB_DEVICE before all.
    max_memory: bytes of device memory that may be allocated, kept to the byte; 0: what the driver's budget leaves.
    cache_dir: folder for compiled pipelines; None: the user's cache folder; "": none.
    log: called with (level, message), from any thread; None: messages go to logging.getLogger("daub").
    debug, caps: words as in the environment's DAUB_DEBUG and DAUB_CAPS.

    Raises NoDevice, InvalidArgument, OutOfMemory. Closing a device closes its models.
    """

    def __init__(
        self,
        device: Union[int, str, None] = None,
        *,
        max_memory: int = 0,
        cache_dir: Optional[Path] = None,
        log: Optional[Log] = None,
        debug: Optional[str] = None,
        caps: Optional[str] = None,
    ) -> None:
        handle = Handle("device", None, lib.daub_device_destroy)
        params = sized(_abi.daub_device_params)
        params.device = None if device is None else text(str(device), "device")
        params.max_memory = max_memory
        params.cache_dir = text(cache_dir, "cache_dir")
        params.debug, params.caps = text(debug, "debug"), text(caps, "caps")
        params.log, params.log_level = log_callback(log, handle), log_level(log)
        handle.keep.append(params)
        check(lib.daub_device_create(ctypes.byref(params), ctypes.byref(handle.pointer)))
        handle.opened()
        self._own(handle)

    def __repr__(self) -> str:
        return "<daub.Device closed>" if self.closed else "<daub.Device %s>" % self.info.name

    @property
    def info(self) -> DeviceInfo:
        """What it is; memory_free is that of the moment when it was opened."""
        out = sized(_abi.daub_device_info)
        with self._handle.use() as pointer:
            check(lib.daub_device_get_info(pointer, ctypes.byref(out)))
        return from_struct(DeviceInfo, out)


def devices() -> list[DeviceInfo]:
    """Every Vulkan device, usable or not. Raises NoDevice when there is no Vulkan loader."""
    count = ctypes.c_uint32()
    check(lib.daub_device_list(None, None, 0, ctypes.byref(count)))
    infos = (_abi.daub_device_info * max(count.value, 1))()
    infos[0].struct_size = ctypes.sizeof(_abi.daub_device_info)
    capacity = count.value
    check(lib.daub_device_list(None, infos, capacity, ctypes.byref(count)))
    return [from_struct(DeviceInfo, infos[i]) for i in range(min(capacity, count.value))]
