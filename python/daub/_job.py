"""Jobs: a picture in the making."""

from __future__ import annotations

import collections
import ctypes
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

from . import _abi
from ._arrays import float_array, floats_in
from ._device import Closing
from ._handles import Handle
from ._image import Image, set_floats, take_image
from ._info import PHASES, Result, from_struct
from ._library import ClosedError, InvalidArgument, check, lib, sized

if TYPE_CHECKING:
    from ._arrays import Floats
    from ._model import Model
    from ._parameters import Maker

_SLICE = 0.1  # seconds that a wait may keep Ctrl-C waiting


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    phase: str  # "prepare", "text", "encode", "denoise", "decode", "done"
    step: int  # denoising steps finished,
    n_steps: int  # in all; fewer than asked for where strength leaves some out
    seconds: float  # since the job began
    seconds_left: float  # estimate; negative while unknown
    preview: Optional[Image] = (
        None  # of the picture after this step: an event of its own, where previews were asked for
    )


@dataclass(frozen=True)
class State:
    """A picture between two steps: opaque bytes that another device, process or machine with this version of daub can
    go on from."""

    data: bytes
    step: int  # steps behind it


class Step:
    """A step that has ended, lent to on_step: its latents may be read and changed before the next one begins."""

    def __init__(self, pointer: int) -> None:
        self._pointer: Optional[int] = pointer
        info = sized(_abi.daub_step_info)
        check(lib.daub_step_get_info(pointer, ctypes.byref(info)))
        self.step, self.n_steps = int(info.step), int(info.n_steps)  # steps finished, in all
        self.timestep = float(info.timestep)  # what the network was told in the step's last call, 0..1000
        # Latents hold x0 + noise_level * noise, or where scaled is True the same divided by sqrt(1 + noise_level^2).
        self.noise_level, self.scaled = float(info.noise_level), bool(info.scaled)
        self.shape = (int(info.channels), int(info.height), int(info.width))
        self._data: Optional[bytearray] = None
        self._before = b""

    @property
    def view(self) -> memoryview:
        """The latents as a memoryview of floats [channels, height, width], written back when on_step returns."""
        if self._pointer is None:
            raise InvalidArgument("a step's latents are lent to on_step, and gone after it")
        if self._data is None:
            c, h, w = self.shape
            data = bytearray(4 * c * h * w)
            check(
                lib.daub_step_read(
                    self._pointer,
                    ctypes.cast((ctypes.c_char * len(data)).from_buffer(data), ctypes.POINTER(ctypes.c_float)),
                )
            )
            self._data, self._before = data, bytes(data)
        held: Any = memoryview(self._data)  # of floats or of ints, which mypy's versions see differently
        view: memoryview = held.cast("f", self.shape)
        return view

    @property
    def latents(self) -> Floats:
        """The same as numpy float32. Change it in place, or assign: `step.latents *= 0.9`."""
        self.view
        assert self._data is not None
        return float_array(self._data, self.shape)

    @latents.setter
    def latents(self, value: Any) -> None:
        values, shape = floats_in(value, 3, "latents")
        if shape != self.shape:
            raise InvalidArgument("latents have the shape %s; %s is wanted" % (list(shape), list(self.shape)))
        self.view
        assert self._data is not None
        self._data[:] = bytes(values)

    def _write_back(self) -> bool:
        """Whether there was anything."""
        changed = self._data is not None and self._data != self._before
        if changed:
            assert self._data is not None
            data = (ctypes.c_char * len(self._data)).from_buffer(self._data)
            check(lib.daub_step_write(self._pointer, ctypes.cast(data, ctypes.POINTER(ctypes.c_float))))
        return changed


OnProgress = Callable[[Progress], Optional[bool]]
OnPreview = Callable[[Image, int, int], object]  # (picture, step, n_steps)
OnStep = Callable[[Step], Optional[bool]]


