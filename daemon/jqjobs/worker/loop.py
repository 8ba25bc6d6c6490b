"""The worker's loop: report and take in one trip, run what that brought, wait when there is nothing.

One slot:
┌─▶ trip ──jobs──▶ run ────────┐   while more than half of what is in hand is still to be run, the next trip is sent;
│     └──none──▶ wait for work ┤   its answer is read when nothing is left. Hooks are called when nothing is in hand:
└──────────────────────────────┘   the trip after a hooked job takes none.
Several slots: they run by themselves. The loop makes a trip when a third of what waited in hand is left, or to report,
and waits otherwise; hooks are called between two trips.
Ends: drained, stopped, fenced, orphaned
"""

from __future__ import annotations

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError
from jqjobs.link.exits import WorkerExit
from jqjobs.store.calls.trips import Trip
from jqjobs.store.outage import Outage
from jqjobs.worker.life.parts import WorkerParts
from jqjobs.worker.life.recycling import Recycling
from jqjobs.worker.life.retirement import Ending
from jqjobs.worker.trips.answers import Fenced
from jqjobs.worker.trips.turning import Turning
from jqjobs.worker.trips.wake_trip import LATE_S

#: An idle worker only looks whether there is news; so often it makes a whole trip all the same. What time does to its
#: queues daemons do, too.
_IDLE_MS = 30_000
#: Where jobs are quick, not before each of them: what the daemon has said, and how large this process is.
_LOOK_EVERY_MS = 5


