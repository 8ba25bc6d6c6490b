"""Turns of one worker: when they are over, what they are charged, and which pattern is asked first."""

from __future__ import annotations

from collections import Counter

from jqjobs.worker.trips.queue_order import Turns
from jqjobs.worker.trips.turn_book import TURN_JOBS, PatternOrder, TurnBook


def book_of(*queues: str) -> tuple[TurnBook, Turns]:
    order = Turns((), (), ("t-*",))
    book = TurnBook(order)
    for queue in queues:
        book.begin(queue, 0)
    return book, order


def gives(order: Turns, **jobs: int) -> None:
    order.gave.update({f"t-{name}": count for name, count in jobs.items()})


def test_while_nobody_waits_no_turn_is_over_and_nothing_is_owed_for_it() -> None:
    book, order = book_of("t-a")
    gives(order, a=10_000)
    book.count(5000, ())
    assert (book.over_now(5000), book.is_used_up) == ([], False)
    book.is_pressed = True
    gives(order, a=3)
    book.count(5001, ())
    assert (book.over_now(5001), book.end("t-a")) == (["t-a"], 3 - TURN_JOBS)


def test_while_others_wait_a_turn_is_over_after_its_jobs_or_its_time() -> None:
    book, order = book_of("t-many", "t-few", "t-none")
    book.is_pressed = True
    gives(order, many=TURN_JOBS + 2, few=1)
    book.count(50, ())
    assert book.over_now(50) == ["t-many"]
    assert book.over_now(100) == ["t-many", "t-few"]
    assert book.over_now(500) == ["t-many", "t-few", "t-none"]
    assert [book.end(queue) for queue in ("t-many", "t-few")] == [2, 1 - TURN_JOBS]
    assert book.over_now(100) == []
    assert order.of_next_trip()[0] == "t-none", "what is over comes last"


def test_it_has_nothing_to_give_once_all_turns_have_had_their_jobs() -> None:
    book, order = book_of("t-a", "t-b")
    book.is_pressed = True
    gives(order, a=TURN_JOBS)
    assert not book.is_used_up
    gives(order, b=TURN_JOBS)
    assert book.is_used_up
    book.forget("t-a")
    book.forget("t-b")
    assert not book.is_used_up, "it is nowhere"


def test_what_gives_nothing_for_a_while_may_go_unless_something_is_in_hand_there() -> None:
    book, order = book_of("t-a", "t-b", "t-c")
    gives(order, b=1)
    book.count(600, {"t-c"})
    assert book.may_go(1000, {"t-c"}) == ["t-a"]
    assert book.may_go(1600, ()) == ["t-a", "t-b", "t-c"]
    book.is_pressed = True
    assert book.may_go(600, {"t-c"}) == ["t-a", "t-b"], "others wait"


def test_patterns_are_asked_first_as_often_as_their_queues_call_times_their_weight() -> None:
    order = PatternOrder({"t-*": 1, "u-*": 3, "v-*": 1})
    firsts = Counter[str]()
    for _ in range(1000):
        first = order.next()[0]
        firsts[first] += 1
        for pattern, calling in (("t-*", 60), ("u-*", 10), ("v-*", 0)):
            order.heard(pattern, calling)
    assert 640 <= firsts["t-*"] <= 680
    assert 310 <= firsts["u-*"] <= 340
    assert firsts["v-*"] >= 5
