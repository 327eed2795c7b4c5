"""daub: text-to-image with latent diffusion models on any Vulkan GPU.

    import daub

    with daub.Model() as model:
        model.generate("a red apple", seed=3).save("apple.png")

A Device is a GPU, a Model is on it, a Job draws a picture. All are context managers, may be used from any thread, and
may be closed in any
order: what is closed closes what was made from it. The interpreter is free while the library works.

The package is ctypes over the C API of include/daub.h, whose names and rules are its own: it needs no compiler to
install, runs under any Python from 3.10 on, and ctypes is part of Python, which cffi is not. Its declarations
(`_abi.py`) are made from the header by make_abi.py, and a test compares them with what a C compiler says of it.

numpy is wanted only by what hands out arrays of it, or converts others; `view` and `tobytes()` of pictures do without.
"""

from ._arrays import add_noise, alpha_bar
from ._device import Device, devices
from ._image import Image, read_image
from ._info import (
    DeviceInfo,
    Estimate,
    Limits,
    ModelInfo,
    PhaseMemory,
    Result,
    SamplerInfo,
    ScheduleInfo,
    StyleInfo,
    limits,
    samplers,
    schedules,
    styles,
    version,
)
from ._job import Job, Progress, State, Step
from ._library import (
    BadFile,
    Cancelled,
    ClosedError,
    DeviceLost,
    Error,
    FileError,
    InvalidArgument,
    NoDevice,
    OutOfMemory,
    Unsupported,
)
from ._model import Model, inspect
from ._parameters import Parameters, parse_parameters, picture_text, read_parameters

__all__ = [
    "BadFile",
    "Cancelled",
    "ClosedError",
    "Device",
    "DeviceInfo",
    "DeviceLost",
    "Error",
    "Estimate",
    "FileError",
    "Image",
    "InvalidArgument",
    "Job",
    "Limits",
    "Model",
    "ModelInfo",
    "NoDevice",
    "OutOfMemory",
    "Parameters",
    "PhaseMemory",
    "Progress",
    "Result",
    "SamplerInfo",
    "ScheduleInfo",
    "State",
    "Step",
    "StyleInfo",
    "Unsupported",
    "add_noise",
    "alpha_bar",
    "devices",
    "inspect",
    "limits",
    "parse_parameters",
    "picture_text",
    "read_image",
    "read_parameters",
    "samplers",
    "schedules",
    "styles",
    "version",
]
