"""The worker's loop: report and take in one trip, run what is held, wait when there is nothing.

One slot:
┌─▶ trip ──jobs──▶ run ────────┐   while more than half of what is held is still to be run, the next trip is sent;
│     └──none──▶ wait for work ┤   its answer is read when nothing is left. Hooks are called when nothing is held:
└──────────────────────────────┘   the trip after a hooked job takes none.
Several slots: they run by themselves. The loop makes a trip when half of what was held is begun, or to report, and
waits otherwise; hooks are called between two trips.
Ends: drained, stopped, fenced, orphaned
"""

from __future__ import annotations

import math
import random

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.jobs.backoff import reconnect_delay_s
from jqjobs.link.exits import WorkerExit
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.store.calls.trips import Trip
from jqjobs.worker.attempts.hook_calls import HookQueue
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.loaded_files import LoadedFiles
from jqjobs.worker.life.own_memory import OwnMemory
from jqjobs.worker.life.worker_signals import Signals
from jqjobs.worker.slots.executor import Executor
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger, Fenced
from jqjobs.worker.trips.pace import Pace
from jqjobs.worker.trips.wake_wait import WakeWait

#: A drained worker tries this often to give back what it holds; then its daemon does it.
_FAREWELL_TRIES = 3
#: An idle worker only looks whether there is news; so often it makes a whole trip all the same. What time does to its
#: queues daemons do, too.
_IDLE_MS = 30_000
#: Who asked to be replaced and is still there asks again: its successor may not have come up.
_ASK_AGAIN_MS = 60_000
#: While other jobs run, finished ones are reported with the next take, and after this long at the latest.
_REPORT_AFTER_MS = 10
#: How often to look whether what was interrupted has ended.
_STOP_LOOK_S = 0.1


