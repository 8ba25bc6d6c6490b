"""Which kind of server a test is on where one is to do: one it is, and both kinds have their part."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from by_turns import left_out


def cases(name: str, count: int, mark: str = "", fixture: str = "server") -> list[Any]:
    """Cases of a test as pytest collects them: all on the one kind, then all on the other."""
    return [
        SimpleNamespace(nodeid=f"{name}[{kind}-{case}]", callspec=SimpleNamespace(indices={"x": case, fixture: kind}),
                        get_closest_marker=mark.__eq__, kind=kind)
        for kind in (0, 1)
        for case in range(count)
    ]  # fmt: skip


def test_each_case_is_on_one_kind_and_the_next_one_on_the_other() -> None:
    for name in ("one", "two", "three", "four"):
        out = [test.kind for test in left_out(cases(name, 4))]

        assert out == [0, 0, 1, 1]
        assert len({test.nodeid.partition("-")[2] for test in left_out(cases(name, 4))}) == 4


def test_what_has_no_cases_is_on_one_kind_as_often_as_on_the_other() -> None:
    kinds = [test.kind for number in range(400) for test in left_out(cases(f"test_{number}", 1))]

    assert len(kinds) == 400
    assert 150 < sum(kinds) < 250


def test_what_is_about_the_kinds_or_has_none_is_not_left_out() -> None:
    assert list(left_out(cases("one", 4, mark="each_kind"))) == []
    assert list(left_out(cases("one", 4, fixture="place"))) == []
    assert list(left_out([SimpleNamespace(nodeid="one")])) == []
