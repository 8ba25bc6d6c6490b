"""The lease keeper: a thread with its own connection that renews, buries, keeps house and beats.

It runs apart from the main loop, so that nothing the daemon waits for can cost a worker its lease; and
apart from the workers, so that no job can (a job that holds the GIL starves every thread of its process).

    commands in (join, bury, recall)  →  done in order, see `Commands`
    events out                        →  joined, fenced, refused, exhausted: read by the main loop
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.leases.cancelling import run_and_pass_on_cancels
from jqjobs.daemon.leases.commands import Commands, run_recall
from jqjobs.daemon.leases.housekeeping import Housekeeping
from jqjobs.daemon.leases.orphans import board_entries, find_orphans
from jqjobs.daemon.leases.server_check import complaints
from jqjobs.daemon.leases.ticker import LOOK_EVERY_S, Ticker
from jqjobs.daemon.messages import Bury, Charge, Command, Join, KeeperEvent, Report
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreError, StoreRefused, StoreUnavailable
from jqjobs.jobs.backoff import reconnect_delay_s
from jqjobs.link.board import Word
from jqjobs.store.call import Call
from jqjobs.store.calls import daemons, leases, upkeep
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

_BEAT_EVERY_S = 2.0
_BUSY_BEAT_EVERY_S = 0.5
_BEAT_TTL_MS = 10_000
_ORPHANS_EVERY_S, _ORPHANS_LATER_EVERY_S = 0.3, 1.5
_YOUNG_MS = 5000
_BURST_EVERY_S = 0.3
#: At the end an outage of Redis is waited out no longer: so many tries, about half a second.
_FAREWELL_TRIES = 4


class LeaseKeeper(threading.Thread):
    """One per daemon. `submit` and `report` are called by the main loop; everything else happens in here."""

    def __init__(
        self, settings: DaemonSettings, daemon_id: str, store: Store, boards: Path, wake: Callable[[], None]
    ) -> None:
        super().__init__(name="jqjobs-leases", daemon=True)
        self._settings = settings
        self._daemon_id = daemon_id
        self._store = store
        self._boards = boards
        self._housekeeping = Housekeeping(store, settings)
        self._ticker = Ticker(store)
        self._wake = wake
        self._commands = Commands(self._do)
        self._joined: dict[str, Join] = {}
        self._queues: set[str] = set(settings.queues)
        self._due: dict[str, float] = {}
        self._rng = random.Random()
        self._nudge = threading.Event()
        self._ending = threading.Event()
        self._born_ms = monotonic_ms()
        self._failures = 0
        self._accepted = False
        self._met = False
        self.turned_s = time.monotonic()
        self._complained: set[str] = set()
        self.events: queue.SimpleQueue[KeeperEvent] = queue.SimpleQueue()
        self._report = Report()
        self.waiting_for_redis = ""

    def submit(self, command: Command) -> None:
        """Have a command done; the thread is woken for it."""
        self._commands.put(command)
        self._nudge.set()

    @property
    def report(self) -> Report:
        """What this daemon says of itself; a new state is said at once, the rest with the next beat."""
        return self._report

    @report.setter
    def report(self, report: Report) -> None:
        is_news = report.states() != self._report.states()
        if report.is_busy and not self._report.is_busy:
            self._due["beat"] = min(self._due.get("beat", 0.0), monotonic_ms() / 1000 + _BUSY_BEAT_EVERY_S)
            self._nudge.set()
        self._report = report
        if is_news:
            self._due["beat"] = 0.0
            self._nudge.set()

    def end(self, timeout_s: float) -> bool:
        """Finish what was submitted, deregister, end; False when Redis did not let it within ``timeout_s``."""
        self._ending.set()
        self._nudge.set()
        self.join(timeout_s)
        return not self.is_alive() and self._commands.are_done

    def run(self) -> None:
        """Serve until `end`; an outage of Redis is waited out."""
        while not (self._ending.is_set() and self._commands.are_done):
            try:
                self._round()
                self._recover()
                pause_s = self._until_next_s()
            except StoreError as error:
                pause_s = self._stumble(error)
                if self._ending.is_set() and self._failures >= _FAREWELL_TRIES:
                    return
            except Exception:
                log.event("keeper.error", level=50, exc_info=True)
                pause_s = 1.0
            self.turned_s = time.monotonic()
            self._nudge.wait(pause_s)
            self._nudge.clear()
        self._say_goodbye()

    def _round(self) -> None:
        self._meet_server()
        settings = self._settings
        if self._is_due("renew", settings.lease_s / 3):
            self._guarded(self._renew)
        self._guarded(self._commands.do_all)
        if self._is_due("orphans", _ORPHANS_EVERY_S if self._is_young() else _ORPHANS_LATER_EVERY_S):
            self._guarded(self._bury_orphans)
        if self._is_due("housekeep", self._housekeeping.every_s):
            self._guarded(self._keep_house)
        if self._accepted and self._is_due("schedule", LOOK_EVERY_S):
            self._guarded(self._tick)
        if settings.burst and self._accepted and self._is_due("burst", _BURST_EVERY_S):
            self._guarded(self._look_for_the_end)
        if self.report.about and self._is_due("beat", _BUSY_BEAT_EVERY_S if self.report.is_busy else _BEAT_EVERY_S):
            self._guarded(self._beat)

    def _is_young(self) -> bool:
        """Just after the start a predecessor's workers may still be dying."""
        return monotonic_ms() - self._born_ms < _YOUNG_MS

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do a step; what Redis refuses of it (a key of the wrong type, a missing permission) stops no other."""
        name = step.__name__.strip("_")
        try:
            step()
            self._complained.discard(name)
        except StoreUnavailable:
            raise
        except StoreError as error:
            if isinstance(error, StoreRefused) and not self._accepted:
                raise
            if name not in self._complained:
                log.event("keeper.refused", level=40, step=name, error=str(error))
            self._complained.add(name)

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = monotonic_ms() / 1000
        if now_s < self._due.get(what, 0.0):
            return False
        self._due[what] = now_s + every_s * self._rng.uniform(1 - self._settings.jitter / 2, 1)
        return True

    def _until_next_s(self) -> float:
        return max(0.01, min(self._due.values()) - monotonic_ms() / 1000)

    def _stumble(self, error: StoreError) -> float:
        is_final = not isinstance(error, StoreUnavailable) and not self._met  # no such database, or no Redis at all
        if is_final or (isinstance(error, StoreRefused) and not self._accepted):
            self._tell(KeeperEvent("refused", message=error.in_one_line()))
        if self._failures == 0:
            log.event("redis.lost", level=30, error=str(error))
        self._failures += 1
        self.waiting_for_redis = str(error)
        self._due.clear()  # everything is overdue once Redis is back
        # After an outage the first daemon back grants everybody one lease of amnesty; all must be back within it.
        return min(reconnect_delay_s(self._failures, self._rng), self._settings.lease_s / 4)

    def _recover(self) -> None:
        if self._failures:
            log.event("redis.back", failures=self._failures)
        self._failures, self.waiting_for_redis = 0, ""

    def _meet_server(self) -> None:
        if self._met and not self._failures:
            return
        self._store.ping()
        if not self._met:
            self._judge_server()
        self._met = True

    def _judge_server(self) -> None:
        try:
            info = self._store.wire.call("INFO")
        except StoreError as error:
            log.event("redis.unjudged", level=30, error=str(error))
            return
        for complaint in complaints(info.decode("utf-8", "replace")):
            log.event("redis.warning", level=30, message=complaint.message)
            if complaint.fatal:
                self._tell(KeeperEvent("refused", message=complaint.message))

    def _tell(self, event: KeeperEvent) -> None:
        self.events.put(event)
        self._wake()

    def _do(self, command: Command) -> None:
        if isinstance(command, Join):
            self._join(command)
        elif isinstance(command, Bury):
            self._bury(command)
        else:
            run_recall(self._store, command)

    def _join(self, command: Join) -> None:
        asked_ms = monotonic_ms()
        lease_ms = self._settings.lease_ms
        self._store.run(upkeep.add_queues(command.queues))
        answers = self._store.run_all([leases.join(name, command.worker_id, lease_ms) for name in command.queues])
        if not all(answers):
            return self._tell(KeeperEvent("fenced", command.worker_id))
        command.board.set_word(Word.LEASE_UNTIL, asked_ms + lease_ms)
        self._joined[command.worker_id] = command
        self._queues.update(command.queues)
        self._accepted = True  # from now on a refusal is an accident, and waited out
        return self._tell(KeeperEvent("joined", command.worker_id))

    def _bury(self, dead: Bury) -> None:
        self._joined.pop(dead.worker_id, None)  # the lease of a dead worker is not renewed, whatever comes now
        entries, charge = dead.board.entries(), dead.charge
        self._store.run_all([
            leases.leave(name, dead.worker_id, charge.mode, charge.cause, jobs, dead.stacks)
            for name in dead.queues
            for jobs in [board_entries(entries, name, charge.only)]
        ])  # fmt: skip
        dead.board.remove()

    def _bury_orphans(self) -> None:
        for orphan in find_orphans(self._boards, self._daemon_id):
            left = "killed" if orphan.kill_descendants() else None  # before the jobs that started them run again
            log.event("worker.taken_over", worker=orphan.worker_id, descendants=left)
            cause = "its daemon and its worker were killed while it may have been running"
            self._bury(Bury(orphan.worker_id, orphan.queues, Charge("suspect", cause), orphan.board))

    def _renew(self) -> None:
        asked_ms, lease_ms = monotonic_ms(), self._settings.lease_ms
        workers = list(self._joined.values())
        if self._queues:
            self._store.run(upkeep.add_queues(sorted(self._queues)))
        queues = sorted(self._queues)
        here = {name: [join for join in workers if name in join.queues] for name in queues}
        answers = self._store.run_many([self._renewal(name, here[name]) for name in queues])
        for name, answer in zip(queues, answers, strict=True):
            for join, held in [] if isinstance(answer, StoreError) else zip(here[name], answer, strict=True):
                if held < 0 and self._joined.pop(join.worker_id, None) is not None:
                    join.board.set_word(Word.LEASE_UNTIL, 0)
                    self._tell(KeeperEvent("fenced", join.worker_id))
        for join in self._joined.values():
            join.board.set_word(Word.LEASE_UNTIL, asked_ms + lease_ms)
        raise_first(answers)

    def _renewal(self, name: str, here: Sequence[Join]) -> Call[list[int]]:
        names = sorted({offered for join in here for offered in join.names})
        return leases.renew(name, self._settings.lease_ms, [join.worker_id for join in here], names)

    def _keep_house(self) -> None:
        if self._housekeeping.do(sorted(self._queues)):
            self._due["housekeep"] = 0.0

    def _tick(self) -> None:
        wait_s = self._ticker.tick(sorted(self._queues))
        self._due["schedule"] = min(self._due["schedule"], monotonic_ms() / 1000 + wait_s)

    def _look_for_the_end(self) -> None:
        if self._housekeeping.is_exhausted(sorted(self._queues)):
            self._tell(KeeperEvent("exhausted"))

    def _beat(self) -> None:
        report = self.report
        beat = daemons.register(self._daemon_id, _BEAT_TTL_MS, report.about, report.workers)
        run_and_pass_on_cancels(self._store, beat, list(self._joined.values()) if report.is_busy else [])

    def _say_goodbye(self) -> None:
        try:
            self._store.run(daemons.register(self._daemon_id, 0, {}, {}))
        except StoreError:
            return  # the entry expires by itself
