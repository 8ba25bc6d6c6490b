"""What changes the digest of a function's signature, and what does not."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from typing import Any

import pytest

from jqjobs.jobs.signature import Signature


def digest(function: Callable[..., Any]) -> str:
    return Signature(function).digest


def taking(kind: Any) -> str:
    """Digest of a function with one argument of this type."""

    def job(value: Any) -> None: ...

    job.__annotations__["value"] = kind
    return digest(job)


def plain(a: int, b: str = "x") -> None: ...


def renamed(a: int, c: str = "x") -> None: ...


def removed(a: int) -> None: ...


def required(a: int, b: str) -> None: ...


def annotated(a: int, b: int = 1) -> None: ...


def by_name(a: int, *, b: str = "x") -> None: ...


def swapped(b: str = "x", *, a: int) -> None: ...


def opened(a: int, b: str = "x", **more: int) -> None: ...


def test_every_change_of_the_parameters_changes_it() -> None:
    versions = (plain, renamed, removed, required, annotated, by_name, swapped, opened)
    assert len({digest(version) for version in versions}) == len(versions)


def test_what_a_call_does_not_depend_on_changes_nothing() -> None:
    def other(a: int, b: str = "another default") -> int:
        """Other words."""
        return a

    async def later(a: int, b: str = "x") -> None: ...

    assert digest(other) == digest(later) == digest(plain)


def test_a_member_of_an_enum_changes_it() -> None:
    before, after = enum.Enum("Colour", ["RED"]), enum.Enum("Colour", ["RED", "BLUE"])
    assert taking(before) != taking(after)
    assert taking(list[before]) != taking(list[after])  # type: ignore[valid-type]


def test_a_field_of_a_dataclass_changes_it_and_its_docstring_does_not() -> None:
    one = make_dataclass("Order", [("id", int)])
    two = make_dataclass("Order", [("id", int), ("note", str)])
    documented = make_dataclass("Order", [("id", int)], namespace={"__doc__": "An order."})
    assert taking(one) != taking(two)
    assert taking(one) == taking(documented)


@dataclass
class Tree:
    children: list[Tree]


@pytest.mark.parametrize("kind", [object, Any, Tree, dict[int, bytes], "Tree", int | None, frozenset[str]])
def test_whatever_can_be_carried_has_one(kind: Any) -> None:
    assert taking(kind) == taking(kind)
