"""`jqctl batch`: which there are, how far one is, its dead members sent back, and its end."""

from __future__ import annotations

import json

import pytest

from jqjobs import App
from jqjobs.cli.exit_codes import Exit
from jqjobs.errors import JqError
from jqjobs.jobs.flow import OnDead
from jqjobs.jobs.records import Kind
from jqjobs.operations.batches import cancel_batch, check_is_open, close_batch, retry_batch
from jqjobs.store.calls import batches, upkeep
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem


@pytest.fixture(autouse=True)
def a_batch(system: QueueSystem) -> None:
    """One of three members, of which one has succeeded, one is dead and one is open."""
    system.run(upkeep.add_queues(["q"]))
    system.run(batches.open_batch("q", "b", "nonce", OnDead.WAIT, 60_000))
    system.add("m1", "m2", "m3", fields=("flow", "b", "batch", "q/b", "max_attempts", 1))
    system.run(batches.close_batch("q", "b", 3))
    done, failed = system.take("w", 2)
    system.settle("w", done)
    system.settle("w", failed, Kind.FAILED)


def test_a_batch_is_listed_shown_and_cancelled(system: QueueSystem, terminal: Terminal) -> None:
    [listed] = terminal.json("batch", "list", "--queue", "q")["batches"]
    assert (listed["id"], listed["state"], listed["open"], listed["succeeded"], listed["dead"]) == (
        "b", "running", 1, 1, 1
    )  # fmt: skip
    shown = terminal.json("batch", "show", "q/b")
    assert listed.items() <= shown["batch"].items()
    assert (shown["open"], shown["dead"], shown["kept"]) == (["q/m3"], ["q/m2"], [])

    terminal.run("batch", "cancel", "q/b")

    assert system.states("m3") == ["dead"]
    assert terminal.json("batch", "show", "q/b")["batch"]["state"] == "cancelled"
    assert terminal.run("batch", "cancel", "q/b") == Exit.CONFLICT
    assert terminal.run("batch", "show", "q/none") == Exit.NOT_FOUND


def test_a_batch_says_which_of_what_comes_after_it_was_rejected(system: QueueSystem, terminal: Terminal) -> None:
    system.add("done.always")
    then, always = (json.dumps({"job": name, "queue": "q"}) for name in ("report", "unlock"))
    assert terminal.run("batch", "open", "q/done", "--then", then, "--always", always) == Exit.OK
    assert terminal.run("batch", "close", "q/done") == Exit.OK

    assert terminal.json("batch", "show", "q/done")["batch"]["rejected"] == ["always"]
    assert terminal.run("batch", "show", "q/done") == Exit.OK
    why = "jqctl job list --queue q --state rejected says why"
    assert f"always was rejected, and does not come: {why}" in terminal.out
    assert "then was rejected" not in terminal.out


@pytest.mark.parametrize("act", ["show", "retry", "close", "cancel"])
def test_a_damaged_batch_says_which_of_its_keys_is(system: QueueSystem, terminal: Terminal, act: str) -> None:
    part = ":open" if act == "cancel" else ""
    system.redis("SET", system.key(f"batch:b{part}"), "x")

    assert terminal.run("batch", act, "q/b") == Exit.ERROR
    kind = "set" if part else "hash"
    assert terminal.err.startswith(f"jqctl: batch q/b is damaged: jq:{{q}}:batch:b{part} is a string, not a {kind} (")


def test_the_dead_members_of_a_batch_are_sent_back(system: QueueSystem, terminal: Terminal) -> None:
    assert terminal.json("batch", "retry", "q/b") == {"batch": "q/b", "retried_count": 1, "refused_count": 0}
    assert terminal.run("batch", "retry", "q/b") == Exit.OK

    assert system.states("m2") == ["ready"]
    for job in system.take("w", 2):
        system.settle("w", job)
    assert terminal.json("batch", "show", "q/b")["batch"]["state"] == "succeeded"
    assert terminal.run("batch", "retry", "q/b") == Exit.CONFLICT
    assert terminal.run("batch", "retry", "q/none") == Exit.NOT_FOUND


@pytest.mark.parametrize("ref", ["q/none", "q/b"])
def test_who_is_too_late_for_a_batch_hears_the_same_in_python_and_by_name(system: QueueSystem, ref: str) -> None:
    cancel_batch(system.store, "q/b")
    app = App(redis_url=system.url)
    batch, job = app.batch_at(ref), app.job(queue="q", name="n")(lambda: None)
    acts = [
        (lambda: batch.add(job.call()), check_is_open), (batch.close, close_batch), (batch.cancel, cancel_batch),
        (batch.retry, retry_batch),
    ]  # fmt: skip
    for in_python, by_name in acts:
        with pytest.raises(JqError) as one:
            in_python()
        with pytest.raises(JqError) as other:
            by_name(system.store, ref)
        assert (type(one.value), one.value.message, one.value.hint) == (
            type(other.value), other.value.message, other.value.hint
        )  # fmt: skip
    app.client.close()
