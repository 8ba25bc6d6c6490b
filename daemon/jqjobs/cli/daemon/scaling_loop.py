"""`jqctl scale --every`: looks again and again, and has a command run whenever the number is another one.

look ─▶ hold ─▶ say ─▶ the command, if what it last did is not this number ─▶ wait, or end at INT or TERM
  └── Redis is away: the last answer stays, whatever it was
"""

from __future__ import annotations

import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from jqjobs.base.clock import monotonic_ms
from jqjobs.base.shell_line import failure_of
from jqjobs.base.wakeup import Wakeup
from jqjobs.cli.output import complain
from jqjobs.errors import NotFound, StoreError
from jqjobs.jobs.scaling import Decision, Hold, Load

#: What stands in a command for the number.
PLACE = "{wanted}"
#: A command that takes longer hangs.
_PATIENCE_S = 60.0
_ENDING = (signal.SIGINT, signal.SIGTERM)


class Show(Protocol):
    """Shows an answer; ``is_other``: it is not the number that was shown before."""

    def __call__(self, load: Load, found: Decision, *, is_other: bool) -> None: ...


class ScalingCommand:
    """A line for the shell that scales something, with `PLACE` in it. ``done``: the last number it succeeded with."""

    def __init__(self, line: str) -> None:
        self._line = line
        self.done: int | None = None

    def run(self, wanted: int) -> bool:
        """Have so many, unless that is done already; return whether it is. What it writes goes to stderr."""
        if wanted == self.done:
            return True
        line = self._line.replace(PLACE, str(wanted))
        before = "?" if self.done is None else self.done
        failed = failure_of(line, _PATIENCE_S)
        complain(f"jqctl: {before} → {wanted}: {line}" + (f": {failed}" if failed else ""))
        if not failed:
            self.done = wanted
        return not failed


class ScalingLoop:
    """Knows what was last decided, and says it again while Redis cannot be asked."""

    def __init__(
        self,
        look: Callable[[], tuple[Load, Decision]],
        hold: Hold,
        command: ScalingCommand | None,
        show: Show,
    ) -> None:
        """``look``: reads the load and judges it, raises StoreError or NotFound."""
        self._look = look
        self._hold = hold
        self._command = command
        self._show = show
        self._load = Load()
        self._shown: int | None = None
        self._error = ""

    def run(self, every_s: float) -> None:
        """Turn until INT or TERM; a command that runs then is waited for."""
        with _end_of_process() as wait:
            while True:
                self.turn()
                if wait(every_s):
                    return

    def turn(self) -> None:
        """Look, say, act."""
        found = self._decide()
        if found is None:
            return
        self._show(self._load, found, is_other=found.wanted != self._shown)
        self._shown = found.wanted
        if self._command is not None:
            self._command.run(found.wanted)

    def _decide(self) -> Decision | None:
        now_s = monotonic_ms() / 1000
        try:
            self._load, found = self._look()
        except (StoreError, NotFound) as error:
            return self._keep(error, now_s)
        self._error = ""
        return self._hold.settle(found, now_s)

    def _keep(self, error: StoreError | NotFound, now_s: float) -> Decision | None:
        last = self._hold.keep(now_s)
        if error.message != self._error:
            self._error = error.message
            complain(f"jqctl: {error.in_one_line()}" + (f"; {last.wanted} is kept" if last else ""))
        return last and Decision(last.wanted, f"kept: {error.message}")


@contextmanager
def _end_of_process() -> Iterator[Callable[[float], bool]]:
    """Lend a function that waits for so many seconds, and returns at once, True, when INT or TERM has come."""
    wakeup = Wakeup()
    before = {number: signal.signal(number, lambda *_: wakeup.ring()) for number in _ENDING}
    try:
        yield lambda timeout_s: bool(select.select([wakeup], [], [], timeout_s)[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        wakeup.close()
