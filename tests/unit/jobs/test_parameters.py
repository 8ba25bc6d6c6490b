"""What is published of a function's parameters, and which arguments fit that: as the function itself would say."""

from __future__ import annotations

import enum
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack
from uuid import UUID

import msgspec
import pydantic
import pytest

from jqjobs.errors import InvalidArguments
from jqjobs.jobs.fitting import misfit, type_words
from jqjobs.jobs.parameters import ANYTHING, MOST_BYTES
from jqjobs.jobs.payload import Payload
from jqjobs.jobs.signature import Signature
from unit.docs.pages import PROTOCOL


@dataclass
class Address:
    street: str
    number: int = 1


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Model(pydantic.BaseModel):
    name: str


class Lax(pydantic.BaseModel):
    count: int


class Options(TypedDict):
    loud: bool


MARKER = object()


def schema(function: Callable[..., Any]) -> dict[str, Any]:
    found = Signature(function).schema()
    assert isinstance(found, dict)
    return found


def test_names_types_defaults_and_positions_are_told() -> None:
    def send(user_id: int, template: str = "default", *, urgent: bool = False) -> None: ...

    assert schema(send) == {
        "type": "object",
        "properties": {
            "user_id": {"type": "integer"},
            "template": {"type": "string", "default": "default"},
            "urgent": {"type": "boolean", "default": False},
        },
        "required": ["user_id"],
        "additionalProperties": False,
        "x-positional": ["user_id", "template"],
    }


def test_what_parameters_are_made_of_is_told_once_beside_them() -> None:
    def ship(to: Address, size: Size = Size.SMALL, at: datetime | None = None, places: list[Address] = []) -> None: ...  # noqa: B006

    found = schema(ship)
    assert found["properties"]["to"] == {"$ref": "#/$defs/Address"}
    assert found["properties"]["size"] == {"$ref": "#/$defs/Size", "default": "s"}
    assert found["$defs"]["Address"]["properties"]["street"] == {"type": "string"}
    assert type_words(found["properties"]["at"]) == "string or null"


def test_what_a_function_takes_besides_is_told() -> None:
    def call(first: int, /, *rest: str, **more: float) -> None: ...

    found = schema(call)
    assert (found["x-positional-only"], found["x-rest"]) == (["first"], {"type": "string"})
    assert found["additionalProperties"] == {"type": "number"}


@pytest.mark.parametrize("kind", [Path, deque, Model, Any, list[Model]], ids=str)
def test_types_that_are_not_msgspecs_own_are_no_reason_to_fail(kind: Any) -> None:
    def take(it: Any) -> None: ...

    take.__annotations__["it"] = kind
    assert "it" in schema(take)["properties"]


def test_a_default_that_json_cannot_tell_is_left_out_and_not_required() -> None:
    def call(a: Any = MARKER, b: float = float("nan")) -> None: ...

    found = schema(call)
    assert found["properties"] == {"a": {}, "b": {"type": "number"}}
    assert found["required"] == []


def test_annotations_of_all_values_together_let_any_name_through() -> None:
    def call(**options: Unpack[Options]) -> None: ...

    assert schema(call)["additionalProperties"] is True


def test_beyond_four_kib_less_is_told_and_at_last_nothing() -> None:
    fields = [(f"field_number_{number}", int) for number in range(300)]
    large = msgspec.defstruct("Large", fields)

    def call(large: Any, count: int) -> None: ...

    call.__annotations__["large"] = large
    assert schema(call)["properties"] == {"large": {}, "count": {"type": "integer"}}
    names = ", ".join(f"parameter_{number}: int = 0" for number in range(300))
    namespace: dict[str, Any] = {}
    exec(f"def many({names}): ...", namespace)
    assert Signature(namespace["many"]).schema() is ANYTHING
    assert misfit(ANYTHING, [1], {"x": 2}) == "", "who knows nothing refuses nothing"


def test_the_bound_holds_for_what_travels() -> None:
    def call(text: str = "ü" * 4000) -> None: ...

    found = Signature(call).schema()
    assert len(json.dumps(found)) <= MOST_BYTES


