"""How many workers a load calls for, for `jqctl scale`, metrics and daemons with ``--processes MIN..MAX``. Pure.

what the policy asks for ─▶ no fewer than are busy, one if anything can run ─▶ least … most ─▶ down only after a hold
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum
from typing import NamedTuple

#: How long a job runs of which nobody knows: none of its kind has ended yet.
ASSUMED_RUN_S = 1.0
#: What comes within this time is worth a worker that waits for it, unless somebody says otherwise.
LEAD_S = 60.0
#: Within this time a daemon with ``--processes MIN..MAX`` wants its jobs done: its workers cost next to nothing.
DAEMON_TARGET_S = 5.0
#: As many workers as it takes.
UNBOUNDED = 1_000_000


class Policy(StrEnum):
    """What decides how many workers there should be."""

    LATENCY = "latency"  #: as many as do all there is within the target
    LINEAR = "linear"  #: one for each job
    HALF = "half"  #: one for two jobs


class Load(NamedTuple):
    """What there is to do in some queues, and who is at it.

    ``ready``: jobs that could start now, those in the inbox among them. ``in_hand``: jobs that workers have taken.
    ``busy``: how many workers have any. ``due_soon``: jobs that come within the lead. ``oldest_s``: for how long the
    oldest ready job could have run. ``mean_run_s``: how long such a job runs on average, None: not known.
    ``workers``: how many have a lease; of several queues in which jobs are ready, for that with the fewest.
    """

    ready: int = 0
    in_hand: int = 0
    busy: int = 0
    due_soon: int = 0
    oldest_s: float = 0.0
    mean_run_s: float | None = None
    workers: int = 0

    @property
    def jobs(self) -> int:
        """How many jobs there are to do, those that run included."""
        return self.ready + self.in_hand


class Rules(NamedTuple):
    """How a load is judged. ``at_once``: how many jobs a worker runs at once."""

    policy: Policy = Policy.LATENCY
    target_s: float = 30.0
    least: int = 0
    most: int = 20
    at_once: int = 1


class Decision(NamedTuple):
    """How many workers there should be; ``why``, for people."""

    wanted: int
    why: str


def decide(load: Load, rules: Rules) -> Decision:
    """Return how many workers a load calls for at this moment.

    Whatever the bounds, nobody who is busy is one too many.
    """
    wanted, why = _asked_for(load, rules)
    if wanted < load.busy:
        wanted, why = load.busy, f"{load.busy} are busy"
    if not wanted and load.due_soon:
        wanted, why = 1, f"{load.due_soon} due soon"
    if wanted > max(rules.most, load.busy):
        return Decision(max(rules.most, load.busy), f"{why}: {wanted}, but {rules.most} at most")
    if wanted < rules.least:
        return Decision(rules.least, f"{why}: {wanted}, but {rules.least} at least")
    return Decision(wanted, why)


def _asked_for(load: Load, rules: Rules) -> tuple[int, str]:
    jobs = load.jobs
    if not jobs:
        return 0, "nothing to do"
    most_at_work = math.ceil(jobs / rules.at_once)  # whatever the target: a job cannot be shared
    if rules.policy is Policy.LINEAR:
        return most_at_work, f"{jobs} jobs, a worker for each"
    if rules.policy is Policy.HALF:
        return max(1, most_at_work // 2), f"{jobs} jobs, a worker for two"
    run_s = ASSUMED_RUN_S if load.mean_run_s is None else load.mean_run_s
    needed = max(1, math.ceil(jobs * run_s / rules.target_s / rules.at_once))
    each = "1 s assumed, none has ended yet" if load.mean_run_s is None else f"{run_s:.3g} s each"
    return min(needed, most_at_work), f"{jobs} jobs, {each}, within {rules.target_s:g} s"


class Own(NamedTuple):
    """The workers of one daemon: how many it has, how many of them take jobs, and how many have any in hand."""

    present: int
    ready: int
    busy: int


def decide_for(own: Own, load: Load, rules: Rules) -> Decision:
    """Return how many workers one daemon should have, others being there for the same queues.

    When a job has waited longer than the target while all who take jobs are busy, what is known of such jobs was wrong.
    Those that are still starting are then not too many, however long that takes them.
    """
    wanted, why = decide(load, rules._replace(least=0, most=UNBOUNDED))
    mine = wanted - max(0, load.workers - own.ready)
    if load.oldest_s > rules.target_s and own.busy >= own.ready:
        most = 2 * own.present if own.ready == own.present else own.present
        more = min(most, own.busy + math.ceil(load.ready / rules.at_once))
        if more > mine:
            mine, why = more, f"{load.ready} ready, the oldest for {load.oldest_s:.0f} s"
    return Decision(max(own.busy, rules.least, min(mine, rules.most)), why)


def next_size(present: int, wanted: int, room: int) -> int:
    """Return how many workers to have next on the way up: twice as many at most, and for each one more a room."""
    return max(present, min(wanted, 2 * present, present + room))


class Hold:
    """Decisions one after the other: up at once, down only to what sufficed all through the hold."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._recent: deque[tuple[float, int]] = deque()
        self.last: Decision | None = None

    def settle(self, found: Decision, now_s: float) -> Decision:
        """Return what is to be, given what a load calls for now."""
        while self._recent and self._recent[0][0] <= now_s - self._hold_s:
            self._recent.popleft()
        self._recent.append((now_s, found.wanted))
        highest = max(wanted for _, wanted in self._recent)
        if highest > found.wanted:
            found = Decision(
                highest, f"{found.why}: {found.wanted}, but {highest} until that sufficed for {self._hold_s:g} s"
            )
        self.last = found
        return found

    def keep(self, now_s: float) -> Decision | None:
        """Nobody knows the load: return what was last decided, from which the hold begins anew; None: nothing was."""
        if self.last is not None:
            self._recent = deque([(now_s, self.last.wanted)])
        return self.last
