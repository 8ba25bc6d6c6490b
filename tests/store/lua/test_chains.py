"""Chains: what comes after a job begins when it has succeeded, and in no other case, in whichever queue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jqjobs.jobs.flow import BatchState, OnDead, written
from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import batches, cancels, flows, leases, upkeep
from jqjobs.store.reads.jobs import job_info
from jqjobs.store.steps import run_steps
from store.lua.test_batches import called, end, status, step, tell
from store.queue_system import QueueSystem, outcome


def begin(system: QueueSystem, *steps: bytes, **more: Any) -> None:
    """Enqueue "a", and what comes after it."""
    system.add("a", fields=("flow", "t", "then", written(steps), "max_attempts", 1), **more)


def succeed(system: QueueSystem, result: bytes = b"", queue: str = "q") -> str:
    [job] = system.take(f"w{queue}", queues=(queue,))
    done = outcome(job, Kind.DONE)
    done.result = result
    system.trip(f"w{queue}", 0, [done], queues=(queue,))
    return job.id


def all_of(*members: bytes) -> bytes:
    """Return the step that is a list of these."""
    return json.dumps({"all": [member.decode() for member in members]}).encode()


def test_steps_come_one_after_the_other_each_with_what_the_one_before_returned(system: QueueSystem) -> None:
    begin(system, step("b", kwargs={"n": 1}, timeout_ms=5, group="g"), step("c", delay_ms=500))

    assert succeed(system, b"[1]") == "a"
    [job] = system.take("w")
    assert (job.id, job.name, job.timeout_ms, job.previous) == ("a.2", "b", 5, b"[1]")
    assert (json.loads(job.payload)["kwargs"], system.job("a.2")["fair"]) == ({"n": 1}, "=g")
    system.settle("w", job)
    assert system.ids("scheduled") == ["a.3"]
    system.clock.advance(500)
    [job] = system.take("w")
    system.settle("w", job)

    assert (job.name, job.previous) == ("c", None)
    assert system.redis("KEYS", "*job*") == []


def test_a_dead_step_stops_the_chain_and_its_retry_goes_on(system: QueueSystem) -> None:
    begin(system, step("b", max_attempts=1))
    succeed(system)
    end(system, Kind.FAILED)
    assert (system.ids(), system.ids("dead")) == ([], ["a.2"])

    system.run(upkeep.retry("q", ["a.2"]))

    assert succeed(system) == "a.2"
    assert system.ids() == system.ids("dead") == []


def test_what_is_cancelled_has_nothing_after_it(system: QueueSystem) -> None:
    begin(system, step("b"))
    system.run(cancels.cancel("q", ["a"]))

    assert (system.ids(), system.ids("dead")) == ([], ["a"])


def test_a_success_that_only_the_board_tells_of_counts(system: QueueSystem) -> None:
    begin(system, step("b"))
    system.take("w")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "succeeded")]))

    assert system.ids() == ["a.2"]


def test_a_queue_that_a_step_is_the_first_to_need_is_known(system: QueueSystem) -> None:
    """Who serves queues by a pattern finds it by that."""
    begin(system, step("b", queue="new"))
    succeed(system)
    tell(system)

    assert b"new" in system.redis("SMEMBERS", "jq:{~}:queues")


def test_a_step_of_another_queue_is_brought_there_once(system: QueueSystem) -> None:
    begin(system, step("b", queue="other"), step("c"))
    succeed(system, b"1")
    assert system.states("a.2") == ["transfers"]

    for _ in range(2):
        tell(system, "q")
    assert (system.ids(), system.ids("ready", "other")) == ([], ["a.2"])
    succeed(system, queue="other")

    assert system.ids("ready", "other") == ["a.3"]  # a step that names no queue stays where the one before was


def test_what_a_step_does_not_say_comes_from_what_workers_published_in_its_queue(system: QueueSystem) -> None:
    system.join("v", queues=["other"])
    system.run(leases.publish("other", 10**9, {"b": {"priority": 7, "delay_ms": 500}}))
    silent, said = step("b", queue="other"), step("b", queue="other", priority=0, delay_ms=0)
    begin(system, all_of(silent, said))
    succeed(system)
    tell(system, "q")

    assert (system.ids("scheduled", "other"), system.ids("ready", "other")) == (["a.2.1"], ["a.2.2"])
    assert (system.job("a.2.1", "other")["priority"], system.job("a.2.2", "other")["priority"]) == ("7", "0")
    assert int(system.job("a.2.1", "other")["due"]) == system.clock.now_ms + 500


@pytest.mark.parametrize("queue", ["q", "other"])
def test_a_step_whose_id_is_taken_in_its_queue_is_rejected_and_its_batch_waits_for_nothing(
    system: QueueSystem, queue: str
) -> None:
    system.push({"open": "q/b", "always": [step("over").decode()]}, {"close": "q/b", "count": 1})
    system.push({"job": "a", "id": "a", "batch": "q/b", "then": [step("b", queue=queue).decode()]})
    system.ingest()
    [job] = system.take("w")
    system.add("a.2", queue=queue, name="stranger")
    system.settle("w", job)
    tell(system, "q")

    assert system.job("a.2", queue)["name"] == "stranger"
    assert system.rejected() == [("id_taken: there is a a.2 already", step("b", queue=queue))]
    assert (status(system).state, called(system)) == (BatchState.FAILED, ["always"])
    assert queue == "q" or system.redis("EXISTS", system.key("job:a.2")) == 0


def test_a_list_whose_id_or_whose_member_is_taken_lets_nothing_come_after_it(system: QueueSystem) -> None:
    both = all_of(step("b"), step("c"))
    begin(system, both, step("d"))
    [job] = system.take("w")
    system.add("a.2.1", name="stranger", due="+1000")
    system.settle("w", job)

    assert succeed(system) == "a.2.2"
    assert (system.ids(), len(system.rejected())) == ([], 1)
    begin(system, both, step("d"))
    succeed(system)

    assert (system.ids(), len(system.rejected())) == ([], 2)  # the list of the one before is known for a week


def test_a_step_begins_where_one_of_its_id_has_gone_to_another_queue(system: QueueSystem) -> None:
    for _ in range(2):
        begin(system, step("b", queue="other"))
        succeed(system)
        tell(system, "q")
        assert succeed(system, queue="other") == "a.2"
    assert system.rejected() == []


def test_a_member_that_came_twice_does_not_fail_its_batch(system: QueueSystem) -> None:
    member = {"job": "a", "id": "a", "batch": "q/b", "then": [step("b").decode()]}
    system.push({"open": "q/b"}, member, {"close": "q/b", "count": 1})
    system.ingest()
    succeed(system)
    [second] = system.take("w")
    system.push(member)
    system.ingest()
    assert succeed(system) == "a"
    assert system.settle("w", second).stale == ()

    assert status(system).state is BatchState.SUCCEEDED


def test_a_list_is_waited_for_in_whichever_queues_its_members_are(system: QueueSystem) -> None:
    begin(system, all_of(step("b"), step("b", queue="other")), step("c"))
    succeed(system, b"1")
    tell(system, "q")
    assert succeed(system) == "a.2.1"
    assert system.ids() == []

    assert succeed(system, queue="other") == "a.2.2"
    tell(system, "other")

    assert system.ids() == ["a.2.then"]


def test_each_member_of_a_list_has_what_the_step_before_returned_also_when_it_is_retried(system: QueueSystem) -> None:
    begin(system, all_of(step("b", max_attempts=1), step("b", queue="other", max_attempts=1)), all_of(step("c")))
    succeed(system, b'"path"')
    tell(system, "q")
    for queue, member in (("q", "a.2.1"), ("other", "a.2.2")):
        end(system, Kind.FAILED, queue=queue)
        system.run(upkeep.retry(queue, [member]))
        [job] = system.take(f"w{queue}", queues=(queue,))
        assert (job.id, job.flow, job.previous) == (member, "bp", b'"path"')
        system.settle(f"w{queue}", job)
    tell(system, "other")

    [job] = system.take("w")
    assert (job.id, job.flow, job.previous) == ("a.2.then.1", "b", None)


@pytest.mark.parametrize("is_first", [False, True])
def test_after_a_list_nothing_is_passed_on_and_it_is_known_what_has_called(system: QueueSystem, is_first: bool) -> None:
    root = "b" if is_first else "a.2"
    if is_first:
        rest = written([step("n", queue="other")])
        system.run(batches.open_batch("q", root, f"{batches.CHAIN} x", OnDead.WAIT, 10**9, rest))
        system.run(batches.close_batch("q", root, 0))
    else:
        begin(system, all_of(step("b")), step("n", queue="other"))
        succeed(system, b"1")
        succeed(system, b"2")
    run_steps(system.run, flows.deliver_flow("q"))

    info = system.run(job_info("other", f"{root}.then"))
    assert info.called_by == f"q/{root}"
    [job] = system.take("wother", queues=("other",))
    assert (job.flow, job.previous) == ("", None)


def test_a_chain_is_one_member_of_a_batch_until_its_last_step_has_ended(system: QueueSystem) -> None:
    system.push({"open": "q/b", "then": [step("done").decode()]}, {"close": "q/b", "count": 1})
    system.push({"job": "a", "id": "a", "batch": "q/b", "then": [step("b", queue="other").decode()]})
    assert system.ingest() == (3, 0, 0, 0)
    succeed(system)
    tell(system, "q")
    assert system.ids() == []

    succeed(system, queue="other")
    tell(system, "other")

    assert system.ids() == ["b.then"]


NESTED = all_of(step("x")).decode()


@pytest.mark.parametrize(
    ("envelope", "why"),
    [
        ({"then": ["{}"]}, "no_job"),
        ({"then": [step("x", id="i").decode()]}, "bad_field: a step has no key id"),
        ({"then": [step("x", then=[]).decode()]}, "bad_field: a step has no key then"),
        ({"then": [1]}, "bad_field: then takes envelopes as strings"),
        ({"then": [step("x").decode()] * 17}, "bad_field: then takes 16 steps"),
        ({"then": [step("x", args=["x" * 65536]).decode()]}, "bad_field: then takes 64 KiB"),
        ({"then": ['{"all": []}']}, "bad_field: all takes 1 to 1000 envelopes"),
        ({"then": ['{"all": ["no"]}']}, "not_object"),
        ({"then": [NESTED], "batch": "q/b"}, "bad_field: a member of a batch has no lists among its steps"),
        ({"id": "i" * 64, "then": [NESTED] * 14}, "bad_name: steps after so many lists"),
        ({"open": f"q/{'b' * 64}", "always": [NESTED] * 14}, "bad_name: steps after so many lists"),
        ({"batch": "b"}, "bad_name: batch is no"),
        ({"batch": "q~1/b"}, "bad_name: batch is no"),
        ({"batch": "q/b", "key": "k", "replace": True}, "bad_field: replace does not go with batch and then"),
        ({"queue": "other"}, "bad_field: this is the inbox of another queue"),
        ({"queue": "no name"}, "bad_name"),
        ({"open": "other/b"}, "bad_field: this is another queue than the home of the batch"),
        ({"open": "q/b", "then": ["x"]}, "not_object"),
        ({"open": "q/b", "on_dead": "so"}, "bad_field: on_dead"),
        ({"open": "q/b", "then": "x"}, "bad_field: then has the wrong type"),
        ({"open": "q/b", "always": [1]}, "bad_field: always takes envelopes as strings"),
        ({"open": "q/b", "keep_ms": 0}, "bad_field: keep_ms is out of range"),
        ({"open": "q/b", "keep_ms": "1d"}, "bad_field: keep_ms is not an integer"),
        ({"open": 5}, "bad_field: open has the wrong type"),
        ({"close": "q/b"}, "bad_field: count is missing"),
        ({"close": "q/b", "count": 1.5}, "bad_field: count is not an integer"),
        ({"close": "q/b", "count": -1}, "bad_field: count is out of range"),
        ({"close": "q/b", "count": 1, "more": 1}, "bad_field: unknown key more"),
    ],
)  # fmt: skip
def test_what_no_chain_and_no_batch_can_be_is_rejected(system: QueueSystem, envelope: dict[str, Any], why: str) -> None:
    whole = envelope if "open" in envelope or "close" in envelope else {"job": "n"} | envelope
    system.push(whole)
    system.ingest()

    [(reason, raw)] = system.rejected()
    assert reason.startswith(why)
    assert json.loads(raw) == whole
