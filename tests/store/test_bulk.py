"""store/bulk.py: what is selected is acted on once, in bounded steps; what comes after the boundary never."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import Kind, new_ids
from jqjobs.jobs.selector import Selector
from jqjobs.store import bulk
from jqjobs.store.bulk import Act, BulkAnswer, act_on_all
from jqjobs.store.call import Call
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.cancels import cancel
from jqjobs.store.calls.upkeep import Deleted, Retried
from jqjobs.store.reads.search import read_cursor
from jqjobs.store.steps import run_steps
from store.queue_system import QueueSystem


@pytest.fixture(autouse=True)
def _two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)


@pytest.fixture
def system(real_system: QueueSystem) -> QueueSystem:
    return real_system


def kill(system: QueueSystem, *ids: str, text: str = "boom", **job: Any) -> None:
    for job_id in ids:
        system.clock.advance(1)
        system.add(job_id, **job)
        system.round(Kind.DISCARDED, text=text)


def act(system: QueueSystem, what: Act, between: Callable[[], None] = lambda: None, **options: Any) -> BulkAnswer:
    """Act on what ``options`` select; ``between``: what others do after each call, once it is known which places there
    are."""
    said = {name: options.pop(name) for name in Selector._fields if name in options}

    def run(call: Call[Any]) -> Any:
        answer = system.run(call)
        if call.script.name != "read_partitions":
            between()
        return answer

    return run_steps(run, act_on_all("q", Selector(**said), what, **options))


def test_what_is_selected_goes_back_and_nothing_else(system: QueueSystem) -> None:
    kill(system, *"abcde", text="SMTPError: no route")
    kill(system, "x", "y", text="KeyError")
    assert act(system, Act.RETRY, error="SMTP").as_json() == {"matched": 5, "done": 5, "left": 0, "cursor": None}
    assert (system.ids("ready"), system.ids("dead")) == ([*"abcde"], ["x", "y"])


def test_a_dry_run_counts_what_would_be_done_and_writes_nothing(system: QueueSystem) -> None:
    kill(system, *"abcde")
    before = system.everything()
    for what in (Act.RETRY, Act.DELETE):
        assert act(system, what, dry_run=True, state="dead")[:4] == (5, 0, 0, None)
    assert system.everything() == before


@pytest.mark.parametrize(
    "said",
    [
        {}, {"name": "m"}, {"error": "SMTP"}, {"error": "cancelled"}, {"key": "k", "name": "m"}, {"tag": "t"},
        {"text": "1"}, {"text": "1", "name": "m"}, {"since_ms": 1}, {"older_than_s": 0.002}, {"older_than_s": 10**6},
    ],
)  # fmt: skip
def test_as_many_are_counted_as_are_read(system: QueueSystem, said: dict[str, Any]) -> None:
    kill(system, "a", "b", text="SMTPError: no route", payload=b'{"args":[1]}')
    kill(system, "c", "d", name="m")
    kill(system, "e", name="m", text="SMTPError", fields=("key", "k", "tags", "s t"))
    system.add("x", "y", due="+1000")
    system.run(cancel("q", ["x"]))
    system.add("z", name="m")
    for what, state in ((Act.RETRY, None), (Act.DELETE, "dead"), (Act.CANCEL, None), (Act.MOVE, None)):
        asked = {"dry_run": True, "state": state, **said}
        assert act(system, what, **asked) == act(system, what, reads_each=True, **asked), what


def test_what_dies_meanwhile_is_not_touched(system: QueueSystem) -> None:
    kill(system, *"abcde")
    names: Iterator[str] = iter([f"new{n}" for n in range(50)])
    system.clock.advance(1)

    answer = act(system, Act.DELETE, lambda: kill(system, next(names)), state="dead")

    assert (answer.matched, answer.done) == (5, 5)
    assert [job_id for job_id in system.ids("dead") if not job_id.startswith("new")] == []
    assert len(system.ids("dead")) >= 5


def test_what_dies_again_at_once_is_sent_back_once(system: QueueSystem) -> None:
    kill(system, *"abcde")
    system.clock.advance(1)

    def and_die() -> None:
        system.clock.advance(1)
        for job in system.take(want=9):
            system.settle("w", job, Kind.DISCARDED)

    assert act(system, Act.RETRY, and_die)[:3] == (5, 5, 0)
    assert system.counters("a")["executions"] == 2


def test_a_boundary_that_is_given_holds(system: QueueSystem) -> None:
    kill(system, "a", "b")
    until_ms = system.clock.now_ms
    kill(system, "c")
    assert act(system, Act.RETRY, until_ms=until_ms).done == 2
    assert system.ids("dead") == ["c"]


def test_it_is_resumed_with_the_boundary_that_it_began_with(system: QueueSystem) -> None:
    kill(system, *"abcde")
    began_ms = system.clock.now_ms
    first = act(system, Act.DELETE, state="dead", within_s=0)
    assert first[:3] == (2, 2, 3)
    kill(system, "late")
    assert first.cursor is not None
    assert read_cursor(first.cursor).until_ms == began_ms
    second = act(system, Act.DELETE, state="dead", cursor=read_cursor(first.cursor))
    assert second[:4] == (3, 3, 0, None)
    assert system.ids("dead") == ["late"]


def test_what_grows_older_meanwhile_is_not_touched(system: QueueSystem) -> None:
    """Neither in the same go nor when it is resumed."""
    kill(system, *"abc")
    system.clock.advance(1000)
    kill(system, *"xyz")

    def grow_older() -> None:
        system.clock.advance(5000)

    first = act(system, Act.DELETE, grow_older, state="dead", older_than_s=1, within_s=0)
    assert (first.done, first.cursor is not None) == (2, True)
    cursor = read_cursor(first.cursor or "")
    assert act(system, Act.DELETE, grow_older, state="dead", older_than_s=1, cursor=cursor).done == 1
    kill(system, "d")
    assert act(system, Act.DELETE, grow_older, state="dead", older_than_s=3, until_ms=system.clock.now_ms).done == 3
    assert system.ids("dead") == ["d"]


def test_what_refuses_is_passed_over_and_counted(system: QueueSystem) -> None:
    kill(system, "a", "b", "c", key="k")
    system.add("holder", key="k")
    system.take("w2")  # in hand: it has the key as long as it runs
    answer = act(system, Act.RETRY)
    assert (answer.matched, answer.done, answer.count("key_taken")) == (3, 0, 3)
    assert system.ids("dead") == ["a", "b", "c"]


def test_what_somebody_cancelled_is_sent_back_only_when_the_selector_says_so(system: QueueSystem) -> None:
    system.add("a", "b", "c")
    system.run(cancel("q", ["a", "b", "c"]))
    answer = act(system, Act.RETRY)
    assert (answer.matched, answer.count("left_out")) == (0, 3)
    assert act(system, Act.RETRY, error="cancelled").done == 3


def test_what_is_moved_is_there_and_what_cannot_be_is_counted(system: QueueSystem) -> None:
    kill(system, *"abcde")
    system.add("b", queue="other")
    system.clock.advance(1)
    answer = act(system, Act.MOVE, lambda: kill(system, *new_ids(1)), state="dead", to="other")
    assert (answer.matched, answer.done, answer.count("id_taken")) == (5, 4, 1)
    assert sorted(system.ids("dead", queue="other")) == ["a", "c", "d", "e"]
    assert {"a", "b", "c", "d", "e"} & set(system.ids("dead")) == {"b"}


def test_cancelling_goes_through_all_that_has_not_ended(system: QueueSystem) -> None:
    kill(system, "over")
    system.add("in-hand")
    system.take("w")
    system.add("ready")
    system.add("later", due="+5000")
    answer = act(system, Act.CANCEL, name="n")
    assert (answer.matched, answer.count("cancelled"), answer.count("cancelling")) == (3, 2, 1)
    assert sorted(system.ids("dead")) == ["later", "over", "ready"]
    assert system.ids("cancels") == ["w in-hand 1"]


def test_all_of_a_state_is_looked_through_and_then_the_next_one(system: QueueSystem) -> None:
    system.add(*[f"j{n:04}" for n in range(1200)], due="+5000")
    system.add("a", "b", "c", name="rare")
    assert act(system, Act.CANCEL, name="rare").done == 3
    first = act(system, Act.CANCEL, text="{", dry_run=True, within_s=0)
    assert (first.matched, first.cursor is not None) == (0, True)  # nothing is parked
    assert act(system, Act.CANCEL, text="{", dry_run=True, cursor=read_cursor(first.cursor or "")).matched == 1200


def test_of_what_is_not_dead_counts_when_it_was_enqueued(system: QueueSystem) -> None:
    system.add("old")
    until_ms = system.clock.now_ms
    system.clock.advance(1)
    system.add("new", priority=9)
    assert act(system, Act.DELETE, state="ready", until_ms=until_ms).done == 1
    assert system.ids("ready") == ["new"]


def test_jobs_that_were_seen_elsewhere_are_let_be(system: QueueSystem) -> None:
    """Between the search and the act somebody else may have been there."""
    kill(system, "a")
    died = system.score("dead", "a")
    assert died is not None
    assert system.run(upkeep.retry("q", [f"a {died - 1:.0f}"])) == [Retried.NOT_DEAD]
    assert system.run(upkeep.delete("q", [f"a ready {died:.0f}", f"a dead {died - 1:.0f}"])) == [Deleted.UNKNOWN] * 2
    assert system.run(upkeep.retry("q", [f"a {died:.0f}"])) == [Retried.READY]
    rank = system.score("ready", "a")
    assert system.run(upkeep.delete("q", [f"a ready {rank:.0f}"])) == [Deleted.GONE]


@pytest.mark.parametrize(
    ("what", "state"),
    [(Act.RETRY, "ready"), (Act.CANCEL, "dead"), (Act.CANCEL, "kept"), (Act.DELETE, "active"), (Act.DELETE, None)],
)
def test_an_act_is_refused_for_states_it_is_not_for(system: QueueSystem, what: Act, state: str | None) -> None:
    with pytest.raises(InvalidOption):
        act(system, what, state=state)


def test_who_watches_is_told_how_much_is_left(system: QueueSystem) -> None:
    kill(system, *"abcde")
    told: list[BulkAnswer] = []
    act(system, Act.RETRY, watch=told.append)
    assert [(each.done, each.left) for each in told] == [(2, 3), (4, 1), (5, 0)]
