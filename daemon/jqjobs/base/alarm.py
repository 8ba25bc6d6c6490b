"""Wakes one waiting thread a while after something has begun, and not before: to wake it at once takes the thread that
has begun longer than to begin, and the two then want the same processor, and the GIL.
"""

from __future__ import annotations

import math
import select
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import CLOCK_MONOTONIC
from typing import Protocol

_NONBLOCK_CLOEXEC = 0o2004000  # of timerfd_create(2)
#: Nobody waits for longer without a look: a job may have closed the timer's descriptor.
_MOST_S = 2.0


class Alarm(Protocol):
    """An event that is noticed late. `threading.Event` is one that is noticed at once."""

    def is_set(self) -> bool:
        """Whether it was set, noticed or not."""
        ...

    def set(self) -> None:
        """End the wait in a while; if it is set already, as soon as it was to end."""
        ...

    def clear(self) -> None:
        """Have the next wait wait again. What is set meanwhile may be lost: look for its reason afterwards."""
        ...

    def wait(self, timeout: float | None = None) -> object:
        """Return when it is noticed, or after ``timeout`` seconds, or earlier."""
        ...


class TimerAlarm:
    """A timer of the kernel that one thread sets and another one waits for. Raises OSError where there is none."""

    def __init__(self, after_s: float) -> None:
        """``after_s``: how long after `set` the wait ends."""
        self._set_timer, self._timer = _new_timer()
        self._soon = struct.pack("@4l", 0, 0, *_seconds_and_ns(after_s))  # struct itimerspec: once, and then
        self._never = bytes(len(self._soon))
        self._is_set = self._has_run_down = False

    def is_set(self) -> bool:
        """Whether it was set, noticed or not."""
        return self._is_set

    def set(self) -> None:
        """Start the timer, unless it runs."""
        if not self._is_set:
            self._is_set = True
            self._start(self._soon)

    def clear(self) -> None:
        """Stop the timer, also one that has run down."""
        self._start(self._never)
        self._is_set = self._has_run_down = False  # last: else a `set` could come between, and its timer be stopped

    def wait(self, timeout: float | None = None) -> None:
        """Return when the timer has run down, or after ``timeout`` seconds, or two: who waits looks then, too."""
        if self._has_run_down:
            return  # and is not looked at: that takes a busy thread its GIL
        poll = select.poll()
        poll.register(self._timer, select.POLLIN)
        with suppress(OSError):  # a job has left a limit of no descriptors at all
            self._has_run_down = bool(poll.poll(min(_MOST_S, math.inf if timeout is None else timeout) * 1000))

    def _start(self, when: bytes) -> None:
        if self._set_timer(self._timer, 0, when, None) != 0:  # its number is nobody's, or something else's
            with suppress(OSError):
                self._set_timer, self._timer = _new_timer()
                self._set_timer(self._timer, 0, when, None)


def alarm(after_s: float) -> Alarm:
    """Return one that is noticed after so many seconds; at once where the system has no such timers, or threads are not
    the system's (gevent), and whoever polls stops them all."""
    if type(threading.Lock()).__module__ != "_thread":
        return threading.Event()
    try:
        return TimerAlarm(after_s)
    except OSError:
        return threading.Event()


def _seconds_and_ns(seconds: float) -> tuple[int, int]:
    return divmod(int(seconds * 1e9), 1_000_000_000)


def _new_timer() -> tuple[Callable[[int, int, bytes, None], int], int]:
    """Return timerfd_settime(2), which keeps the GIL, and a descriptor for it."""
    if sys.platform != "linux":
        raise OSError("only Linux has timers that can be polled")
    import ctypes  # 2 MB: who has no alarm does without

    libc = ctypes.PyDLL(None, use_errno=True)
    timer = libc.timerfd_create(CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    set_timer = libc.timerfd_settime
    set_timer.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
    return set_timer, timer
