"""In which order queues are asked: by their weights, each gets its part of the jobs while it has any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.trips.queue_order import Shares, StrictOrder, Turns, queue_order


def jobs(queue: str, count: int) -> list[TakenJob]:
    return [TakenJob(queue, "j", 1, "n", b"{}")] * count


class Server:
    """Queues that have so many jobs, and what a worker of these weights has had of them."""

    def __init__(self, weights: Mapping[str, int], waiting: Mapping[str, int]) -> None:
        self.order = Shares(list(weights), list(weights.values()))
        self.waiting = Counter(waiting)
        self.had: Counter[str] = Counter()

    def trip(self, want: int) -> list[str]:
        """Make one, as lua/exchange.lua does it; return the queues that gave something."""
        givers = []
        for queue in self.order.of_next_trip():
            if got := min(want, self.waiting[queue]):
                givers.append(queue)
            want -= got
            self.waiting[queue] -= got
            self.had[queue] += got
            self.order.took(jobs(queue, got))
        return givers


def test_without_weights_the_order_is_never_another_one() -> None:
    order = queue_order(["b", "a"], [])
    order.took(jobs("b", 100))
    assert isinstance(order, StrictOrder)
    assert list(order.of_next_trip()) == ["b", "a"]


def test_of_the_places_of_a_queue_those_that_gave_come_last_and_all_before_the_next_queue() -> None:
    order = queue_order(["a", "a~0", "a~1", "b"], [])
    order.took([*jobs("a~0", 2), *jobs("b", 1)])
    assert list(order.of_next_trip()) == ["a", "a~1", "a~0", "b"]
    order.took([*jobs("a", 1), *jobs("a~1", 1)])
    assert list(order.of_next_trip()) == ["a~0", "a", "a~1", "b"]


def test_places_have_the_weight_of_their_queue_together_however_many_have_jobs() -> None:
    order = queue_order(["a", "a~0", "a~1", "b"], [3, 1])
    waiting = Counter({"a~0": 10_000, "a~1": 10_000, "b": 10_000})
    had: Counter[str] = Counter()
    for number in range(4000):
        if number == 2000:
            waiting["a~1"] = 0  # the other one has all of the share from here on
        place = next(place for place in order.of_next_trip() if waiting[place])
        waiting[place] -= 1
        had[place] += 1
        order.took(jobs(place, 1))
    assert (had["a~0"] + had["a~1"], had["b"]) == (3000, 1000)
    assert had["a~1"] == 750, "places take turns, also where one of them has nothing"


def test_places_of_a_queue_that_comes_and_goes_have_one_share_while_any_is_there() -> None:
    order = Turns([], (), ["t-*"])
    for place in ("t-1~0", "t-1~1", "t-2"):
        order.enter(place)
    first = []
    for _ in range(8):
        first.append(order.of_next_trip()[0])
        order.took(jobs(first[-1], 1))
    assert Counter(place.partition("~")[0] for place in first) == {"t-1": 4, "t-2": 4}
    order.leave("t-1~0")
    assert set(order.of_next_trip()) == set(order.queues) == {"t-1~1", "t-2"}
    order.leave("t-1~1")
    order.enter("t-1~0")
    assert set(order.of_next_trip()) == {"t-1~0", "t-2"}


@pytest.mark.parametrize("want", [1, 7, 64])
def test_each_queue_has_its_part_of_the_jobs(want: int) -> None:
    server = Server({"a": 3, "b": 1, "c": 6}, {"a": 10_000, "b": 10_000, "c": 10_000})
    while server.had.total() < 5000:
        server.trip(want)
    assert {queue: round(count / 500, 1) for queue, count in server.had.items()} == pytest.approx(
        {"a": 3, "b": 1, "c": 6}, abs=want / 100
    )


def test_one_by_one_the_turns_of_a_heavy_queue_are_spread() -> None:
    server = Server({"a": 3, "b": 1}, {"a": 100, "b": 100})
    assert "".join(server.trip(1)[0] for _ in range(8)) == "abaaabaa"


def test_who_had_no_work_for_long_is_next_and_has_saved_nothing_up() -> None:
    server = Server({"a": 1, "b": 1}, {"a": 10_000, "b": 0})
    for _ in range(1000):
        server.trip(3)
    server.waiting["b"] = 1000
    assert server.trip(1) == ["b"]
    before = Counter(server.had)
    for _ in range(100):
        server.trip(1)
    assert (server.had["a"] - before["a"], server.had["b"] - before["b"]) == (50, 50)


def test_queues_that_come_and_go_have_equal_shares_after_the_ones_that_are_always_there() -> None:
    order = Turns(["first"], (), ["t-*"])
    for queue in ("t-1", "t-2", "t-3"):
        order.enter(queue)
    order.took(jobs("first", 100) + jobs("t-1", 2) + jobs("t-2", 1))
    assert list(order.of_next_trip()) == ["first", "t-3", "t-2", "t-1"]
    order.leave("t-3")
    order.enter("t-4")
    assert list(order.of_next_trip()) == ["first", "t-2", "t-4", "t-1"], "a newcomer is behind who has had as little"
    assert order.gave == {"t-1": 2, "t-2": 1}
    order.over.add("t-2")
    assert list(order.of_next_trip()) == ["first", "t-4", "t-1", "t-2"], "its turn is over"


def test_with_weights_each_queue_of_a_pattern_has_the_share_of_the_pattern() -> None:
    order = Turns(["a"], (2, 1), ["t-*"])
    order.enter("t-1")
    order.enter("t-2")
    first = []
    for _ in range(8):
        first.append(order.of_next_trip()[0])
        order.took(jobs(first[-1], 1))
    assert Counter(first) == {"a": 4, "t-1": 2, "t-2": 2}


def test_what_one_queue_leaves_the_others_share() -> None:
    server = Server({"a": 2, "b": 1, "c": 1}, {"a": 0, "b": 1000, "c": 1000})
    for _ in range(500):
        server.trip(1)
    assert (server.had["b"], server.had["c"]) == (250, 250)


def test_a_queue_that_gives_a_little_now_and_then_is_owed_nothing_for_the_rest() -> None:
    server = Server({"a": 9, "b": 1}, {"a": 0, "b": 10_000})
    for _ in range(500):
        server.waiting["a"] += 1
        server.trip(4)
    assert server.had["a"] == 500
    server.waiting["a"] = 1000
    before = server.had["b"]
    for _ in range(100):
        server.trip(1)
    assert 9 <= server.had["b"] - before <= 11
