"""How a worker ends: its jobs are waited for, what is in hand goes back, all is reported; or, fenced, all stops."""

from __future__ import annotations

from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError
from jqjobs.link.exits import WorkerExit
from jqjobs.store.outage import Failures
from jqjobs.worker.life.parts import WorkerParts

#: A drained worker tries this often to give back what it has in hand; then its daemon does it.
_TRIES = 3
#: How often to look whether what was interrupted has ended.
_LOOK_S = 0.1
#: Who has nothing but a wake token to give back tries no longer than that.
_SILENT_MS = 2000


class Ending:
    """One of `retire` and `stop` is called, once, in the main thread."""

    def __init__(self, parts: WorkerParts) -> None:
        self._config = parts.config
        self._board = parts.board
        self._signals = parts.signals
        self._instructions = parts.instructions
        self._batch = parts.batch
        self._exchanger = parts.exchanger
        self._executor = parts.executor
        self._life_hooks = parts.life_hooks
        self._hook_queue = parts.hook_queue
        self._statistics = parts.statistics
        self._tail = parts.tail
        self._wake_wait = parts.wake_wait
        self._failures = Failures(parts.rng)

    def retire(self) -> WorkerExit:
        """Let the jobs that run come to their end, and report; then nothing is in hand any more. Raises: Fenced."""
        self._wake_wait.cancel()
        self._signals.draining = True  # nothing more is begun, whatever the reason
        while self._batch.running_count:  # in one slot nothing runs now
            self._wait_for_slots()
        silent_ms = monotonic_ms() + _SILENT_MS
        for _ in range(_TRIES):
            if self._give_back():
                self._statistics.write()
                self._tail.send(self._exchanger.ask)
                break
            if monotonic_ms() > silent_ms and not (self._batch.in_hand() or self._batch.reports.pending):
                break
        self._hook_queue.run()
        self._close()
        if self._instructions.channel.closed:
            return WorkerExit.ORPHANED
        return WorkerExit.STOPPED if self._signals.stopping else WorkerExit.DRAINED

    def stop(self) -> None:
        """Have what runs interrupted, since it runs elsewhere by now, and give it a moment to end."""
        self._signals.draining = self._signals.stopping = True
        until_ms = monotonic_ms() + self._config.kill_after_s * 1000
        while self._batch.running_count and monotonic_ms() < until_ms:
            self._executor.listen(-1, for_outcomes=True)
            self._wake_wait.wait(_LOOK_S, for_token=False)
        self._close()

    def _close(self) -> None:
        self._life_hooks.stop()
        self._executor.close()

    def _wait_for_slots(self) -> None:
        """Report what has ended, and wait until something else has, or somebody says something."""
        self._board.tick()
        if self._batch.reports.pending:
            self._give_back()
        self._executor.listen(-1, for_outcomes=True)
        if not self._batch.reports.pending:
            self._wake_wait.wait(self._config.poll_s, for_token=False)
        self._executor.run(lambda: 1)
        self._instructions.hear()

    def _give_back(self) -> bool:
        """Give back what is not started, and report; False after a pause when Redis does not answer."""
        try:
            if self._exchanger.under_way:
                self._exchanger.receive()
            self._batch.give_back()
            self._exchanger.fast.begin_anew()
            self._exchanger.trip(0)  # also puts back a wake token that we took and do not use
            while self._batch.reports.pending and self._exchanger.order.queues:
                self._exchanger.trip(0)
        except StoreError:
            self._failures.add()
            self._wake_wait.wait(self._failures.pause_s(), for_token=False)
            return False
        return True
