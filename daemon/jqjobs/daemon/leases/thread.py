"""The lease thread of a daemon: what is due when, what the main loop has asked for, outages of Redis, the end.

It runs apart from the main loop, so that nothing the daemon waits for can cost a worker its lease; and apart from the
workers, so that no job can (a job that holds the GIL starves every thread of its process). What each step does in
Redis is in `keeper`.

    commands in (join, end, recall)  →  done in order, see `Commands`
    report in                         →  registered: a new state at once, the rest with the next time
    events out                        →  joined, fenced, refused, exhausted: read by the main loop
"""

from __future__ import annotations

import math
import queue
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.lease_messages import Command, LeaseEvent, Report
from jqjobs.daemon.leases import pattern_queues
from jqjobs.daemon.leases.commands import Commands
from jqjobs.daemon.leases.due_steps import Schedule
from jqjobs.daemon.leases.keeper import LeaseKeeper
from jqjobs.daemon.leases.memory_samples import SAMPLE_EVERY_S
from jqjobs.daemon.leases.old_boards import remove_old_boards
from jqjobs.daemon.leases.ticker import LOOK_EVERY_S
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreError, StoreRefused, StoreUnavailable
from jqjobs.jobs.scaling import Load
from jqjobs.store.error_replies import OF_CREDENTIALS
from jqjobs.store.going_on import be_brief, go_on_after
from jqjobs.store.outage import Outage
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

_REGISTER_EVERY_S, _BUSY_EVERY_S = 2.0, 0.5
#: Just after the start a predecessor's workers may still be dying.
_ORPHANS_EVERY_S, _ORPHANS_LATER_EVERY_S = 0.3, 1.5
_YOUNG_S = 5.0
_BURST_EVERY_S = 0.3
_LOAD_EVERY_S = 1.0
_PARTITIONS_EVERY_S = 2.0
_OLD_BOARDS_EVERY_S = 3600.0
_AFTER_ERROR_S = 1.0
#: At the end an outage of Redis is waited out no longer: so many tries, about half a second.
_TRIES_AT_END = 4
_AGAIN_AT_END_S = 0.1

#: Returns in how many seconds to do it again, None: as planned.
Step = Callable[[], float | None]


