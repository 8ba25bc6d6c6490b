"""reads/search.py and lua/search.lua: jobs by what is said of them, a page at a time, whatever happens in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import Kind, State
from jqjobs.jobs.selector import Selector
from jqjobs.store.calls import upkeep
from jqjobs.store.reads import search as searching
from jqjobs.store.reads.search import Cursor, JobPage, JobRow, find_page, read_cursor, search
from jqjobs.store.steps import run_steps
from store.queue_system import START_MS, QueueSystem


def page(system: QueueSystem, state: str, limit: int = 50, **said: Any) -> JobPage:
    found: JobPage = system.run(search("q", Selector(**said), Cursor(state), limit))
    return found


def ids(rows: Sequence[JobRow]) -> list[str]:
    return [row.id for row in rows]


def found(system: QueueSystem, limit: int = 50, **said: Any) -> list[str]:
    steps = find_page("q", Selector(**said), limit, patience_s=60)  # the fake server takes its time
    return ids(run_steps(system.run, steps).rows)


def kill(system: QueueSystem, *job_ids: str, text: str = "boom", **job: Any) -> None:
    """Jobs that are dead, each a millisecond after the other."""
    for job_id in job_ids:
        system.clock.advance(1)
        system.add(job_id, **job)
        system.round(Kind.DISCARDED, text=text)


def all_pages(system: QueueSystem, state: str, limit: int) -> list[list[str]]:
    seen, cursor = [], Cursor(state)
    while cursor:
        answer = system.run(search("q", Selector(), cursor, limit))
        seen.append(ids(answer.rows))
        cursor = answer.cursor
    return seen


def test_ready_jobs_are_listed_in_the_order_they_will_run(system: QueueSystem) -> None:
    system.add("a", "b", name="x")
    system.add("urgent", priority=5)
    shown = page(system, "ready")
    assert (shown.total, ids(shown.rows), shown.cursor) == (3, ["urgent", "a", "b"], None)
    assert [row.name for row in shown.rows] == ["n", "x", "x"]
    assert shown.rows[0].priority == 5
    assert (shown.rows[0].at_ms, shown.rows[0].enqueued_ms, shown.rows[0].since_ms) == (None, START_MS, START_MS)


def test_pages_follow_one_another_to_the_end(system: QueueSystem) -> None:
    system.add(*"abcde")
    assert all_pages(system, "ready", 2) == [["a", "b"], ["c", "d"], ["e"]]


def test_active_jobs_of_all_workers_are_one_list(system: QueueSystem) -> None:
    system.add(*"abcde")
    system.take("w1", 3)
    system.take("w2", 2)
    assert all_pages(system, "active", 2) == [["a", "b"], ["c", "d"], ["e"]]
    shown = page(system, "active")
    assert (shown.total, [row.worker for row in shown.rows]) == (5, ["w1", "w1", "w1", "w2", "w2"])
    assert shown.rows[0].attempt == 1


def test_dead_jobs_show_when_and_why(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.clock.advance(9)
    system.round(Kind.DISCARDED, text="never again")
    [row] = page(system, "dead").rows
    assert (row.at_ms, row.reason, row.error, row.executions) == (START_MS + 9, "discarded", "never again", 1)
    assert (row.finished_ms, row.since_ms, row.due_ms, row.key) == (START_MS + 9, START_MS + 9, START_MS, "k")


def test_an_entry_whose_record_is_gone_is_still_listed_unless_something_is_said_of_it(system: QueueSystem) -> None:
    system.redis("ZADD", "jq:{q}:parked", 7, b"ghost\xff")
    [row] = page(system, "parked").rows
    assert (row.id, row.name, row.at_ms, row.executions) == (r"ghost\xff", None, 7, 0)
    assert page(system, "parked", name="n").rows == ()


def test_the_latest_of_a_state_are_its_last(system: QueueSystem) -> None:
    kill(system, *"abcd")
    assert ids(system.run(searching.latest("q", "dead", 4, 2)).rows) == ["c", "d"]
    assert ids(system.run(searching.latest("q", "dead", 1, 9)).rows) == [*"abcd"]


def test_nothing_is_held_before_there_are_limits(system: QueueSystem) -> None:
    shown = page(system, "held")
    assert (shown.rows, shown.total, shown.searched, shown.cursor) == ((), 0, 0, None)


def test_each_word_of_a_selector_selects(system: QueueSystem) -> None:
    kill(system, "a", name="mail", payload=b'{"args":["ann@example.org"]}', text="SMTPError: no route")
    kill(system, "b", name="mail", text="KeyError: 'x'")
    kill(system, "c", name="bill", text="SMTPError: no route")
    kill(system, "d", key="order:7", fields=("tags", "tenant:4 tenant:42"))

    assert found(system, name="mail") == ["a", "b"]
    assert found(system, error="SMTP") == ["a", "c"]
    assert found(system, error="no route", name="bill") == ["c"]
    assert found(system, text="ann@") == ["a"]
    assert found(system, key="order:7") == found(system, tag="tenant:4") == found(system, tag="tenant:42") == ["d"]
    assert found(system, tag="tenant") == found(system, tag="tenant:4 tenant:42 ") == []
    assert found(system, error="discarded") == list("abcd")  # a whole reason
    assert found(system, error="discard") == []
    assert found(system, name="mai", state="dead") == []
    assert found(system, error="[a-z]+") == []  # no pattern


def test_the_dead_are_bounded_by_when_they_died_and_the_others_by_when_they_came(system: QueueSystem) -> None:
    system.add("early")
    kill(system, "x", priority=1)
    died_ms = system.clock.now_ms
    system.clock.advance(1000)
    kill(system, "y", priority=1)
    system.add("late")

    assert found(system, state="dead", since_ms=died_ms + 1) == ["y"]
    assert found(system, state="dead", since_ms=died_ms) == ["x", "y"]
    assert found(system, state="dead", older_than_s=1) == ["x"]
    assert found(system, state="ready", older_than_s=1) == ["early"]
    assert found(system, state="ready", since_ms=died_ms + 1) == ["late"]
    assert found(system, since_ms=died_ms + 1) == ["late", "y"]


def test_a_kept_job_is_as_old_as_its_success(system: QueueSystem) -> None:
    """Its score is the moment at which it will be forgotten."""
    system.add("a")
    system.clock.advance(500)
    system.round(Kind.KEPT, number=60_000)
    system.clock.advance(2000)

    assert found(system, state="kept", older_than_s=2) == ["a"]
    assert found(system, state="kept", older_than_s=2.1) == []
    assert page(system, "kept").rows[0].since_ms == START_MS + 500


def test_without_a_state_all_are_looked_through(system: QueueSystem) -> None:
    kill(system, "dead")
    system.add("active")
    system.take("w")
    system.add("ready", "more")
    system.add("later", due="+5000")
    shown = run_steps(system.run, find_page("q", Selector(), 3, patience_s=60))
    assert [(row.id, row.state) for row in shown.rows] == [
        ("later", "scheduled"), ("ready", "ready"), ("more", "ready"),
    ]  # fmt: skip
    assert (shown.total, shown.searched) == (5, 3)
    rest = run_steps(system.run, find_page("q", Selector(), 9, shown.cursor, 60))
    assert ([row.state for row in rest.rows], rest.cursor) == (["active", "dead"], None)


@pytest.mark.parametrize("same_moment", [True, False])
def test_a_cursor_outlives_the_job_it_ended_with_and_what_comes_between(system: QueueSystem, same_moment: bool) -> None:
    """Also where many jobs have the same score, and are told apart by their ids alone."""
    for n, job_id in enumerate("abcdefgh"):
        system.redis("ZADD", system.key("dead"), 100 if same_moment else 100 + n, job_id)
    first = page(system, "dead", 3)
    system.run(upkeep.delete("q", ["a", "c", "e"]))  # "c" is where the page ended
    system.redis("ZADD", system.key("dead"), 100, "b2")  # before it: not seen
    assert first.cursor is not None
    assert ids(system.run(search("q", Selector(), first.cursor, 9)).rows) == ["d", "f", "g", "h"]


def test_an_active_page_goes_on_with_the_same_worker_although_their_leases_change_places(system: QueueSystem) -> None:
    system.add(*"abcd")
    system.take("w1", 2)
    system.take("w2", 2)
    first = page(system, "active", 1)
    system.redis("ZADD", system.key("leases"), 2**52, "w1")
    assert first.cursor is not None
    assert ids(system.run(search("q", Selector(), first.cursor, 9)).rows) == ["b", "c", "d"]


def test_a_call_that_finds_little_ends_early_and_says_so(real_system: QueueSystem) -> None:
    system = real_system
    system.add(*[f"j{n:04}" for n in range(1200)])
    system.add("needle", name="rare")
    first = page(system, "ready", name="rare")
    assert (first.rows, first.searched, first.left, first.total) == ((), 300, 901, 1201)
    assert found(system, name="rare") == ["needle"]


def test_arguments_that_were_read_for_a_text_bound_a_call_too(real_system: QueueSystem) -> None:
    for n in range(6):
        real_system.add(f"j{n}", payload=b'{"args":["%s"]}' % (b"x" * 300_000))
    assert page(real_system, "ready", text="y").searched == 4
    assert page(real_system, "ready", name="y").searched == 6


def test_a_page_ends_when_it_has_taken_long_enough(real_system: QueueSystem) -> None:
    real_system.add(*[f"j{n:04}" for n in range(1200)])
    shown = run_steps(real_system.run, find_page("q", Selector("ready", name="rare"), 50, patience_s=0))
    assert (shown.searched, shown.total) == (300, 1200)
    assert shown.cursor is not None
    rest = run_steps(real_system.run, find_page("q", Selector("ready", name="rare"), 50, shown.cursor, 60))
    assert (rest.searched, rest.cursor) == (900, None)


@pytest.mark.parametrize("cursor", [Cursor("dead"), Cursor("scheduled", b"17 ~a/b \xff \n", 12)])
def test_a_cursor_reads_as_it_was_written(cursor: Cursor) -> None:
    assert read_cursor(str(cursor)) == cursor
    assert str(cursor).replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("said", ["-1", "٣", "12", "", "AAAA", "e30"])
def test_what_no_page_ended_with_is_no_cursor(said: str) -> None:
    with pytest.raises(InvalidOption):
        read_cursor(said)


def test_a_cursor_goes_with_the_states_it_was_made_for() -> None:
    with pytest.raises(InvalidOption):
        searching.states_from(["dead"], Cursor("ready"))


def test_all_states_are_looked_through() -> None:
    assert set(searching.ALL_STATES) == set(State)
