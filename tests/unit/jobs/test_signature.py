"""What enqueue accepts is what the worker gets back; what cannot travel is refused at enqueue, by name."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import re
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, Flag, auto
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar, Unpack
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.errors import ConfigError, InvalidArguments, MalformedPayload, PayloadTooLarge
from jqjobs.jobs.payload import decode_payload
from jqjobs.jobs.signature import Signature


def travel(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Encode a call as enqueue does, decode it as a worker does."""
    signature = Signature(function)
    return signature.decode(decode_payload(signature.encode(args, kwargs)))


def _name(value: Any) -> str:
    """Name a case the same way in every process: xdist compares the names."""
    return re.sub(r" at 0x\w+", "", ascii(value))[:40]


class Colour(Enum):
    RED = "red"


class Size(Enum):
    S = auto()
    L = auto()


class Rights(Flag):
    READ = auto()
    WRITE = auto()


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Pair(NamedTuple):
    a: int
    b: str


class Address(TypedDict):
    street: str


@dataclass
class Order:
    id: int
    placed: datetime
    lines: list[Point] = field(default_factory=list)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 5), (int, -(2**63)), (int, 2**64 - 1), (float, 1.5), (float, 1e308), (bool, True), (str,
        "a\0b\n\u202e😀"),
        (bytes, b"\0\xff"), (datetime, datetime(2026, 5, 1, 12, tzinfo=UTC)), (datetime, datetime(2026, 5, 1, 12)),
        (date, date(2026, 5, 1)), (timedelta, timedelta(hours=1, microseconds=5)), (uuid.UUID, uuid.UUID(int=7)),
        (Decimal, Decimal("1.10")), (Colour, Colour.RED), (Point, Point(1, 2)), (Pair, Pair(1, "b")),
        (Address, {"street": "x"}), (Order, Order(1, datetime(2026, 1, 1, tzinfo=UTC), [Point(1)])),
        (list[Point], [Point(1), Point(2)]), (dict[str, datetime], {"a": datetime(2026, 1, 1)}), (set[int], {1, 2}),
        (frozenset[str], frozenset({"a"})), (tuple[int, str], (1, "a")), (int | None, None), (Literal["a"], "a"),
        (Any, {"nested": [1, None, "x", True]}), (dict[int, str], {5: "five"}), (Point | None, Point(3)),
        (Path, Path("/a/b")), (PurePosixPath, PurePosixPath("c")), (list[Path], [Path("a")]), (Path | None, None),
        (deque, deque([1, "x"])), (deque[datetime], deque([datetime(2026, 1, 1)])),
        (OrderedDict, OrderedDict(b=1, a=2)), (OrderedDict[int, Point], OrderedDict([(2, Point(2)), (1, Point(1))])),
    ],
    ids=_name,
)  # fmt: skip
def test_typed_arguments_come_back_as_they_were(kind: Any, value: Any) -> None:
    def job(value): ...

    job.__annotations__ = {"value": kind}
    for args, kwargs in (((value,), {}), ((), {"value": value})):
        came_args, came_kwargs = travel(job, *args, **kwargs)
        [came] = [*came_args, *came_kwargs.values()]
        assert came == value
        assert type(came) is type(value)


def test_every_kind_of_parameter_is_bound() -> None:
    def job(a: int, /, b: datetime, *rest: Point, c: int = 3, **more: uuid.UUID) -> None: ...

    moment, one = datetime(2026, 1, 1, tzinfo=UTC), uuid.UUID(int=1)
    args, kwargs = travel(job, 1, moment, Point(1), Point(2), c=4, d=one)
    assert (args, kwargs) == ((1, moment, Point(1), Point(2)), {"c": 4, "d": one})
    assert travel(job, 1, b=moment) == ((1, moment), {})


