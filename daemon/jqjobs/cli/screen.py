"""A screen in a terminal: painted without a flicker, keys heard as they are pressed, all as before at its end."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

#: What ends a process from outside without a word to Python.
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Screen:
    """Leave it by ``with``: whatever ends that, TERM and HUP among it, the terminal is as it was."""

    def __init__(self) -> None:
        self._live = Live(
            console=Console(highlight=False), screen=True, auto_refresh=False, redirect_stdout=False,
            redirect_stderr=False,
        )  # fmt: skip
        self._shown: list[str] = []
        self._size = self._live.console.size
        self._keyboard: int | None = None
        self._saved: list[Any] = []
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Screen:
        """Take the terminal."""
        self._handlers = {number: signal.signal(number, _leave) for number in _ENDING}
        try:
            if sys.stdin.isatty():
                self._keyboard = sys.stdin.fileno()
                self._saved = termios.tcgetattr(self._keyboard)
                tty.setcbreak(self._keyboard)
            self._live.start()
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        """Give it back."""
        self._restore()

    def _restore(self) -> None:
        try:
            self._live.stop()
        finally:
            if self._saved and self._keyboard is not None:
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._saved)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def paint(self, lines: Iterable[str]) -> None:
        """Show lines, as many as there is room for, if they or the size of the terminal have changed."""
        shown, size = list(lines), self._live.console.size
        if (shown, size) == (self._shown, self._size):
            return
        self._shown, self._size = shown, size
        text = Text("\n", no_wrap=True, overflow="crop").join(map(Text.from_ansi, shown))
        self._live.update(text, refresh=True)

    def keys(self, timeout_s: float) -> str:
        """Wait for keys and return them; "" when there are none in time. Of arrows and the like nothing is told."""
        waits_for = [] if self._keyboard is None else [self._keyboard]
        ready, _, _ = select.select(waits_for, [], [], timeout_s)
        typed = os.read(self._keyboard, 1024) if ready and self._keyboard is not None else b""
        if ready and not typed:  # the terminal is gone
            raise KeyboardInterrupt
        is_sequence = len(typed) > 1 and typed.startswith(b"\x1b")
        return "" if is_sequence else typed.decode(errors="replace")


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
