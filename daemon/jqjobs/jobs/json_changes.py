"""What JSON would change: a moment becomes text, a tuple a list, the key 5 the key "5".

Where an annotation says what to make of it again, all is well; elsewhere the worker would get something else than was
given, so `enqueue` asks here first. Looking at plain values costs little: types are compared by the container.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from jqjobs.jobs.carried_types import convert, encode, plain_moment

#: The types that JSON has for single values.
PLAIN = frozenset((int, str, bool, float, type(None)))
_KEYS = frozenset((str,))
_COLLECTIONS = (list, tuple, set, frozenset)
#: Part of an argument: the keys, places and fields that lead to it, and itself.
_Part = tuple[tuple[Any, ...], Any]
_NOWHERE = object()
_MOST_DEPTH = 50


class WouldChange(Exception):
    """The worker would get another value than was given."""

    def __init__(self, part: _Part) -> None:
        path, value = part
        super().__init__(f"JSON would change the {type(value).__name__}{_place(path)}")


class WouldBeLost(Exception):
    """A dict has a key for which there is no field where it goes: the worker would not get it."""

    def __init__(self, part: _Part) -> None:
        path, came = part
        name = getattr(type(came), "__name__", "dict")
        super().__init__(
            f"no field is named {path[-1]!r}{_place(path[:-1])}" + ("" if name == "dict" else f" of {name}")
        )


def arriving(given: Any, kind: Any, *, has_open_part: bool, has_fields: bool) -> Any:
    """Return what the worker gets of an argument with an annotation.

    Raises: WouldChange, WouldBeLost, and as `convert` does.
    """
    came = _converted(given, kind)  # refuses a moment where text is wanted
    if has_fields and (part := _left_out(given, came)) is not None:
        raise WouldBeLost(part)
    if is_plain(given):
        return came
    meant, came = came, convert(msgspec.json.decode(encode(given)), kind)
    if has_open_part and (part := _difference(meant, came)) is not None:
        raise WouldChange(part)
    return came


def _converted(given: Any, kind: Any) -> Any:
    """Do what `convert` does, which takes for something else what is a float, a moment or a number of an enum."""
    try:
        return convert(given, kind)
    except msgspec.ValidationError as refusal:
        with contextlib.suppress(msgspec.ValidationError):
            came = convert(_underneath(given), kind)
            if _has_enums_of(given, came):
                return came
        raise refusal


def _underneath(value: Any) -> Any:
    """Return the numbers of enums, and floats and moments of subclasses as what they are underneath."""
    if isinstance(value, enum.Enum) and isinstance(value.value, int):
        return value.value
    if type(value) is dict:
        return {_underneath(key): _underneath(item) for key, item in value.items()}
    if type(value) in _COLLECTIONS:
        return type(value)(map(_underneath, value))
    return float(value) if isinstance(value, float) else plain_moment(value)


def _has_enums_of(given: Any, came: Any) -> bool:
    """Whether all members of enums are where they were given, and not the numbers that they stand for."""
    if isinstance(given, (enum.Enum, set, frozenset)):
        return type(given) is type(came) and bool(given == came)
    if isinstance(given, dict) and isinstance(came, dict) and not _has_enums_of(list(given), list(came)):
        return False
    return all(_has_enums_of(item, made) for _, item, made in _matched(given, came))


def check_plain(given: Any) -> None:
    """Raise WouldChange unless a value is JSON as it stands."""
    if (part := _changed(given)) is not None:
        raise WouldChange(part)


def is_plain(given: Any) -> bool:
    """Whether a value is JSON as it stands."""
    return _changed(given) is None


def _changed(value: Any) -> _Part | None:
    """Return the first part that is not JSON as it stands."""
    kind = type(value)
    if kind is dict:
        if not _KEYS.issuperset(map(type, value)):
            odd = [key for key in value if type(key) is not str]
            return (odd[0],), odd[0]
        return None if PLAIN.issuperset(map(type, value.values())) else _first_changed(value.items())
    if kind is list:
        return None if PLAIN.issuperset(map(type, value)) else _first_changed(enumerate(value))
    return None if kind in PLAIN else ((), value)


def _first_changed(items: Iterable[tuple[Any, Any]]) -> _Part | None:
    for key, item in items:
        if (found := _changed(item)) is not None:
            return (key, *found[0]), found[1]
    return None


def derived(given: Any, bases: tuple[type, ...]) -> str:
    """Return why a value cannot be carried that is, or holds, one of a subclass of these; "" when none is there."""
    for path, value in _objects(given, ()):
        base = next((each for each in bases if isinstance(value, each)), None)
        if base is not None and type(value) not in bases:
            return f"JSON would make a {base.__name__} of this {type(value).__name__}{_place(path)}"
    return ""


def _objects(value: Any, path: tuple[Any, ...]) -> Iterator[_Part]:
    """Return what dicts and collections hold, and not what objects do; some way down only: one may hold itself."""
    if len(path) > _MOST_DEPTH:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _objects(item, (*path, key))
    elif isinstance(value, _COLLECTIONS):
        for index, item in enumerate(value):
            yield from _objects(item, (*path, index))
    else:
        yield path, value


def _place(path: tuple[Any, ...]) -> str:
    return f" at {''.join(f'[{key!r}]' for key in path)}" if path else ""


def _left_out(given: Any, came: Any) -> _Part | None:
    """Return the first key of a dict for which there is no field in what was made of it, and that."""
    for key, item, made in _matched(given, came):
        if made is _NOWHERE:
            return (key,), came
        if (found := _left_out(item, made)) is not None:
            return (key, *found[0]), found[1]
    return None


def _matched(given: Any, came: Any) -> Iterable[tuple[Any, Any, Any]]:
    """Return the parts of what was given, each with its key or place and what was made of it."""
    if isinstance(given, (list, tuple)) and isinstance(came, (list, tuple, deque)):
        return zip(range(len(given)), given, came, strict=False)
    if not isinstance(given, dict):
        return ()
    if isinstance(came, dict) and len(came) == len(given):  # keys may be made of text, in the same order
        return zip(given, given.values(), came.values(), strict=True)
    parts = came if isinstance(came, dict) else _fields(came)
    return ((key, item, parts.get(key, _NOWHERE)) for key, item in given.items()) if parts else ()


def _fields(made: Any) -> dict[str, Any]:
    """Return what a value with fields has, by the names that JSON has for them; {} for any other value."""
    if dataclasses.is_dataclass(made):
        return {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    if not isinstance(made, msgspec.Struct):
        return {}
    names = zip(made.__struct_encode_fields__, made.__struct_fields__, strict=True)
    tag = made.__struct_config__.tag_field
    return {name: getattr(made, field) for name, field in names} | ({tag: None} if tag else {})


def _difference(meant: Any, came: Any) -> _Part | None:
    """Return the first part that came as another type; both values were made by one annotation."""
    if type(meant) is not type(came):
        return None if isinstance(meant, float) else ((), meant)  # infinity came as null: told elsewhere
    for key, one, other in _pairs(meant, came):
        if (found := _difference(one, other)) is not None:
            return (key, *found[0]), found[1]
    return None


def _pairs(meant: Any, came: Any) -> Iterable[tuple[Any, Any, Any]]:
    """Return the parts of two values of one type, each with the key, place or field it is under."""
    if isinstance(meant, (list, tuple, deque)):
        return zip(range(len(meant)), meant, came, strict=True)
    if isinstance(meant, dict):
        return ((key, item, came[key]) if key in came else (key, key, None) for key, item in meant.items())
    if isinstance(meant, (set, frozenset)):
        return ((item, item, item if item in came else None) for item in meant)
    fields: Iterable[str] = getattr(meant, "__struct_fields__", ())
    if dataclasses.is_dataclass(meant):
        fields = [field.name for field in dataclasses.fields(meant)]
    return ((name, getattr(meant, name), getattr(came, name)) for name in fields)
