"""Measures memory twice a second, tells each worker how large it may get, replaces the one that leaks.

A worker compares itself with its allowance (on the board) before each take, and asks here when it has grown past
it. A job that was registered with ``memory=`` is granted its room here too, one after the other: two workers cannot
be promised the same bytes. Decisions are in `policy`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from jqjobs.base import log
from jqjobs.base.sizes import format_size
from jqjobs.daemon.memory.free_memory import FreeMemory, MemorySample
from jqjobs.daemon.memory.policy import (
    Judgement,
    MemoryLimits,
    Pressure,
    Verdict,
    WorkerMemory,
    default_reserve,
    fits,
    judge,
)
from jqjobs.daemon.report import rss_bytes
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.link.board_layout import Word

_SAMPLE_EVERY_S = 0.5
#: Samples that are asked for in between are at least so far apart, or two of them would say nothing more than one.
_SAMPLE_LEAST_S = 0.1
#: A worker stops taking jobs as soon as it is larger than this.
_NOTHING = 1


@dataclass(slots=True)
class _Known:
    """What is known of one worker's memory. ``promises``: by job id, bytes granted, size of the worker then."""

    baseline_bytes: int
    rss_bytes: int
    promises: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass
class MemoryGuard:
    """One per daemon, called by its main loop. ``reserve_bytes`` 0: `policy.default_reserve`."""

    workers: WorkerProcesses
    probe: FreeMemory
    reserve_bytes: int = 0
    max_rss_bytes: int = 0
    note: str = ""
    _pressure: Pressure = field(default_factory=Pressure)
    _known: dict[str, _Known] = field(default_factory=dict)
    _sampled_s: float = 0.0
    _is_asked: bool = False
    _wanted_bytes: int = 0
    _warned_large: bool = False

    def look(self) -> None:
        """Take a sample if it is time for one, and do what it calls for. To be called at each turn of the main loop."""
        has_newcomers = self._note_newcomers()
        is_urgent = self._is_asked or self._pressure.against > 0  # half believed is soon known
        every_s = _SAMPLE_LEAST_S if is_urgent else _SAMPLE_EVERY_S
        if time.monotonic() - self._sampled_s >= every_s:
            self._sample()
        elif has_newcomers and (sample := self.probe.sample()) is not None:
            self._allow(self._judge(sample))  # before they hear "go": a fast leak does a lot in half a second

    def room_for_more(self) -> int | None:
        """Return how many more workers there is room for, those that still start taken off; None: nobody measures."""
        sample = self.probe.sample()
        if sample is None:
            return None
        if not self._known:
            return 0  # how large one is, is not known yet
        largest = max(1, *(known.baseline_bytes for known in self._known.values()))
        starting = sum(worker.id not in self._known for worker in self.workers)
        return max(0, self._judge(sample).room_bytes // largest - starting)

    def ask(self) -> None:
        """Have the next sample taken soon: a worker has reached its allowance."""
        self._is_asked = True

    def grant(self, worker: WorkerProcess, job_id: str, need_bytes: int) -> None:
        """Tell a worker whether a job that needs so much more memory may start: now, later or never."""
        sample, mine = self.probe.sample(), self._known.get(worker.id)
        if sample is None or mine is None:
            worker.channel.send("room", job=job_id, answer="granted")
            return
        mine.promises.pop(job_id, None)  # an earlier attempt of the same job may have had one
        room, reserve = self._judge(sample).room_bytes, self._limits(sample).reserve_bytes
        may = fits(need_bytes, room, sample.total_bytes, reserve, mine.baseline_bytes)
        if may:
            mine.promises[job_id] = (need_bytes, mine.rss_bytes)
        elif may is False:
            self._wanted_bytes = max(self._wanted_bytes, need_bytes)
        answer = {True: "granted", False: "later", None: "never"}[may]
        most = sample.total_bytes - reserve - mine.baseline_bytes
        worker.channel.send("room", job=job_id, answer=answer, most_bytes=max(0, most))

    def _sample(self) -> None:
        self._sampled_s, self._is_asked = time.monotonic(), False
        sample = self.probe.sample()
        if sample is None:
            return
        was_short = self._pressure.is_short
        judgement = self._judge(sample, self._wanted_bytes)
        self._pressure, self._wanted_bytes = judgement.pressure, 0
        self._describe(sample, was_short=was_short)
        self._allow(judgement)
        if judgement.verdict is Verdict.RECYCLE:
            self._recycle(self.workers.by_id[judgement.worker_id])

    def _judge(self, sample: MemorySample, wanted_bytes: int = 0) -> Judgement:
        workers, limits = self._measure(), self._limits(sample)
        return judge(sample.free_bytes, workers, limits, self._pressure, time.monotonic(), wanted_bytes)

    def _limits(self, sample: MemorySample) -> MemoryLimits:
        reserve = self.reserve_bytes or default_reserve(sample.total_bytes)
        return MemoryLimits(reserve, self.max_rss_bytes, self.workers.workers_here())

    def _note_newcomers(self) -> bool:
        """Note how large workers are before their first job: they have said "ready" and are not told "go" yet."""
        newcomers = [worker for worker in self.workers if worker.state == "joining" and worker.id not in self._known]
        for worker in newcomers:
            self._known[worker.id] = self._newcomer(rss_bytes(worker.pid))
        return bool(newcomers)

    def _newcomer(self, rss: int) -> _Known:
        if 0 < self.max_rss_bytes <= rss and not self._warned_large:
            self._warned_large = True
            log.event("memory.max_rss_too_small", level=log.WARNING, rss=format_size(rss),
                      max_rss=format_size(self.max_rss_bytes), hint="workers start like that: ignored")  # fmt: skip
        return _Known(rss, rss)

    def _measure(self) -> list[WorkerMemory]:
        """Return the workers that may have worked, stopping ones too: their memory is not free yet."""
        present = [worker for worker in self.workers if worker.id in self._known]
        self._known = {worker.id: self._known[worker.id] for worker in present}
        return [_measured(worker, self._known[worker.id]) for worker in present]

    def _describe(self, sample: MemorySample, *, was_short: bool) -> None:
        is_short = self._pressure.is_short
        free, reserve = format_size(sample.free_bytes), format_size(self._limits(sample).reserve_bytes)
        where = "" if sample.decided_by == "host" else f" in cgroup {sample.decided_by}"
        self.note = f"waiting for memory: {free} free{where}, {reserve} is kept in reserve" if is_short else ""
        if is_short and not was_short:
            log.event("memory.short", level=log.WARNING, free=free, reserve=reserve, limited_by=sample.decided_by)
        elif was_short and not is_short:
            log.event("memory.enough", free=free, reserve=reserve)

    def _allow(self, judgement: Judgement) -> None:
        """Tell all workers how large they may get, and those that had to wait that they need not any more."""
        for worker in self.workers:
            known = self._known.get(worker.id)
            if known is None:
                continue
            had_to_wait = 0 < worker.board.word(Word.ALLOWANCE) <= known.rss_bytes
            allowance = judgement.allowances.get(worker.id, _NOTHING)
            worker.board.set_word(Word.ALLOWANCE, allowance)
            if had_to_wait and known.rss_bytes < allowance:
                worker.channel.send("memory")

    def _recycle(self, worker: WorkerProcess) -> None:
        """Replace a worker once its job is over, the old one first: there is no room for two."""
        rss = format_size(self._known[worker.id].rss_bytes)
        log.event("worker.recycle", worker=worker.id, pid=worker.pid, reason="memory", rss=rss)
        self.workers.stop(worker, stop_plans.recycle_plan())


def _measured(worker: WorkerProcess, known: _Known) -> WorkerMemory:
    rss = known.rss_bytes = rss_bytes(worker.pid)
    return WorkerMemory(
        worker.id, rss, known.baseline_bytes, _outstanding(worker, known),
        is_busy=bool(worker.board.running()), is_leaving=worker.plan is not None,
    )  # fmt: skip


def _outstanding(worker: WorkerProcess, known: _Known) -> int:
    """Return what of its promises the running jobs have not used yet; a promise ends with its job."""
    if not known.promises:
        return 0
    running = {entry.id for entry in worker.board.running()}
    known.promises = {job_id: promise for job_id, promise in known.promises.items() if job_id in running}
    if not known.promises:
        return 0
    granted = sum(granted for granted, _ in known.promises.values())
    size_then = min(size for _, size in known.promises.values())
    return max(0, granted - max(0, known.rss_bytes - size_then))
