"""A queue with partitions is one queue to jqctl: counted, paused, looked through and found as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.cli.exit_codes import Exit
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import daemons, upkeep
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

PLACES = ("orders", "orders~0", "orders~1", "orders~2")


@pytest.fixture
def spread(system: QueueSystem, terminal: Terminal) -> Terminal:
    """Two jobs in the queue itself, then three in each of its partitions, one of them dead."""
    system.run(upkeep.add_queues(["orders", "mails"]))
    system.add("o-0", "o-1", queue="orders")
    assert terminal.run("queue", "repartition", "orders", "3") == Exit.OK
    for place in PLACES[1:]:
        system.add(*[f"{place[-1]}-{number}" for number in range(3)], queue=place)
        [job] = system.take(f"w{place[-1]}", queues=(place,))
        system.settle(f"w{place[-1]}", job, Kind.DISCARDED, text="boom", line=b"{}")
    return terminal


def test_it_says_where_jobs_go_and_where_earlier_ones_may_be(spread: Terminal) -> None:
    answer = spread.json("queue", "repartition", "orders", "2")
    assert answer == {
        "queue": "orders", "partitions": ["orders~3", "orders~4"],
        "earlier": ["orders~0", "orders~1", "orders~2", "orders"],
    }  # fmt: skip
    spread.run("queue", "repartition", "orders", "2")
    assert spread.out.startswith("queue orders: orders~3, orders~4 take new jobs; earlier jobs may be in orders~0, ")


def test_it_says_that_limits_hold_in_each(spread: Terminal) -> None:
    spread.run("queue", "repartition", "orders", "2")
    assert "with Concurrency(1) one may run in every one of them" in spread.out


def test_status_counts_it_as_one_and_tells_its_places(spread: Terminal) -> None:
    queues = {queue["name"]: queue for queue in spread.json("status")["queues"]}
    assert set(queues) == {"orders", "mails"}
    assert (queues["orders"]["ready"], queues["orders"]["dead"], queues["mails"]["partitions"]) == (8, 3, [])
    assert [(place["name"], place["ready"]) for place in queues["orders"]["partitions"]] == [
        (place, 2) for place in PLACES
    ]
    spread.run("status")
    assert "3 partitions, ready in orders 2, orders~0 2, orders~1 2, orders~2 2" in spread.out


def test_pause_and_settings_are_for_all_of_it_and_so_is_resume(spread: Terminal, system: QueueSystem) -> None:
    assert spread.json("queue", "pause", "orders", "--reason", "why")["changed"] is True
    assert spread.json("queue", "set", "orders", "--max-dead", "7")["max_dead"] == 7
    assert all(system.meta("paused", place) for place in PLACES)
    assert [system.redis("HGET", system.key("settings", place), "max_dead") for place in PLACES] == [b"7"] * 4
    assert spread.json("queue", "resume", "orders")["changed"] is True
    assert not any(system.meta("paused", place) for place in PLACES)


def test_pages_go_through_all_of_it(spread: Terminal) -> None:
    found, cursor = list[Any](), list[str]()
    while True:
        page = spread.json("job", "list", "--queue", "orders", "--state", "ready", "--limit", "3", *cursor)
        found += page["jobs"]
        assert page["total"] == 8
        if page["cursor"] is None:
            break
        cursor = ["--cursor", page["cursor"]]
    assert {job["queue"] for job in found} == {"orders"}
    assert sorted(job["id"] for job in found) == ["0-1", "0-2", "1-1", "1-2", "2-1", "2-2", "o-0", "o-1"]
    assert {job["partition"] for job in found} == {None, *PLACES[1:]}


def test_a_cursor_of_a_partition_that_was_forgotten_is_refused(spread: Terminal, system: QueueSystem) -> None:
    cursor = spread.json("job", "list", "--queue", "orders", "--state", "ready", "--limit", "7")["cursor"]
    spread.run("queue", "repartition", "orders", "1")
    for place in PLACES:
        for job in [*system.ids("ready", place), *system.ids("dead", place)]:
            system.run(upkeep.delete(place, [job]))
    assert spread.json("queue", "repartition", "orders", "1")["earlier"] == []
    error = spread.error("job", "list", "--queue", "orders", "--state", "ready", "--cursor", cursor)
    assert error["message"] == "the cursor goes on in a partition that is there no more"


def test_acts_on_all_that_match_reach_all_of_it(spread: Terminal, system: QueueSystem) -> None:
    answer = spread.json("job", "retry", "--all-dead", "--queue", "orders", "--yes")
    assert (answer["matched"], answer["done"]) == (3, 3)
    assert [len(system.ids("dead", place)) for place in PLACES] == [0, 0, 0, 0]
    answer = spread.json("job", "cancel", "--queue", "orders", "--state", "ready", "--all", "--yes")
    assert answer["done"] == 11


@pytest.mark.parametrize("reference", ["1-1", "orders/1-1", "orders~1/1-1"])
def test_a_job_is_found_by_its_id_wherever_it_is(spread: Terminal, reference: str) -> None:
    shown = spread.json("job", "show", reference)["job"]
    assert (shown["queue"], shown["partition"], shown["state"]) == ("orders", "orders~1", "ready")
    assert spread.json("job", "cancel", reference)["cancelled"] == ["orders/1-1"]
    assert spread.json("job", "retry", reference)["retried"] == ["orders/1-1"]
    spread.run("job", "move", reference, "--to", "mails")
    assert spread.json("job", "show", reference)["job"]["queue"] == "mails"
    assert spread.json("job", "show", "orders/o-1")["job"]["partition"] is None


def test_what_moves_into_it_goes_to_the_partition_where_it_belongs(spread: Terminal, system: QueueSystem) -> None:
    system.add("m-1", queue="mails")
    assert spread.run("job", "move", "mails/m-1", "--to", "orders") == Exit.OK
    assert spread.json("job", "show", "mails/m-1")["job"]["partition"] in PLACES[1:]


def test_more_than_a_daemon_can_serve_is_refused_beforehand(spread: Terminal, system: QueueSystem) -> None:
    others = [f"n{number}" for number in range(25)]
    about = {"name": "web", "state": "running", "queues": " ".join(["orders", *others]), "pid": 7}
    system.run(daemons.register("d1", 60_000, about, {}))
    error = spread.error("queue", "repartition", "orders", "4")
    assert (spread.code, error["code"]) == (Exit.CONFLICT, "conflict")
    assert (
        "workers of daemon web serve at most 32 queues and partitions; with 4 of orders they would have 33"
        in (error["message"])
    )
    assert error["hint"] == "have orders served by a daemon of its own: jqd --queues orders"
    assert spread.run("queue", "repartition", "orders", "3") == Exit.OK, "what it has it may have"