def plain(user_id: int, template: str = "default", *, urgent: bool = False) -> None: ...


def positional(first: int, /, second: int = 0) -> None: ...


def open_ended(first: int, *rest: int, **more: int) -> None: ...


def modelled(
    home: Address, size: Size = Size.SMALL, homes: list[Address] | None = None, lax: Lax | None = None
) -> None: ...  # fmt: skip


def written(ident: UUID, day: date | None = None, amount: Decimal = MARKER) -> None: ...  # type: ignore[assignment]


def typed(size: Literal["s", "l"], share: float, when: datetime | None = None) -> None: ...


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "why"),
    [
        (plain, [1], {}, ""),
        (plain, [], {"user_id": 1, "urgent": True}, ""),
        (plain, [1, "x", True], {}, "it takes at most 2 positional arguments, and got 3"),
        (plain, [], {}, "'user_id' is missing"),
        (plain, [1], {"user_id": 2}, "'user_id' is given by position and by name"),
        (plain, [1], {"templat": "x"}, "it has no parameter 'templat'; did you mean 'template'?"),
        (plain, ["x"], {}, "'user_id' wants integer, and got string"),
        (plain, [True], {}, "'user_id' wants integer, and got boolean"),
        (plain, [1.5], {}, "'user_id' wants integer, and got number"),
        (plain, [1], {"urgent": 1}, "'urgent' wants boolean, and got integer"),
        (positional, [1, 2], {}, ""),
        (positional, [1], {"second": 2}, ""),
        (positional, [], {"first": 1}, "'first' can only be given by position"),
        (open_ended, [1, 2, 3], {"x": 4}, ""),
        (open_ended, [], {"x": 4}, "'first' is missing"),
        (typed, ["s", 1], {}, ""),
        (typed, ["s", 1], {"when": None}, ""),
        (typed, ["m", 1], {}, '\'size\' wants "l" or "s", and got "m"'),
        (typed, ["s", 1, 5], {}, "'when' wants string or null, and got integer"),
        (modelled, [{"street": "s"}, "l", [{"street": "s"}], {"count": "5"}], {}, ""),
        (modelled, [{"number": 2}], {}, "'home' is no Address: 'street' is missing"),
        (modelled, [{"street": "s"}, "m"], {}, '\'size\' wants "l" or "s", and got "m"'),
        (
            modelled,
            [{"street": "s"}],
            {"homes": [{"street": "s"}, {"street": 5}]},
            "'homes' at 1 is no Address: 'street' wants string, and got integer",
        ),
        (modelled, [{"street": "s"}], {"lax": []}, "'lax' wants Lax or null, and got array"),
        (written, ["0" * 32, "2026-01-31", 9.99], {}, ""),
        (written, ["7"], {}, "'ident' wants uuid, and got \"7\""),
        (written, ["0" * 32, "31.1.2026"], {}, "'day' wants date or null, and got \"31.1.2026\""),
        (written, ["0" * 32], {"amount": "9,99"}, "'amount' wants decimal, and got \"9,99\""),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),  # the same in every process
)
def test_what_fits_is_what_a_worker_would_take(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], why: str
) -> None:
    signature = Signature(function)
    published = json.loads(json.dumps(signature.schema()))
    assert misfit(published, args, kwargs) == why
    if why:
        with pytest.raises(InvalidArguments):
            signature.decode(Payload(args, kwargs))
    else:
        signature.decode(Payload(args, kwargs))


CIRCLE = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}},
          "x-positional": ["b"]}  # fmt: skip


@pytest.mark.parametrize("published", [None, True, [], "x", {}, {"properties": 3}, {"x-positional": 1}, CIRCLE])
def test_nonsense_that_was_published_refuses_nothing(published: Any) -> None:
    assert misfit(published, [1], {"a": 2}) == ""


def test_the_example_of_the_protocol_is_what_is_published() -> None:
    def send_welcome(user_id: int, template: str = "default") -> None: ...

    shown = PROTOCOL.partition("### Parameters\n")[2].partition("```\n")[2].partition("```")[0]
    assert json.loads(shown) == schema(send_welcome)
