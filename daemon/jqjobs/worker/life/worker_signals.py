"""The signals of a worker: TERM drains, QUIT stops now. Handlers record; the loop acts.

The daemon says the same on the control socket, see `surroundings`.

Only while the app is being imported they end the process: an import looks at no flag, `time.sleep` goes on after
a handler (PEP 475), and nothing is in hand yet.

INT is ignored: Ctrl-C in a terminal is for the daemon, which tells its workers what to do. So is PIPE, as always in
Python: a connection that breaks is an error, and not the end of the process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from jqjobs.base.wakeup import Wakeup
from jqjobs.link.exits import WorkerExit
from jqjobs.link.stacks import DUMP_SIGNAL
from jqjobs.worker.attempts.interrupt import TIME_LIMIT_SIGNAL, Interrupter


class Signals:
    """What signals asked for so far, and what wakes the main thread where it waits."""

    def __init__(self, interrupter: Interrupter) -> None:
        self._interrupter = interrupter
        self.loading = True
        self.draining = False
        self.stopping = False
        self.wakeup = Wakeup()
        #: Which handler each signal has that a worker needs.
        self.handlers: Mapping[int, Callable[[int, FrameType | None], Any] | int] = {
            signal.SIGINT: signal.SIG_IGN,
            signal.SIGPIPE: signal.SIG_IGN,
            signal.SIGTERM: self._on_term,
            signal.SIGQUIT: self._on_quit,
            TIME_LIMIT_SIGNAL: interrupter.on_time_limit,
        }

    def install(self) -> None:
        """Install the handlers and let signals through, whatever mask was inherited over exec."""
        self.wakeup.ring_at_signals()
        self._interrupter.install()
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        os.register_at_fork(after_in_child=_forget_in_child)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def drain(self) -> None:
        """Begin nothing more."""
        self.draining = True

    def stop(self, frame: FrameType | None = None) -> None:
        """Begin nothing more, and interrupt what runs."""
        self.draining = self.stopping = True
        self._interrupter.stop_now(frame)

    def _on_term(self, signum: int, frame: FrameType | None) -> None:
        self.drain()
        self._leave_import()

    def _on_quit(self, signum: int, frame: FrameType | None) -> None:
        self._leave_import()
        self.stop(frame)

    def _leave_import(self) -> None:
        if self.loading:
            os._exit(WorkerExit.DRAINED)


def _forget_in_child() -> None:
    """A child that a job forks is no worker: it dies of signals, and wakes nobody (multiprocessing relies on that)."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, TIME_LIMIT_SIGNAL, DUMP_SIGNAL):
        signal.signal(number, signal.SIG_DFL)
