"""lua/enqueue.lua: how a job comes into being, once per id and once per coalescing key."""

from __future__ import annotations

import pytest

from jqjobs.job import Enqueued, Kind, NewJob
from jqjobs.store import calls
from jqjobs.store.wire import pack
from store.rig import START_MS, Rig


def test_an_enqueued_job_is_ready_with_its_name_payload_and_time(rig: Rig) -> None:
    assert rig.add("a", name="greet", payload=b'{"args":[1]}') == [Enqueued("a", True)]

    assert rig.states("a") == ["ready"]
    assert rig.job("a") == {"name": "greet", "payload": '{"args":[1]}', "enqueued": str(START_MS)}


def test_many_jobs_are_stored_in_one_call_in_their_order(rig: Rig) -> None:
    ids = [f"j{i:03}" for i in (5, 3, 9, 1)]

    assert rig.add(*ids) == [Enqueued(job_id, True) for job_id in ids]
    assert rig.ids("ready") == ids


def test_the_same_id_changes_nothing_while_the_record_exists(rig: Rig) -> None:
    rig.add("a", payload=b"first")

    assert rig.add("a", payload=b"second", priority=9) == [Enqueued("a", False)]
    assert rig.job("a")["payload"] == "first"
    assert rig.score("ready", "a") == 1


def test_the_same_id_twice_in_one_call_is_created_once(rig: Rig) -> None:
    assert rig.add("a", "a", "b") == [Enqueued("a", True), Enqueued("a", False), Enqueued("b", True)]
    assert rig.ids("ready") == ["a", "b"]


def test_the_same_id_is_refused_while_a_worker_holds_it(rig: Rig) -> None:
    rig.add("a")
    rig.take("w")

    assert rig.add("a") == [Enqueued("a", False)]
    assert rig.states("a") == ["active:w"]


def test_an_id_is_free_again_once_its_job_is_done_and_forgotten(rig: Rig) -> None:
    rig.add("a")
    rig.round(Kind.DONE)

    assert rig.add("a") == [Enqueued("a", True)]


def test_a_coalescing_key_stands_for_one_job_until_that_job_ends(rig: Rig) -> None:
    rig.add("a", key="user:1")

    assert rig.add("b", key="user:1") == [Enqueued("a", False)]
    assert rig.states("b") == []
    rig.round(Kind.DONE)
    assert rig.add("c", key="user:1") == [Enqueued("c", True)]


def test_a_coalescing_key_whose_job_is_gone_is_taken_over(rig: Rig) -> None:
    rig.redis("HSET", rig.key("unique"), "k", "vanished")

    assert rig.add("a", key="k") == [Enqueued("a", True)]
    assert rig.redis("HGET", rig.key("unique"), "k") == b"a"


def test_a_coalescing_key_may_hold_any_bytes(rig: Rig) -> None:
    key = "ключ with spaces\nand\x00 zero"
    rig.add("a", key=key)

    assert rig.add("b", key=key) == [Enqueued("a", False)]
    rig.round(Kind.DONE)
    assert rig.redis("HLEN", rig.key("unique")) == 0


def test_a_delay_counts_from_the_clock_of_the_store(rig: Rig) -> None:
    rig.add("a", due="+1500")

    assert rig.states("a") == ["scheduled"]
    assert rig.score("scheduled", "a") == START_MS + 1500


def test_an_absolute_due_time_is_taken_as_it_is(rig: Rig) -> None:
    rig.add("a", due=str(START_MS + 7))

    assert rig.score("scheduled", "a") == START_MS + 7


@pytest.mark.parametrize("due", ["", "+0", "0", str(START_MS), str(START_MS - 1), "-5"])
def test_a_due_time_that_has_come_means_now(rig: Rig, due: str) -> None:
    rig.add("a", due=due)

    assert rig.states("a") == ["ready"]


def test_a_delay_of_ten_years_is_kept_to_the_millisecond(rig: Rig) -> None:
    rig.add("a", due="+316224000000")

    assert rig.score("scheduled", "a") == START_MS + 316_224_000_000


def test_options_are_stored_as_fields_and_expiry_as_a_moment(rig: Rig) -> None:
    rig.add("a", fields=("max_attempts", 7, "timeout", 250, "expires", "+40", "keep", 9))

    stored = rig.job("a")
    assert {name: stored[name] for name in ("max_attempts", "timeout", "expires", "keep")} == {
        "max_attempts": "7", "timeout": "250", "expires": str(START_MS + 40), "keep": "9",
    }  # fmt: skip


def test_a_payload_keeps_its_bytes(rig: Rig) -> None:
    payload = bytes(range(256)) + b'{"n": 9007199254740993, "empty": []}'
    rig.add("a", payload=payload)

    [job] = rig.take("w")
    assert job.payload == payload


def test_the_clock_of_redis_is_used_when_none_is_given(rig: Rig) -> None:
    rig.store._now_ms = None
    rig.add("a")

    seconds, microseconds = rig.redis("TIME")
    assert 0 <= int(seconds) * 1000 + int(microseconds) // 1000 - int(rig.job("a")["enqueued"]) < 60_000


def test_jobs_with_and_without_options_share_a_call(rig: Rig) -> None:
    jobs = [
        NewJob("plain", b"1", "a"), NewJob("plain", b"2", "b"),
        NewJob("urgent", b"3", "c", priority=5, fields=("expires", "+9")), NewJob("plain", b"4", "a"),
        NewJob("late", b"5", "d", due="+7"), NewJob("one", b"6", "e", key="k"), NewJob("one", b"7", "f", key="k"),
        NewJob("one", b"8", "g", key="k", replace=True), NewJob("plain", b"9", "h"),
    ]  # fmt: skip

    assert rig.run(calls.enqueue("q", jobs)) == [
        Enqueued("a", True), Enqueued("b", True), Enqueued("c", True), Enqueued("a", False), Enqueued("d", True),
        Enqueued("e", True), Enqueued("e", False), Enqueued("e", False, True), Enqueued("h", True),
    ]  # fmt: skip
    assert rig.ids("ready") == ["c", "a", "b", "e", "h"]
    assert [rig.job(job_id)["payload"] for job_id in "abcdeh"] == ["1", "2", "3", "5", "8", "9"]
    assert rig.job("c") == {
        "name": "urgent", "payload": "3", "enqueued": str(START_MS), "priority": "5", "attempt": "0",
        "expires": str(START_MS + 9),
    }  # fmt: skip
    assert [rig.job(job_id).get("expires") for job_id in "abdeh"] == [None] * 5


def test_more_jobs_than_the_stack_of_lua_holds_fit_into_a_call(rig: Rig) -> None:
    ids = [f"j{n:05}" for n in range(5000)]

    assert all(made.created for made in rig.add(*ids))
    assert rig.ids("ready") == ids


def test_a_token_that_waits_is_no_error_and_one_that_was_taken_comes_back(rig: Rig) -> None:
    for job_id in "abc":
        rig.add(job_id)
        assert rig.ids("wake") == ["1"]
        if job_id == "b":
            rig.redis("ZPOPMIN", rig.key("wake"))


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
        call = calls.enqueue("q", [job])
        command = ("EVALSHA", call.script.sha, 1, *call.keys, *call.args)

        assert calls.packed_enqueue("q", job) == pack(command)