def test_a_call_that_fitted_says_nothing_about_one_of_another_shape() -> None:
    def job(a: int, b: Any = None, *, c: str = "") -> None: ...

    signature = Signature(job)
    good: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((1,), {}), ((1, "x"), {}), ((1, None), {}), ((1, 1.5), {"c": "y"}), ((1,), {"c": "y"}),
        ((), {"a": 1, "c": "y"}), ((), {"c": "y", "a": 1}),
    ]  # fmt: skip
    bad: list[tuple[tuple[Any, ...], dict[Any, Any]]] = [
        ((True,), {}), (("1",), {}), ((1, 2, 3), {}), ((), {}), ((1,), {"c": 5}), ((1,), {"a": 1}), ((), {"a": None}),
        ((1,), {"d": "y"}), ((1, math.nan), {}), ((1, 1.5), {"c": None}), ((1,), {5: "y"}), ((), {int: 1}),
    ]  # fmt: skip
    for _ in range(2):
        for args, kwargs in good:
            payload = decode_payload(signature.encode(args, kwargs))
            assert (tuple(payload.args), payload.kwargs) == (args, kwargs)
            came = inspect.signature(job).bind(*signature.decode(payload)[0], **signature.decode(payload)[1])
            assert came == inspect.signature(job).bind(*args, **kwargs)
        for args, kwargs in bad:
            with pytest.raises(InvalidArguments, match="job"):
                signature.encode(args, kwargs)


def test_only_so_many_shapes_are_remembered() -> None:
    def job(*, a: Any = 0, b: Any = 0, c: Any = 0, d: Any = 0) -> None: ...

    signature = Signature(job)
    for values in itertools.product((1, "x", True, 1.5, None), repeat=4):
        kwargs = dict(zip("abcd", values, strict=True))
        assert json.loads(signature.encode((), kwargs))["kwargs"] == kwargs
    assert len(signature._fitting) < 100


def test_defaults_stay_on_the_workers_side() -> None:
    def job(a: int = 1, b: int = 2) -> None: ...

    assert Signature(job).encode((), {}) == b"{}"
    assert json.loads(Signature(job).encode((), {"b": 5})) == {"kwargs": {"b": 5}}


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"nope": 1}), ((), {"b": 1})],
    ids=str,
)
def test_a_call_that_does_not_fit_the_signature_is_refused(args: tuple[int, ...], kwargs: dict[str, int]) -> None:
    def job(a: int, b: int = 0) -> None: ...

    with pytest.raises(InvalidArguments, match="job"):
        Signature(job).encode(args, kwargs)


def test_a_positional_only_parameter_is_not_given_by_name() -> None:
    def job(a: int, /) -> None: ...

    with pytest.raises(InvalidArguments, match="positional"):
        Signature(job).encode((), {"a": 1})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, "5"), (int, 5.5), (int, True), (str, 5), (bool, 1), (bytes, "x"), (datetime, "yesterday"), (uuid.UUID,
        "x"),
        (list[int], [1, "2"]), (Point, {"x": "a"}), (Colour, "blue"), (int, None), (Literal["a"], "b"),
        (str, "\ud800"), (Any, {"k": ["\udfff"]}), (dict[str, int], {1: 1}),
        (float, math.nan), (float, math.inf), (Any, math.nan), (list[float], [1.0, math.nan]), (Any,
        {"deep": [[-math.inf]]}),
        (Any, {None: 1}), (list, [{None: 1}]), (list, [object()]),
        (Any, object()), (Any, {object()}), (Any, lambda: None), (Any, 1j),
    ],
    ids=_name,
)  # fmt: skip
def test_what_cannot_travel_is_refused_at_enqueue(kind: Any, value: Any) -> None:
    def job(value): ...

    job.__annotations__ = {"value": kind}
    with pytest.raises(InvalidArguments, match="job"):
        Signature(job).encode((value,), {})


CHANGED = [
    datetime(2026, 5, 1), date(2026, 5, 1), timedelta(1), {1}, frozenset("a"), (1, 2), Decimal("1"), uuid.UUID(int=7),
    b"x", bytearray(b"x"), {5: "five"}, {0: 1}, Order(1, datetime(2026, 1, 1)), Point(1), Pair(1, "b"),
    Colour.RED, Path("a"), deque([1]), OrderedDict(a=1), Counter("a"), defaultdict(int, a=1),
]  # fmt: skip


@pytest.mark.parametrize("value", CHANGED, ids=_name)
def test_what_json_would_change_is_refused_where_no_annotation_says_how_to_make_it_again(value: Any) -> None:
    def job(a=None, *rest, b: Any = None, c: object = None, d: list = [], e: dict = {}, f: list[dict[str, Any]] = [],  # type: ignore[no-untyped-def, type-arg] # noqa: B006
            **more): ...  # fmt: skip

    signature = Signature(job)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((value,), {}), ((1, value), {}), ((), {"b": value}), ((), {"c": value}), ((), {"more": value}),
        (([1, {"x": [value]}],), {}), ((), {"d": [value]}), ((), {"e": {"x": value}}), ((), {"f": [{"x": value}]}),
    ]  # fmt: skip
    for args, kwargs in calls:
        with pytest.raises(InvalidArguments, match=r"job: argument .*annotate the parameter"):
            signature.encode(args, kwargs)


