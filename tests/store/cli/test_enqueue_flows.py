"""`jqctl enqueue --then … --batch …`: chains and members of batches, made without the code of the app."""

from __future__ import annotations

import json

import pytest

from jqjobs import App, Previous
from jqjobs.cli.exit_codes import Exit
from jqjobs.jobs.flow import BatchState, BatchStatus, OnDead
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls import batches, daemons
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.steps import run_steps
from store.cli.terminal import Terminal
from store.cli.test_offers import offer
from store.queue_system import QueueSystem, outcome

app = App()


@app.job(queue="web")
def fetch(url: str) -> str:
    return url


@app.job(queue="images")
def resize(path: Previous[str], width: int) -> None: ...


@app.job(queue="web")
def publish(copies: int = 1) -> None: ...


@pytest.fixture(autouse=True)
def served(system: QueueSystem) -> None:
    """A daemon that serves the queues of the app."""
    system.run(daemons.register("d1", 60_000, {"name": "web", "state": "running", "queues": "web images"}, {}))
    offer(system, "web", "images", of=app)


def run_next(system: QueueSystem, queue: str, result: bytes = b"") -> TakenJob:
    """Run the first job of a queue, and take along what leaves it, and what comes of that elsewhere."""
    [job] = system.take(f"w-{queue}", queues=(queue,))
    done = outcome(job, Kind.DONE)
    done.result = result
    system.trip(f"w-{queue}", 0, [done], queues=(queue,))
    for each in (queue, "images"):
        run_steps(system.run, deliver_flow(each))
    return job


def status(system: QueueSystem, batch: str = "b") -> BatchStatus:
    found = system.run(batches.batch_status("web", batch))
    assert isinstance(found, BatchStatus)
    return found


def test_steps_come_in_turn_where_their_jobs_are_registered(system: QueueSystem, terminal: Terminal) -> None:
    side_by_side = json.dumps({"all": [{"job": "publish", "args": [2]}, "publish"]})
    words = ("--id", "f", "--args", '["a.png"]', "--then", '{"job": "resize", "args": [200]}', "--then", side_by_side)
    assert terminal.json("enqueue", "fetch", *words, "--then", "publish")["warning"] is None

    assert run_next(system, "web", b'"/tmp/a"').id == "f"
    resized = run_next(system, "images")
    assert (resized.id, resized.previous, json.loads(resized.payload)["args"]) == ("f.2", b'"/tmp/a"', [200])
    assert [run_next(system, "web").id for _ in "12"] == ["f.3.1", "f.3.2"]
    last = run_next(system, "web")
    assert (last.id, last.name, system.ids("ready", "web")) == ("f.3.then", "publish", [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--then", '{"job": "resize", "args": ["wide"]}'), "'width' wants integer, and got string"),
        (("--then", "publsh"), "no queue offers a job 'publsh'"),
        (("--then", '{"job": "publish", "piority": 1}'), "unknown: piority"),
        (("--then", '{"job": "publish", "key": "k"}'), "a step has no key of its own"),
        (("--then", '{"job": "publish", "delay_ms": "10s"}'), "delay_ms '10s' is not an integer"),
        (("--then", '{"job": "publish"'), "a step is not JSON"),
        (("--then", '{"all": []}'), "a list has 1 to 1000 steps"),
        (("--then", ""), "job name '' is not a valid name"),
        (("--then", "publish") * 17, "17 steps come after a job, more than 16"),
        (("--then", json.dumps({"job": "publish", "meta": {"text": "x" * 65_536}})), "more than 64 KiB"),
        (("--then", "publish", "--id", "i" * 65), "an id of at most 64 characters"),
        (("--id", "i" * 64, *("--then", '{"all": ["publish"]}') * 16), "ids of more than 128"),
        (("--then", "publish", "--key", "k", "--replace"), "replace goes neither with"),
        (("--batch", "web/b", "--then", '{"all": ["publish"]}'), "a member of a batch has no lists among its steps"),
        (("--batch", "b"), "b names no batch"),
        (("--batch", ""), "id '' is not a valid name"),
    ],
    ids=lambda value: None if isinstance(value, tuple) else str(value),
)
def test_what_could_not_begin_is_refused_and_nothing_is_stored(
    system: QueueSystem, terminal: Terminal, words: tuple[str, ...], said: str
) -> None:
    assert said in terminal.error("enqueue", "fetch", "--args", '["a.png"]', *words)["message"]
    assert terminal.code in (Exit.USAGE, Exit.NOT_FOUND)
    assert system.ids("ready", "web") == []


def test_what_nobody_may_run_as_a_step_is_said(system: QueueSystem, terminal: Terminal) -> None:
    words = ("enqueue", "fetch", "--args", '["a.png"]', "--then", '{"job": "publsh", "queue": "web"}')
    assert terminal.json(*words)["warning"] == (
        "no worker of queue web has offered a job named publsh: it is parked until one does (was publish meant?)"
    )