class Hooks:
    """What a job's callbacks write and its owner reads. Knows no Job, which may go while the callbacks run."""

    def __init__(
        self, on_progress: Optional[OnProgress], on_preview: Optional[OnPreview], on_step: Optional[OnStep]
    ) -> None:
        self.on_progress, self.on_preview, self.on_step = on_progress, on_preview, on_step
        self.error: Optional[BaseException] = None  # the first that a callback raised
        self.events: collections.deque[Progress] = collections.deque(maxlen=4096)
        self.changed = threading.Condition()
        self.last = Progress("prepare", 0, 0, 0.0, -1.0)
        self.events_of_previews = False
        self.wrote = False  # a callback changed latents

    def install(self, params: _abi.daub_generate_params, handle: Handle, previews: bool) -> None:
        """Callbacks into params; the handle keeps them until its job has ended."""
        kinds: dict[str, Any] = {field[0]: field[1] for field in _abi.daub_generate_params._fields_}

        def guarded(body: Callable[[Any], Optional[bool]]) -> Callable[[object, Any], bool]:
            def callback(user: object, lent: Any) -> bool:
                if self.error:
                    return False
                try:
                    with handle.callback():
                        return body(lent) is not False
                except BaseException as error:  # raised again by result()
                    self.error = error
                    return False

            return callback

        def step(pointer: int) -> Optional[bool]:
            assert self.on_step
            lent = Step(pointer)
            try:
                answer = self.on_step(lent)
                self.wrote = lent._write_back() or self.wrote
            finally:
                lent._pointer = None
            return answer

        preview = guarded(lambda lent: self._preview(lent.contents))
        params.on_progress = kinds["on_progress"](guarded(lambda lent: self._progress(lent.contents)))
        self.events_of_previews = (
            previews and not self.on_preview
        )  # who has a callback need not iterate, and pictures are large
        if previews or self.on_preview:
            params.on_preview = kinds["on_preview"](lambda user, lent: preview(user, lent) and None)
        if self.on_step:
            params.on_step = kinds["on_step"](guarded(step))
        handle.keep.append((params.on_progress, params.on_preview, params.on_step))

    @staticmethod
    def no_preview() -> Any:
        """For estimates, which look whether there is one."""
        kinds: dict[str, Any] = {field[0]: field[1] for field in _abi.daub_generate_params._fields_}
        return kinds["on_preview"](lambda user, lent: None)

    def _progress(self, lent: Any) -> Optional[bool]:
        event = Progress(PHASES.get(lent.phase, "?"), lent.step, lent.n_steps, lent.seconds, lent.seconds_left)
        self._tell(event)
        return self.on_progress(event) if self.on_progress else None

    def _preview(self, lent: Any) -> None:
        picture = Image(lent.width, lent.height, 3, ctypes.string_at(lent.pixels, lent.width * lent.height * 3))
        if self.events_of_previews:
            self._tell(replace(self.last, step=lent.step, n_steps=lent.n_steps, preview=picture))
        if self.on_preview:
            self.on_preview(picture, lent.step, lent.n_steps)

    def _tell(self, event: Progress) -> None:
        self.last = event
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()