class SafeText(str): ...


class Amount(int): ...


class Headers(dict[str, str]): ...


@pytest.mark.parametrize("value", [SafeText("<b>"), Amount(5), Headers(a="b")], ids=_name)
def test_what_derives_from_a_plain_type_travels_as_that_where_the_annotation_says_so(value: Any) -> None:
    [kind] = type(value).__bases__
    base = getattr(kind, "__origin__", kind)

    def job(value): ...

    with pytest.raises(InvalidArguments, match=f"would change the {type(value).__name__}"):
        travel(job, value)
    job.__annotations__ = {"value": base}
    [came], _ = travel(job, value)
    assert (came, type(came)) == (value, base)


class FakeDatetime(datetime): ...


class FakeDate(date): ...


class Measured(float): ...


TWICE = FakeDatetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris"))  # the second 2:30 of that night


@pytest.mark.parametrize("value", [TWICE, FakeDate(2026, 5, 1), Measured(1.5)], ids=_name)
def test_a_moment_or_a_float_of_a_subclass_travels_as_what_it_is_underneath(value: Any) -> None:
    """As those of freezegun, pendulum, pandas and numpy."""
    [base] = type(value).__bases__

    def job(value, several, maybe): ...

    job.__annotations__ = {"value": base, "several": list[base], "maybe": base | None}
    [one, [first], maybe], _ = travel(job, value, [value], value)
    assert {type(came) for came in (one, first, maybe)} == {base}
    assert (one, first, maybe) == (value.astimezone(UTC) if base is datetime else value,) * 3


def test_where_a_value_hides_is_said() -> None:
    def job(rows, when: dict[str, Any]) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(InvalidArguments, match=r"'rows': JSON would change the set at \[1\]\['tags'\]"):
        Signature(job).encode(([{}, {"tags": {1}}], {}), {})
    with pytest.raises(InvalidArguments, match=r"'when': JSON would change the int at \['x'\]\[5\]"):
        Signature(job).encode(([], {"x": {5: 1}}), {})


@dataclass
class Event:
    what: Any
    data: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize("event", [Event((1, 2)), Event(1, {"at": [date(2026, 1, 1)]})], ids=_name)
def test_fields_without_a_type_are_no_place_to_hide(event: Event) -> None:
    def job(event: Event) -> None: ...

    with pytest.raises(InvalidArguments, match=r"JSON would change the (tuple|date) at \['"):
        Signature(job).encode((event,), {})


@pytest.mark.parametrize("kind", [set, frozenset])
def test_sets_without_a_type_are_none_either(kind: type[Any]) -> None:
    def job(value): ...  # type: ignore[no-untyped-def]

    job.__annotations__ = {"value": kind}
    with pytest.raises(InvalidArguments, match="JSON would change the date at "):
        Signature(job).encode((kind([date(2026, 1, 1), "a"]),), {})
    assert travel(job, kind([1, "a"])) == ((kind([1, "a"]),), {})


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (Address, {"street": "x", "city": "y"}, "no field is named 'city'"),
        (list[Point], [{"x": 1}, {"x": 1, "z": 2}], r"no field is named 'z' at \[1\] of Point"),
        (dict[int, Order], {"7": {"id": 1, "placed": "2026-01-01T00:00:00Z", "lines": [{"x": 1, "q": 0}]}},
         r"no field is named 'q' at \['7'\]\['lines'\]\[0\] of Point"),
        (Point | None, {"x": 1, "zz": 1}, "no field is named 'zz' of Point"),
    ],
    ids=_name,
)  # fmt: skip
def test_a_key_that_would_not_arrive_is_refused(kind: Any, value: Any, why: str) -> None:
    def job(value): ...  # type: ignore[no-untyped-def]

    job.__annotations__ = {"value": kind}
    with pytest.raises(InvalidArguments, match=f"job: argument 'value': {why}$"):
        Signature(job).encode((value,), {})


