"""Orders from Redis: each is done, and answered with what came of it; a daemon that ends refuses what is too late."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest

from jqjobs.daemon.control.order_executor import OrderExecutor
from jqjobs.link.bounds import Bounds
from jqjobs.store.calls.orders import Order, Verb
from log_lines import Lines

Stacks = list[dict[str, object]]


class Listener:
    """What was ordered, and what was answered to whom."""

    def __init__(self) -> None:
        self.orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self.answers: list[tuple[Verb, bool, str, dict[str, Any]]] = []

    def answer(self, order: Order, ok: bool, message: str, **facts: Any) -> None:
        self.answers.append((order.verb, ok, message, facts))


class Controls:
    """Does as it is told, and writes it down."""

    def __init__(self) -> None:
        self.state = "running"
        self.wanted = 2
        self.done: list[str] = []
        self.readers: list[Callable[[Stacks], None]] = []

    def quiet(self) -> None:
        self.done.append("quiet")
        self.state = "quiet"

    def resume(self) -> None:
        self.done.append("resume")
        self.state = "running"

    def reload(self) -> int:
        self.done.append("reload")
        self.state = "reloading"
        return 3

    def drain(self) -> None:
        self.done.append("drain")
        self.state = "draining"

    def stop_now(self) -> None:
        self.done.append("stop")
        self.state = "stopping"

    def resize(self, count: int) -> int:
        self.done.append(f"resize {count}")
        self.wanted = count
        return count

    def follow_load(self, bounds: Bounds) -> int:
        self.done.append(f"follow_load {bounds}")
        return self.wanted

    def dump(self, when_written: Callable[[Stacks], None]) -> None:
        self.readers.append(when_written)


class Post:
    """One daemon that is ordered about."""

    def __init__(self) -> None:
        self.listener, self.controls = Listener(), Controls()
        listener: Any = self.listener
        self.executor = OrderExecutor(listener)

    def order(self, verb: Verb, argument: str = "") -> tuple[Verb, bool, str, dict[str, Any]]:
        """Give one order; return the answer."""
        self.listener.orders.put(Order(verb, argument, "nonce123"))
        self.executor.perform(self.controls)
        return self.listener.answers[-1]


@pytest.fixture
def post(logged: Lines) -> Post:
    return Post()


@pytest.mark.parametrize(
    ("verb", "done", "state"),
    [
        (Verb.QUIET, ["quiet"], "quiet"), (Verb.RESUME, ["resume"], "running"), (Verb.RELOAD, ["reload"], "reloading"),
        (Verb.DRAIN, ["drain"], "draining"), (Verb.STOP, ["stop"], "stopping"), (Verb.PING, [], "running"),
    ],
)  # fmt: skip
def test_an_order_is_done_and_answered_with_the_state_that_follows(
    post: Post, verb: Verb, done: list[str], state: str
) -> None:
    answered, ok, message, facts = post.order(verb)
    assert (answered, ok, facts) == (verb, True, {"state": state} | ({"reload": 3} if verb is Verb.RELOAD else {}))
    assert message
    assert post.controls.done == done


@pytest.mark.parametrize(("argument", "wanted"), [("5", 5), ("+1", 3), ("-1", 1), ("256", 256)])
def test_scale_tells_how_many_there_were_and_how_many_there_will_be(post: Post, argument: str, wanted: int) -> None:
    _, ok, message, facts = post.order(Verb.SCALE, argument)
    assert (ok, facts) == (True, {"wanted": wanted})
    assert message == f"from 2 to {wanted} workers"


def test_scale_to_a_range_has_the_jobs_decide(post: Post) -> None:
    assert post.order(Verb.SCALE, "1..8")[1:] == (True, "as many workers as jobs call for: 1..8", {"wanted": 2})
    assert post.controls.done == ["follow_load 1..8"]


@pytest.mark.parametrize(("has", "argument"), [(1, "-1"), (256, "+1")])
def test_scale_out_of_bounds_is_refused_and_changes_nothing(post: Post, has: int, argument: str) -> None:
    post.controls.wanted = has
    _, ok, message, _ = post.order(Verb.SCALE, argument)
    assert not ok
    assert f"it has {has}" in message
    assert post.controls.done == []


def test_stacks_are_answered_when_they_are_written(post: Post) -> None:
    post.listener.orders.put(Order(Verb.DUMP, "", "nonce123"))
    post.executor.perform(post.controls)
    assert post.listener.answers == []
    [reader] = post.controls.readers
    reader([{"worker": "w0"}])
    assert post.listener.answers == [(Verb.DUMP, True, "here are the stacks", {"stacks": [{"worker": "w0"}]})]


def test_two_who_ask_for_stacks_are_answered_each(post: Post) -> None:
    for nonce in ("nonce123", "nonce456"):
        post.listener.orders.put(Order(Verb.DUMP, "", nonce))
    post.executor.perform(post.controls)
    for reader in post.controls.readers:
        reader([])
    assert len(post.listener.answers) == 2


@pytest.mark.parametrize("state", ["draining", "stopping"])
@pytest.mark.parametrize(
    ("verb", "argument"), [(Verb.QUIET, ""), (Verb.RESUME, ""), (Verb.RELOAD, ""), (Verb.SCALE, "5")]
)
def test_a_daemon_that_ends_refuses_what_makes_sense_only_when_it_goes_on(
    post: Post, state: str, verb: Verb, argument: str
) -> None:
    post.controls.state = state
    assert post.order(verb, argument) == (verb, False, f"it is {state}", {"state": state})
    assert post.controls.done == []


def test_a_drain_may_be_asked_for_twice_and_be_made_a_stop(post: Post) -> None:
    assert [post.order(verb)[1] for verb in (Verb.DRAIN, Verb.DRAIN, Verb.STOP, Verb.STOP)] == [True] * 4
    assert not post.order(Verb.DRAIN)[1], "who was told to stop does not let jobs finish"


@pytest.mark.parametrize("state", ["draining", "stopping"])
def test_a_daemon_that_ends_still_tells_that_it_is_there_and_what_it_does(post: Post, state: str) -> None:
    post.controls.state = state
    assert post.order(Verb.PING) == (Verb.PING, True, "is there", {"state": state})
    post.listener.orders.put(Order(Verb.DUMP, "", "nonce123"))
    post.executor.perform(post.controls)
    assert len(post.controls.readers) == 1


def test_all_that_was_ordered_is_done_in_order_and_logged_but_for_pings(post: Post, logged: Lines) -> None:
    for verb, argument in ((Verb.QUIET, ""), (Verb.PING, ""), (Verb.SCALE, "4"), (Verb.DRAIN, ""), (Verb.RESUME, "")):
        post.listener.orders.put(Order(verb, argument, "nonce123"))
    post.executor.perform(post.controls)
    assert post.controls.done == ["quiet", "resize 4", "drain"]
    assert [(line["verb"], line["argument"]) for line in logged.of("order")] == [
        ("quiet", None), ("scale", "4"), ("drain", None), ("resume", None),
    ]  # fmt: skip


def test_every_verb_is_answered(post: Post) -> None:
    for verb in Verb:
        post.order(Verb.SCALE, "2") if verb is Verb.SCALE else post.listener.orders.put(Order(verb, "", "nonce123"))
        post.executor.perform(post.controls)
        for reader in post.controls.readers:
            reader([])
        post.controls.readers.clear()
    assert {answer[0] for answer in post.listener.answers} == set(Verb)
