"""Whether there is memory for more work, and which worker to replace when there is not. Pure.

    enough ── two samples below the reserve ──▶ short ── two samples with some margin ──▶ enough
    short:   a worker has grown by a fair share of the shortage ─▶ replace it, it gives that back
             nobody has ─▶ wait: the memory is somebody else's, and a restart would not help
    enough, but not for a job that says how much it needs: an idle worker that has grown is replaced for it

Replacing that gave nothing back is braked: not again for ten minutes, then twenty, and so on. Replacing that did
give back what had grown is not, or a fast leak would hold up work for no reason. And a worker above --max-rss is
replaced whether memory is short or not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

#: Samples in a row that it takes to believe in a shortage, or in its end.
_SAMPLES = 2
#: A shortage ends once this much is free beyond the reserve, so that it does not begin again at once.
_MARGIN_SHARE, _MARGIN_LEAST = 1 / 8, 16 << 20
#: A worker that has grown less than this is not worth a restart.
_LEAST_GROWTH = 16 << 20
_BRAKE_S, _LONGEST_BRAKE_S = 600.0, 4 * 3600.0
#: Without --memory-reserve: this share of all memory, at least so much, but never more than that share.
_RESERVE_SHARE, _RESERVE_LEAST, _RESERVE_MOST_SHARE = 0.05, 128 << 20, 0.25


class Verdict(Enum):
    """What to do about memory."""

    TAKE = "take"  #: go on; each worker up to its allowance
    RECYCLE = "recycle"  #: replace one worker once its job is over
    WAIT = "wait"  #: nobody starts a job


@dataclass(frozen=True, slots=True)
class WorkerMemory:
    """One worker. ``baseline``: before its first job. ``promised``: granted to its job and not used yet.

    ``is_leaving``: it is being stopped already, for whatever reason, once its job is over.
    """

    id: str
    rss_bytes: int
    baseline_bytes: int
    promised_bytes: int = 0
    is_busy: bool = False
    is_leaving: bool = False

    @property
    def growth_bytes(self) -> int:
        """How much a restart would give back."""
        return self.rss_bytes - self.baseline_bytes


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """What must stay free for others, and how large a worker may get (0: as it likes).

    ``sharers``: how many workers there are here, those of other daemons included; they all measure the same room.
    """

    reserve_bytes: int
    max_rss_bytes: int = 0
    sharers: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """A worker that is being replaced for its memory: what it may give back.

    ``rest_bytes``: what was free then, with all that the other workers take: so much there would be without them. What
    they take or give back in the meantime says nothing about this worker.
    """

    worker_id: str
    growth_bytes: int
    rest_bytes: int


@dataclass(frozen=True, slots=True)
class Pressure:
    """What is remembered from sample to sample."""

    is_short: bool = False
    against: int = 0  #: samples in a row that speak against ``is_short``
    trial: Trial | None = None
    braked_until_s: float = -math.inf
    brake_s: float = _BRAKE_S


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on one sample. ``room_bytes``: free beyond the reserve and all promises, negative when short.

    ``worker_id``: whom to replace. ``allowances``: see `_allowances`; empty while nobody starts a job.
    """

    verdict: Verdict
    room_bytes: int
    pressure: Pressure
    worker_id: str = ""
    allowances: dict[str, int] = field(default_factory=dict)


def default_reserve(total_bytes: int) -> int:
    """Return what stays free when nobody said: 5 %, at least 128 MiB, at most a quarter of a small machine."""
    return int(min(max(_RESERVE_SHARE * total_bytes, _RESERVE_LEAST), _RESERVE_MOST_SHARE * total_bytes))


def judge(
    free_bytes: int, workers: Sequence[WorkerMemory], limits: MemoryLimits, pressure: Pressure, now_s: float,
    wanted_bytes: int = 0,
) -> Judgement:  # fmt: skip
    """Return what to do, and what to remember for the next sample.

    ``wanted_bytes``: the most that a job needs which was put off since the last sample.
    """
    room = free_bytes - limits.reserve_bytes - sum(worker.promised_bytes for worker in workers)
    pressure = _after_trial(_counted(pressure, room, limits), free_bytes, workers, now_s)
    victim = _too_large(workers, limits)
    shortage = _shortage(pressure, room, limits, wanted_bytes)
    if shortage > 0 and now_s >= pressure.braked_until_s:
        victim = victim or _grown(workers, shortage, pressure)
    if shortage > 0 and victim is not None:
        trial = Trial(victim.id, victim.growth_bytes, _rest(free_bytes, workers, victim.id))
        pressure = replace(pressure, trial=trial)
    allowances = {} if pressure.is_short else _allowances(workers, limits, room)
    if victim is not None:
        return Judgement(Verdict.RECYCLE, room, pressure, victim.id, allowances)
    return Judgement(Verdict.WAIT if pressure.is_short else Verdict.TAKE, room, pressure, allowances=allowances)