def test_names_that_json_has_for_fields_are_no_strangers() -> None:
    class Renamed(msgspec.Struct, rename="camel", tag=True):
        one_two: int

    def job(value): ...  # type: ignore[no-untyped-def]

    job.__annotations__ = {"value": Renamed}
    assert travel(job, {"type": "Renamed", "oneTwo": 1})[0] == (Renamed(1),)


@pytest.mark.parametrize(
    "value", [value for value in CHANGED if not isinstance(value, str)], ids=_name
)  # fmt: skip
def test_text_is_not_made_of_what_is_none(value: Any) -> None:
    def job(value: str) -> None: ...

    with pytest.raises(InvalidArguments, match=r"'value': Expected `str`.*: annotate the parameter"):
        Signature(job).encode((value,), {})


def test_an_annotation_may_take_another_container_than_it_makes() -> None:
    def job(rows: list[list[int]], by_id: dict[int, Any], one: float) -> None: ...

    came, _ = travel(job, ((1, 2), {3}), OrderedDict([(5, [None])]), 1)
    assert came == ([[1, 2], [3]], {5: [None]}, 1.0)


class Window(TypedDict):
    start: datetime
    label: NotRequired[str]


def test_named_arguments_may_be_typed_one_by_one() -> None:
    def job(**window: Unpack[Window]) -> None: ...

    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert travel(job, start=start, label="x") == ((), {"start": start, "label": "x"})
    for wrong in ({}, {"start": 5}, {"start": start, "label": 5}, {"start": start, "lable": "x"}):
        with pytest.raises(InvalidArguments, match=r"start|label|lable"):
            Signature(job).encode((), wrong)


def test_positional_arguments_may_be_typed_one_by_one() -> None:
    def job(*pair: *tuple[uuid.UUID, int]) -> None: ...

    assert travel(job, uuid.UUID(int=1), 2) == ((uuid.UUID(int=1), 2), {})
    with pytest.raises(InvalidArguments, match="pair"):
        Signature(job).encode((uuid.UUID(int=1),), {})


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Size, Size.L), (Size | None, Size.S), (Rights, Rights.READ | Rights.WRITE), (list[Size], [Size.S, Size.L]),
        (set[Size], {Size.S}), (dict[Size, int], {Size.L: 1}), (dict[str, list[Size]], {"a": [Size.L]}),
    ],
)  # fmt: skip
def test_enums_of_numbers_arrive(kind: Any, given: object) -> None:
    def job(value): ...  # type: ignore[no-untyped-def]

    job.__annotations__ = {"value": kind}
    assert travel(job, given) == ((given,), {})


@pytest.mark.parametrize(
    ("kind", "given"),
    [(int, Size.L), (str, Size.L), (list[int], [1, Size.L]), (set[int], {Size.L}), (dict[int, int], {Size.L: 1}),
     (Colour, Size.L), (Rights, Size.L)],
)  # fmt: skip
def test_a_member_of_an_enum_is_not_taken_for_its_number(kind: Any, given: object) -> None:
    def job(value): ...  # type: ignore[no-untyped-def]

    job.__annotations__ = {"value": kind}
    with pytest.raises(InvalidArguments, match="Size"):
        Signature(job).encode((given,), {})


def test_a_model_that_would_lose_fields_of_its_own_is_refused() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Model", a=(int, ...))
    more = pydantic.create_model("More", __base__=model, b=(int, ...))

    def job(value): ...  # type: ignore[no-untyped-def]

    for kind, value in ((model, more(a=1, b=2)), (list[model], [more(a=1, b=2)])):  # type: ignore[valid-type]
        job.__annotations__ = {"value": kind}
        with pytest.raises(InvalidArguments, match="make a Model of this More"):
            Signature(job).encode((value,), {})


def test_models_of_pydantic_arrive_as_they_were_or_are_refused() -> None:
    pydantic = pytest.importorskip("pydantic")
    inner = pydantic.create_model("Inner", at=(datetime, ...))
    note, secret = (str, pydantic.Field("", alias="Note")), (pydantic.SecretStr | None, None)
    order = pydantic.create_model("Order", lines=(list[inner], []), note=note, secret=secret)

    def job(value, more): ...  # type: ignore[no-untyped-def]

    job.__annotations__ = {"value": order, "more": dict[str, order]}
    given = order(lines=[inner(at=datetime(2026, 1, 1))], Note="x")
    assert travel(job, given, {"a": given})[0] == (given, {"a": given})
    with pytest.raises(InvalidArguments, match="'secret'"):
        Signature(job).encode((order(secret="s3"), {}), {})
    with pytest.raises(InvalidArguments, match=r"'value'.*annotate"):
        Signature(lambda value: None).encode((given,), {})


