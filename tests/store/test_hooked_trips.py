"""The worker's exchanges when hooks wait for outcomes: what is recorded, with which fate, and when nothing is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.errors import StoreUnavailable
from jqjobs.job import Kind, Outcome, TakenJob
from jqjobs.store.store import Store
from store.hands import Hands
from store.rig import Rig

HOOKED = object()


class HookedHands(Hands):
    """A worker whose jobs have hooks."""

    def run(self, *kinds: Kind, after: Any = HOOKED, attempt: int | None = None) -> None:
        """Take as many jobs, and let each end in one way."""
        assert len(self.exchanger.trip(len(kinds)).jobs) == len(kinds)
        for kind in kinds:
            job = self.start()
            self.batch.finish(job, _ended(job, kind, after, attempt))

    def recorded(self) -> list[Any]:
        found = [(outcome.id, fate) for outcome, fate in self.exchanger.recorded]
        self.exchanger.recorded.clear()
        return found


def _ended(job: TakenJob, kind: Kind, after: Any, attempt: int | None) -> Outcome:
    number = 1000 if kind in (Kind.KEPT, Kind.FAILED) else 0
    return Outcome("q", job.id, attempt or job.attempt, kind, number, line=b"{}", after=after)


@pytest.fixture
def hands(rig: Rig, connect: Callable[..., Store], tmp_path: Path) -> Iterator[HookedHands]:
    made = HookedHands(rig, connect(rig.url), tmp_path)
    yield made
    made.board.close()


def test_a_trip_tells_what_became_of_each_job_with_hooks(hands: HookedHands) -> None:
    hands.rig.add(*"abcd", fields=("max_attempts", 5))
    hands.run(Kind.DONE, Kind.KEPT, Kind.FAILED, Kind.DISCARDED)
    assert hands.exchanger.awaits_fates
    assert hands.recorded() == []
    hands.exchanger.trip(0)
    assert not hands.exchanger.awaits_fates
    assert hands.recorded() == [
        ("a", ("gone", "")), ("b", ("kept", "")), ("c", ("scheduled", "")), ("d", ("dead", "discarded")),
    ]  # fmt: skip


def test_a_report_of_the_monitor_tells_it_too(hands: HookedHands) -> None:
    hands.rig.add("a")
    hands.run(Kind.DISCARDED)
    assert hands.exchanger.report(gives_back=True)
    assert hands.recorded() == [("a", ("dead", "discarded"))]


def test_without_hooks_nothing_is_noted(hands: HookedHands) -> None:
    hands.rig.add(*"ab")
    hands.run(Kind.DONE, Kind.DISCARDED, after=None)
    assert not hands.exchanger.awaits_fates
    hands.exchanger.trip(0)
    assert hands.recorded() == []


def test_what_came_too_late_has_no_fate(hands: HookedHands) -> None:
    hands.rig.add(*"ab")
    hands.run(Kind.DONE, Kind.FAILED, attempt=7)
    hands.exchanger.trip(0)
    assert hands.recorded() == [("a", None), ("b", None)]


def test_after_a_broken_trip_hooks_wait_on(hands: HookedHands, monkeypatch: pytest.MonkeyPatch) -> None:
    hands.rig.add("a")
    hands.run(Kind.DISCARDED)
    with monkeypatch.context() as broken:
        broken.setattr(hands.store, "receive", _breaks)
        with pytest.raises(StoreUnavailable):
            hands.exchanger.trip(0)
    assert hands.exchanger.awaits_fates
    assert hands.recorded() == []
    hands.exchanger.trip(0)
    assert hands.recorded() == [("a", ("dead", "discarded"))]


def _breaks(call: Any) -> Any:
    raise StoreUnavailable()
