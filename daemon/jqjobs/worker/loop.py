"""The worker's loop: report and take in one trip, run the batch, wait when there is nothing.

┌─▶ trip ──jobs──▶ run batch ──┐
│     └──none──▶ wait for work ┤     hooks are called when nothing is held: the trip after a hooked job takes none
└──────────────────────────────┘   ends: drained, stopped, fenced, orphaned
"""

from __future__ import annotations

import math
import random

from jqjobs import log
from jqjobs.board import Board
from jqjobs.clock import monotonic_ms
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.exits import WorkerExit
from jqjobs.job import Kind, Outcome, TakenJob
from jqjobs.retry import reconnect_delay_s
from jqjobs.store.calls import Trip
from jqjobs.worker.batch import Batch, next_want
from jqjobs.worker.config import WorkerConfig
from jqjobs.worker.exchange import Exchanger, Fenced
from jqjobs.worker.hooks import Afterwards
from jqjobs.worker.orders import Orders
from jqjobs.worker.preflight import Preflight, Room
from jqjobs.worker.runner import Runner
from jqjobs.worker.signals import Signals
from jqjobs.worker.sources import SourceList
from jqjobs.worker.wake import WakeWatch

#: A drained worker tries this often to give back what it holds; then its daemon does it.
_FAREWELL_TRIES = 3
#: A job for which there is no room now comes up again after this long, here or elsewhere.
_ROOM_AGAIN_MS = 2000
#: An idle worker only looks whether there is news; so often it makes a whole trip all the same.
_IDLE_MS = 5000
#: Who asked to be replaced and is still there asks again: its successor may not have come up.
_ASK_AGAIN_MS = 60_000