def test_what_is_equal_to_what_its_annotation_makes_of_it_arrives() -> None:
    pydantic = pytest.importorskip("pydantic")
    kind = TypeVar("kind")

    class Box(pydantic.BaseModel, Generic[kind]):  # type: ignore[name-defined, misc]
        x: Any

    def job(value): ...  # type: ignore[no-untyped-def]

    job.__annotations__ = {"value": Box}
    assert travel(job, Box[int](x=3))[0] == (Box(x=3),)


def test_a_union_of_models_arrives_as_the_model_that_was_given_or_is_refused() -> None:
    pydantic = pytest.importorskip("pydantic")
    cat = pydantic.create_model("Cat", kind=(Literal["cat"], "cat"), lives=(int, 9))
    dog = pydantic.create_model("Dog", kind=(Literal["dog"], "dog"))
    hare = pydantic.create_model("Hare", lives=(int, 9))
    pets = cat | dog | None

    def job(value, more): ...  # type: ignore[no-untyped-def]

    job.__annotations__ = {
        "value": Annotated[pets, pydantic.Field(discriminator="kind")],
        "more": dict[str, list[pets]],
    }
    for pet in (cat(lives=3), dog(), None):
        [came, more], _ = travel(job, pet, {"a": [pet]})
        assert (came, type(came), more) == (pet, type(pet), {"a": [pet]})
    assert travel(job, {"kind": "dog"}, {})[0] == (dog(), {})
    assert {each.get("title") for each in Signature(job).schema()["properties"]["value"]["anyOf"]} > {"Cat | Dog"}
    before = Signature(job).digest
    job.__annotations__["value"] = dog | hare
    assert Signature(job).digest != before
    job.__annotations__["value"] = cat | hare  # what was a hare would be taken for a cat
    with pytest.raises(InvalidArguments, match="JSON would change the Hare"):
        Signature(job).encode((hare(), {}), {})
    with pytest.raises(InvalidArguments, match="make a Cat of this Tabby"):
        Signature(job).encode((pydantic.create_model("Tabby", __base__=cat)(), {}), {})


class Circle(Point):
    r: int = 1


@dataclass
class Rush(Order):
    until: int = 1


RUSH = Rush(1, datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (Point | None, Circle(1), "a Point of this Circle$"),
        (dict[str, list[Point]], {"a": [Point(1), Circle(2)]}, r"a Point of this Circle at \['a'\]\[1\]$"),
        (Order, RUSH, "an? Order of this Rush$"),
    ],
    ids=["none", "within", "dataclass"],
)
def test_a_subclass_where_its_base_is_annotated_is_told_by_name(kind: Any, value: Any, told: str) -> None:
    def job(value): ...

    job.__annotations__ = {"value": kind}
    with pytest.raises(InvalidArguments, match="JSON would make " + told) as refused:
        Signature(job).encode((value,), {})
    assert "the class that is given" in refused.value.hint


Endless: Any = list["Endless"]


def test_an_alias_that_contains_itself_is_refused_in_a_sentence() -> None:
    kinds = [Endless]
    if sys.version_info >= (3, 12):
        found: dict[str, Any] = {}
        exec("type Endless = dict[str, list[Endless]] | int", found)
        kinds += [found["Endless"], list[found["Endless"]]]
    for kind in kinds:

        def job(value): ...

        job.__annotations__ = {"value": kind}
        with pytest.raises(ConfigError, match="the alias Endless contains itself") as refused:
            Signature(job).check()
        assert "a model that contains itself" in refused.value.hint


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**60])
def test_a_big_integer_arrives_exact_or_is_refused(number: int) -> None:
    def job(typed: int, untyped: Any) -> None: ...

    try:  # it depends on the version of msgspec which
        came = travel(job, number, number)
    except InvalidArguments:
        return
    assert came == ((number, number), {})


