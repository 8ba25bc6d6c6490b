"""lua/enqueue.lua: how a job comes into being, once per id and once per coalescing key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jqjobs.errors import StoreFull
from jqjobs.jobs.records import Enqueued, Kind, NewJob
from jqjobs.store.calls import enqueueing, upkeep
from jqjobs.store.wire import pack
from store.queue_system import START_MS, QueueSystem


def test_an_enqueued_job_is_ready_with_its_name_payload_and_time(system: QueueSystem) -> None:
    assert system.add("a", name="greet", payload=b'{"args":[1]}') == [Enqueued("a", True)]

    assert system.states("a") == ["ready"]
    assert system.job("a") == {"name": "greet", "payload": '{"args":[1]}', "enqueued": str(START_MS)}


def test_many_jobs_are_stored_in_one_call_in_their_order(system: QueueSystem) -> None:
    ids = [f"j{i:03}" for i in (5, 3, 9, 1)]

    assert system.add(*ids) == [Enqueued(job_id, True) for job_id in ids]
    assert system.ids("ready") == ids


def test_the_same_id_changes_nothing_while_the_record_exists(system: QueueSystem) -> None:
    system.add("a", payload=b"first")

    assert system.add("a", payload=b"second", priority=9) == [Enqueued("a", False)]
    assert system.job("a")["payload"] == "first"
    assert system.score("ready", "a") == 1


def test_the_same_id_twice_in_one_call_is_created_once(system: QueueSystem) -> None:
    assert system.add("a", "a", "b") == [Enqueued("a", True), Enqueued("a", False), Enqueued("b", True)]
    assert system.ids("ready") == ["a", "b"]


def test_the_same_id_is_refused_while_a_worker_holds_it(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")

    assert system.add("a") == [Enqueued("a", False)]
    assert system.states("a") == ["active:w"]


def test_an_id_is_free_again_once_its_job_is_done_and_forgotten(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.DONE)

    assert system.add("a") == [Enqueued("a", True)]


def test_a_coalescing_key_stands_for_one_job_until_that_job_ends(system: QueueSystem) -> None:
    system.add("a", key="user:1")

    assert system.add("b", key="user:1") == [Enqueued("a", False)]
    assert system.states("b") == []
    system.round(Kind.DONE)
    assert system.add("c", key="user:1") == [Enqueued("c", True)]


def test_a_coalescing_key_whose_job_is_gone_is_taken_over(system: QueueSystem) -> None:
    system.redis("HSET", system.key("unique"), "k", "vanished")

    assert system.add("a", key="k") == [Enqueued("a", True)]
    assert system.redis("HGET", system.key("unique"), "k") == b"a"


def test_a_coalescing_key_may_hold_any_bytes(system: QueueSystem) -> None:
    key = "ключ with spaces\nand\x00 zero"
    system.add("a", key=key)

    assert system.add("b", key=key) == [Enqueued("a", False)]
    system.round(Kind.DONE)
    assert system.redis("HLEN", system.key("unique")) == 0


def test_a_delay_counts_from_the_clock_of_the_store(system: QueueSystem) -> None:
    system.add("a", due="+1500")

    assert system.states("a") == ["scheduled"]
    assert system.score("scheduled", "a") == START_MS + 1500


def test_an_absolute_due_time_is_taken_as_it_is(system: QueueSystem) -> None:
    system.add("a", due=str(START_MS + 7))

    assert system.score("scheduled", "a") == START_MS + 7


@pytest.mark.parametrize("due", ["", "+0", "0", str(START_MS), str(START_MS - 1), "-5"])
def test_a_due_time_that_has_come_means_now(system: QueueSystem, due: str) -> None:
    system.add("a", due=due)

    assert system.states("a") == ["ready"]


def test_a_delay_of_ten_years_is_kept_to_the_millisecond(system: QueueSystem) -> None:
    system.add("a", due="+316224000000")

    assert system.score("scheduled", "a") == START_MS + 316_224_000_000


def test_options_are_stored_as_fields_and_expiry_as_a_moment(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 7, "timeout", 250, "expires", "+40", "keep", 9))

    stored = system.job("a")
    assert {name: stored[name] for name in ("max_attempts", "timeout", "expires", "keep")} == {
        "max_attempts": "7", "timeout": "250", "expires": str(START_MS + 40), "keep": "9",
    }  # fmt: skip


def test_a_payload_keeps_its_bytes(system: QueueSystem) -> None:
    payload = bytes(range(256)) + b'{"n": 9007199254740993, "empty": []}'
    system.add("a", payload=payload)

    [job] = system.take("w")
    assert job.payload == payload


def test_the_clock_of_redis_is_used_when_none_is_given(system: QueueSystem) -> None:
    system.store._now_ms = None
    system.add("a")

    seconds, microseconds = system.redis("TIME")
    assert 0 <= int(seconds) * 1000 + int(microseconds) // 1000 - int(system.job("a")["enqueued"]) < 60_000


def test_jobs_with_and_without_options_share_a_call(system: QueueSystem) -> None:
    jobs = [
        NewJob("plain", b"1", "a"), NewJob("plain", b"2", "b"),
        NewJob("urgent", b"3", "c", priority=5, fields=("expires", "+9")), NewJob("plain", b"4", "a"),
        NewJob("late", b"5", "d", due="+7"), NewJob("one", b"6", "e", key="k"), NewJob("one", b"7", "f", key="k"),
        NewJob("one", b"8", "g", key="k", replace=True), NewJob("plain", b"9", "h"),
    ]  # fmt: skip

    assert system.run(enqueueing.enqueue("q", jobs)) == [
        Enqueued("a", True), Enqueued("b", True), Enqueued("c", True), Enqueued("a", False), Enqueued("d", True),
        Enqueued("e", True), Enqueued("e", False), Enqueued("e", False, True), Enqueued("h", True),
    ]  # fmt: skip
    assert system.ids("ready") == ["c", "a", "b", "e", "h"]
    assert [system.job(job_id)["payload"] for job_id in "abcdeh"] == ["1", "2", "3", "5", "8", "9"]
    assert system.job("c") == {
        "name": "urgent", "payload": "3", "enqueued": str(START_MS), "priority": "5", "attempt": "0",
        "expires": str(START_MS + 9),
    }  # fmt: skip
    assert [system.job(job_id).get("expires") for job_id in "abdeh"] == [None] * 5


def test_more_jobs_than_the_stack_of_lua_holds_fit_into_a_call(system: QueueSystem) -> None:
    ids = [f"j{n:05}" for n in range(5000)]

    assert all(made.created for made in system.add(*ids))
    assert system.ids("ready") == ids


def test_a_token_that_waits_is_no_error_and_one_that_was_taken_comes_back(system: QueueSystem) -> None:
    for job_id in "abc":
        system.add(job_id)
        assert system.ids("wake") == ["1"]
        if job_id == "b":
            system.redis("ZPOPMIN", system.key("wake"))


def rules(system: QueueSystem) -> None:
    system.run(upkeep.settings("q", {"max_length": 3}))


def groups(system: QueueSystem) -> None:
    system.add("g", fields=("fair", "=g"))


def one_of_them(system: QueueSystem) -> None:
    system.add("b", payload=b"first")


@pytest.mark.parametrize(
    "there", [(), (rules,), (groups,), (one_of_them,), (rules, groups), (rules, one_of_them), (groups, one_of_them)],
    ids=lambda there: " and ".join(each.__name__ for each in there) or "nothing",
)  # fmt: skip
@pytest.mark.parametrize("waits", [True, False], ids=["a token waits", "no token waits"])
def test_jobs_of_several_calls_are_stored_like_those_of_one(
    system: QueueSystem, there: tuple[Callable[[QueueSystem], None], ...], waits: bool
) -> None:
    """The short way of one plain job, and the long one where there is something to look at first."""

    def stored(*calls: tuple[str, ...]) -> tuple[list[Enqueued], dict[bytes, Any]]:
        system.redis("FLUSHALL")
        for prepare in there:
            prepare(system)
        system.use_up_token()
        if waits:
            system.redis("ZADD", system.key("wake"), 0, "1")
        return [made for ids in calls for made in system.add(*ids)], system.everything()

    assert stored(("a",), ("b",)) == stored(("a", "b"))


def test_a_full_queue_takes_no_plain_job_either_and_one_that_is_there_is_no_newcomer(system: QueueSystem) -> None:
    rules(system)
    for job_id in "abc":
        system.add(job_id)
    with pytest.raises(StoreFull, match="no more than 3 jobs may wait"):
        system.add("d")

    assert system.add("c") == [Enqueued("c", False)]
    assert system.ids("ready") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("fields", "more"),
    [((), set()), (("fair", "=g"), {"zadd"}), (("timeout", 5), {"hset"})],
    ids=["plain", "group", "option"],
)
def test_a_job_that_comes_alone_takes_four_commands_and_the_time_and_one_for_what_is_said_of_it(
    live_system: QueueSystem, fields: tuple[Any, ...], more: set[str]
) -> None:
    live_system.add("a", fields=fields)
    live_system.redis("CONFIG", "RESETSTAT")
    live_system.add("b", fields=fields)

    lines = live_system.redis("INFO", "commandstats").decode().splitlines()
    counted = {line.split(":")[0]: line.split("calls=")[1].split(",")[0] for line in lines if "calls=" in line}
    assert counted.keys() - {"cmdstat_config|resetstat"} == {
        f"cmdstat_{name}" for name in ("evalsha", "exists", "time", "hincrby", "hset", "zadd")
    }
    twice = {name for name, calls in counted.items() if calls == "2"}
    assert (twice, set(counted.values()) - {"2"}) == ({f"cmdstat_{name}" for name in more}, {"1"})


@pytest.mark.parametrize(
    "options",
    [
        {}, {"priority": -3}, {"due": "+10"}, {"key": "k"}, {"key": "k", "replace": True, "coalesce": "queued"},
        {"fields": ("keep", 5, "limits", "-")},
    ],
    ids=str,
)  # fmt: skip
def test_one_job_is_packed_as_the_call_for_many_says(options: dict[str, object]) -> None:
    for job in (
        NewJob("n", b"{}", "a", **options), NewJob("other", b"", "b" * 128, **options),  # type: ignore[arg-type]
        NewJob("n", bytes(range(256)), "c", **options),  # type: ignore[arg-type]
    ):  # fmt: skip
        call = enqueueing.enqueue("q", [job])
        assert enqueueing.packed_enqueue("a:b", "q", job) == pack(call.command("a:b"))
