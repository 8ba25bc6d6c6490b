"""What a daemon tells a worker at its start: one JSON argument."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from jqjobs.link.queue_choice import QueueChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """All a worker needs to know. Times in the unit they are named by.

    ``queues``, ``weights``, ``patterns``: which queues it serves, see `QueueChoice`.
    """

    app: str
    redis_url: str = field(repr=False)
    worker_id: str
    board: str
    channel_fd: int
    daemon_pid: int
    queues: tuple[str, ...] = ()
    weights: tuple[int, ...] = ()
    patterns: tuple[str, ...] = ()
    lease_ms: int = 30_000
    poll_s: float = 1.0
    jitter: float = 0.25
    batch: int = 256
    prefetch_ms: int = 20
    max_jobs: int = 0
    max_age_s: float = 0.0
    nice: int = 0
    watch_packages: bool = False
    log_format: str = "text"
    log_level: str = "info"
    log_jobs_ms: int = -1
    job_log: str = ""
    error_log: str = ""
    concurrency: int = 1
    kill_after_s: float = 5.0
    park_ms: int = 86_400_000

    @property
    def choice(self) -> QueueChoice:
        """Which queues it serves."""
        return QueueChoice(self.queues, self.weights, self.patterns)

    @property
    def hung_after_ms(self) -> float:
        """How long a job may go on that was told to end, before more is done about it than to tell it again."""
        return self.kill_after_s * 1000 / 2  # then the daemon's turn comes

    def to_json(self) -> str:
        """Return it as the argument of ``python -m jqjobs.worker``."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerConfig:
        """Read the argument. Raises: ValueError, TypeError."""
        values = json.loads(text)
        return cls(**{**values, **{name: tuple(values[name]) for name in ("queues", "weights", "patterns")}})
