"""Lifetimes: what a device, model or job of the library is closed by, in the right order, once, and from any thread.

A handle knows its children, which hold on to it: closing closes them first, a job by cancelling it. Calls that use a
handle are counted, and closing waits for them. The objects that users hold are apart from handles and may go in any
order, at the interpreter's end too: each closes its handle by a `weakref.finalize`.
"""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

from ._library import ClosedError, InvalidArgument, check

_lock = (
    threading.RLock()
)  # of all handles' fields; never held during a call of the library. R: a finalizer may run anywhere
_changed = threading.Condition(_lock)


class _Inside(threading.local):
    """Whose callbacks this thread is in."""

    handles: tuple["Handle", ...] = ()


_inside = _Inside()


class Handle:
    """A pointer of the library, what destroys it, and what must live as long as it."""

    def __init__(
        self,
        name: str,
        parent: Optional["Handle"],
        destroy: Callable[[Any], Optional[int]],
        cancel: Optional[Callable[[Any], None]] = None,
    ) -> None:
        self.name, self.parent, self._destroy, self._cancel = name, parent, destroy, cancel
        self.pointer = ctypes.c_void_p()
        self.keep: list[Any] = []
        self._children: set[Handle] = set()
        self._users: list[int] = []  # threads
        self._closing = False
        self._closer = 0  # the thread that is closing
        self._pid = os.getpid()

    def opened(self) -> None:
        """The pointer is there: from now on the parent closes it."""
        if self.parent:
            with _lock:
                self.parent._children.add(self)

    @property
    def closed(self) -> bool:
        return self._closing

    @contextmanager
    def use(self) -> Iterator[ctypes.c_void_p]:
        """The pointer, which stays valid within the block."""
        me = threading.get_ident()
        with _lock:
            if self._closing or not self.pointer:
                raise ClosedError("this %s is closed" % self.name)
            if self._pid != os.getpid():
                raise InvalidArgument(
                    "this %s was made before a fork; its GPU belongs to the other process" % self.name
                )
            self._users.append(me)
        try:
            yield self.pointer
        finally:
            with _lock:
                self._users.remove(me)
                _changed.notify_all()

    @contextmanager
    def callback(self) -> Iterator[None]:
        """Within it, the library waits for this thread: closing would wait for ever."""
        before, chain, handle = _inside.handles, [], self
        chain.append(handle)
        while handle.parent:
            handle = handle.parent
            chain.append(handle)
        _inside.handles = before + tuple(chain)
        try:
            yield
        finally:
            _inside.handles = before

    def refuse_inside(self, what: str) -> None:
        if self in _inside.handles:
            raise InvalidArgument("a callback cannot %s its own %s, which waits for it" % (what, self.name))

    def cancel(self) -> None:
        """Of a job: it ends soon. Fine at any time."""
        if self._cancel:
            try:
                with self.use() as pointer:
                    self._cancel(pointer)
            except (ClosedError, InvalidArgument):
                pass

    def close(self) -> None:
        """Closes the children, waits for calls in other threads, destroys. Does nothing the second time."""
        self.refuse_inside("close")
        me = threading.get_ident()
        with _lock:
            if me in self._users:
                raise InvalidArgument("a callback cannot close its own %s, which waits for it" % self.name)
            children = list(self._children)
        for child in children:
            child.cancel()
        self.cancel()
        with _lock:
            if self._closer == me:  # a finalizer that ran within close()
                return
            while self._closer and self.pointer:
                _changed.wait()
            self._closing = True
            if not self.pointer:
                return
            self._closer = me
        try:
            self._end()
        finally:
            with _lock:
                self._closer = 0
                _changed.notify_all()

    def _end(self) -> None:
        with _lock:
            if self._pid != os.getpid():
                self._users.clear()  # of the process that forked
            while self._users:
                _changed.wait()
            children = list(self._children)
        for child in children:
            child.close()
        status = None
        if self._pid == os.getpid():
            pointer = ctypes.c_void_p(self.pointer.value)
            status = self._destroy(ctypes.byref(pointer))
        with _lock:
            self.pointer = ctypes.c_void_p()
            if self.parent:
                self.parent._children.discard(self)
            keep, self.keep = self.keep, []
        del keep  # outside of the lock: it may be anything of the user's
        check(status or 0)

    def finalize(self) -> None:
        """close() for where no one can be told of a failure. On a job's own thread another does it, which may wait."""
        if _inside.handles:
            try:
                threading.Thread(target=self.finalize, daemon=True).start()
            except RuntimeError:  # the interpreter ends, and all goes with the process
                pass
            return
        try:
            self.close()
        except Exception:  # a finalizer has no one to raise to; the library keeps what it could not destroy
            pass
