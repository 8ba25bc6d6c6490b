"""How many replicas must have new jobs before their producer hears that they are stored: JQ_WAIT.

WAIT goes right behind the call, see `Call.wait`. It is no consensus: what too few replicas have is stored all the same.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from jqjobs.base.clock import duration_ms
from jqjobs.base.config import Environment
from jqjobs.errors import ConfigError, InvalidOption, NotReplicated

#: So long a number of replicas is believed.
_FRESH_S = 1.0
_USUAL = "1s"
_HINT = "write 1:100ms: one replica, within 100 ms; or all:1s: every replica there is"
INFO = ("INFO", "replication")


@dataclass(frozen=True, slots=True)
class Wait:
    """What JQ_WAIT says. ``replicas``: 0 is all there are."""

    replicas: int
    ms: int

    @classmethod
    def from_settings(cls, settings: Environment) -> Wait | None:
        """Return what the settings say; None: JQ_WAIT is not set. Raises: ConfigError."""
        said = settings.get("wait")
        return cls.parse(said, settings.timeout_s()) if said else None

    @classmethod
    def parse(cls, text: str, timeout_s: float) -> Wait:
        """Return what is written as ``1:100ms`` or ``all``; less than ``timeout_s``. Raises: ConfigError."""
        many, colon, span = text.strip().partition(":")
        try:
            ms = duration_ms(span if colon else _USUAL, "JQ_WAIT")
        except InvalidOption as error:
            raise ConfigError(error.message, hint=_HINT) from None
        if not (many == "all" or re.fullmatch("[1-9][0-9]?", many)):
            raise ConfigError(f"JQ_WAIT {text!r} is no number of replicas", hint=_HINT)
        if not 0 < ms < timeout_s * 1000:
            raise ConfigError(
                f"JQ_WAIT {text!r} must wait for less than JQ_TIMEOUT, which is {timeout_s:g}s", hint=_HINT
            )
        return cls(0 if many == "all" else int(many), ms)


class Replicas:
    """How many replicas there were a moment ago."""

    def __init__(self) -> None:
        self._count, self._until_s = 0, 0.0

    @property
    def known(self) -> int:
        """How many; 0: ask again."""
        return self._count if time.monotonic() < self._until_s else 0

    def note(self, count: int) -> int:
        """Remember how many there are, and return it; where there are none, one lacks."""
        self._count, self._until_s = max(1, count), time.monotonic() + _FRESH_S
        return self._count

    def forget(self) -> None:
        """Ask again next time."""
        self._until_s = 0.0


def connected_replicas(info: bytes) -> int:
    """Return how many replicas a server has by what it says of itself (`INFO`)."""
    found = re.search(rb"connected_slaves:(\d+)", info)
    return int(found[1]) if found else 0


def check_reached(reached: int, wanted: int, wait: Wait, made: Any) -> None:
    """Raise NotReplicated when too few replicas have what was stored. ``made``: the answer of the call."""
    if reached < wanted:
        raise NotReplicated(
            f"{reached} of {wanted} replicas have it within {wait.ms} ms, so a failover may lose it",
            "enqueue it again with the same id: that is told to be stored once enough of them have it",
            reached=reached, wanted=wanted, made=tuple(made),
        )  # fmt: skip