class Loop:
    """The main thread of a worker. When and for how much to ask is `Fetching`'s, how jobs are run `Executor`'s."""

    def __init__(self, parts: WorkerParts) -> None:
        self._config = parts.config
        self._rng = parts.rng
        self._board = parts.board
        self._channel = parts.channel
        self._signals = parts.signals
        self._instructions = parts.instructions
        self._surroundings = parts.surroundings
        self._loaded_files = parts.loaded_files
        self._own_memory = parts.own_memory
        self._batch = parts.batch
        self._exchanger = parts.exchanger
        self._fetching = parts.fetching
        self._pace = parts.fetching.pace
        self._turning = parts.turning
        self._wake_wait = parts.wake_wait
        self._wake_trip = parts.wake_trip
        self._tail = parts.tail
        self._runner = parts.runner
        self._executor = parts.executor
        self._hook_queue = parts.hook_queue
        self._recycling = Recycling(parts.config, parts.channel, parts.rng)
        self._outage = Outage(parts.rng, worker=parts.config.worker_id)
        self._ending = Ending(parts)
        self._executed = 0
        self._has_room = False
        #: False: a trip has come that Redis has made while this worker was idle.
        self._has_looked = True
        self._look_ms = self._turn_ms = 0

    def run(self) -> WorkerExit:
        """Work until told otherwise; return why it ended."""
        try:
            while not self._signals.draining and not self._channel.closed:
                self._look_after_itself()
                if self._turning is not None and self._turning.is_due:
                    self._take_turns(self._turning)
                if self._has_looked:
                    self._run()  # what could not begin before: it needs memory, or the lease was in doubt
                if not self._has_looked or self._fetching.is_due():
                    self._work()
                elif not self._hook_queue.run_next():
                    self._wait()
                self._hear_daemon()
            return self._ending.retire()
        except Fenced as fenced:
            log.event("worker.fenced", level=log.WARNING, worker=self._config.worker_id, error=str(fenced))
            self._ending.stop()
            return WorkerExit.FENCED

    def _look_after_itself(self) -> None:
        self._turn_ms = self._board.tick()
        if not (self._has_looked or self._surroundings.touched):
            return  # a job waits that came while this worker was idle: it has looked before, and will after that
        self._surroundings.look(self._turn_ms)
        self._recycling.ask(
            executed=self._executed, has_hung=self._batch.has_hung, is_spoilt=self._surroundings.is_spoilt
        )
        self._loaded_files.report(self._channel)
        if not self._exchanger.under_way:  # else it was asked before that trip was sent
            self._fetching.may_take = self._is_free_to_take(self._turn_ms)

    def _take_turns(self, turning: Turning) -> None:
        """Go on to other queues, where they are served by their turn."""
        if not self._board.lease_holds():
            return
        try:
            if turning.go_on(self._fetching.ask()[0]):
                self._hook_queue.look_soon()
                self._fetching.lull.end()
                self._exchanger.fast.begin_anew()
        except StoreError as error:
            self._outage.note(error)
            self._wake_wait.wait(self._outage.pause_s(), for_token=False)

    def _is_free_to_take(self, now_ms: int) -> bool:
        self._look(now_ms)
        return self._has_room and self._is_fit and not self._exchanger.suspects.is_alone

    @property
    def _is_fit(self) -> bool:
        return not (self._instructions.is_quiet or self._batch.has_hung or self._surroundings.is_spoilt)

    def _look(self, now_ms: int) -> None:
        """Hear the daemon and look at the own size, unless all was well a moment ago."""
        if now_ms >= self._look_ms:
            if self._has_looked or self._wake_wait.has_word:  # else that wait has seen that there is none
                self._instructions.hear()
            self._has_room = self._is_fit and self._own_memory.may_take()
            self._look_ms = now_ms + _LOOK_EVERY_MS if self._has_room else 0

    def _work(self) -> None:
        """Make a trip, and run what it brought; or call hooks; or wait when there is nothing to do."""
        self._fetching.lull.end()
        trip = self._trip()
        if not self._has_looked:  # Redis has made that trip for it
            self._has_looked = True
            if not self._has_room:  # as it has looked just now
                self._batch.give_back()
        if trip is not None and trip.jobs:
            self._fetching.took(trip)
            if not self._fetching.has_free_slot:
                self._wake_wait.cancel()
            self._run()
        elif self._call_hooks():
            return
        elif trip is None:
            self._wake_wait.wait(self._outage.pause_s(), for_token=False)
        elif not trip.more and (self._batch.running_count or not self._batch.reports.pending):
            # Else jobs have ended while the trip was under way, and no other one will take their outcomes along.
            wait_ms = _IDLE_MS if trip.wait_ms is None else trip.wait_ms
            again_ms = self._outage.pause_s() * 1000 if self._outage.failures else _IDLE_MS
            self._fetching.lull.begin(min(again_ms, wait_ms, self._hook_queue.looks_in_ms))
            self._wait()

    def _trip(self) -> Trip | None:
        """Finish the trip that is under way, or make one; None when Redis does not answer."""
        if not (is_under_way := self._exchanger.under_way) and not self._board.lease_holds():
            return None
        try:
            if not is_under_way:
                self._hook_queue.look(self._exchanger.order.queues)
                self._exchanger.send(*self._fetching.ask())
            trip = self._exchanger.receive()
        except StoreError as error:
            self._outage.note(error)
            return None
        if (why_unserved := self._exchanger.unserved.why) is None:
            self._outage.end()
        else:  # the other nodes of the cluster go on
            self._outage.note(why_unserved)
        self._runner.classifier.clock_offset_ms = self._exchanger.fast.clock_offset_ms
        return trip

    def _run(self) -> None:
        count, spent_ms = self._executor.run(self._send_ahead, self._bring)
        if count:
            self._executed += count
            self._board.count_executed(self._executed)
            self._pace.note(count, spent_ms)

    def _call_hooks(self) -> bool:
        """Call the hooks of all that is recorded, of one job where slots need this thread; whether there were any."""
        if self._fetching.hooks_first and self._hook_queue.pending:
            self._wake_wait.cancel()  # a job that comes would wait behind them
        return self._hook_queue.run() if self._fetching.hooks_first else self._hook_queue.run_next()

    def _send_ahead(self) -> int:
        """Ask for more before there is nothing to run, or at once when there is, so that Redis works meanwhile.

        Returns after how many more jobs it may have to.
        """
        unstarted = self._batch.unstarted_count
        if unstarted > self._pace.low:
            return unstarted - self._pace.low
        if self._exchanger.under_way:
            return unstarted or 1
        if not self._signals.draining:
            # Hears a word to be quiet, say, that came while a job ran.
            now_ms = monotonic_ms()
            self._fetching.may_take = self._is_free_to_take(now_ms) and not self._channel.closed
            want, free = self._fetching.ask()
            if want > 0 and self._board.lease_holds(now_ms):
                self._exchanger.send(want, free)
        return 1

    def _bring(self) -> bool:
        """Whether a fast trip has brought the next job, where they come one by one; others set the pace anew."""
        is_quick = self._exchanger.sent_ms < self._turn_ms + _LOOK_EVERY_MS
        return is_quick and self._config.prefetch_ms == 0 and self._exchanger.bring()

    def _wait(self) -> None:
        """Wait for a token, a signal, the daemon, the next due job or the next poll; or until slots need something."""
        poll_s = self._config.poll_s * self._rng.uniform(1 - self._config.jitter, 1 + self._config.jitter)
        wants_token = self._fetching.may_take and self._fetching.has_free_slot
        if wants_token:
            self._exchanger.fast.begin_anew()  # only a whole trip puts the token back
            if self._wake_trip is not None:
                is_idle = not self._batch.running_count
                self._wake_trip.ask(*(self._fetching.ask() if is_idle else (0, 0)), poll_s)
                poll_s += LATE_S if is_idle else 0.0
        if not self._tail.is_on:  # else the monitor has to send what has ended
            self._batch.rest()
        wait_s = max(0.0, min(poll_s, self._fetching.rest_s(self._executor.listen)))
        if self._wake_wait.wait(wait_s, for_token=wants_token, but=self._exchanger.blocked):
            self._fetching.lull.end()
        self._look_ms, self._has_looked = 0, not self._exchanger.under_way

    def _hear_daemon(self) -> None:
        self._look(monotonic_ms())
        if self._instructions.is_quiet or not self._fetching.may_take:
            self._wake_wait.cancel()  # the token is for those who take
