"""The lease thread, turned by hand: what is done when, what an outage and a refusal change, how it ends."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.daemon.lease_messages import Drain, LeaseEvent, Recall, Report
from jqjobs.daemon.leases import thread as thread_module
from jqjobs.daemon.leases.thread import LeaseThread
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreRefused, StoreUnavailable
from jqjobs.jobs.scaling import Load
from jqjobs.store.address import parse_url
from log_lines import Lines

AWAY = StoreUnavailable("Redis cannot be reached")
REFUSED = StoreRefused("NOPERM no permission")
IDLE = Report({"state": "running"}, {"w": {"state": "ready"}})
BUSY = Report({"state": "running"}, {"w": {"state": "busy"}}, is_busy=True)
QUIET = Report({"state": "quiet"}, {"w": {"state": "ready"}})


class FakeKeeper:
    """Notes its steps; fails them when the test says so."""

    def __init__(self) -> None:
        self.inboxes = SimpleNamespace(are_filled=False, take_in=lambda: self._step("take_in"))
        self.housekeeping = SimpleNamespace(every_s=2.5, inboxes=self.inboxes)
        self.partition_watch = SimpleNamespace(look=lambda: self._step("look_at_partitions"))
        self.has_answered, self.has_joined, self.serves_some = False, True, False
        self.joined: dict[str, Any] = {}
        self.done: Counter[str] = Counter()
        self.wrong: dict[str, Exception] = {}
        self.again_s: dict[str, float] = {}
        self.reports: list[Report] = []

    def __getattr__(self, step: str) -> Callable[..., float | None]:
        return lambda *told: self._step(step, *told)

    def _step(self, step: str, *told: Any) -> float | None:
        if step in self.wrong:
            raise self.wrong[step]
        self.done[step] += 1
        if step == "register":
            self.reports += told
        return self.again_s.get(step)

    def check_server(self) -> None:
        self._step("check_server")
        self.has_answered = True


class FakeLeases:
    """A lease thread that is turned by hand, on a clock that only it moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms, self.woken = 1_000_000, 0
        self.keeper = FakeKeeper()
        monkeypatch.setattr(thread_module, "monotonic_ms", lambda: self.now_ms)
        monkeypatch.setattr(thread_module, "LeaseKeeper", lambda *parts: self.keeper)
        settings: Any = DaemonSettings("shop:app", "redis://", lease_s=30, jitter=0, burst="ready")
        self.shortened: list[float] = []
        waits = SimpleNamespace(shorten=self.shortened.append)
        store: Any = SimpleNamespace(address=parse_url("redis://"), wire=SimpleNamespace(waits=waits))
        self.store = store
        self.thread = LeaseThread(settings, "h:1:a", store, Path("/no/boards/here"), self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def turn_for(self, seconds: float) -> Counter[str]:
        """Turn whenever something is due; return how often each step was taken meanwhile."""
        before, until_ms = self.keeper.done.copy(), self.now_ms + round(seconds * 1000)
        while self.now_ms < until_ms:
            self.now_ms += max(1, round(self.thread.turn() * 1000))
        self.now_ms = until_ms
        return self.keeper.done - before

    def events(self) -> list[LeaseEvent]:
        return [self.thread.events.get() for _ in range(self.thread.events.qsize())]


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch, logged: Lines) -> FakeLeases:
    return FakeLeases(monkeypatch)


def test_every_step_has_its_time(leases: FakeLeases) -> None:
    leases.thread.report = IDLE
    leases.turn_for(60)
    done = leases.turn_for(60)
    assert (done["renew"], done["register"], done["check_server"], done["note_memory"]) == (6, 30, 0, 1)
    assert 23 <= done["keep_house"] <= done["tick"] <= 25
    assert 38 <= done["take_over_orphans"] <= 41
    assert 190 <= done["tell_if_exhausted"] <= 201


def test_orphans_are_looked_for_more_often_just_after_the_start(leases: FakeLeases) -> None:
    assert leases.turn_for(5)["take_over_orphans"] > 3 * leases.turn_for(5)["take_over_orphans"]


def test_before_a_worker_has_its_lease_there_are_no_ticks_and_no_end(leases: FakeLeases) -> None:
    leases.keeper.has_joined = False
    done = leases.turn_for(10)
    assert (done["tick"], done["tell_if_exhausted"], done["renew"]) == (0, 0, 1)


def test_the_load_is_read_each_second_where_it_is_wanted_and_forgotten_when_redis_is_away(leases: FakeLeases) -> None:
    assert leases.turn_for(10)["read_load"] == 0
    leases.thread.reads_load = True
    assert 9 <= leases.turn_for(10)["read_load"] <= 11
    leases.thread.load = Load(ready=1)
    leases.keeper.wrong["renew"] = AWAY
    leases.turn_for(30)
    assert leases.thread.load is None


