"""Signals that end a command: TERM, as `timeout` and supervisors send it, ends it as Ctrl-C does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def term_as_interrupt() -> Iterator[None]:
    """Have TERM end what takes long as Ctrl-C does: with a word on how far it got."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def until_told() -> Iterator[None]:
    """Have INT and TERM end what serves others, for that is how it ends: it clears up, and nothing is wrong."""
    with suppress(KeyboardInterrupt), term_as_interrupt():
        yield
