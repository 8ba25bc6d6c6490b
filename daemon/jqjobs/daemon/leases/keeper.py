"""What a daemon does in Redis for its workers and queues, one step a method. Knows no time: `thread` says when.

`LEASE_UNTIL` on a worker's board is counted from before a call was sent: the worker stops before Redis lets it go. But
while a node of a cluster is away it goes on: for the others, and with the little of that one that it has in hand.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.lease_messages import Charge, Command, EndWorker, Join, LeaseEvent, Recall, Report
from jqjobs.daemon.leases.blaming import Words, board_entries, judge
from jqjobs.daemon.leases.cancelling import run_and_pass_on_cancels
from jqjobs.daemon.leases.commands import run_drain, run_recall
from jqjobs.daemon.leases.election import Election
from jqjobs.daemon.leases.expiries import Expiries
from jqjobs.daemon.leases.housekeeping import Housekeeping
from jqjobs.daemon.leases.memory_samples import note_memory
from jqjobs.daemon.leases.orphans import Orphan, find_orphans
from jqjobs.daemon.leases.partition_watch import PartitionWatch
from jqjobs.daemon.leases.pattern_queues import PatternQueues
from jqjobs.daemon.leases.registration import Registration
from jqjobs.daemon.leases.release_marks import ReleaseMarks
from jqjobs.daemon.leases.renewal import Renewal
from jqjobs.daemon.leases.server_check import complaints_of_all
from jqjobs.daemon.leases.ticker import Ticker
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.jobs.blame import Scope
from jqjobs.jobs.scaling import Load
from jqjobs.link.board_layout import Word
from jqjobs.store.call import Call
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.calls.daemons import SignOfLife
from jqjobs.store.going_on import go_on_after
from jqjobs.store.reads.loads import Counts, read_loads
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.reads.server_info import read_infos
from jqjobs.store.reads.servers import ping_any
from jqjobs.store.reply_values import count
from jqjobs.store.sentinels import Place
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

T = TypeVar("T")

_WALK_EVERY_S = 0.1


class LeaseKeeper:
    """One per daemon, in its lease thread. What it does raises StoreError where Redis is away or refuses.

    - looks what kind of Redis this is
    - joins: gives a ready worker its lease
    - renews the leases of all workers, and what they offer to their queues
    - ends a dead worker: its jobs go where its board says
    - takes over orphans: ends workers whose daemon is dead too
    - recalls: gives back what a worker was told not to start
    - says that workers are about to end, so that nobody is charged for it
    - keeps house in the queues and ticks their schedules, if it is elected to
    - looks whether anything is left there, and how much
    - notes how much memory Redis takes
    - registers the daemon and its workers, notes deploys, and passes on what is cancelled in their hands

    ``has_joined``: a worker had its lease; what Redis refuses from then on is an accident, and waited out.
    """

    def __init__(
        self, settings: DaemonSettings, daemon_id: str, store: Store, boards: Path, tell: Callable[[LeaseEvent], None]
    ) -> None:
        """``boards``: where those of all daemons of the host lie. ``tell``: gives the main loop an event."""
        self._lease_ms = settings.lease_ms
        self._daemon_id = daemon_id
        self._registration = Registration(daemon_id, lambda: server_now_ms(store))
        self._store = store
        self._boards = boards
        self._tell = tell
        self._ticker = Ticker(store, daemon_id)
        #: The workers whose leases are renewed, by their ids.
        self.joined: dict[str, Join] = {}
        self._named: set[str] = set(settings.queues.names)
        #: What was decided of workers that are dead and not ended in Redis yet, by the id of the first.
        self._judged: dict[str, Words] = {}
        self._expiries = Expiries(store)
        self._counts = Counts()
        self._releases = ReleaseMarks(store)
        self.housekeeping = Housekeeping(store, settings)
        self._election = Election(store, settings, daemon_id, self.housekeeping.every_s)
        self.patterns = PatternQueues(store, settings.queues, daemon_id, self.housekeeping)
        self.partition_watch = PartitionWatch(store, self.joined, self.patterns, self.housekeeping.inboxes, tell)
        self.has_answered = False
        #: Whether leases could be renewed in any queue when that was tried last.
        self.serves_some = False
        self.has_joined = False

    def check_server(self) -> None:
        """Have an answer of Redis; the first time, look whether jqjobs can work with it."""
        ping_any(self._store)
        infos = {} if self.has_answered else _read_infos(self._store)
        self.has_answered = True
        limits = [limit for info in infos.values() if (limit := count(info.get("maxmemory")))]
        if infos:
            self.housekeeping.maxmemory_bytes = min(limits, default=0)
        for complaint in complaints_of_all(infos):
            if complaint.fatal:  # the main loop says it
                self._tell(LeaseEvent("refused", message=complaint.in_one_line()))
            else:
                log.event("redis.warning", level=log.WARNING, message=complaint.in_one_line())

    def do(self, command: Command) -> None:
        """Do what the main loop has asked for."""
        if isinstance(command, Join):
            self._join(command)
        elif isinstance(command, EndWorker):
            self._end_together([command], Scope.WORKER)
        elif isinstance(command, Recall):
            run_recall(self._store, command)
            self.housekeeping.deliver_from(name for name, *_ in command.jobs)  # what was cancelled is dead
        else:
            run_drain(self._store, command)

    def _join(self, command: Join) -> None:
        asked_ms, names = monotonic_ms(), [*command.queues, *command.missing]
        joining = [leases.join(name, command.worker_id, self._lease_ms) for name in command.queues]
        named, answers = _named_first(self._store, names, joining)
        if not isinstance(named, StoreUnavailable):  # else it is tried again with the next renewal
            raise_first([named])
        if not all(raise_first(answers)):
            return self._tell(LeaseEvent("fenced", command.worker_id))
        command.board.set_word(Word.LEASE_UNTIL, asked_ms + self._lease_ms)
        self.joined[command.worker_id] = command
        self._named.update(names)
        self.partition_watch.unserved.update(command.missing)
        self.has_joined = True
        return self._tell(LeaseEvent("joined", command.worker_id))

    def _end_together(self, dead: Sequence[EndWorker], scope: Scope) -> None:
        """End workers that died together. What was decided once stays so, also when Redis takes it at a later try."""
        first = dead[0].worker_id
        for worker in dead:
            self.joined.pop(worker.worker_id, None)  # the lease of a dead worker is not renewed, whatever comes now
        if first not in self._judged:
            self._judged[first] = judge(self._store, dead, scope)
        words, share = self._judged[first], random.uniform(0.5, 1)
        places = [(name, worker) for worker in dead for name in (*worker.queues, *worker.board.turns.read())]
        left = [
            leases.leave(
                name, worker.worker_id, worker.charge.cause, board_entries(words, name), worker.stacks, share
            )
            for name, worker in places
        ]  # fmt: skip
        problems = list[StoreError]()
        while left:  # each call is short, however much a worker had in hand
            ended = self._store.run_many(left)
            problems += [found for found in ended if isinstance(found, StoreError)]
            left = [call for call, jobs in zip(left, ended, strict=True) if jobs == leases.MOST_ENDED]
        raise_first(problems)
        del self._judged[first]
        for worker in dead:
            worker.board.remove()
        self.housekeeping.deliver_from(name for name, _ in places)

    def take_over_orphans(self) -> None:
        """End the workers of this host whose daemon is dead too, those of one daemon together."""
        problems = list[StoreError]()
        for group in find_orphans(self._boards, self._daemon_id):
            was_draining = any(orphan.was_draining for orphan in group)
            charge = Charge("its daemon and its worker were killed while it may have been running", was_draining)
            try:
                self._end_together([_taken_over(orphan, charge) for orphan in group], Scope.DAEMON)
            except StoreError as error:
                go_on_after(error, self._store)
                problems.append(error)
        raise_first(problems)

    def renew(self) -> None:
        """Renew all leases; a worker that has lost its own is fenced."""
        asked_ms = monotonic_ms()
        offered_in, in_one_place = self.patterns.with_named(self._named), not self._store.address.cluster
        renewal = Renewal(self.joined.values(), offered_in, self._lease_ms, in_one_place=in_one_place)
        named, found = _named_first(self._store, sorted(self._named), renewal.calls)
        answers = renewal.of_each_queue(self._store, found)
        self.partition_watch.unserved = unserved = renewal.unserved(answers)
        self.serves_some = len(unserved) < len(answers)
        for join in renewal.fenced(answers):
            self._fence(join)
        for join in self.joined.values():
            join.board.set_word(Word.LEASE_UNTIL, asked_ms + self._lease_ms)
        raise_first([named, *answers, *self._store.run_many(renewal.offers(answers))])

    def _fence(self, join: Join) -> None:
        if self.joined.pop(join.worker_id, None) is not None:
            join.board.set_word(Word.LEASE_UNTIL, 0)
            self._tell(LeaseEvent("fenced", join.worker_id))

    def keep_house(self) -> float | None:
        """Do the chores of all queues, if that is not another daemon's; return in how many seconds to do it again.

        None: when the next round is due. Where nobody can be asked whose they are, they are done all the same.
        """
        named, unasked = sorted(self._named), None
        try:
            if self.has_joined and not self._election.ask(named):
                return self._election.again_s
        except StoreError as error:
            go_on_after(error, self._store)
            unasked = error
        has_more = self.housekeeping.do(named)
        raise_first([unasked])
        return 0.0 if has_more else None

    def tick(self) -> float:
        """Tick the schedules that are due, if it keeps house; return in how many seconds to do it again."""
        if not (self._election.is_won or self.patterns.stirring):
            self._ticker.watch(sorted(self._named))
            return self._election.again_s
        return self._ticker.tick(self.patterns.with_named(self._named))

    def read_load(self) -> Load:
        """Return what there is to do in the queues of this daemon, as far as they are served."""
        queues = [name for name in self.patterns.with_named(self._named) if name not in self.partition_watch.unserved]
        return read_loads(self._store, queues, counts=self._counts).total

    def tell_if_exhausted(self) -> None:
        """Tell the main loop when nothing is left of what a burst is for."""
        self.patterns.find_stirring()
        if self.housekeeping.is_exhausted(self.patterns.with_named(self._named)):
            self._tell(LeaseEvent("exhausted"))

    def note_memory(self) -> None:
        """Note how much memory Redis takes by now, unless another daemon has in this minute."""
        note_memory(self._store)

    def register(self, report: Report) -> float | None:
        """Write down what is new of who is here and what they do; busy workers hear what is cancelled, and it is noted
        where envelopes wait.

        Returns in how many seconds there is more to do: when the clock of Redis was set back, all that expires is
        looked at, some of it each time.
        """
        busy = list(self.joined.values()) if report.is_busy else []
        note = self.housekeeping.inboxes.note
        heard = self._registration.tell(report, lambda call: run_and_pass_on_cancels(self._store, call, busy, note))
        if heard is SignOfLife.CLOCK_BACK:
            log.event("redis.clock_back", level=log.WARNING)
            self._expiries.begin()
        self._releases.look(report)
        if self._expiries.are_walked:
            self._expiries.step()
        return _WALK_EVERY_S if self._expiries.are_walked else None

    def deregister(self) -> None:
        """Take the entry out of the registry, and let others tick; where Redis is away both expire by themselves."""
        self.patterns.end_watch()
        with suppress(StoreError):
            for say in (self._election.resign, lambda: self._store.run(self._registration.end()), self._ticker.resign):
                try:
                    say()
                except StoreError as error:
                    go_on_after(error, self._store)


def _named_first(store: Store, names: Sequence[str], calls: Sequence[Call[T]]) -> tuple[object, list[T | StoreError]]:
    """Have queues known, and run calls, in one round trip; return what came of the one and of the others."""
    naming: list[Call[Any]] = [upkeep.add_queues(names)] if names else []
    found = store.run_many([*naming, *calls])
    return (found[0] if naming else None), found[len(naming) :]


def _read_infos(store: Store) -> Mapping[Place, Mapping[str, str]]:
    """Read what Redis says of itself; nothing where we may not ask."""
    try:
        return read_infos(store)
    except StoreError as error:
        log.event("redis.unjudged", level=log.WARNING, error=str(error))
        return {}


def _taken_over(orphan: Orphan, charge: Charge) -> EndWorker:
    left = "killed" if orphan.kill_descendants() else None  # before the jobs that started them run again
    log.event("worker.taken_over", worker=orphan.worker_id, descendants=left)
    return EndWorker(orphan.worker_id, orphan.queues, charge, orphan.board)
