"""Going through all jobs of a state: a bounded number at a time, never those that came later, never one twice."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.cli import bulk
from jqjobs.cli.bulk import Tally, pages
from jqjobs.store.reads.jobs import JobPage


class Jobs:
    """The jobs of one state, as a store lists them."""

    def __init__(self, *ids: str) -> None:
        self.ids = list(ids)

    def run(self, asked: tuple[int, int]) -> JobPage:
        offset, count = asked
        return JobPage(len(self.ids), tuple(self.ids[offset : offset + count]), None)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    monkeypatch.setattr(bulk, "job_list", lambda queue, state, offset, count: (offset, count))


def tally() -> Tally:
    return Tally(lambda tally: f"{tally.came_of.total()} of {tally.total}")


def gone_through(jobs: Any, stay: set[str]) -> list[list[str]]:
    """The pages, where each job but those that stay leaves its state as soon as it is seen."""
    seen: list[list[str]] = []

    def left_there() -> int:
        return sum(each in stay for page in seen for each in page)

    for rows in pages(jobs, "q", "ready", tally(), left_there):
        seen.append([str(row) for row in rows])
        jobs.ids = [each for each in jobs.ids if each in stay or each not in seen[-1]]
    return seen


def test_what_leaves_makes_room_for_the_next() -> None:
    assert gone_through(Jobs("a", "b", "c", "d", "e"), set()) == [["a", "b"], ["c", "d"], ["e"]]


def test_what_stays_is_passed_over() -> None:
    assert gone_through(Jobs("a", "b", "c", "d", "e"), {"a", "c", "d"}) == [["a", "b"], ["c", "d"], ["e"]]


def test_what_comes_meanwhile_is_not_reached() -> None:
    jobs = Jobs("a", "b", "c")
    seen = []
    for rows in pages(jobs, "q", "ready", tally()):  # type: ignore[arg-type]
        seen += rows
        jobs.ids = [*(each for each in jobs.ids if each not in rows), *(f"late-{row}" for row in rows)]
    assert seen == ["a", "b", "c"]


def test_it_ends_when_nothing_is_left() -> None:
    jobs = Jobs("a", "b", "c")
    for _ in pages(jobs, "q", "ready", tally()):  # type: ignore[arg-type]
        jobs.ids = []
    assert jobs.ids == []


def test_a_tally_says_how_many_there_were_at_the_start() -> None:
    counted = tally()
    for rows in pages(Jobs("a", "b"), "q", "ready", counted):  # type: ignore[arg-type]
        counted.came_of.update(rows)
    assert str(counted) == "2 of 2"
