"""`--watch`: the same answer again and again, on a screen of its own in a terminal, one below the other in a pipe.

A thread looks, the main thread paints and hears keys, so these work while Redis is slow or away:

    looks ──▶ latest answer, or what is wrong ──▶ view ──▶ screen
                                        keys ──────┘
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click

from jqjobs.base.clock import duration_ms
from jqjobs.cli.colours import has_screen
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.output import complain, shown_lines, width
from jqjobs.cli.session import Session
from jqjobs.cli.tables import Part
from jqjobs.cli.view import View
from jqjobs.errors import InvalidOption, StoreUnavailable

EVERY = "2s"
_SHORTEST_MS = 200
#: So often a key is waited for before the screen is looked at again.
_TICK_S = 0.1

Command = Callable[..., Any]


def every_s(_: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return the seconds of an option that says how often. Raises: InvalidOption."""
    if value is None:
        return None
    name = parameter.opts[0]
    if (ms := duration_ms(value, name)) < _SHORTEST_MS:
        raise InvalidOption(f"{name} is {value}", hint=f"use {_SHORTEST_MS}ms or more")
    return ms / 1000


def watchable(function: Command) -> Command:
    """Give a command that shows one answer the option --watch."""

    @wraps(function)
    def command(session: Session, *args: Any, watch_s: float | None, **kwargs: Any) -> Any:
        def look() -> Any:
            return function(session, *args, **kwargs)

        return look() if watch_s is None else watch(session, look, watch_s)

    return click.option(
        "--watch", "watch_s", is_flag=False, flag_value=EVERY, metavar="[TIME]", callback=every_s,
        help="Show it anew every 2 seconds, or TIME; with -o json one object a line.",
    )(command)  # fmt: skip


def watch(session: Session, look: Callable[[], Any], pause_s: float) -> int:
    """Show what ``look`` shows until somebody has seen enough. Raises: what the first look raises."""
    with session.keeps_store():
        if session.form in ("table", "wide") and has_screen(sys.stdout):
            return _watch_screen(session, look, pause_s)
        return _watch_lines(look, pause_s)


def _watch_lines(look: Callable[[], Any], pause_s: float) -> int:
    look()
    was_away = False
    while True:
        time.sleep(pause_s)
        try:
            look()
            was_away = False
        except StoreUnavailable as error:
            if not was_away:
                complain(f"jqctl: {error.in_one_line()}")
            was_away = True


class _Latest(NamedTuple):
    """What was shown last, and why there is nothing newer, or ""."""

    parts: tuple[Part, ...] = ()
    trouble: str = ""


class _Looks(threading.Thread):
    """Looks every so often. ``ended_by``: what it cannot go on after."""

    def __init__(self, session: Session, look: Callable[[], Any], pause_s: float) -> None:
        super().__init__(name="jqctl-looks", daemon=True)
        self._look = look
        self._pause_s = pause_s
        self._ended = threading.Event()
        self.latest = _Latest()
        self.ended_by: Exception | None = None
        session.screen = self._take

    def _take(self, parts: tuple[Part, ...]) -> None:
        self.latest = _Latest(parts)

    def run(self) -> None:
        """Look until told to end."""
        try:
            self._look()
            while not self._ended.wait(self._pause_s):
                self._look_again()
        except Exception as error:
            self.ended_by = error

    def _look_again(self) -> None:
        try:
            self._look()
        except StoreUnavailable as error:
            self.latest = self.latest._replace(trouble=error.in_one_line())

    def end(self) -> None:
        """Let it end; not waited for, since Redis may be slow to answer."""
        self._ended.set()


def _watch_screen(session: Session, look: Callable[[], Any], pause_s: float) -> int:
    from jqjobs.cli.screen import Screen  # rich: 100 ms

    context = click.get_current_context(silent=True)
    view = View(f"{context.command_path if context else 'jqctl'}, every {pause_s:g} s")
    looks = _Looks(session, look, pause_s)
    looks.start()
    with Screen() as screen:
        while not view.is_over:
            if looks.ended_by is not None:
                raise looks.ended_by
            parts = view.parts(looks.latest.parts, looks.latest.trouble)
            screen.paint(shown_lines(parts, None if session.is_wide else width()))
            view.press(screen.keys(_TICK_S))
    looks.end()
    return Exit.OK
