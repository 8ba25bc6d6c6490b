"""Annotations of parameters are resolved; those of return values are nobody's business when a job runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, no_type_check

import pytest

from jqjobs import App
from jqjobs.errors import ConfigError
from jqjobs.jobs.annotations import resolved, signature_of
from jqjobs.jobs.signature import Signature

if TYPE_CHECKING:
    from shop import Order, Receipt  # type: ignore[import-not-found]


def kinds(function: Callable[..., Any]) -> dict[str, Any]:
    return resolved(function, signature_of(function))


def pay(order_id: int, due: datetime | None = None, note="") -> Receipt:  # type: ignore[no-untyped-def]
    return order_id, due, note


def ship(order: Order) -> None: ...


def test_a_return_annotation_that_only_type_checkers_know_ends_no_app() -> None:
    assert kinds(pay) == {"order_id": int, "due": datetime | None}
    app = App(redis_url="redis://127.0.0.1:1")
    app.job(pay)
    app.load()


def test_a_parameter_that_only_type_checkers_know_is_named_with_function_module_and_what_to_do() -> None:
    with pytest.raises(ConfigError) as raised:
        kinds(ship)
    assert f"{__name__}.ship: parameter 'order': the annotation 'Order' cannot be resolved" in raised.value.message
    assert "TYPE_CHECKING" in raised.value.hint


@dataclass
class Parcel:
    order: Order


def send(parcel: Parcel) -> None: ...


def test_annotations_that_are_said_to_be_no_types_are_none() -> None:
    @no_type_check
    def job(size: "five metres" = 5) -> None: ...  # type: ignore[valid-type]

    Signature(job).check()


def test_a_type_whose_own_fields_only_type_checkers_know_is_told_of_the_parameter_that_has_it() -> None:
    with pytest.raises(ConfigError, match=rf"{__name__}\.send: parameter 'parcel' .*'Order' is not defined"):
        Signature(send).check()


@pytest.mark.parametrize("text", ["1 / 0", "int[", "datetime.nothing", "int | 'x'"])
def test_whatever_an_annotation_raises_its_parameter_is_named(text: str) -> None:
    def job(value: Any) -> None: ...

    job.__annotations__ = {"value": text}
    with pytest.raises(ConfigError, match="parameter 'value'"):
        kinds(job)


def test_it_is_read_where_the_function_is_written_not_where_it_is_decorated() -> None:
    scope: dict[str, Any] = {}
    exec(
        "import functools\ndef plain(f):\n  @functools.wraps(f)\n  def g(*a, **k): return f(*a, **k)\n  return g", scope
    )
    assert kinds(scope["plain"](pay)) == kinds(pay)
    assert kinds(functools.partial(pay, 5, note="x"))["due"] == datetime | None
