"""What one daemon is told, checked. `cli.jqd` fills it from flags, environment, ``.env`` and defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from jqjobs.base.clock import duration_ms
from jqjobs.base.cpus import usable_cpus
from jqjobs.base.imports import parts_of
from jqjobs.errors import ConfigError, InvalidOption
from jqjobs.jobs.records import MAX_QUEUES, check_name
from jqjobs.link.bounds import MAX_PROCESSES, Bounds
from jqjobs.link.queue_choice import QueueChoice

#: A worker's board has places for a few more.
MAX_CONCURRENCY = 480
#: No count is meant to be larger; scripts take it for a whole number.
_MOST = 999_999_999


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """One daemon. Times in the unit they are named by, memory in bytes."""

    app: str
    redis_url: str = field(repr=False)
    name: str = "jqd"
    queues: QueueChoice = field(default_factory=QueueChoice)
    processes: Bounds = field(default_factory=lambda: Bounds.fixed(usable_cpus()))
    hold_s: float = 60.0
    concurrency: int = 1
    grace_s: float = 25.0
    kill_after_s: float = 5.0
    lease_s: float = 30.0
    poll_s: float = 1.0
    jitter: float = 0.25
    batch: int = 256
    prefetch_ms: int = 20
    max_dead: int = 100_000
    dead_s: float = 90 * 86400.0
    park_s: float = 86400.0
    runtime_dir: str = ""
    max_jobs: int = 0
    max_age_s: float = 0.0
    cooldown_s: float = 0.0
    burst: str = ""
    nice: int = 0
    memory_reserve: int = 0
    max_rss: int = 0
    directory: str = ""
    watch: str = "auto"
    watch_packages: bool = False
    health: str = ""
    log_format: str = "text"
    log_level: str = "info"
    log_jobs: str = "failed"
    job_log: str = ""
    error_log: str = ""
    alert_url: str = field(default="", repr=False)
    alert_exec: str = ""
    alert_wait_s: float = 300.0
    alert_every_s: float = 900.0

    def __post_init__(self) -> None:
        self._check_words()
        self._check_sizes()
        self._check_times()

    def _check_words(self) -> None:
        check_name(self.name, "daemon name")
        for queue in self.queues.names:
            check_name(queue, "queue")
        _demand(bool(self.app), "no app is given", "say --app package.module:attribute, or JQ_APP")
        parts_of(self.app)
        most = MAX_QUEUES - 1 if self.queues.patterns else MAX_QUEUES  # else no queue would ever have its turn
        hint = "start a second daemon for the rest"
        _demand(len(self.queues.names) <= most, f"more than {most} queues by name", hint)
        _demand(self.burst in ("", "ready", "scheduled"), f"burst is {self.burst!r}", "use ready or scheduled")
        _demand(self.watch in ("auto", "poll", "off"), f"watch is {self.watch!r}", "use auto, poll or off")
        _demand(not self.alert_url or _is_http(self.alert_url), "alert-url is no address", "use https://host/path")
        _demand(self._success_ms() is not None, f"log-jobs is {self.log_jobs!r}", "use all, slow:1s or failed")

    def _check_sizes(self) -> None:
        processes, concurrency = self.processes, self.concurrency
        _demand(processes.are_possible, f"processes is {processes}", f"use 1 to {MAX_PROCESSES}, or 1..8")
        more = f"use 1 to {MAX_CONCURRENCY}; more processes do more"
        _demand(1 <= concurrency <= MAX_CONCURRENCY, f"concurrency is {concurrency}", more)
        _demand(1 <= self.batch <= 500, f"batch is {self.batch}", "use 1 to 500")
        _demand(0 <= self.max_dead <= _MOST, f"max-dead is {self.max_dead}", f"use 0 to {_MOST}")
        _demand(0 <= self.max_jobs <= _MOST, f"max-jobs is {self.max_jobs}", "use 0 for no limit")
        _demand(0 <= self.nice <= 19, f"nice is {self.nice}", "use 0 to 19")

    def _check_times(self) -> None:
        _demand(self.lease_s >= 1, f"lease is {self.lease_s:g} s", "use at least 1 s; the default is 30")
        _demand(0 < self.poll_s <= 60, f"poll is {self.poll_s:g} s", "use more than 0, at most 60")
        _demand(0 <= self.jitter < 1, f"jitter is {self.jitter:g}", "it is a share: 0 turns it off, below 1")
        _demand(self.hold_s >= 0, f"hold is {self.hold_s:g} s", "use 0 or more seconds")
        _demand(self.grace_s >= 0, f"grace is {self.grace_s:g} s", "use 0 or more seconds")
        _demand(self.kill_after_s >= 0, f"kill-after is {self.kill_after_s:g} s", "use 0 or more seconds")
        _demand(0 <= self.prefetch_ms <= _MOST, f"prefetch-ms is {self.prefetch_ms}", "use 0 or more milliseconds")
        _demand(self.dead_s >= 0, f"dead is {self.dead_s:g} s", "use 0 or more seconds")
        _demand(self.alert_wait_s > 0, f"alert-wait is {self.alert_wait_s:g} s", "use more than 0 seconds")
        _demand(self.alert_every_s >= 60, f"alert-every is {self.alert_every_s:g} s", "use a minute or more")
        _demand(self.park_s >= 0, f"park is {self.park_s:g} s", "use 0 or more seconds")

    @property
    def lease_ms(self) -> int:
        """The lease in ms, as scripts want it."""
        return round(self.lease_s * 1000)

    @property
    def log_jobs_ms(self) -> int:
        """From how many ms on a success is logged; -1: none is. At the level debug all are, if nothing was chosen."""
        success_ms = self._success_ms()
        return 0 if success_ms == -1 and self.log_level == "debug" else success_ms or 0

    def _success_ms(self) -> int | None:
        word, _, span = self.log_jobs.partition(":")
        if word != "slow":
            return {"all": 0, "failed": -1}.get(self.log_jobs)
        try:
            return duration_ms(span)
        except InvalidOption:
            return None


def _demand(holds: bool, message: str, hint: str) -> None:
    if not holds:
        raise ConfigError(message, hint=hint)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half a bracket
        return False
