"""The state machine: what producers, workers, daemons, people, networks and clocks do to the scripts.

A rule decides what happens; `System` does it to scripts and model and compares. Rules choose with plain
integers, so that Hypothesis has little to draw and much to shrink.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from jqjobs.jobs.blame import INTERRUPTED, Scope, read_suspicion, verdicts
from jqjobs.jobs.records import Kind, Status
from jqjobs.store.calls.transfers import Delivered
from jqjobs.store.calls.trips import Way
from property.choices import (
    BOARD,
    ENTRIES,
    JUMPS,
    KINDS,
    LENGTHS,
    NAMES,
    PAUSES,
    QUEUES,
    SHARES,
    SIGNATURES,
    SPANS,
    new_job,
    pick,
)
from property.client import Client, Packet
from property.drain import lift_everything, run_everything
from property.job_model import New, Reply
from property.length_model import waiting
from property.queue_model import Queue
from property.system import FOREVER_MS, Bundle, System

some = st.integers(0, 2**10)
TOKENS = ("one", "two")
#: Of trips that follow each other.
REPLIES = ("answered",) * 5 + ("reply lost", "delayed")
queues = st.sampled_from(QUEUES)


class Machine(RuleBasedStateMachine):
    """Two queues, two workers that are replaced when they are gone, and some jobs to begin with."""

    #: Makes the system of one story.
    begin: ClassVar[Callable[[], System]]
    #: Called once for every step.
    count: ClassVar[Callable[[], None]]

    def __init__(self) -> None:
        super().__init__()
        self.s = self.begin()
        for _ in range(2):
            self.s.hire()
        self.s.publish("b", {"n": {"throttle_counts": True, "max_attempts": 4}})
        for queue in QUEUES:
            self.s.enqueue(queue, [self.new_job(queue, n) for n in (1, 2, 3, 5)])
            self.s.enqueue(queue, [self.new_job(queue, n) for n in (6 * 4, 6 * 5, 6 * 6, 6 * 7)])

    def new_job(self, queue: str, n: int) -> New:
        """Make a job; its id is sometimes one that is there already."""
        known = self.s.jobs_of(queue)
        return new_job(n, pick(known, n) if known and n % 11 == 0 else self.s.fresh("j"))

    # Producers

    @precondition(lambda self: self.s.has_room())
    @rule(queue=queues, n=some, size=st.integers(1, 6))
    def enqueue(self, queue: str, n: int, size: int) -> None:
        self.count()
        self.s.enqueue(queue, [self.new_job(queue, n + 7 * i) for i in range(size)])

    @precondition(lambda self: self.s.has_room())
    @rule(queue=queues, n=some)
    def push_and_ingest(self, queue: str, n: int) -> None:
        """Another language puts envelopes into the inbox, unless it is full; one in four is not valid."""
        self.count()
        if not self.s.full:
            for i in range(n % 3):
                self.s.push(queue, self.new_job(queue, n + 7 * i) if (n + i) % 4 else None)
        self.s.ingest(queue)

    # Workers

    @rule(n=some, want=st.integers(0, 6), ends=some)
    def exchange(self, n: int, want: int, ends: int) -> None:
        """Report what finished, in all kinds of ways, and take more."""
        self.trip(n, want, some_kinds(ends))

    @rule(n=some, kind=st.sampled_from(list(Kind)), want=st.integers(0, 10))
    def exchange_all(self, n: int, kind: Kind, want: int) -> None:
        """Report all of one kind; with `released`, this is a drain."""
        self.trip(n, want, [kind] * 10)

    @rule(n=some, want=st.integers(1, 10))
    def take(self, n: int, want: int) -> None:
        self.trip(n, want, [])

    @rule(n=some, want=st.integers(0, 6), ends=some, delayed=st.booleans())
    def a_trip_goes_wrong(self, n: int, want: int, ends: int, delayed: bool) -> None:
        """Its reply is lost, or the whole trip is stuck in the network; its worker gives it up either way."""
        self.trip(n, want, some_kinds(ends), "delayed" if delayed else "reply lost")

    @rule(n=some)
    def interrupts_pile_up(self, n: int) -> None:
        for _ in range(8):
            self.trip(n, 1, [Kind.INTERRUPTED] * 10)

    @rule(queue=queues, n=some, acts=st.lists(some, min_size=2, max_size=12))
    def plain_jobs_run_while_other_things_happen(self, queue: str, n: int, acts: list[int]) -> None:
        """As workers do whose jobs are plain and short: after a whole trip one fast one after the other."""
        if n % 5 and not self.s.full and self.s.has_room():
            self.s.resume(queue)
            priority = pick((4095, 4095, 0), n // 3)
            self.s.enqueue(queue, [New(self.s.fresh("p"), priority=priority) for _ in range(2 + n % 6)])
        for client in self.s.clients[: n % 3]:
            self.answered(client, client.packet(1, [], []))
        for act in acts:
            self.s.clock.advance(pick((0, 0, 0, 0, 1, 9), act))
            if act % 4:
                self.fast_trip(pick(self.s.clients, act // 4), queue, act // 8)
            else:
                pick(self.disturbances, act // 4)(self, queue, act // 8)

    def fast_trip(self, client: Client, queue: str, n: int) -> None:
        """Where it must be a whole one, it is."""
        self.count()
        packet = client.fast_packet(queue, n % 3, n // 2 % 4, self.s.forge(client, n // 3))
        packet = packet or client.packet(n % 3, [], [])
        self.answered(client, packet, pick(REPLIES, n // 4))

    disturbances: ClassVar[Sequence[Callable[[Machine, str, int], None]]] = (
        lambda self, queue, n: self.cancel(queue=queue, n=n),
        lambda self, queue, n: self.pause_or_resume(queue=queue, act=pick(("pause", "resume"), n), until=None),
        lambda self, queue, n: self.a_daemon_recalls(n=n, chosen=n // 2),
        lambda self, queue, n: self.a_worker_dies(n=n, board=n // 2, share=1),
        lambda self, queue, n: self.trip(n, n % 3, some_kinds(n // 2)),
        lambda self, queue, n: self.s.delayed and self.a_late_trip_arrives(n=n),
        lambda self, queue, n: self.s.sent and self.a_trip_arrives_again(n=n),
        lambda self, queue, n: self.housekeep(queue=queue, n=n),
        lambda self, queue, n: self.enqueue(queue=queue, n=n, size=1) if self.s.has_room() else None,
    )

    def answered(self, client: Client, packet: Packet, reply: str = "answered") -> bool:
        """Let a trip arrive, or not; whether its worker goes on with what it hears."""
        client.lost_touch = client.lost_touch or reply != "answered"
        if reply == "delayed":
            self.s.delayed.append(packet)
            return False
        answer = self.s.deliver(packet)
        if answer.status is Status.FENCED:
            self.s.replace(client)
        elif reply == "answered" and answer.status is Status.OK:
            client.hear(answer)
        return reply == "answered" and answer.status is Status.OK

    @rule(n=some, acts=st.lists(some, min_size=2, max_size=12))
    def idle_workers_are_woken(self, n: int, acts: list[int]) -> None:
        """Nothing is left to be done, mostly; then jobs come, and with them the trips that stand behind the waits."""
        if n % 5:
            self.nothing_is_left()
        for act in acts:
            self.s.clock.advance(pick((0, 0, 0, 1, 9, 700, 1100), act))
            queue = pick(QUEUES, act // 2)
            if act % 5 == 0:
                pick(self.disturbances, act // 5)(self, queue, act // 8)
            elif not self.s.full and self.s.has_room():
                fair = pick((*[""] * 9, "=g1"), act // 3)
                self.s.enqueue(queue, [New(self.s.fresh("p"), fair=fair) for _ in range(1 + (act % 7 == 0))])
            self.wake_trip(pick(self.s.clients, act // 3), act // 4)

    def nothing_is_left(self) -> None:
        for client in self.s.clients:
            self.answered(client, client.packet(0, client.finish([Kind.DONE] * 20, 0), []))
        self.s.clock.advance(3000)
        for queue in QUEUES:
            self.s.resume(queue)
            if not self.s.full:
                self.s.ingest(queue)
            self.s.delete(queue, self.s.jobs_of(queue))
            self.s.housekeep(queue)

    def wake_trip(self, client: Client, n: int) -> None:
        """Where one of another kind comes first, it does."""
        self.count()
        suspects = (1 + n % 3, pick(list(Scope), n // 3)) if n % 2 else None
        packet = client.wake_packet(n % 4, suspects, way=pick((Way.FILLED, Way.FILLED, Way.ALL), n // 5))
        packet = packet or client.packet(n % 3, client.finish(some_kinds(n), 0), [])
        self.answered(client, packet, pick(REPLIES, n // 4))

    def trip(self, n: int, want: int, kinds: list[Kind], reply: str = "answered", ms: int | None = None) -> None:
        self.count()
        client = pick(self.s.clients, n)
        number = 1500 * (n % 2) if ms is None else ms
        suspects = (1 + n // 5 % 5, pick(list(Scope), n // 9)) if n // 4 % 2 else None
        forged = self.s.forge(client, n // 2)
        reports, way = client.finish(kinds, number), pick(list(Way), n // 11)
        packet = client.packet(want, reports, forged, n // 3 % 4, suspects, soon=n // 7 % 6, way=way)
        self.answered(client, packet, reply)

    @rule(n=some)
    def somebody_joins_again(self, n: int) -> None:
        """A worker that is there may; one that was there may not."""
        self.count()
        self.s.join(pick(QUEUES, n), pick(list(self.s.model.queues["a"].seen), n // 2))

    # The network

    @precondition(lambda self: self.s.delayed)
    @rule(n=some)
    def a_late_trip_arrives(self, n: int) -> None:
        """Its worker has given it up: it may have resynced since, been reaped, or died."""
        self.count()
        self.s.deliver(self.s.delayed.pop(n % len(self.s.delayed)))

    @precondition(lambda self: self.s.sent)
    @rule(n=some)
    def a_trip_arrives_again(self, n: int) -> None:
        self.count()
        assert self.s.deliver(pick(self.s.sent, n)).status is not Status.OK

    # Daemons

    @rule(n=some, board=some, share=st.sampled_from(SHARES))
    def a_worker_dies(self, n: int, board: int, share: float) -> None:
        """Its daemon ends it, in all queues or in one only; the rest is up to its lease. Some are ended twice."""
        self.count()
        client = max(self.s.clients, key=lambda each: len(each.running)) if n % 4 else pick(self.s.clients, n)
        words = {job.id: pick(BOARD, board // (1 + i)) for i, job in enumerate(client.running.values())}
        for queue in QUEUES[: 1 + (n % 3 > 0)] + QUEUES[: n % 5 == 0]:
            self.s.end_worker(client, queue, words, share)
        self.s.replace(client)

    @rule(n=some, ran=some, scope=st.sampled_from((Scope.WORKER, Scope.DAEMON)), draining=st.booleans())
    def workers_die_together(self, n: int, ran: int, scope: Scope, draining: bool) -> None:
        """A worker, or a daemon with some; what ran is judged together, in all queues, as a daemon does."""
        self.count()
        dead = self.s.clients[: 1 if scope is Scope.WORKER else 1 + n % 2]
        in_hand = [job for client in dead for job in client.running.values()]
        running = [job for i, job in enumerate(in_hand) if ran >> i & 1]
        before = [(job.id, read_suspicion(self.s.suspicion(job.queue, job.id))) for job in running]
        is_drain = draining and n % 3 == 0
        words = {job.id: INTERRUPTED for job in running} if is_drain else verdicts(before, scope)
        for client in list(dead):
            for queue in QUEUES:
                self.s.end_worker(client, queue, words, 0.5)
            self.s.replace(client)

    @rule(n=some)
    def workers_begin_to_drain(self, n: int) -> None:
        """Their daemon says so in each queue; sometimes also of one that is gone."""
        self.count()
        for queue in QUEUES[: 1 + n % 2]:
            self.s.drain(queue, [*(client.id for i, client in enumerate(self.s.clients) if n >> i & 1), "stranger"])

    @rule(n=some, chosen=some)
    def a_daemon_recalls(self, n: int, chosen: int) -> None:
        """Jobs that its worker has not started; sometimes one that is gone, another's, or an attempt that is over."""
        self.count()
        client = pick(self.s.clients, n)
        believed = [job for each in self.s.clients[: 1 + n % 2] for job in each.running.values()]
        for queue in QUEUES:
            here = [(job.id, job.attempt - (n % 5 == 0)) for job in believed if job.queue == queue]
            self.s.recall(queue, client.id, [*(job for i, job in enumerate(here) if chosen >> i & 1), ("ghost", 1)])

    @rule(n=some)
    def a_host_vanishes(self, n: int) -> None:
        """Nobody ends this worker; what it sent may still arrive."""
        self.count()
        self.s.replace(pick(self.s.clients, n))

    @rule(queue=queues, n=some)
    def renew(self, queue: str, n: int) -> None:
        self.count()
        workers = [client.id for i, client in enumerate(self.s.clients) if n >> i & 1]
        offered = (*NAMES, *(f"n {signature}" for signature in SIGNATURES))
        names = [name for i, name in enumerate(offered) if n >> (5 + i) & 1]
        if n % 7 == 0 and not self.s.full:
            self.s.renew_the_old_way(queue, names)
        else:
            self.s.renew(pick((QUEUES, [queue]), n), [*workers, "stranger"], names, is_cut_off=n % 5 == 0)

    @rule(queue=queues, n=some)
    def housekeep(self, queue: str, n: int) -> None:
        self.count()
        self.s.housekeep(queue, pick((1000, 1000, 2, 0), n), pick((FOREVER_MS, FOREVER_MS, 5000), n // 4))

    @rule(n=some, busy=st.booleans())
    def leases_run_out(self, n: int, busy: bool) -> None:
        """Only some workers are renewed, while housekeeping goes on, or a worker makes its trips."""
        self.count()
        renewed = [client.id for i, client in enumerate(self.s.clients) if n >> i & 1]
        for _ in range(5):
            self.s.clock.advance(7500)
            self.s.renew(QUEUES, renewed, [])
            for queue in () if busy else QUEUES:
                self.s.housekeep(queue)
            if busy:
                self.trip(n // 4, 0, [])

    @rule(queue=queues, name=st.sampled_from(NAMES), entry=st.sampled_from(ENTRIES))
    def the_catalog_changes(self, queue: str, name: str, entry: dict[str, Any]) -> None:
        self.count()
        self.s.publish(queue, {name: entry})

    # People, clocks, memory

    @rule(
        queue=queues,
        act=st.sampled_from(("resume", "pause", "pause and say why", "the old way")),
        until=st.sampled_from(PAUSES),
    )
    def pause_or_resume(self, queue: str, act: str, until: int | None) -> None:
        """For good, until a moment, or as those do who know nothing of moments."""
        self.count()
        if act == "resume":
            self.s.resume(queue)
        elif act.startswith("pause"):
            reason = "why" if act.endswith("why") else ""
            self.s.pause(queue, until, reason, as_span=(until or 0) % 2 == 0)
        elif not self.s.full:
            self.s.pause_the_old_way(queue)

    @rule(queue=queues, n=some)
    def retry(self, queue: str, n: int) -> None:
        self.count()
        dead = list(self.s.model.queues[queue].dead)
        self.s.retry(queue, [*dead[: n % 4], *self.s.jobs_of(queue)[:1], "ghost"])

    @precondition(lambda self: any(client.running for client in self.s.clients))
    @rule(n=some)
    def a_job_gives_a_token_away(self, n: int) -> None:
        """Mostly the worker that has it in hand asks for one; sometimes one that has lost it, or a wrong attempt."""
        self.count()
        running = [(client.id, job) for client in self.s.clients for job in client.running.values()]
        worker, job = pick(running, n)
        self.s.expect(job.queue, worker, job.id, job.attempt + (n % 7 == 0), pick(TOKENS, n))

    @rule(n=some, ms=st.sampled_from((0, 5000, 60_000)), early=st.booleans(), answered=st.booleans())
    def jobs_hand_their_work_over(self, n: int, ms: int, early: bool, answered: bool) -> None:
        """With tokens or without; some answers are quicker than the report, which may be lost."""
        client = pick(self.s.clients, n)
        chosen = list(client.running.values())[: 1 + n % 2]
        for job in chosen[: n % 3]:
            self.s.expect(job.queue, client.id, job.id, job.attempt, pick(TOKENS, n))
            if early:
                self.answer(job.queue, job.id, n)
        self.trip(n, 2, [Kind.WAITING] * len(chosen), "answered" if n % 4 else "reply lost", ms)
        for job in chosen if answered else []:
            self.answer(job.queue, job.id, n // 2)

    @precondition(lambda self: any(awaited(queue) for queue in self.s.model.queues.values()))
    @rule(n=some)
    def somebody_answers(self, n: int) -> None:
        self.count()
        queue = pick([name for name, q in self.s.model.queues.items() if awaited(q)], n)
        self.answer(queue, pick(awaited(self.s.model.queues[queue]), n), n // 2)

    def answer(self, queue: str, job_id: str, n: int) -> None:
        """Mostly with the right token, directly or through the inbox."""
        job = self.s.model.queues[queue].jobs.get(job_id)
        right = job.token[1] if job else ""
        reply = Reply(job_id, pick((right, right, right, *TOKENS, ""), n), pick(("result", "failed"), n // 6))
        if n % 3:
            self.s.resolve(queue, reply)
        elif not self.s.full:
            self.s.push(queue, reply)
            self.s.ingest(queue)

    @rule(queue=queues, n=some)
    def cancel(self, queue: str, n: int) -> None:
        self.count()
        known = self.s.jobs_of(queue)
        in_hand = [job_id for jobs in self.s.model.queues[queue].active.values() for job_id in jobs]
        chosen = dict.fromkeys(pick(some, n // 2) for some in (known, in_hand) if some)
        self.s.cancel(queue, [*chosen, "ghost"][: 1 + n % 3])
        self.s.ask_for_cancels(queue, [client.id for client in self.s.clients[: n % 3]])

    @rule(queue=queues, n=some)
    def people_promote_and_delete(self, queue: str, n: int) -> None:
        """Mostly jobs that wait; now and then one that a worker has in hand, and one that is not there."""
        self.count()
        known = self.s.jobs_of(queue)
        chosen = [pick(known, n + i) for i in range(n % 3)] if known else []
        if n % 4:
            self.s.promote(queue, [*chosen, *list(self.s.model.queues[queue].scheduled)[:1], "ghost"])
        else:
            self.s.delete(queue, [*chosen, "ghost"])

    @rule(queue=queues, n=some, steps=st.integers(0, 4))
    def people_move_jobs(self, queue: str, n: int, steps: int) -> None:
        """To the other queue, step by step; whoever does it may be killed after each of them."""
        self.count()
        known, target = self.s.jobs_of(queue), pick(QUEUES, QUEUES.index(queue) + 1)
        ids = list(dict.fromkeys(pick(known, n + 3 * i) for i in range(1 + n % 4))) if known else []
        sent = self.s.move(queue, target, [*ids, "ghost"])
        if sent and steps > 0:
            bundle = self.s.read_transfers(queue, sent)
            self.s.bundles = [*self.s.bundles[-9:], (bundle, target)]
            self.go_on_with(bundle, target, steps)

    def go_on_with(self, bundle: Bundle, target: str, steps: int) -> None:
        answers = self.s.bring(bundle, target) if steps > 1 else []
        if steps > 2 and answers and Delivered.LATE not in answers:
            self.s.conclude(bundle, answers)
            if steps > 3:
                self.s.acknowledge(bundle, target)

    @precondition(lambda self: self.s.bundles)
    @rule(n=some)
    def somebody_brings_again_what_they_have_read_before(self, n: int) -> None:
        """Other movers, a daemon, or the whole way again since."""
        self.count()
        bundle, target = pick(self.s.bundles, n)
        self.go_on_with(bundle, target, 2 + n % 3)

    @rule(queue=queues)
    def a_daemon_delivers(self, queue: str) -> None:
        self.count()
        self.s.deliver_all(queue)

    @rule(span=st.sampled_from(SPANS))
    def time_passes(self, span: int) -> None:
        self.count()
        self.s.clock.advance(span)

    @rule(jump=st.sampled_from(JUMPS))
    def the_clock_jumps(self, jump: int) -> None:
        self.count()
        self.s.clock.advance(jump)

    @rule(queue=queues, most=st.sampled_from(LENGTHS))
    def people_bound_how_many_may_wait(self, queue: str, most: int | None) -> None:
        self.count()
        self.s.bound(queue, most)

    @precondition(lambda self: self.s.has_room())
    @rule(queue=queues, room=st.integers(0, 2), n=some)
    def people_leave_room_for_a_few(self, queue: str, room: int, n: int) -> None:
        """As many may wait as do by now, and a few more, who come at once; sometimes one too many."""
        self.count()
        self.s.bound(queue, waiting(self.s.model.queues[queue]) + room)
        self.s.enqueue(queue, [New(self.s.fresh("j")) for _ in range(max(1, room + n % 2))])
        self.s.bound(queue, None)

    @rule(full=st.sampled_from((False, False, True)))
    def memory_is_full_or_not(self, full: bool) -> None:
        self.count()
        self.s.set_limit(full=full)

    def teardown(self) -> None:
        """Whatever happened: in the end everything that was accepted can be run."""
        if self.s.is_sound:
            lift_everything(self.s)
            run_everything(self.s)


def awaited(q: Queue) -> list[str]:
    """Jobs that wait, or have given a token away."""
    return [*q.waiting, *(job_id for job_id, job in q.jobs.items() if job.token[0] and job_id not in q.waiting)]


def some_kinds(n: int) -> list[Kind]:
    return [pick(KINDS, n // (1 + i)) for i in range(n % 5)]
