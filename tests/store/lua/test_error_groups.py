"""Dead jobs are counted by what they died of: up when they die, down whenever one is dead no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.calls.cancels import cancel
from jqjobs.store.calls.moves import move
from jqjobs.store.reads.error_groups import ErrorGroup, error_groups
from store.queue_system import START_MS, QueueSystem

MOST_GROUPS = 500


def groups(system: QueueSystem) -> dict[str, ErrorGroup]:
    return {group.fingerprint: group for group in error_groups(system.store, ["q"])}


def counts(system: QueueSystem) -> dict[str, int]:
    """What is counted, which must be what the records of the dead say."""
    counted = {fingerprint: group.dead for fingerprint, group in groups(system).items()}
    records = map(system.job, system.ids("dead"))
    assert counted == Counter(record["group"] for record in records if "group" in record)
    return counted


def discard(system: QueueSystem, *ids: str, group: str = "f1", error: str = "E: no", name: str = "n") -> None:
    """Let jobs die of an error that their worker reports."""
    system.add(*ids, name=name)
    taken = system.take(want=len(ids))
    system.trip("w", 0, [Outcome(job, Kind.DISCARDED, error=error, line=b"{}", group=group) for job in taken])


def test_what_died_of_the_same_error_is_counted_together(system: QueueSystem) -> None:
    discard(system, "a", "b", error="E: no 1")
    system.clock.advance(500)
    discard(system, "c", error="E: no 2\nand more")
    discard(system, "d", group="f2", name="m")

    first, second = error_groups(system.store, ["q"])
    assert first == ("f1", "q", "n", "E: no 2", 3, START_MS, START_MS + 500, "c")
    assert second == ("f2", "q", "m", "E: no", 1, START_MS + 500, START_MS + 500, "d")
    assert counts(system) == {"f1": 3, "f2": 1}


def test_of_several_failures_the_one_counts_that_a_job_dies_of(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 2))
    counted = []
    for group in ("f1", "f2"):
        [job] = system.take()
        system.trip("w", 0, [Outcome(job, Kind.FAILED, error="E", line=b"{}", group=group)])
        counted.append(counts(system))
    assert counted == [{}, {"f2": 1}]


def settled(kind: Kind) -> Callable[[QueueSystem], object]:
    return lambda system: system.round(kind, 1, text="why")


def crashed(system: QueueSystem) -> None:
    [job] = system.take()
    system.run(leases.leave("q", "w", "killed", [BoardEntry(job.id, job.attempt, "crashed")]))


def unanswered(system: QueueSystem) -> None:
    system.round(Kind.WAITING, 1)
    system.clock.advance(1)
    system.tend()


def expired(system: QueueSystem) -> None:
    system.clock.advance(1000)
    system.take()


def damaged(system: QueueSystem, field: str = "timeout") -> None:
    system.redis("HSET", system.key("job:a"), field, "5 m")
    system.take()


@pytest.mark.parametrize(
    ("end", "group"),
    [
        (settled(Kind.FAILED), "failed:n"),
        (settled(Kind.HUNG), "hung:n"),
        (settled(Kind.DISCARDED), "discarded:n"),
        (settled(Kind.OVERSIZED), "oversized:n"),
        (crashed, "crashed:n"),
        (unanswered, "deadline:n"),
        (expired, "expired:n"),
        (lambda system: system.run(cancel("q", ["a"])), "cancelled:n"),
        (damaged, "damaged:n"),
        (lambda system: damaged(system, "name"), "damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_no_worker_says_which_error_it_is_reason_and_name_do(
    system: QueueSystem, end: Callable[[QueueSystem], object], group: str
) -> None:
    system.add("a", fields=("max_attempts", 1, "max_crashes", 1, "expires", "+1000"))
    end(system)
    assert (system.states("a"), counts(system)) == (["dead"], {group: 1})
    assert groups(system)[group].name == ("n" if ":" in group else None)


def retry(system: QueueSystem, *ids: str) -> None:
    system.run(upkeep.retry("q", ids))


def delete(system: QueueSystem, *ids: str) -> None:
    system.run(upkeep.delete("q", ids))


def trim(system: QueueSystem, *ids: str) -> None:
    system.tend(max_dead=3 - len(ids))


@pytest.mark.parametrize("leave", [retry, delete, trim])
def test_what_is_dead_no_more_is_counted_no_more(system: QueueSystem, leave: Callable[..., None]) -> None:
    for job_id, group in (("a", "f1"), ("b", "f2"), ("c", "f1")):
        discard(system, job_id, group=group)
        system.clock.advance(1)

    leave(system, "a")
    assert counts(system) == {"f1": 1, "f2": 1}
    assert "group" not in system.job("a")
    leave(system, "a", "b")
    assert counts(system) == {"f1": 1}
    leave(system, "a", "b", "c")
    assert counts(system) == {}
    assert system.redis("EXISTS", system.key("errors")) == 0


def test_a_job_that_dies_again_is_counted_again(system: QueueSystem) -> None:
    discard(system, "a")
    retry(system, "a")
    [job] = system.take()
    system.trip("w", 0, [Outcome(job, Kind.DISCARDED, error="E", line=b"{}", group="f2")])
    assert counts(system) == {"f2": 1}


def test_a_sample_is_a_job_that_is_dead(system: QueueSystem) -> None:
    discard(system, "a", "b")
    assert groups(system)["f1"].sample_id == "b"
    delete(system, "b")
    assert groups(system)["f1"].sample_id == "a"
    discard(system, "c")
    delete(system, "a")
    assert groups(system)["f1"][4:] == (1, START_MS, START_MS, "c")
    system.redis("DEL", system.key("job:c"))
    system.redis("HSET", system.key("errors"), "f1", f"1 {START_MS} {START_MS} - n E")
    assert groups(system)["f1"].sample_id is None


def test_from_the_five_hundred_and_first_on_they_are_counted_together(system: QueueSystem) -> None:
    for first in range(0, MOST_GROUPS + 2, 50):
        system.add(*(f"j{n}" for n in range(first, min(first + 50, MOST_GROUPS + 2))))
        taken = system.take(want=50)
        ends = [Outcome(job, Kind.DISCARDED, error="E", line=b"{}", group=f"f{job.id}") for job in taken]
        system.trip("w", 0, ends)
    assert len(counts(system)) == MOST_GROUPS + 1
    assert groups(system)["other"] == ("other", "q", None, None, 2, START_MS, START_MS, f"j{MOST_GROUPS + 1}")

    discard(system, "more", group="fj0")
    delete(system, "j0", f"j{MOST_GROUPS}")
    found = counts(system)
    assert (found["fj0"], found["other"]) == (1, 1)


def test_errors_of_any_length_and_language_are_cut_between_characters(system: QueueSystem) -> None:
    discard(system, "a", error="é" * 600)
    assert groups(system)["f1"].error == "é" * 99


@pytest.mark.parametrize("value", ["x", "-1 2 3 a n E", "9" * 40 + " 1 1 a n E", b"\xff\xfe", ""], ids=repr)
def test_a_count_that_cannot_be_read_begins_anew(system: QueueSystem, value: str | bytes) -> None:
    discard(system, "a")
    system.redis("HSET", system.key("errors"), "f1", value)
    assert groups(system) == {}
    delete(system, "a")
    discard(system, "b")
    assert counts(system) == {"f1": 1}


def test_jobs_die_and_leave_where_nothing_can_be_counted(system: QueueSystem) -> None:
    discard(system, "a", "b")
    system.redis("SET", system.key("errors"), "x")
    discard(system, "c")
    assert system.run(upkeep.retry("q", ["a"])) == [1]
    assert system.run(upkeep.delete("q", ["b"])) == [1]
    assert (system.ids("dead"), system.job("c").get("group")) == (["c"], None)

    system.tend()
    discard(system, "d")
    assert counts(system) == {"f1": 1}


def test_a_death_that_meets_damage_half_way_is_counted_once(system: QueueSystem) -> None:
    system.add("a")
    [job] = system.take()
    system.redis("SET", system.key("dead"), "x")
    system.trip("w", 0, [Outcome.discarded(job, error="E", line=b"{}", group="f1")])
    assert counts(system) == {"f1": 1}


def test_nothing_is_counted_where_nothing_is_dead(system: QueueSystem) -> None:
    discard(system, "a", "b")
    system.redis("DEL", system.key("job:a"), system.key("job:b"))
    system.tend(max_dead=0)
    assert groups(system) == {}


def test_a_job_counts_until_it_has_arrived_elsewhere(system: QueueSystem) -> None:
    discard(system, "a")
    system.run(move("q", "r", ["a"]))
    system.tend()
    assert groups(system)["f1"].dead == 1
