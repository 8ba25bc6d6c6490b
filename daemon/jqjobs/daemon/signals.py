"""The daemon's signals, and what each of them does. Handlers only record; the main loop acts."""

from __future__ import annotations

import select
import signal
from collections import deque
from collections.abc import Callable
from types import FrameType

from jqjobs.base import log
from jqjobs.base.wakeup import Wakeup
from jqjobs.daemon.controls import Controls

#: What the main loop does for each signal, see `Controls`. A second SIGINT is as good as SIGQUIT.
ACTIONS: dict[signal.Signals, Callable[[Controls], object]] = {
    signal.SIGTERM: lambda daemon: daemon.drain(),
    signal.SIGINT: lambda daemon: daemon.drain(),
    signal.SIGQUIT: lambda daemon: daemon.stop_now(),
    signal.SIGHUP: lambda daemon: daemon.reload(),
    signal.SIGUSR2: lambda daemon: daemon.quiet(),
    signal.SIGCONT: lambda daemon: daemon.resume(),
    signal.SIGTTIN: lambda daemon: daemon.resize(daemon.wanted + 1),
    signal.SIGTTOU: lambda daemon: daemon.resize(daemon.wanted - 1),
    signal.SIGUSR1: lambda daemon: daemon.dump(),
}
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class SignalInbox:
    """Signals that came and were not acted on yet; `wakeup` rings with each."""

    def __init__(self) -> None:
        self._pending: deque[signal.Signals] = deque()
        self._was_interrupted = False
        self.wakeup = Wakeup()

    def install(self) -> None:
        """Install the handlers; call it first of all, so that a signal during boot is obeyed."""
        self.wakeup.ring_at_signals()
        for number in ACTIONS:
            signal.signal(number, self._record)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only wakes the loop, which looks at its own pids
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])  # exec keeps the mask of whoever started us

    def _record(self, number: int, frame: FrameType | None) -> None:
        self._pending.append(signal.Signals(number))

    def perform(self, daemon: Controls) -> None:
        """Do what the signals ask for that came since the last call."""
        while self._pending:
            number = self._pending.popleft()
            log.event("signal", name=number.name)
            if number is signal.SIGINT and self._was_interrupted:
                number = signal.SIGQUIT
            self._was_interrupted = self._was_interrupted or number is signal.SIGINT
            ACTIONS[number](daemon)

    @property
    def asks_for_end(self) -> bool:
        """Whether one of those that are still to be acted on ends the daemon."""
        return any(number in _ENDING for number in self._pending)

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait during boot; True as soon as a signal asks for the end (it stays to be acted on)."""
        select.select([self.wakeup], [], [], timeout_s)
        self.wakeup.clear()
        return self.asks_for_end
