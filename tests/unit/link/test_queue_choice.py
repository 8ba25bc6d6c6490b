"""What --queues says."""

from __future__ import annotations

import pytest

from jqjobs.errors import InvalidOption
from jqjobs.link.queue_choice import MAX_WEIGHT, QueueChoice


@pytest.mark.parametrize(
    ("text", "names", "weights"),
    [
        ("a", "a", ()), (" b , a,,b", "ba", ()), ("a:3", "a", ()),
        ("a:3,b:1", "ab", (3, 1)), ("b,a:2", "ba", (1, 2)), ("a:1,b:1", "ab", (1, 1)), ("a:2, b ,a:2", "ab", (2, 1)),
        (f"a:{MAX_WEIGHT},b", "ab", (MAX_WEIGHT, 1)),
    ],
)  # fmt: skip
def test_queues_are_named_in_their_order_or_with_weights(text: str, names: str, weights: tuple[int, ...]) -> None:
    assert QueueChoice.parse(text) == QueueChoice(tuple(names), weights)


@pytest.mark.parametrize(
    ("text", "names", "weights", "patterns"),
    [
        ("tenant-*", (), (), ("tenant-*",)), ("a,b,t-*, u*v ", ("a", "b"), (), ("t-*", "u*v")), ("*", (), (), ("*",)),
        ("t-*:3", (), (), ("t-*",)), ("a:3,t-*", ("a",), (3, 1), ("t-*",)),
        ("t-*:2,a:3,u-*,b", ("a", "b"), (3, 1, 2, 1), ("t-*", "u-*")),
    ],
)  # fmt: skip
def test_patterns_come_after_names_or_have_a_weight(
    text: str, names: tuple[str, ...], weights: tuple[int, ...], patterns: tuple[str, ...]
) -> None:
    assert QueueChoice.parse(text) == QueueChoice(names, weights, patterns)


def test_what_is_named_or_like_no_pattern_or_no_name_at_all_has_no_turn() -> None:
    choice = QueueChoice(("tenant-0",), (), ("tenant-*", "*.x"))
    names = ["tenant-1", "tenant-", "a.x", "tenant-0", "tenant", "atenant-1", "a.xy", "tenant-1\n", "tenant-{", ".x"]
    assert [name for name in names if choice.has_turns(name)] == ["tenant-1", "tenant-", "a.x"]


def test_partitions_are_served_as_their_queue_is() -> None:
    choice = QueueChoice(("tenant-0",), (), ("tenant-*",))
    names = ["tenant-1~0", "tenant-1~10000000", "tenant-1~", "tenant-1~x", "tenant-0~1", "other~1", "tenant-1~0~1"]
    assert [name for name in names if choice.has_turns(name)] == ["tenant-1~0"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *[(f"b,a:{weight}", f"the weight of 'a' is '{weight}'; use a whole number, 1 to {MAX_WEIGHT}")
          for weight in ("0", "-1", "x", "", "1.5", "2:3", "٣", str(MAX_WEIGHT + 1))],
        ("a:3,a:1", "it names the queue 'a' twice"), ("a,b,a:3", "it names the queue 'a' twice"),
        (" , ", "it names no queue"),
        ("tenant-*,a", "a pattern comes after the queues that are named; say a,tenant-*, or give each a weight"),
        ("a,t[1]*", "'t[1]*' is no pattern of queues"), ("-*", "'-*' is no pattern of queues"),
    ],
)  # fmt: skip
def test_what_is_no_weight_and_two_weights_of_a_queue_are_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        QueueChoice.parse(text)
    assert said in refused.value.message