class Loop:
    """Wired by hand in `worker.__main__`."""

    def __init__(
        self, config: WorkerConfig, board: WorkerBoard, instructions: Instructions, signals: Signals, batch: Batch,
        exchanger: Exchanger, executor: Executor, runner: Runner, hook_queue: HookQueue, wake_wait: WakeWait,
        rng: random.Random, own_memory: OwnMemory, loaded_files: LoadedFiles,
    ) -> None:  # fmt: skip
        self._config = config
        self._board = board
        self._instructions = instructions
        self._channel = instructions.channel
        self._signals = signals
        self._batch = batch
        self._exchanger = exchanger
        self._executor = executor
        self._runner = runner
        self._hook_queue = hook_queue
        self._wake_wait = wake_wait
        self._rng = rng
        self._own_memory = own_memory
        self._loaded_files = loaded_files
        self._may_take = True
        self._failures = 0
        self._pace = Pace(executor.slots, config.prefetch_ms, config.batch)
        self._has_one_slot = executor.slots == 1
        self._said_hung = False
        self._asked = 0
        self._idle_until_ms = 0.0
        self._executed = 0
        self._retire_at_ms = _retire_time(config, rng)
        self._ask_again_ms = 0

    def run(self) -> WorkerExit:
        """Work until told otherwise; return why it ended."""
        try:
            while not self._signals.draining and not self._channel.closed:
                self._board.tick()
                self._ask_for_successor()
                self._loaded_files.report(self._channel)
                if not self._exchanger.under_way:  # else it was asked before that trip was sent
                    self._may_take = self._is_free_to_take()
                if not self._has_one_slot:
                    self._run()  # what could not begin before: it needs memory, or the lease was in doubt
                if self._is_due():
                    self._work()
                elif self._has_one_slot or not self._hook_queue.run_next():
                    self._wait()
                self._hear_daemon()
            return self._retire()
        except Fenced as fenced:
            log.event("worker.fenced", level=30, worker=self._config.worker_id, error=str(fenced))
            self._stop_slots()
            return WorkerExit.FENCED

    def _is_due(self) -> bool:
        """Whether a trip is called for: jobs have ended a while ago, or there is room for jobs that may be there."""
        if self._batch.running_count and self._batch.reports.pending:
            if monotonic_ms() >= self._exchanger.sent_ms + _REPORT_AFTER_MS:
                return True
            if self._is_idle:
                return False
        if not self._has_one_slot and (self._batch.unstarted_count > self._pace.low or self._room <= 0):
            return False
        return not self._is_idle or self._exchanger.has_news()

    @property
    def _room(self) -> int:
        """How many more jobs this worker may have in its hands."""
        return self._pace.most_in_hand - self._batch.unstarted_count - self._batch.running_count

    def _work(self) -> None:
        """Make a trip, and run what it brought."""
        self._idle_until_ms, trip = 0, self._trip()
        if trip is not None and trip.jobs:
            # Limited jobs come one in a trip. Otherwise there is no more now, unless a token says so.
            if len(trip.jobs) < self._asked and not trip.more and not trip.jobs[-1].limits and not self._has_one_slot:
                self._idle_until_ms = monotonic_ms() + _REPORT_AFTER_MS
            self._run_held(len(trip.jobs))
        elif (
            self._has_one_slot and self._batch.unstarted_count
        ):  # of a trip that brought them and went wrong after that
            self._run_held(0)
        elif self._hook_queue.run() if self._has_one_slot else self._hook_queue.run_next():
            return
        elif trip is None:
            self._wake_wait.wait(reconnect_delay_s(self._failures, self._rng), for_token=False)
        elif not trip.more and (self._batch.running_count or not self._batch.reports.pending):
            # Else jobs have ended while the trip was under way, and no other one will take their outcomes along.
            wait_ms = _IDLE_MS if trip.wait_ms is None else trip.wait_ms
            self._idle_until_ms = monotonic_ms() + min(_IDLE_MS, wait_ms, self._hook_queue.looks_in_ms)
            self._wait()

    @property
    def _is_idle(self) -> bool:
        """Whether the last trip found nothing, and nobody has said anything since."""
        return monotonic_ms() < self._idle_until_ms and not (self._has_one_slot and self._hook_queue.pending)

    def _hear_daemon(self) -> None:
        self._instructions.hear()
        if self._instructions.is_quiet or not self._may_take:
            self._wake_wait.cancel()  # the token is for those who take

    def _is_free_to_take(self) -> bool:
        return not self._instructions.is_quiet and not self._batch.has_hung and self._own_memory.may_take()

    def _ask_for_successor(self) -> None:
        """Ask to be replaced, when old, after many jobs, or when one hangs; work goes on until a successor is ready."""
        now_ms, has_hung = monotonic_ms(), self._batch.has_hung
        is_old = now_ms >= self._retire_at_ms
        if now_ms >= self._ask_again_ms and (is_old or 0 < self._config.max_jobs <= self._executed):
            self._ask_again_ms = now_ms + _ASK_AGAIN_MS
            self._channel.send("recycle", reason="max_age" if is_old else "max_jobs")
        if has_hung and not self._said_hung:
            self._channel.send("recycle", reason="hung")
        self._said_hung = has_hung

    def _trip(self) -> Trip | None:
        """Finish the trip that is under way, or make one; None when Redis does not answer (said once, waited out)."""
        if not self._board.lease_holds() and not self._exchanger.under_way:
            return None
        try:
            if not self._exchanger.under_way:
                self._hook_queue.look(self._exchanger.queues)
                self._asked = self._want
                self._exchanger.send(self._asked, self._free)
            trip = self._exchanger.receive()
        except StoreError as error:
            if self._failures == 0:
                what = "redis.lost" if isinstance(error, StoreUnavailable) else "redis.refused"
                log.event(what, level=30, error=str(error), worker=self._config.worker_id)
            self._failures += 1
            return None
        if self._failures:
            log.event("redis.back", worker=self._config.worker_id, failures=self._failures)
        self._failures = 0
        self._runner.clock_offset_ms = trip.now_ms - monotonic_ms()
        return trip

    @property
    def _free(self) -> int:
        """How many jobs could start at once beside others; of one slot there are no others."""
        if self._has_one_slot:
            return 0
        return max(0, self._executor.slots - self._batch.unstarted_count - self._batch.running_count)

    @property
    def _want(self) -> int:
        """How many jobs to ask for; none while hooks wait that one slot would have to wait for."""
        if not self._may_take or (self._has_one_slot and self._hook_queue.pending):
            return 0
        return max(0, min(self._room, self._config.batch))

    def _run_held(self, taken: int) -> None:
        """Run what is held, or have it begun; ``taken``: how many jobs the last trip brought."""
        if self._batch.unstarted_count + self._batch.running_count >= self._executor.slots:
            self._wake_wait.cancel()
        self._pace.adapt(taken)
        self._run()

    def _run(self) -> None:
        count, spent_ms = self._executor.run(self._send_ahead)
        self._executed += count
        self._pace.note(count, spent_ms)

    def _send_ahead(self) -> None:
        """Ask for more before there is nothing to run, or at once when there is, so that Redis works meanwhile."""
        if self._batch.unstarted_count > self._pace.low or self._exchanger.under_way or self._signals.draining:
            return
        self._instructions.hear()  # a word to be quiet, say, that came while a job ran
        self._may_take = not self._channel.closed and self._is_free_to_take()
        if (want := self._want) > 0 and self._board.lease_holds():
            self._exchanger.send(want)

    def _wait(self) -> None:
        """Wait for a token, a signal, the daemon, the next due job or the next poll; or until slots need something."""
        share = self._rng.uniform(1 - self._config.jitter, 1 + self._config.jitter)
        wait_s = self._config.poll_s * share
        if self._is_idle:
            wait_s = min(wait_s, (self._idle_until_ms - monotonic_ms()) / 1000)
        if self._batch.running_count:
            wait_s = min(wait_s, self._listen())
        has_free_slot = self._batch.unstarted_count + self._batch.running_count < self._executor.slots
        for_token = self._may_take and has_free_slot and not self._exchanger.is_blocked
        if self._wake_wait.wait(max(0.0, wait_s), for_token=for_token):
            self._idle_until_ms = 0

    def _listen(self) -> float:
        """Have the slots wake this thread for what it has to do for them; return after how many s it looks itself."""
        until_report_s = (self._exchanger.sent_ms + _REPORT_AFTER_MS - monotonic_ms()) / 1000
        had_outcomes = self._batch.reports.pending
        is_idle = self._is_idle
        at_once = not had_outcomes and (until_report_s <= 0 or not is_idle)
        self._executor.listen(-1 if is_idle else self._pace.low, for_outcomes=at_once)
        # What happens from here on rings; what happened since the last look does not.
        if not is_idle and self._batch.unstarted_count <= self._pace.low and self._room > 0:
            return 0.0
        if at_once and not self._batch.reports.pending:
            return math.inf
        return max(0.0, until_report_s)

    def _retire(self) -> WorkerExit:
        """Let the jobs that run come to their end, and report; then nothing is held any more."""
        self._wake_wait.cancel()
        self._signals.draining = True  # nothing more is begun, whatever the reason
        while self._batch.running_count:  # in one slot nothing runs now
            self._board.tick()
            if self._batch.reports.pending:
                self._farewell()
            self._executor.listen(-1, for_outcomes=True)
            if not self._batch.reports.pending:
                self._wake_wait.wait(self._config.poll_s, for_token=False)
            self._run()
            self._hear_daemon()
        for _ in range(_FAREWELL_TRIES):
            if self._farewell():
                break
        self._hook_queue.run()
        self._executor.close()
        if self._channel.closed:
            return WorkerExit.ORPHANED
        return WorkerExit.STOPPED if self._signals.stopping else WorkerExit.DRAINED

    def _stop_slots(self) -> None:
        """Have what runs interrupted, since it runs elsewhere by now, and give it a moment to end."""
        self._signals.draining = self._signals.stopping = True
        until_ms = monotonic_ms() + self._config.kill_after_s * 1000
        while self._batch.running_count and monotonic_ms() < until_ms:
            self._executor.listen(-1, for_outcomes=True)
            self._wake_wait.wait(_STOP_LOOK_S, for_token=False)
        self._executor.close()

    def _farewell(self) -> bool:
        """Give back what is held, and report; False after a pause when Redis does not answer."""
        try:
            if self._exchanger.under_way:
                self._exchanger.receive()
            self._batch.give_back()
            self._exchanger.trip(0)  # also puts back a wake token that we took and do not use
        except StoreError:
            self._wake_wait.wait(reconnect_delay_s(2, self._rng), for_token=False)
            return False
        return True


def _retire_time(config: WorkerConfig, rng: random.Random) -> float:
    """Return the boottime ms at which the worker is old: up to a fifth early, so that a fleet is not old at once."""
    if not config.max_age_s:
        return math.inf
    return monotonic_ms() + config.max_age_s * 1000 * rng.uniform(0.8, 1.0)
