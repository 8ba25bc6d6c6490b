"""The daemon's signals: handlers only record, the main loop acts."""

from __future__ import annotations

import select
import signal
from collections import deque
from types import FrameType

from jqjobs.base.wakeup import Wakeup

_HEARD = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP,
    signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, signal.SIGTTIN, signal.SIGTTOU,
)  # fmt: skip


class SignalInbox:
    """Signals that came and were not acted on yet; `wakeup` rings with each."""

    def __init__(self) -> None:
        self._pending: deque[signal.Signals] = deque()
        self.wakeup = Wakeup()

    def install(self) -> None:
        """Install the handlers; call it first of all, so that a signal during boot is obeyed."""
        self.wakeup.ring_at_signals()
        for number in _HEARD:
            signal.signal(number, self._record)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only wakes the loop, which looks at its own pids
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])  # exec keeps the mask of whoever started us

    def _record(self, number: int, frame: FrameType | None) -> None:
        self._pending.append(signal.Signals(number))

    def take(self) -> list[signal.Signals]:
        """Return the signals that came since the last call."""
        taken = []
        while self._pending:
            taken.append(self._pending.popleft())
        return taken

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait during boot; True as soon as a signal asks for the end (it stays to be taken)."""
        select.select([self.wakeup], [], [], timeout_s)
        self.wakeup.clear()
        return any(number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT) for number in self._pending)