def _margin(limits: MemoryLimits) -> float:
    return max(limits.reserve_bytes * _MARGIN_SHARE, _MARGIN_LEAST)


def _counted(pressure: Pressure, room: int, limits: MemoryLimits) -> Pressure:
    speaks_against = room >= _margin(limits) if pressure.is_short else room < 0
    against = pressure.against + 1 if speaks_against else 0
    if against < _SAMPLES:
        return replace(pressure, against=against)
    return replace(pressure, is_short=not pressure.is_short, against=0)


def _shortage(pressure: Pressure, room: int, limits: MemoryLimits, wanted_bytes: int) -> float:
    """Return what is missing: to the end of a shortage, or else to the start of the job that was put off."""
    if pressure.is_short:
        return _margin(limits) - room
    return wanted_bytes - room if wanted_bytes else 0


def _rest(free_bytes: int, workers: Sequence[WorkerMemory], without: str) -> int:
    return free_bytes + sum(worker.rss_bytes for worker in workers if worker.id != without)


def _after_trial(pressure: Pressure, free_bytes: int, workers: Sequence[WorkerMemory], now_s: float) -> Pressure:
    """Judge a replacement once the worker is gone: did it give back half of what it had grown by?"""
    trial = pressure.trial
    if trial is None or any(worker.id == trial.worker_id for worker in workers):
        return pressure
    if _rest(free_bytes, workers, trial.worker_id) - trial.rest_bytes >= trial.growth_bytes / 2:
        return replace(pressure, trial=None, braked_until_s=-math.inf, brake_s=_BRAKE_S)
    longer_s = min(2 * pressure.brake_s, _LONGEST_BRAKE_S)
    return replace(pressure, trial=None, braked_until_s=now_s + pressure.brake_s, brake_s=longer_s)


def _is_bounded(worker: WorkerMemory, limits: MemoryLimits) -> bool:
    """Whether --max-rss applies: a worker that was born above it would only be born so again."""
    return worker.baseline_bytes < limits.max_rss_bytes


def _too_large(workers: Sequence[WorkerMemory], limits: MemoryLimits) -> WorkerMemory | None:
    """Return the largest worker that has reached --max-rss and is to stay."""
    bounded = (worker for worker in workers if _is_bounded(worker, limits) and not worker.is_leaving)
    large = [worker for worker in bounded if worker.rss_bytes >= limits.max_rss_bytes]
    return max(large, key=lambda worker: worker.rss_bytes, default=None)


def _grown(workers: Sequence[WorkerMemory], shortage_bytes: float, pressure: Pressure) -> WorkerMemory | None:
    """Return the worker to replace, an idle one first: it gives its memory back at once.

    One after the other; but while one's job goes on and on, those that are idle do not wait for it. And for the sake
    of a job that was put off nobody is replaced who is busy: that may just be the other job of its kind.
    """
    trial = pressure.trial
    tried = next((worker for worker in workers if trial is not None and worker.id == trial.worker_id), None)
    if tried is not None and not tried.is_busy:
        return None
    fair_bytes = max(_LEAST_GROWTH, shortage_bytes / max(1, len(workers)))
    grown = [worker for worker in workers if worker.growth_bytes >= fair_bytes and not worker.is_leaving]
    may_be_busy = pressure.is_short and tried is None
    free_to_go = [worker for worker in grown if may_be_busy or not worker.is_busy]
    return max(free_to_go, key=lambda worker: (not worker.is_busy, worker.growth_bytes), default=None)


def _allowances(workers: Sequence[WorkerMemory], limits: MemoryLimits, room: int) -> dict[str, int]:
    """Return for each worker the size up to which it takes jobs without asking: its share of the room."""
    share = max(0, room) // max(1, len(workers), limits.sharers)
    return {worker.id: _allowance(worker, limits, share) for worker in workers}


def _allowance(worker: WorkerMemory, limits: MemoryLimits, share: int) -> int:
    most = worker.rss_bytes + share
    return min(most, limits.max_rss_bytes) if _is_bounded(worker, limits) else most


def fits(need_bytes: int, room_bytes: int, total_bytes: int, reserve_bytes: int, base_bytes: int) -> bool | None:
    """Return whether a job that needs so much more may start now; None: never on this machine.

    ``base_bytes``: what a worker without a job takes.
    """
    if need_bytes > total_bytes - reserve_bytes - base_bytes:
        return None
    return need_bytes <= room_bytes
