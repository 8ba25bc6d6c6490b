"""What a daemon tells the relay of its app's outbox at its start: one JSON argument."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

#: The variable that it is in, which nobody else is to see.
VARIABLE = "JQ_RELAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """All a relay needs to know. ``channel_fd``: the socket on which it tells how it is, see `RelayReport`."""

    app: str
    redis_url: str = field(repr=False)
    daemon_pid: int
    channel_fd: int
    poll_s: float = 1.0
    jitter: float = 0.25
    log_format: str = "text"
    log_level: str = "info"

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RelayConfig:
        """Read it. Raises: ValueError, TypeError."""
        return cls(**json.loads(text))