def test_what_has_more_to_do_is_done_again_at_once(leases: FakeLeases) -> None:
    leases.keeper.again_s = {"keep_house": 0.0, "tick": 0.5}
    done = leases.turn_for(1)
    assert done["keep_house"] > 10
    assert 2 <= done["tick"] <= 3


def test_envelopes_are_taken_in_turn_by_turn_while_there_are_any(leases: FakeLeases) -> None:
    leases.thread.report = IDLE
    leases.turn_for(10)
    assert leases.turn_for(10)["take_in"] == 0
    leases.keeper.inboxes.are_filled = True
    leases.turn_for(2.5)
    assert leases.turn_for(1)["take_in"] >= 90, "each turn of 10 ms"
    leases.keeper.inboxes.are_filled = False
    leases.turn_for(0.1)
    assert leases.turn_for(10)["take_in"] == 0


def test_nothing_is_registered_before_there_is_something_to_say(leases: FakeLeases) -> None:
    assert leases.turn_for(10)["register"] == 0


def test_a_new_state_is_registered_at_once_and_a_job_soon(leases: FakeLeases) -> None:
    leases.thread.report = IDLE
    leases.turn_for(0.1)
    leases.thread.report = QUIET
    leases.thread.turn()
    assert leases.keeper.reports == [IDLE, QUIET]
    leases.turn_for(0.1)
    leases.thread.report = IDLE
    leases.thread.turn()
    leases.thread.report = BUSY
    assert leases.turn_for(0.4)["register"] == 0
    assert leases.turn_for(0.2)["register"] == 1
    assert leases.turn_for(2)["register"] == 4, "while a job runs, twice a second"


def test_a_report_that_is_refused_is_not_tried_without_a_pause(leases: FakeLeases, logged: Lines) -> None:
    leases.keeper.wrong["register"] = REFUSED
    leases.thread.report = IDLE
    turns = 0
    until_ms = leases.now_ms + 10_000
    while leases.now_ms < until_ms:
        leases.now_ms += max(1, round(leases.thread.turn() * 1000))
        turns += 1
    assert turns < 100
    assert [line["step"] for line in logged.of("keeper.refused")] == ["register"]


def test_a_step_that_is_refused_is_said_once_and_stops_no_other(leases: FakeLeases, logged: Lines) -> None:
    leases.keeper.wrong["renew"] = REFUSED
    assert leases.turn_for(60)["keep_house"] > 20
    assert [(line["step"], line["error"]) for line in logged.of("keeper.refused")] == [("renew", str(REFUSED))]
    assert (leases.events(), leases.thread.waiting_for_redis) == ([], "")
    del leases.keeper.wrong["renew"]
    leases.turn_for(10)
    leases.keeper.wrong["renew"] = REFUSED
    leases.turn_for(10)
    assert len(logged.of("keeper.refused")) == 2, "it had been well in between"


def test_another_reason_of_its_refusal_is_said_again(leases: FakeLeases, logged: Lines) -> None:
    for reason in ("NOPERM", "NOPERM", "DENIED"):
        leases.keeper.wrong["renew"] = StoreRefused(reason, reason=reason)
        leases.turn_for(10)
    assert [line["error"] for line in logged.of("keeper.refused")] == ["NOPERM", "DENIED"]


def test_a_password_that_is_refused_later_is_waited_out_and_said(leases: FakeLeases, logged: Lines) -> None:
    leases.turn_for(1)
    leases.keeper.wrong = dict.fromkeys(("check_server", "renew"), StoreRefused("WRONGPASS", reason="WRONGPASS"))
    leases.turn_for(20)
    assert (len(logged.of("redis.refused")), leases.thread.waiting_for_redis, leases.events()) == (1, "WRONGPASS", [])
    leases.keeper.wrong = {}
    leases.turn_for(5)
    assert len(logged.of("redis.back")) == 1


def test_an_outage_is_said_once_and_everything_is_due_when_it_is_over(leases: FakeLeases, logged: Lines) -> None:
    leases.turn_for(1)
    leases.keeper.wrong = dict.fromkeys(("check_server", "renew", "take_over_orphans"), AWAY)
    leases.turn_for(20)
    assert leases.thread.waiting_for_redis == str(AWAY)
    assert (len(logged.of("redis.lost")), leases.events()) == (1, [])
    leases.keeper.wrong.clear()
    before = leases.keeper.done.copy()
    leases.thread.turn()
    assert {"check_server", "renew", "keep_house", "tick"} <= (leases.keeper.done - before).keys()
    assert leases.thread.waiting_for_redis == ""
    assert logged.of("redis.back")[0]["failures"] >= 5