class Job(Closing):
    """A picture that is being drawn, from Model.start(). Thread safe; several threads may wait for one job.

    Iterating gives Progress events until the job ends; close() and the end of a with statement cancel what still runs.
    Ctrl-C in a thread that waits cancels the job. Callbacks run on a thread of the job's: what they raise ends the job
    and is raised by result().
    """

    def __init__(self, model: Model, handle: Handle, hooks: Hooks, keep_floats: bool, maker: Maker) -> None:
        self._model = model  # whose end would be the job's
        self._hooks, self._keep_floats, self._maker = hooks, keep_floats, maker
        self._taking = threading.Lock()
        self._image: Optional[Image] = None
        self._own(handle)

    def __repr__(self) -> str:
        if self.closed:
            return "<daub.Job closed>"
        progress = self.progress
        return "<daub.Job %s, step %d of %d>" % (progress.phase, progress.step, progress.n_steps)

    def cancel(self) -> None:
        """Takes effect within 0.3 s on CPU devices and 0.1 s on others; result() then raises Cancelled. From any
        thread."""
        self._handle.cancel()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        out = sized(_abi.daub_progress)
        with self._handle.use() as pointer:
            check(lib.daub_job_get_progress(pointer, ctypes.byref(out)))
        return Progress(PHASES.get(out.phase, "?"), out.step, out.n_steps, out.seconds, out.seconds_left)

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._ended(0.0)[0]

    def _ended(self, seconds: float) -> tuple[bool, int]:
        """Waits up to so long; whether the job has ended, and its status. The sentence is this thread's last."""
        done = ctypes.c_bool()
        with self._handle.use() as pointer:
            status = lib.daub_job_wait(pointer, int(seconds * 1e9), ctypes.byref(done))
        return bool(done.value), int(status)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits until the job has ended, well or not, or for `timeout` seconds; whether it has."""
        self._handle.refuse_inside("wait for")
        assert self._handle.parent
        self._handle.parent.refuse_inside("wait for a job of")
        end = None if timeout is None else time.monotonic() + timeout
        waited = False
        try:
            while True:
                left = _SLICE if end is None else min(_SLICE, end - time.monotonic())
                try:
                    if self._ended(max(left, 0.0))[0]:
                        return True
                except ClosedError:
                    if not waited:
                        raise
                    return True  # by another thread, which has ended it
                waited = True
                if end is not None and time.monotonic() >= end:
                    return False
        except KeyboardInterrupt:
            self.cancel()
            raise

    def __iter__(self) -> Iterator[Progress]:
        """Events from the first on, each once, until the job has ended. Does not raise what ended it: result() does."""
        hooks = self._hooks
        try:
            while True:
                event = None
                with hooks.changed:
                    if not hooks.events:
                        hooks.changed.wait(_SLICE)
                    if hooks.events:
                        event = hooks.events.popleft()
                if event:
                    yield event
                elif self.done and not hooks.events:
                    return
        except KeyboardInterrupt:
            self.cancel()
            raise

    def result(self, timeout: Optional[float] = None) -> Image:
        """The picture, the same each time, waited for. Raises what ended the job otherwise: an Error (Cancelled,
        OutOfMemory, DeviceLost), or what a callback raised. TimeoutError when `timeout` seconds were not enough; the
        job goes on."""
        if self._image is None and not self.wait(timeout):
            raise TimeoutError("the picture was not done within %g s" % (timeout or 0.0))
        if self._hooks.error:
            raise self._hooks.error
        with self._taking:
            if self._image is None:
                check(self._ended(0.0)[1])
                self._image = self._take()
            return self._image

    def _take(self) -> Image:
        result, image = sized(_abi.daub_result), _abi.daub_image()
        latents, floats = _abi.daub_floats(), _abi.daub_floats()
        with self._handle.use() as pointer:
            check(lib.daub_job_get_result(pointer, ctypes.byref(result)))
            check(lib.daub_job_take_image(pointer, ctypes.byref(image)))
            out = take_image(image, result=from_struct(Result, result))
            self._maker.drawn(result, self._hooks.wrote)
            out._maker = self._maker
            check(lib.daub_job_take_latents(pointer, ctypes.byref(latents)))
            set_floats(out, latents, None)
            if self._keep_floats:
                check(lib.daub_job_take_floats(pointer, ctypes.byref(floats)))
                set_floats(out, None, floats)
        return out

    def take_state(self) -> State:
        """The newest state that keep_state_every kept, once, when the job has ended: after DeviceLost a new device can
        go on from it by `resume=`. Raises InvalidArgument while the job runs, or when no state was kept."""
        out = _abi.daub_state()
        with self._handle.use() as pointer:
            check(lib.daub_job_take_state(pointer, ctypes.byref(out)))
        try:
            return State(ctypes.string_at(out.data, out.size), out.step)
        finally:
            lib.daub_state_free(ctypes.byref(out))
