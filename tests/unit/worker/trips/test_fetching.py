"""When a worker asks for jobs, and for how many: with one slot, and with several."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.jobs.records import Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls.trips import Trip
from jqjobs.worker.trips import fetching
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.fetching import OneSlot, SeveralSlots
from unit.worker.batches import jobs, started

START_MS = 1_000_000


@dataclass
class Around:
    """What a policy sees beside its batch: trips, hooks, the clock; and how it has the slots listen."""

    now_ms: int = START_MS
    sent_ms: int = START_MS
    news: bool = False
    pending: bool = False
    looks: int = 0
    packer: SimpleNamespace = field(default_factory=SimpleNamespace)
    listened: list[tuple[int, bool]] = field(default_factory=list)
    #: Happens while the slots are told to listen.
    meanwhile: Callable[[], object] = dict

    def has_news(self) -> bool:
        self.looks += 1
        return self.news

    def listen(self, low: int, *, for_outcomes: bool) -> None:
        self.listened.append((low, for_outcomes))
        self.meanwhile()


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Around:
    made = Around()
    monkeypatch.setattr(fetching, "monotonic_ms", lambda: made.now_ms)
    return made


@pytest.fixture
def one(batch: Batch, around: Any) -> OneSlot:
    return OneSlot(batch, around, around, prefetch_ms=20, most=64)


@pytest.fixture
def several(batch: Batch, around: Any) -> SeveralSlots:
    """Four slots."""
    return SeveralSlots(batch, around, 4, prefetch_ms=20, most=64)


def brought(count: int, *, more: bool = False, limits: str = "") -> Trip:
    taken = [TakenJob("q", f"t{n}", 1, "name", b"{}", limits=limits) for n in range(count)]
    return Trip(Status.OK, START_MS, more=more, jobs=taken)


def end_one(batch: Batch) -> None:
    batch.finish(batch.running[0])


# One slot


def test_one_slot_asks_at_once_unless_there_is_nothing(one: OneSlot, around: Around) -> None:
    assert one.is_due()
    assert around.looks == 0
    one.lull.begin(500)
    assert not one.is_due()
    around.now_ms += 500
    assert one.is_due()
    assert around.looks == 1, "only in a lull is a look worth a command"


def test_in_a_lull_news_and_hooks_call_for_a_trip(one: OneSlot, around: Around) -> None:
    one.lull.begin(500)
    around.news = True
    assert one.is_due()
    around.news, around.pending = False, True
    assert one.is_due()


def test_who_ends_a_lull_has_the_next_trip_made(one: OneSlot) -> None:
    one.lull.begin(500)
    one.lull.end()
    assert one.is_due()


def test_one_slot_asks_for_what_it_has_not_in_hand_yet(one: OneSlot, batch: Batch) -> None:
    assert one.ask() == (1, 0)
    for _ in range(30):
        one.pace.note(10, 0.1)
    for count in (1, 2, 4):
        one.took(brought(count))
    assert one.ask() == (8, 0)
    batch.add(jobs(3))
    assert one.ask() == (5, 0)
    batch.add(jobs(7))
    assert one.ask() == (0, 0)


@pytest.mark.parametrize("reason", ["hooks", "told"])
def test_one_slot_asks_for_nothing_while_hooks_come_first_or_it_may_not_take(
    one: OneSlot, around: Around, reason: str
) -> None:
    around.pending, one.may_take = reason == "hooks", reason != "told"
    assert one.ask() == (0, 0)


def test_one_slot_is_free_until_it_has_jobs(one: OneSlot, batch: Batch) -> None:
    assert one.has_free_slot
    batch.add(jobs(1))
    assert not one.has_free_slot


def test_one_slot_rests_as_long_as_its_lull(one: OneSlot, around: Around) -> None:
    assert one.rest_s(around.listen) == math.inf
    one.lull.begin(500)
    around.now_ms += 100
    assert one.rest_s(around.listen) == 0.4
    assert around.listened == [], "nothing runs beside it"


# Several slots


def test_several_slots_ask_for_the_free_ones_and_say_how_many_those_are(several: SeveralSlots, batch: Batch) -> None:
    assert several.ask() == (4, 4)
    batch.add(jobs(3))
    started(batch)
    assert several.ask() == (1, 1)
    batch.add(jobs(2))
    assert several.ask() == (0, 0), "one waits for a slot"
    several.may_take = False
    batch.give_back()
    assert several.ask() == (0, 3)


def test_no_trip_asks_for_more_than_a_batch(batch: Batch, around: Any) -> None:
    assert SeveralSlots(batch, around, 100, prefetch_ms=20, most=16).ask() == (16, 100)


def test_hooks_wait_for_nobody_with_several_slots(several: SeveralSlots, around: Around) -> None:
    around.pending = True
    assert several.ask() == (4, 4)
    several.lull.begin(500)
    assert not several.is_due()


def test_several_slots_fetch_when_few_are_left_to_start(several: SeveralSlots, batch: Batch) -> None:
    several.pace.low, several.pace.most_in_hand = 2, 12
    batch.add(jobs(7))
    for _ in range(4):
        started(batch)
    assert not several.is_due(), "three are left"
    end_one(batch)
    batch.reports.recorded(batch.reports.take())
    started(batch)
    assert several.is_due()


def test_with_all_slots_and_hands_full_nothing_is_fetched(several: SeveralSlots, batch: Batch, around: Around) -> None:
    batch.add(jobs(4))
    for _ in range(4):
        started(batch)
    around.news = True
    assert not several.is_due()
    assert around.looks == 0


@pytest.mark.parametrize(("waiting", "after_ms"), [(0, 10), (1, 20)], ids=["nothing waits", "one waits for a slot"])
def test_what_ended_is_reported_some_time_after_the_last_trip_in_a_lull_too(
    several: SeveralSlots, batch: Batch, around: Around, waiting: int, after_ms: int
) -> None:
    batch.add(jobs(2 + waiting))
    for _ in range(2):
        started(batch)
    end_one(batch)
    several.lull.begin(500)
    around.now_ms += after_ms - 1
    assert not several.is_due()
    assert around.looks == 0, "its own outcome would be the news"
    around.now_ms += 1
    assert several.is_due()


def test_what_ended_last_is_reported_at_once(several: SeveralSlots, batch: Batch, around: Around) -> None:
    """Nothing runs any more; the look finds that there is something to report."""
    batch.add(jobs(1))
    started(batch)
    end_one(batch)
    several.lull.begin(500)
    around.news = True
    assert several.is_due()


@pytest.mark.parametrize(
    ("trip", "is_lull"),
    [
        (brought(3), True), (brought(4), False), (brought(3, more=True), False),
        (brought(1, limits="x"), False),
    ],
    ids=["fewer than asked for", "all", "there are more", "limited ones come alone"],
)  # fmt: skip
def test_a_trip_that_brings_less_than_asked_for_begins_a_lull(several: SeveralSlots, trip: Trip, is_lull: bool) -> None:
    assert several.ask() == (4, 4)
    several.took(trip)
    assert (several.lull.left_ms > 0) is is_lull


# Several slots: what wakes the loop


def test_with_nothing_running_several_slots_rest_as_long_as_the_lull(several: SeveralSlots, around: Around) -> None:
    assert several.rest_s(around.listen) == math.inf
    several.lull.begin(500)
    assert several.rest_s(around.listen) == 0.5
    assert around.listened == []


def test_full_slots_wake_the_loop_when_few_are_left_or_one_has_ended(
    several: SeveralSlots, batch: Batch, around: Around
) -> None:
    batch.add(jobs(4))
    for _ in range(4):
        started(batch)
    assert several.rest_s(around.listen) == math.inf
    assert around.listened == [(0, True)]


def test_in_a_lull_only_the_end_of_a_job_wakes_the_loop_and_not_too_early(
    several: SeveralSlots, batch: Batch, around: Around
) -> None:
    batch.add(jobs(1))
    started(batch)
    several.lull.begin(500)
    assert several.rest_s(around.listen) == 0.01, "a trip has just been made: first some more may end"
    around.now_ms += 10
    assert several.rest_s(around.listen) == 0.49
    assert around.listened == [(-1, False), (-1, True)]


def test_with_something_to_report_the_loop_looks_itself(several: SeveralSlots, batch: Batch, around: Around) -> None:
    batch.add(jobs(4))
    for _ in range(4):
        started(batch)
    end_one(batch)
    several.lull.begin(500)
    around.now_ms += 4
    assert several.rest_s(around.listen) == 0.006
    assert around.listened == [(-1, False)]


def test_what_happens_while_it_turns_to_wait_is_not_missed(several: SeveralSlots, batch: Batch, around: Around) -> None:
    batch.add(jobs(4))
    for _ in range(4):
        started(batch)
    around.meanwhile = lambda: end_one(batch)
    assert several.rest_s(around.listen) == 0.0, "there is place for a job now"
    assert around.listened == [(0, True)]


def test_in_a_lull_a_job_that_ends_meanwhile_is_reported_without_a_ring(
    several: SeveralSlots, batch: Batch, around: Around
) -> None:
    batch.add(jobs(2))
    for _ in range(2):
        started(batch)
    several.lull.begin(500)
    around.now_ms += 10
    around.meanwhile = lambda: end_one(batch)
    assert several.rest_s(around.listen) == 0.0, "its report is due"
    assert around.listened == [(-1, True)]


def test_one_slot_says_how_many_jobs_will_have_started_in_a_moment(batch: Batch, around: Any, one: OneSlot) -> None:
    one.ask()
    assert around.packer.soon == 0, "nobody knows yet how long they take"
    for _ in range(40):
        one.pace.note(100, 9.5)
        one.pace.adapt(64)
    one.ask()
    assert around.packer.soon == 31, "of less than 0.1 ms each"
    batch.add(jobs(3))
    one.ask()
    assert around.packer.soon == 28, "those in hand come before"
    one.took(brought(3, limits="c 1 0 db/running"))
    assert one.ask() == (28, 0), "more limited ones are not to be had"
