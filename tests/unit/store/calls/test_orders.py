"""Orders and answers as texts: what is understood, what is not, and that neither end trips over the other's junk."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from jqjobs.store.calls.orders import Order, OrderAnswer, Verb, is_argument, parse_answer, parse_order, scaled

NONCE = "abcd2345"


def posted(order: Order, at_ms: int = 17) -> bytes:
    """What the daemon reads: the script adds the time."""
    return json.dumps(json.loads(order.to_json()) | {"at_ms": at_ms}).encode()


def raw(**change: Any) -> bytes:
    said = {"v": 1, "verb": "quiet", "argument": "", "nonce": NONCE, "at_ms": 17} | change
    return json.dumps({key: value for key, value in said.items() if value is not None}).encode()


@pytest.mark.parametrize("verb", list(Verb))
def test_every_order_arrives_as_it_was_given(verb: Verb) -> None:
    argument = "+1" if verb is Verb.SCALE else ""

    assert parse_order(posted(Order(verb, argument, NONCE))) == Order(verb, argument, NONCE, 17)


def test_an_order_typed_by_hand_needs_no_argument() -> None:
    assert parse_order(raw(argument=None)) == Order(Verb.QUIET, "", NONCE, 17)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": True}, {"v": 1.0}, {"v": None},
        {"verb": "explode"}, {"verb": "QUIET"}, {"verb": None}, {"verb": ["quiet"]}, {"verb": ""},
        {"argument": "1"}, {"argument": 4}, {"argument": {}}, {"verb": "scale"}, {"verb": "scale", "argument": "0"},
        {"nonce": "short"}, {"nonce": "a}b{c:d/e"}, {"nonce": "x" * 65}, {"nonce": 12345678}, {"nonce": None},
        {"at_ms": "17"}, {"at_ms": 17.5}, {"at_ms": True}, {"at_ms": None},
        {"and": "more"}, {"nonce": "x" * 5000},
    ],
)  # fmt: skip
def test_what_is_not_quite_an_order_is_none(change: dict[str, Any]) -> None:
    assert parse_order(raw()) is not None
    assert parse_order(raw(**change)) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"quiet", b"[]", b"null", b"\xff\xfe", b"{", b"[" * 900, b'{"v":NaN}', raw()[:-1], raw() + b"}", b"{}\x00"],
)
def test_junk_is_no_order_and_no_answer(text: bytes) -> None:
    assert parse_order(text) is None
    assert parse_answer(text) is None


def test_an_order_is_short() -> None:
    assert parse_order(raw() + b" " * 100) is not None
    assert parse_order(raw() + b" " * 2000) is None


@pytest.mark.parametrize("argument", ["1", "8", "256", "+1", "-1", "1..8", "3..3"])
def test_what_scale_understands(argument: str) -> None:
    assert is_argument(Verb.SCALE, argument)
    assert not is_argument(Verb.QUIET, argument)


@pytest.mark.parametrize("argument", ["", "0", "257", "-2", "+2", "01", "1.0", "１", "1 ", "1\n", "-", "all", "9" * 99])
def test_what_scale_does_not_understand(argument: str) -> None:
    assert not is_argument(Verb.SCALE, argument)


@pytest.mark.parametrize("argument", ["8..1", "0..8", "1..257", "1..", "..8", "+1..3", "1..8..9"])
def test_which_ranges_scale_does_not_understand(argument: str) -> None:
    assert not is_argument(Verb.SCALE, argument)


@pytest.mark.parametrize(
    ("argument", "present", "wanted"),
    [
        ("4", 1, "4"),
        ("256", 9, "256"),
        ("+1", 3, "4"),
        ("-1", 3, "2"),
        ("-1", 1, "None"),
        ("+1", 256, "None"),
        ("+1", 255, "256"),
        ("1..8", 3, "1..8"),
    ],
)
def test_scale_means_a_number_of_workers_from_1_to_256(argument: str, present: int, wanted: str) -> None:
    assert str(scaled(argument, present)) == wanted


def test_an_answer_arrives_as_it_was_given() -> None:
    said = OrderAnswer(
        "h:1:ab", False, "it is \x1b[31mdraining\n\u202e", {"stacks": [{"pid": 7, "text": "a\nb"}], "n": 1.5}
    )

    assert parse_answer(said.to_json().encode()) == said


@pytest.mark.parametrize("facts", [{"x": object()}, {"x": math.nan}, {"x": b"bytes"}, {"x": {1, 2}}])
def test_facts_that_are_no_json_are_left_out_and_the_answer_still_goes(facts: dict[str, Any]) -> None:
    answer = parse_answer(OrderAnswer("d", True, "done", facts).to_json().encode())

    assert answer == OrderAnswer("d", True, "done (the details cannot be sent)", {})


def test_facts_that_are_too_much_are_left_out_and_the_stacks_of_256_workers_are_not() -> None:
    stacks = [{"worker": "h:1:ab", "pid": 7, "jobs": [], "text": "x\n" * 8192}] * 256
    answer = parse_answer(OrderAnswer("d", True, "here", {"stacks": stacks}).to_json().encode())
    assert answer is not None
    assert answer.facts["stacks"] == stacks

    answer = parse_answer(OrderAnswer("d", True, "here", {"stacks": stacks * 2}).to_json().encode())
    assert answer == OrderAnswer("d", True, "here (the details are too large to be sent)", {})


@pytest.mark.parametrize("change", [{"daemon": 1}, {"ok": 1}, {"ok": None}, {"message": None}, {"v": 2}])
def test_what_is_not_quite_an_answer_is_none(change: dict[str, Any]) -> None:
    said = {"v": 1, "daemon": "d", "ok": True, "message": "m", "facts": {}}
    assert parse_answer(json.dumps(said).encode()) is not None
    assert parse_answer(json.dumps(said | change).encode()) is None


def test_an_answer_of_a_later_version_may_say_more() -> None:
    said = {"v": 1, "daemon": "d", "ok": True, "message": "m", "facts": [], "new": 1, "at_ms": 17}
    assert parse_answer(json.dumps(said).encode()) == OrderAnswer("d", True, "m", {})