def test_none_is_no_nan() -> None:
    def job(values: list[float | None], anything: Any = None) -> None: ...

    assert travel(job, [None, 1.0], {"a": [None]}) == (([None, 1.0], {"a": [None]}), {})


def test_a_structure_that_contains_itself_is_refused() -> None:
    def job(value: Any) -> None: ...

    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidArguments):
        Signature(job).encode((endless,), {})


def test_arguments_above_a_mebibyte_are_refused_with_their_size() -> None:
    def job(value: str) -> None: ...

    with pytest.raises(PayloadTooLarge, match="1048592 bytes") as refused:
        Signature(job).encode(("x" * (1024 * 1024 + 3),), {})
    assert "reference" in refused.value.hint
    Signature(job).encode(("x" * (1024 * 1024 - 100),), {})


@dataclass
class Holder:
    again: list[Holder]
    place: range


class Other(msgspec.Struct):
    z: int


def test_object_takes_what_comes() -> None:
    def job(value: object, more: list[object]) -> None: ...

    Signature(job).check()
    assert travel(job, {"a": [1]}, [None, "x"])[0] == ({"a": [1]}, [None, "x"])


@pytest.mark.parametrize(
    "kind", [type, list[range], dict[str, Exception], Holder, Callable[[], None], Point | Other, Counter], ids=_name
)
def test_an_annotation_that_json_cannot_carry_is_refused_when_the_app_loads(kind: Any) -> None:
    def job(value): ...

    job.__annotations__ = {"value": kind}
    with pytest.raises(ConfigError, match="'value'"):
        Signature(job).check()


def test_an_annotation_that_names_nothing_is_refused_when_the_app_loads() -> None:
    def job(value: NotWrittenYet) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match="NotWrittenYet"):
        Signature(job).check()


def test_annotations_may_name_what_comes_later() -> None:
    def job(value: Later) -> None: ...

    [value], _ = travel(job, Later(5))
    assert value == Later(5)


@dataclass
class Later:
    number: int


def test_what_a_dataclass_raises_while_it_is_built_is_a_matter_of_the_arguments() -> None:
    def job(value: Picky) -> None: ...

    for wrong in ("value", "key", "zero"):
        with pytest.raises(InvalidArguments, match="value"):
            Signature(job).decode(decode_payload(json.dumps({"args": [{"how": wrong}]}).encode()))


@dataclass
class Picky:
    how: str

    def __post_init__(self) -> None:
        raise {"value": ValueError, "key": KeyError, "zero": ZeroDivisionError}[self.how]("picky")


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b"1", b"{", b'{"args": 5}', b'{"args": {}}', b'{"kwargs": []}', b'{"meta": 1}',
        b'{"args": [1,]}',
        b'{"args": [NaN]}', b'{"args": [Infinity]}', b'{"args": [1e999]}', b'{"args": [0x10]}', b'{"args": [01]}',
        b'{"args": ["\xff"]}', b'{"args": ["\xed\xa0\x80"]}', b'{"args": ["\\ud800"]}', b'{"args": ["\n"]}',
        b"{'args': []}",
        b'{"args": []} x', b'{"args": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"\xef\xbb\xbf{}",
        b'{"kwargs": {"a": "\\udc00"}}',
    ],
    ids=_name,
)  # fmt: skip
def test_a_payload_that_is_not_strictly_json_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedPayload) as refused:
        decode_payload(raw)
    assert str(refused.value)


@pytest.mark.parametrize(
    ("raw", "args"),
    [
        (b"{}", []), (b' {"args" : [ 1 ] } ', [1]), (b'{"job":"n","priority":5,"args":["\\ud83d\\ude00"]}', ["😀"]),
        (b'{"args":[9007199254740993,[],{}]}', [9007199254740993, [], {}]),
    ],
)  # fmt: skip
def test_a_payload_may_be_a_whole_envelope_and_its_values_stay_exact(raw: bytes, args: list[Any]) -> None:
    assert decode_payload(raw).args == args


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(args=st.lists(JSON, max_size=3), kwargs=st.dictionaries(st.sampled_from(["a", "b"]), JSON))
def test_any_json_comes_back_equal(args: list[Any], kwargs: dict[str, Any]) -> None:
    def job(*args: Any, **kwargs: Any) -> None: ...

    assert travel(job, *args, **kwargs) == (tuple(args), kwargs)
