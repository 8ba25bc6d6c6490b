"""One job as it should be, and what is said of jobs: by producers (`New`) and by workers (`Report`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jqjobs.jobs.records import Kind
from property.limits_model import Limit, Wait

HISTORY = 20
#: Outcomes that come without a line for the history.
UNRUN = (Kind.RELEASED, Kind.UNKNOWN, Kind.THROTTLED, Kind.WAITING, Kind.DEFERRED, Kind.SNOOZED)
#: Outcomes that leave to others what an earlier attempt has left to clean up.
UNCLEANED = (Kind.RELEASED, Kind.UNKNOWN, Kind.THROTTLED, Kind.DEFERRED, Kind.OVERSIZED)
COUNTERS = ("failures", "crashes", "interrupts", "executions", "throttles", "lost", "hung", "snoozes")


@dataclass
class Job:
    """A job as the store knows it. ``rank``: where it goes back to, 0 when nowhere in particular."""

    name: str
    priority: int = 0
    key: str = ""
    #: the group that it takes turns as
    fair: str = ""
    coalesce: str = "unfinished"
    options: dict[str, int] = field(default_factory=dict)
    expires: int | None = None
    attempt: int = 0
    #: whether its record says more than a name and a payload: only others are taken in a fast trip
    has_more: bool = False
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    forgiven: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    #: "most scope" of one that may have killed a worker
    suspect: str = ""
    cancel: bool = False
    #: the attempt that nobody has cleaned up after
    uncleaned: int = 0
    #: the attempt that has recorded a token, and which; the attempt that has an early answer, and its kind
    token: tuple[int, str] = (0, "")
    answer: tuple[int, str] = (0, "")
    #: ms; None when its worker did not live to say
    backoff: int | None = 0
    limits: list[Limit] = field(default_factory=list)
    wait: Wait | None = None
    rank: int = 0
    #: for its arguments: until when it may be parked, how often in a row, by which signatures
    refused: tuple[int, int, tuple[str, ...]] | None = None
    #: what it is counted with, once it is dead
    group: str = ""
    history: int = 0

    def count(self, counter: str) -> int:
        """Count one execution that ended so; return what stands against the limit."""
        self.counters[counter] += 1
        self.counters["executions"] += 1
        return self.stands(counter)

    def stands(self, counter: str) -> int:
        """Return what stands against the limit."""
        return self.counters[counter] - self.forgiven[counter]

    def clear(self) -> None:
        """Forget what it was suspected of, and who refused it: an attempt has ended otherwise."""
        self.suspect, self.counters["lost"], self.refused = "", 0, None

    def remember(self) -> None:
        self.history = min(HISTORY, self.history + 1)

    def _mode(self) -> str:
        return "" if self.coalesce == "unfinished" else self.coalesce

    def shown(self) -> tuple[Any, ...]:
        c = self.counters
        numbers = (c["failures"], c["crashes"], c["interrupts"], c["executions"], c["throttles"], c["lost"])
        rest = (self.rank, self.priority, self.token[0], self.answer[0], c["hung"], self.uncleaned, c["snoozes"])
        until, times, by = self.refused or ("", "", ())
        words = (
            self.key,
            self._mode(),
            self.suspect,
            " ".join(map(str, (until, times, *by))).strip(),
            self.group,
            self.fair,
        )
        return (self.attempt, *numbers, int(self.cancel), *rest, *words, self.history, self.has_more)


@dataclass
class New:
    """What a producer wants. ``delay`` and ``expires`` in ms from now; None: as the job was registered."""

    id: str
    name: str = "n"
    priority: int = 0
    delay: int | None = 0
    key: str = ""
    options: dict[str, int] = field(default_factory=dict)
    expires: int | None = None
    coalesce: str | None = None
    replace: bool | None = None
    limits: str = ""
    fair: str = ""


@dataclass
class Reply:
    """What a third party says. ``kind``: "result" or "failed"."""

    id: str
    token: str
    kind: str


@dataclass
class Report:
    """An outcome as a worker reports it. ``number``: delay or keep, ms. ``signature``, ``is_checked``: of misfits."""

    queue: str
    id: str
    attempt: int
    kind: Kind
    number: int = 0
    signature: str = "s0"
    is_checked: bool = True
    #: what a worker makes of the error of a failure, "" when it has seen none
    group: str = ""
    #: when it was taken, as far as its worker knows
    taken_ms: int = 0

    @property
    def park_ms(self) -> int:
        return 20 * self.number