def test_a_batch_hears_of_a_member_in_another_queue_at_once(system: QueueSystem, terminal: Terminal) -> None:
    system.run(batches.open_batch("web", "b", "nonce", OnDead.WAIT, 60_000))
    words = ("enqueue", "resize", "--id", "r", "--args", "[200]", "--batch", "web/b", "--then", "publish")
    assert terminal.json(*words)["created"]
    assert (status(system).total, status(system).open) == (1, 1)

    run_next(system, "images")
    assert (status(system).open, system.ids("ready", "web")) == (1, ["r.2"])  # the chain is the member
    run_next(system, "web")
    assert (status(system).open, status(system).succeeded) == (0, 1)


def test_to_a_batch_that_takes_no_members_none_is_added(system: QueueSystem, terminal: Terminal) -> None:
    words = ("enqueue", "publish", "--batch", "web/b")
    assert (terminal.error(*words)["message"], terminal.code) == ("there is no batch web/b", Exit.NOT_FOUND)
    system.run(batches.open_batch("web", "b", "nonce", OnDead.WAIT, 60_000))
    system.run(batches.close_batch("web", "b", 1))
    assert terminal.run(*words, "--id", "expected") == Exit.OK
    assert "closed: nobody adds to it but its members" in terminal.error(*words)["message"]
    assert terminal.code == Exit.CONFLICT
    run_next(system, "web")
    assert status(system).state is BatchState.SUCCEEDED
    assert (terminal.error(*words)["message"], terminal.code) == ("batch web/b is over already", Exit.CONFLICT)
    assert system.ids("ready", "web") == []


def test_a_batch_is_opened_filled_and_closed_and_what_is_to_come_comes(system: QueueSystem, terminal: Terminal) -> None:
    steps = ("--then", '{"job": "publish", "args": [2]}', "--then", "publish", "--always", "fetch", "--unchecked")
    words = ("batch", "open", "web/b", *steps, "--on-dead", "go", "--keep", "1h")
    assert terminal.json(*words) == {"batch": "web/b", "opened": True, "warning": None}
    assert not terminal.json(*words)["opened"]
    assert (terminal.run(*words, "--on-dead", "wait"), terminal.run("batch", "open", "web/b")) == (Exit.CONFLICT,) * 2
    terminal.run("enqueue", "resize", "--args", "[200]", "--batch", "web/b")
    assert terminal.json("batch", "close", "web/b") == {"batch": "web/b", "closed": True, "count": 1}
    assert terminal.run("batch", "close", "web/b") == Exit.CONFLICT
    assert (status(system).state, status(system).on_dead) == (BatchState.RUNNING, OnDead.GO)

    run_next(system, "images")
    assert system.ids("ready", "web") == ["b.always", "b.then"]
    assert [run_next(system, "web").id for _ in "123"] == ["b.always", "b.then", "b.then.2"]
    assert (terminal.error(*words)["message"], terminal.code) == ("there is a batch web/b already", Exit.CONFLICT)


def shown(terminal: Terminal) -> str:
    terminal.run("batch", "show", "web/b")
    return terminal.out


def test_a_batch_is_closed_when_it_has_heard_of_as_many_as_were_added(system: QueueSystem, terminal: Terminal) -> None:
    assert terminal.run("batch", "close", "web/b") == Exit.NOT_FOUND
    terminal.run("batch", "open", "web/b")
    terminal.run("enqueue", "publish", "--batch", "web/b")
    assert "not closed: more members may come" in shown(terminal)
    terminal.run("batch", "close", "web/b", "--count", "2")
    run_next(system, "web")
    assert status(system).state is BatchState.OPEN
    assert "waits for 1 of 2 members that were added" in shown(terminal)
    terminal.run("enqueue", "publish", "--batch", "web/b")
    run_next(system, "web")
    assert status(system).state is BatchState.SUCCEEDED


def test_a_batch_is_closed_of_no_fewer_members_than_it_knows(system: QueueSystem, terminal: Terminal) -> None:
    terminal.run("batch", "open", "web/b")
    terminal.run("enqueue", "publish", "--batch", "web/b")
    assert terminal.json("batch", "close", "web/b", "--count", "0")["count"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("b",), "b names no batch"),
        (("web~1/b",), "queue 'web~1' is not a valid name"),
        (("web/b", "--always", "publsh"), "no queue offers a job 'publsh'"),
        (("web/b", "--then", "resize"), "'width' is missing"),
        (("web/b", "--keep", "0"), "keep '0' leaves no time"),
        ((f"web/{'b' * 64}", *("--then", '{"all": ["publish"]}') * 16), "ids of more than 128"),
    ],
    ids=str,
)
def test_a_batch_that_could_not_end_well_is_not_opened(terminal: Terminal, words: tuple[str, ...], said: str) -> None:
    assert said in terminal.error("batch", "open", *words)["message"]
    assert terminal.json("batch", "list")["batches"] == []
