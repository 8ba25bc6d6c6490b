"""What jobs can change around themselves, and whoever comes after them would meet: signal handlers, mask, and alarms,
a directory that is gone; and what they can use up or take away: file descriptors, and what resource limits leave.

What a worker needs is put right after the import of the app, and after each job that touched it; all else then becomes
what it was after the import. To ask for all of it takes some ten µs, more than a quick job costs in all. So Python's
own functions for it are replaced by ones that also note the call, and what changes behind their back, in C, is found by
a look now and then.

A signal may have come meanwhile, and a job have it. So the daemon says the same on the control socket; and what made
a handler of the job's own end it is asking for the end, for which nobody is charged.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import os
import resource
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from signal import ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL, getitimer, getsignal, pthread_sigmask, setitimer
from types import ModuleType
from typing import Any, TextIO

from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import Discard, Retry
from jqjobs.link.stacks import Stacks
from jqjobs.worker.attempts.reasons import REASONS
from jqjobs.worker.life.current_loop import CurrentLoop
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.output import Streams
from jqjobs.worker.life.worker_signals import Signals

#: What changes the surroundings.
_CHANGERS: Mapping[ModuleType, tuple[str, ...]] = {
    signal: ("signal", "alarm", "setitimer", "pthread_sigmask", "set_wakeup_fd"),
    faulthandler: ("register", "unregister", "dump_traceback_later"),
    resource: ("setrlimit", "prlimit"),
    os: ("chdir", "fchdir"),
    sys: ("setrecursionlimit",),
}
_set_handler, _set_limit, _set_depth, _change_directory = (
    signal.signal, resource.setrlimit, sys.setrecursionlimit, os.chdir,
)  # fmt: skip
_LIMITS = {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
_LOOK_EVERY_MS = 200


class Surroundings:
    """One per worker; all of it belongs to the main thread, but `touched`, which any thread may set."""

    def __init__(self, signals: Signals, instructions: Instructions, stacks: Stacks, *, has_one_slot: bool) -> None:
        """``has_one_slot``: no job runs while something is put right."""
        self._has_one_slot = has_one_slot
        self._streams = Streams()
        self._current_loop = CurrentLoop()
        self._signals = signals
        self._instructions = instructions
        self._stacks = stacks
        #: Whether somebody may have changed something since it was put right, and by which functions.
        self.touched = False
        self._called: set[str] = set()
        #: What the app has found or set when it was imported.
        self._handlers: Mapping[int, Any] = signals.handlers
        self._mask: set[int] = set()
        self._idle_timers: tuple[int, ...] = ()
        self._directory = "/"
        self._depth = sys.getrecursionlimit()
        self._limits = {resource.RLIMIT_NOFILE: resource.getrlimit(resource.RLIMIT_NOFILE)}
        self._has_limits = True
        self._next_look_ms = 0
        #: Whether descriptors are wanting, or a limit is lower for good: jobs would fail here for no fault of theirs.
        self.is_spoilt = False

    @property
    def stdout(self) -> TextIO | None:
        """What jobs are to find as `sys.stdout`."""
        return self._streams.stdout

    def watch(self) -> None:
        """Notice from now on when Python code changes something."""
        for module, names in _CHANGERS.items():
            for name in names:
                setattr(module, name, self._noting(getattr(module, name)))

    def _noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def noting(*args: Any, **kwargs: Any) -> Any:
            self._called.add(function.__name__)
            self.touched = True
            return function(*args, **kwargs)

        return noting

    def keep(self) -> None:
        """Let jobs find what the app has set by now, but for what the worker needs itself."""
        self._current_loop.keep()
        own = {*self._signals.handlers, self._stacks.signal}
        others = {number: getsignal(number) for number in signal.valid_signals() - own}
        self._handlers = {number: handler for number, handler in others.items() if handler is not None}
        self._handlers |= self._signals.handlers
        self._mask = pthread_sigmask(signal.SIG_BLOCK, []) - own
        self._idle_timers = tuple(timer for timer in (ITIMER_VIRTUAL, ITIMER_PROF) if getitimer(timer) == (0.0, 0.0))
        with contextlib.suppress(OSError):
            self._directory = os.getcwd()
        self._depth = sys.getrecursionlimit()
        self._limits = {limit: resource.getrlimit(limit) for limit in _LIMITS} | self._limits
        self._called.clear()
        self._streams.keep()
        self.put_right()

    def look(self, now_ms: int) -> None:
        """Put right what is to be put right; called at each turn of the loop."""
        if self.touched or self.is_spoilt or now_ms >= self._next_look_ms:
            self.put_right()
        else:
            self.is_spoilt = not self._has_resources()

    def put_right(self) -> None:
        """Make everything as it is for the first job, and hear what was missed meanwhile."""
        self.touched = False
        called, self._called = self._called, set()
        self._next_look_ms = monotonic_ms() + _LOOK_EVERY_MS
        if "setrecursionlimit" in called:  # first: what follows needs room to call
            _set_depth(self._depth)
        self._give_limits(_LIMITS if called & {"setrlimit", "prlimit"} else {resource.RLIMIT_NOFILE})
        handlers = self._handlers if "signal" in called else self._signals.handlers
        for number, handler in handlers.items():
            if getsignal(number) is not handler:
                _set_handler(number, handler)
        self._stacks.keep_signal(is_touched=not called.isdisjoint({"register", "unregister"}))
        for timer in (ITIMER_REAL, *self._idle_timers):
            setitimer(timer, 0)
        if "dump_traceback_later" in called:  # it may end the process
            faulthandler.cancel_dump_traceback_later()
        pthread_sigmask(signal.SIG_SETMASK, self._mask)
        self._signals.wakeup.ring_at_signals()
        self._leave_deleted_directory()
        self._streams.put_back(always=self._has_one_slot)
        self._current_loop.watch(self._noting)
        self._current_loop.put_back()
        self.is_spoilt = not self._has_resources()
        self._hear()

    def _leave_deleted_directory(self) -> None:
        try:
            os.getcwd()
        except OSError:
            with contextlib.suppress(OSError):
                _change_directory(self._directory)

    def _give_limits(self, which: Collection[int]) -> None:
        for limit in which:
            wanted, found = self._limits[limit], resource.getrlimit(limit)
            if found == wanted:
                continue
            try:
                _set_limit(limit, (wanted[0], found[1]))
            except (ValueError, OSError):  # the hard one is lower, too, which is for good
                self._has_limits = False

    def _has_resources(self) -> bool:
        if not self._has_limits:
            return False
        try:
            os.close(os.dup(self._signals.wakeup.fileno()))
        except OSError:
            return False
        return True

    def asked_to_end(self, error: BaseException) -> bool:
        """Whether a job ended with ``error`` because its worker is to end, and the signal for that came to it."""
        if isinstance(error, (*REASONS, Retry, Discard)) or (isinstance(error, Exception) and not self.touched):
            return False
        had_heard = self._signals.draining
        self._hear()
        return self._signals.draining and (not had_heard or isinstance(error, (SystemExit, KeyboardInterrupt)))

    def _hear(self) -> None:
        self._instructions.hear()
        if self._signals.wakeup.rang_for(signal.SIGTERM):  # to whichever handler it went
            self._signals.drain()
