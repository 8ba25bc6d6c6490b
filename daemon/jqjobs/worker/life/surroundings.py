"""What jobs can change around themselves, and whoever comes after them would meet: signal handlers, mask, and alarm;
and what they can use up: file descriptors, by many open ones, or by a lower limit.

They are put right after the import of the app, and after each job that touched them. To ask for all of it takes 5 µs,
half of what a quick job costs in all. So Python's own functions for it are replaced by ones that also note the call,
and what changes behind their back, in C, is found by a look now and then.

A signal may have come meanwhile, and a job have it. So the daemon says the same on the control socket; and what made
a handler of the job's own end it is asking for the end, for which nobody is charged.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import sys
from collections.abc import Callable
from signal import ITIMER_REAL, SIG_UNBLOCK, getsignal, pthread_sigmask, setitimer
from typing import Any

from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import Discard, Retry
from jqjobs.link.stacks import Stacks
from jqjobs.worker.attempts.reasons import REASONS
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.worker_signals import Signals

#: What changes the surroundings, in the module `signal`.
_CHANGERS = ("signal", "alarm", "setitimer", "pthread_sigmask", "set_wakeup_fd")
_set_handler, _set_limit = signal.signal, resource.setrlimit
_LOOK_EVERY_MS = 200


class Surroundings:
    """One per worker; all of it belongs to the main thread, but `touched`, which any thread may set."""

    def __init__(self, signals: Signals, instructions: Instructions, stacks: Stacks) -> None:
        self._signals = signals
        self._instructions = instructions
        self._stacks = stacks
        #: Whether somebody may have changed something since it was put right.
        self.touched = False
        self._next_look_ms = 0
        self._files_limit = _files_limit()
        #: Whether descriptors are wanting, so that jobs would fail here for no fault of theirs.
        self.is_spoilt = False

    def watch(self) -> None:
        """Notice from now on when Python code changes something."""
        for name in _CHANGERS:
            setattr(signal, name, self._noting(getattr(signal, name)))
        resource.setrlimit = self._noting(resource.setrlimit)

    def _noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def noting(*args: Any, **kwargs: Any) -> Any:
            self.touched = True
            return function(*args, **kwargs)

        return noting

    def look(self) -> None:
        """Put right what is to be put right; called at each turn of the loop."""
        if self.touched or self.is_spoilt or monotonic_ms() >= self._next_look_ms:
            self.put_right()
        else:
            self.is_spoilt = not self._has_descriptors()

    def put_right(self) -> None:
        """Make everything as it is for the first job, and hear what was missed meanwhile."""
        self.touched = False
        self._next_look_ms = monotonic_ms() + _LOOK_EVERY_MS
        handlers = self._signals.handlers
        for number, handler in handlers.items():
            if getsignal(number) != handler:
                _set_handler(number, handler)
        self._stacks.keep_signal()
        setitimer(ITIMER_REAL, 0)
        pthread_sigmask(SIG_UNBLOCK, [*handlers, self._stacks.signal])
        self._signals.wakeup.ring_at_signals()
        self._give_files()
        self._hear()

    def _give_files(self) -> None:
        soft = _files_limit()
        if soft < self._files_limit:
            with contextlib.suppress(ValueError, OSError):  # the hard one is lower, too, which is for good
                _set_limit(resource.RLIMIT_NOFILE, (self._files_limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        self.is_spoilt = not self._has_descriptors()

    def _has_descriptors(self) -> bool:
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


def _files_limit() -> int:
    """Return how many descriptors there may be; without a limit that is a large number."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