class Loop:
    """Wired by hand in `worker.__main__`."""

    def __init__(
        self, config: WorkerConfig, board: Board, orders: Orders, signals: Signals, batch: Batch,
        exchanger: Exchanger, runner: Runner, afterwards: Afterwards, watch: WakeWatch, rng: random.Random,
        preflight: Preflight, sources: SourceList,
    ) -> None:  # fmt: skip
        self._config = config
        self._board = board
        self._orders = orders
        self._channel = orders.channel
        self._signals = signals
        self._batch = batch
        self._exchanger = exchanger
        self._runner = runner
        self._afterwards = afterwards
        self._watch = watch
        self._rng = rng
        self._preflight = preflight
        self._sources = sources
        self._may_take = True
        self._failures = 0
        self._average_ms = float(config.prefetch_ms or 1)
        self._want = 1
        self._idle_until_ms = 0
        self._clock_offset_ms = 0
        self._executed = 0
        self._retire_at_ms = _retire_time(config, rng)
        self._ask_again_ms = 0

    def run(self) -> WorkerExit:
        """Work until told otherwise; return why it ended."""
        try:
            while not self._signals.draining and not self._channel.closed:
                self._board.tick()
                self._ask_for_successor()
                self._sources.report(self._channel)
                self._may_take = not self._orders.is_quiet and self._preflight.may_take()
                if not self._is_idle or self._exchanger.has_news():
                    self._work()
                else:
                    self._wait()
                self._hear_daemon()
            return self._retire()
        except Fenced as fenced:
            log.event("worker.fenced", level=30, worker=self._config.worker_id, error=str(fenced))
            return WorkerExit.FENCED

    def _work(self) -> None:
        """Make a trip, and run what it brought."""
        self._idle_until_ms, trip = 0, self._trip()
        if trip is not None and trip.jobs:
            self._run_batch(trip.jobs)
        elif self._afterwards.run():
            return
        elif trip is None:
            self._watch.wait(reconnect_delay_s(self._failures, self._rng), for_token=False)
        elif not trip.more:
            self._idle_until_ms = monotonic_ms() + min(_IDLE_MS, _IDLE_MS if trip.wait_ms is None else trip.wait_ms)
            self._wait()

    @property
    def _is_idle(self) -> bool:
        """Whether the last trip found nothing, and nobody has said anything since."""
        return monotonic_ms() < self._idle_until_ms and not self._afterwards.pending

    def _hear_daemon(self) -> None:
        self._orders.hear()
        if self._orders.is_quiet or not self._may_take:
            self._watch.cancel()  # the token is for those who take

    def _ask_for_successor(self) -> None:
        """Ask to be replaced, when old or after many jobs; work goes on until the successor is ready."""
        now_ms = monotonic_ms()
        is_old = now_ms >= self._retire_at_ms
        if now_ms >= self._ask_again_ms and (is_old or 0 < self._config.max_jobs <= self._executed):
            self._ask_again_ms = now_ms + _ASK_AGAIN_MS
            self._channel.send("recycle", reason="max_age" if is_old else "max_jobs")

    def _trip(self) -> Trip | None:
        """Make one trip; None when Redis does not answer (said once, waited out)."""
        if not self._board.lease_holds():
            return None
        try:
            self._afterwards.look(self._exchanger.queues)
            may_take = self._may_take and not self._afterwards.pending
            trip = self._exchanger.trip(self._want if may_take else 0)
        except StoreError as error:
            if self._failures == 0:
                what = "redis.lost" if isinstance(error, StoreUnavailable) else "redis.refused"
                log.event(what, level=30, error=str(error), worker=self._config.worker_id)
            self._failures += 1
            return None
        if self._failures:
            log.event("redis.back", worker=self._config.worker_id, failures=self._failures)
        self._failures = 0
        self._clock_offset_ms = trip.now_ms - monotonic_ms()
        return trip

    def _run_batch(self, jobs: list[TakenJob]) -> None:
        self._watch.cancel()
        self._batch.begin([self._runner.effective(job) for job in jobs])
        began_ms, count = monotonic_ms(), 0
        while self._may_start() and (job := self._batch.start_next()) is not None:
            self._run_one(job)
            count += 1
        if self._batch.has_held:
            self._batch.give_back()
        self._batch.busy.clear()
        self._executed += count
        if count:
            self._average_ms += 0.3 * ((monotonic_ms() - began_ms) / count - self._average_ms)
        self._want = next_want(self._average_ms, self._config.prefetch_ms, self._config.batch, len(jobs))

    def _may_start(self) -> bool:
        # A process that slept through its lease (SIGSTOP, suspend) must not begin what others may have begun.
        return not self._signals.draining and self._board.lease_holds()

    def _run_one(self, job: TakenJob) -> None:
        outcome = self._refusal(job) if job.memory_bytes else None
        outcome = outcome or self._runner.run(job, self._clock_offset_ms)
        self._batch.finish(outcome)
        if outcome.kind not in (Kind.DONE, Kind.KEPT, Kind.DEFERRED, Kind.THROTTLED, Kind.WAITING):
            self._say(job, outcome)

    def _refusal(self, job: TakenJob) -> Outcome | None:
        """Return how a job ends, for now or for good, that has no room in memory; None when it has."""
        room = self._preflight.ask_for_room(job.id, job.memory_bytes, self._orders, self._watch.wait_for_word)
        if room is Room.NEVER:
            return self._runner.oversized(job, self._orders.room_bytes, self._clock_offset_ms)
        if room is Room.LATER:
            delay_ms = round(_ROOM_AGAIN_MS * self._rng.uniform(1 - self._config.jitter, 1 + self._config.jitter))
            return Outcome(job.queue, job.id, job.attempt, Kind.DEFERRED, delay_ms)
        return None

    def _say(self, job: TakenJob, outcome: Outcome) -> None:
        log.event(
            f"job.{outcome.kind.value}", level=30, job=f"{job.queue}/{job.id}", name=job.name, attempt=job.attempt,
            ms=monotonic_ms() - self._batch.started_ms, error=outcome.text or None,
        )  # fmt: skip

    def _wait(self) -> None:
        """Wait for a token, a signal, the daemon, the next due job or the next poll."""
        share = self._rng.uniform(1 - self._config.jitter, 1 + self._config.jitter)
        until_due_s = (self._idle_until_ms - monotonic_ms()) / 1000
        wait_s = max(0.0, min(self._config.poll_s * share, until_due_s))
        if self._watch.wait(wait_s, for_token=self._may_take and not self._exchanger.is_blocked):
            self._idle_until_ms = 0

    def _retire(self) -> WorkerExit:
        self._watch.cancel()
        self._batch.give_back()
        for _ in range(_FAREWELL_TRIES):
            try:
                self._exchanger.trip(0)  # also puts back a wake token that we took and do not use
                break
            except StoreError:
                self._watch.wait(reconnect_delay_s(2, self._rng), for_token=False)
        self._afterwards.run()
        if self._channel.closed:
            return WorkerExit.ORPHANED
        return WorkerExit.STOPPED if self._signals.stopping else WorkerExit.DRAINED


def _retire_time(config: WorkerConfig, rng: random.Random) -> float:
    """Return the boottime ms at which the worker is old: up to a fifth early, so that a fleet is not old at once."""
    if not config.max_age_s:
        return math.inf
    return monotonic_ms() + config.max_age_s * 1000 * rng.uniform(0.8, 1.0)