class LeaseThread(threading.Thread):
    """One per daemon. `submit`, `report`, `events` and `end` are for the main loop; everything else happens in here.

    Each turn, as far as it is due:

    - renews the leases of all workers
    - does what the main loop has asked for: joins, ends of workers, recalls
    - takes over orphans, whose daemon is dead too
    - keeps house in the queues, and looks at those that have turns
    - takes envelopes in where some were seen, and ticks schedules
    - looks whether a burst is over, and how much there is to do
    - notes how much memory Redis takes
    - registers the daemon and its workers

    What cannot be done at one node of a cluster keeps nothing undone at the others.
    """

    def __init__(
        self, settings: DaemonSettings, daemon_id: str, store: Store, boards: Path, wake: Callable[[], None]
    ) -> None:
        super().__init__(name="jqjobs-leases", daemon=True)
        rng = random.Random()
        self._settings = settings
        self._wake = wake
        self._boards = boards
        self._keeper = LeaseKeeper(settings, daemon_id, store, boards, self._tell)
        self._commands = Commands(store, self._keeper.do, self._keeper.joined)
        self._schedule = Schedule(settings.jitter, rng)
        self._outage = Outage(rng)
        self._store = store
        #: What went wrong in this turn at a node of a cluster.
        self._undone: StoreUnavailable | None = None
        self._refused_steps: dict[str, str] = {}
        self._report = self._registered = Report()
        self._nudge = threading.Event()
        self._ending = threading.Event()
        self._started_s = _now_s()
        self.turned_s = time.monotonic()
        self.events: queue.SimpleQueue[LeaseEvent] = queue.SimpleQueue()
        #: Why nothing can be done; and why not all can, where a node of a cluster is lost.
        self.waiting_for_redis = self.missing_part = ""
        #: Set by the main loop: whether it wants to know how much there is to do.
        self.reads_load = False
        #: What there was to do when last looked; None: nobody knows.
        self.load: Load | None = None

    def submit(self, command: Command) -> None:
        """Have a command done; the thread is woken for it."""
        self._commands.put(command)
        self._nudge.set()

    @property
    def report(self) -> Report:
        """What this daemon says of itself; a new state is said at once, the rest when it registers next."""
        return self._report

    @report.setter
    def report(self, report: Report) -> None:
        before, self._report = self._report, report
        if report.states() != before.states() or (report.is_busy and not before.is_busy):
            self._nudge.set()

    def end(self, timeout_s: float) -> bool:
        """Finish what was submitted, deregister, end; False when Redis did not let it within ``timeout_s``."""
        self._ending.set()
        self._nudge.set()
        self.join(timeout_s)
        return not self.is_alive() and self._commands.are_done

    def run(self) -> None:
        """Serve until `end`; an outage of Redis is waited out."""
        if self._settings.queues.patterns:
            self._keeper.patterns.begin_watch()
        while not (self._ending.is_set() and self._commands.are_done):
            pause_s = self.turn()
            if self._ending.is_set() and self._outage.failures >= _TRIES_AT_END:
                break
            self.turned_s = time.monotonic()
            self._nudge.wait(pause_s)
            self._nudge.clear()
        be_brief(self._store)
        if self._store.address.cluster or self._outage.failures < _TRIES_AT_END:
            self._keeper.deregister()

    def turn(self) -> float:
        """Do what is due, at the end only what was asked for; return for how many seconds nothing is.

        The thread does only this.
        """
        try:
            if not self._keeper.has_answered or (self._outage.failures and not self._store.address.cluster):
                self._keeper.check_server()
            if self._ending.is_set():
                be_brief(self._store)
                self._guarded("commands", self._commands.do_all)
            else:
                self._do_what_is_due()
            raise_first([self._undone])
        except StoreError as error:
            return self._count_failure(error)
        except Exception:
            log.event("keeper.error", level=log.CRITICAL, exc_info=True)
            return _AFTER_ERROR_S
        finally:
            self._undone = None
            self._store.wire.waits.shorten(math.inf)
        self._outage.end()
        self.waiting_for_redis = self.missing_part = ""
        return _AGAIN_AT_END_S if self._ending.is_set() else self._schedule.pause_s(_now_s())

    def _do_what_is_due(self) -> None:
        """Take each step that is due. Raises: StoreError when Redis is away, or refuses us as a whole."""
        keeper, settings = self._keeper, self._settings
        self._step("renew", keeper.renew, settings.lease_s / 3)
        self._guarded("commands", self._commands.do_all)
        self._step("orphans", keeper.take_over_orphans, _orphans_every_s(_now_s() - self._started_s))
        self._step("old boards", lambda: remove_old_boards(self._boards), _OLD_BOARDS_EVERY_S)
        self._step("housekeep", keeper.keep_house, keeper.housekeeping.every_s)
        if settings.queues.patterns:
            self._step("patterns", keeper.patterns.go_on, pattern_queues.GO_ON_EVERY_S)
        self._step("inboxes", keeper.housekeeping.inboxes.take_in, math.inf)
        if keeper.has_joined:
            self._step("schedules", keeper.tick, LOOK_EVERY_S)
            self._step("partitions", keeper.partition_watch.look, _PARTITIONS_EVERY_S)
        if keeper.has_joined and settings.burst:
            self._step("burst", keeper.tell_if_exhausted, _BURST_EVERY_S)
        self._step("memory", keeper.note_memory, SAMPLE_EVERY_S)
        if keeper.has_joined and self.reads_load:
            self._step("load", self._read_load, _LOAD_EVERY_S)
        if self._report.about:
            self._hasten_register()
            self._step("register", self._register, _BUSY_EVERY_S if self._report.is_busy else _REGISTER_EVERY_S)
        if keeper.housekeeping.inboxes.are_filled:
            self._schedule.hasten("inboxes", _now_s())

    def _step(self, name: str, do: Step, every_s: float) -> None:
        if self._schedule.take(name, every_s, _now_s()):
            self._guarded(name, do)

    def _guarded(self, name: str, do: Step) -> None:
        """Do a step; what Redis refuses of it (a key of the wrong type, a missing permission) stops no other."""
        try:
            again_s = do()
            self._refused_steps.pop(name, None)
        except StoreUnavailable as error:
            go_on_after(error, self._store)
            self._undone = self._undone or error
        except StoreError as error:
            if error.reason in OF_CREDENTIALS or (isinstance(error, StoreRefused) and not self._keeper.has_joined):
                raise
            if self._refused_steps.get(name) != error.reason:
                log.event("keeper.refused", level=log.ERROR, step=name, error=str(error))
            self._refused_steps[name] = error.reason
        else:
            if again_s is not None:
                self._schedule.hasten(name, _now_s() + again_s)

    def _hasten_register(self) -> None:
        """Register a new state at once, and soon that a job runs."""
        now_s = _now_s()
        if self._report.states() != self._registered.states():
            self._schedule.hasten("register", now_s)
        elif self._report.is_busy and not self._registered.is_busy:
            self._schedule.hasten("register", now_s + _BUSY_EVERY_S)

    def _read_load(self) -> None:
        self.load = self._keeper.read_load()
        self._wake()

    def _register(self) -> float | None:
        self._registered = self._report  # also if it is refused: it would be tried again without a pause
        return self._keeper.register(self._registered)

    def _count_failure(self, error: StoreError) -> float:
        """Note that Redis is away, or wants nothing of us; return how many seconds to wait before the next try."""
        is_refused = isinstance(error, StoreRefused) and not self._keeper.has_joined
        is_no_redis = not isinstance(error, StoreUnavailable) and not self._keeper.has_answered
        if is_refused or is_no_redis:
            self._tell(LeaseEvent("refused", message=error.in_one_line()))
        self._outage.note(error)
        if self._store.address.cluster and self._keeper.serves_some:
            self.waiting_for_redis, self.missing_part = "", f"a part of the cluster is away: {error}"
        else:
            self.waiting_for_redis, self.missing_part, self.load = str(error), "", None
        self._schedule.make_all_due()
        # After an outage the first daemon back grants everybody one lease of amnesty; all must be back within it.
        return min(self._outage.pause_s(), self._settings.lease_s / 4)

    def _tell(self, event: LeaseEvent) -> None:
        self.events.put(event)
        self._wake()


def _orphans_every_s(age_s: float) -> float:
    return _ORPHANS_EVERY_S if age_s < _YOUNG_S else _ORPHANS_LATER_EVERY_S


def _now_s() -> float:
    return monotonic_ms() / 1000
