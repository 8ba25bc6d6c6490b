"""What the relay of an outbox tells its daemon, over a `Channel`: how it is, and what waits. The daemon shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: States of a relay: its process is there; it brings rows; it waits for one of the two; it ended by itself.
STARTING, RUNNING, WAITING_REDIS, WAITING_DATABASE, DEAD = (
    "starting", "running", "waiting_redis", "waiting_database", "dead",
)  # fmt: skip
EVENT = "outbox"


@dataclass(frozen=True, slots=True)
class RelayReport:
    """``error``: why it waits. ``rows``: that wait, None: not counted yet; ``old``: of these so many for a person."""

    state: str = STARTING
    error: str = ""
    rows: int | None = None
    oldest_s: float = 0.0
    old: int = 0

    def as_message(self) -> dict[str, Any]:
        """Return it as it goes over the channel."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> RelayReport:
        """Read it from a message of the channel."""
        return cls(**{name: message[name] for name in cls.__dataclass_fields__})