def test_what_a_node_of_a_cluster_does_not_do_keeps_nothing_undone_at_the_others(
    leases: FakeLeases, logged: Lines
) -> None:
    leases.store.address = parse_url("redis+cluster://n1")
    leases.turn_for(1)
    leases.keeper.wrong = {"renew": AWAY}
    done = leases.turn_for(30)
    assert min(done[step] for step in ("take_over_orphans", "keep_house", "tick", "note_memory")) > 0
    assert (leases.thread.waiting_for_redis, done["check_server"]) == (str(AWAY), 0)
    assert (set(leases.shortened), leases.shortened[-1]) == ({1.0, math.inf}, math.inf)
    leases.keeper.wrong = {}
    leases.turn_for(5)
    assert (len(logged.of("redis.lost")), len(logged.of("redis.back"))) == (1, 1)


def test_where_some_queues_are_served_it_does_not_wait_for_redis_and_knows_what_there_is_to_do(
    leases: FakeLeases,
) -> None:
    leases.store.address, leases.keeper.serves_some = parse_url("redis+cluster://n1"), True
    leases.keeper.wrong = {"renew": AWAY}
    leases.thread.load = Load(ready=1)
    leases.turn_for(10)
    assert (leases.thread.waiting_for_redis, leases.thread.load) == ("", Load(ready=1))
    assert leases.thread.missing_part == f"a part of the cluster is away: {AWAY}"
    leases.keeper.wrong = {}
    leases.turn_for(5)
    assert leases.thread.missing_part == ""


def test_in_an_outage_it_is_tried_within_a_quarter_of_a_lease(leases: FakeLeases) -> None:
    leases.keeper.wrong["check_server"] = AWAY
    pauses = [leases.thread.turn() for _ in range(30)]
    assert 0 < pauses[0] < 0.2
    assert 1 <= max(pauses) <= 7.5


def test_who_is_refused_before_a_worker_had_a_lease_is_told_so(leases: FakeLeases) -> None:
    leases.keeper.has_joined = False
    leases.keeper.wrong["renew"] = REFUSED
    leases.thread.turn()
    assert leases.events() == [LeaseEvent("refused", message=REFUSED.in_one_line())]
    assert leases.woken == 1


def test_a_redis_that_is_away_from_the_start_is_waited_for(leases: FakeLeases) -> None:
    leases.keeper.has_joined = False
    leases.keeper.wrong["check_server"] = AWAY
    leases.turn_for(20)
    assert leases.events() == []


def test_a_defect_of_a_step_ends_nothing(leases: FakeLeases, logged: Lines) -> None:
    leases.keeper.wrong["keep_house"] = ZeroDivisionError()
    assert leases.thread.turn() == 1.0
    assert logged.of("keeper.error")


def test_a_defect_in_an_outage_of_a_node_leaves_nothing_of_it_behind(leases: FakeLeases, logged: Lines) -> None:
    leases.store.address = parse_url("redis+cluster://n1")
    leases.keeper.wrong = {"renew": AWAY, "keep_house": ZeroDivisionError()}
    leases.thread.turn()
    leases.keeper.wrong = {}
    leases.turn_for(5)
    assert (logged.of("redis.lost"), leases.shortened[-1]) == ([], math.inf)


def test_at_the_end_what_was_asked_for_is_done_first(leases: FakeLeases) -> None:
    leases.thread.submit(Recall("w", (("q", "a", 1),)))
    leases.thread.start()
    assert leases.thread.end(5)
    assert (leases.keeper.done["do"], leases.keeper.done["deregister"]) == (1, 1)


def test_at_the_end_redis_is_not_waited_for(leases: FakeLeases) -> None:
    leases.keeper.wrong["check_server"] = AWAY
    leases.thread.submit(Recall("w", (("q", "a", 1),)))
    leases.thread.start()
    assert not leases.thread.end(10)
    assert not leases.thread.is_alive(), "it gave up by itself"
    assert leases.keeper.done["deregister"] == 0


def test_at_the_end_a_node_that_is_away_keeps_no_daemon_from_saying_that_it_goes(leases: FakeLeases) -> None:
    leases.store.address = parse_url("redis+cluster://n1")
    leases.keeper.wrong = {"renew": AWAY, "do": AWAY}
    for _ in range(6):
        leases.thread.turn()
    leases.thread.submit(Drain({"w": ("q",)}))
    leases.thread.start()
    assert not leases.thread.end(10)
    assert not leases.thread.is_alive()
    assert leases.keeper.done["deregister"] == 1
