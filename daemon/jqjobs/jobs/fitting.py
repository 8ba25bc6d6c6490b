"""Whether arguments fit the parameters that workers have published: how many, their names, and what is plain of them.

For those who do not have the function itself. What it lets through can still be refused by the worker: a number out of
bounds, what a model of pydantic does not like.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_KINDS: dict[str, tuple[type, ...]] = {
    "integer": (int,), "number": (int, float), "string": (str,), "boolean": (bool,), "array": (list,),
    "object": (dict,), "null": (type(None),),
}  # fmt: skip
#: What says nothing.
_ANYTHING = True
#: Schemas that stand for others.
_MOST_DEPTH = 20
#: Characters of a value that is told.
_MOST_SHOWN = 40


def misfit(schema: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return why arguments do not fit a schema (`parameters`), "" when they do, or it does not say."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return ""
    try:
        return next(_misfits(schema, args, kwargs), "")
    except (TypeError, AttributeError, KeyError, RecursionError):  # it is damaged, or of another version
        return ""


def _misfits(schema: dict[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[str]:
    positional = schema.get("x-positional", [])
    if len(args) > len(positional) and "x-rest" not in schema:
        most = f"at most {len(positional)}" if positional else "no"
        yield f"it takes {most} positional argument{'' if len(positional) == 1 else 's'}, and got {len(args)}"
    by_position = dict(zip(positional, args, strict=False))
    only = schema.get("x-positional-only", [])
    yield from (f"{name!r} is given by position and by name" for name in by_position if name in kwargs)
    yield from (f"{name!r} can only be given by position" for name in only if name in kwargs)
    yield from _of_named({**by_position, **kwargs}, schema, "parameter", schema.get("$defs", {}))


def _of_named(
    given: Mapping[str, Any], schema: Mapping[str, Any], what: str, shared: Mapping[str, Any]
) -> Iterator[str]:  # fmt: skip
    """Return what is wrong with named values. ``what``: they are, parameters of a call or fields of an object."""
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is False:
        yield from (f"it has no {what} {_guessed(name, properties)}" for name in given if name not in properties)
    yield from (f"{name!r} is missing" for name in schema.get("required", []) if name not in given)
    for name, value in given.items():
        yield from (f"{name!r} {why}" for why in _of_value(value, properties.get(name, {}), shared))


def _of_value(value: Any, schema: Any, shared: Mapping[str, Any]) -> Iterator[str]:
    """Return what is wrong with a value; nothing of what is inside of it where it may be of several kinds."""
    choices = _choices(schema, shared)
    possible = [each for each in choices if _may_be(value, each)]
    if not possible:
        yield f"wants {' or '.join(map(type_words, choices))}, and got {_called(value, choices)}"
    elif len(possible) == 1 and isinstance(possible[0], dict):
        yield from _inside(value, possible[0], shared)


def _inside(value: Any, schema: Mapping[str, Any], shared: Mapping[str, Any]) -> Iterator[str]:
    # What has a title and is not shared is a model of pydantic, which converts more than JSON Schema says.
    if isinstance(value, dict) and schema in shared.values():
        yield from (f"is no {type_words(schema)}: {why}" for why in _of_named(value, schema, "field", shared))
    elif isinstance(value, list) and "title" not in schema:
        items = schema.get("items")
        yield from (f"at {n} {why}" for n, item in enumerate(value) for why in _of_value(item, items, shared))


def _choices(schema: Any, shared: Mapping[str, Any], depth: int = 0) -> list[Any]:
    """Return the schemas of which a value has to fit one, each as it stands."""
    if not isinstance(schema, dict) or depth > _MOST_DEPTH:
        return [_ANYTHING]
    if "$ref" in schema:
        return _choices(shared.get(schema["$ref"].rpartition("/")[2]), shared, depth + 1)
    if "anyOf" in schema:
        return [choice for each in schema["anyOf"] for choice in _choices(each, shared, depth + 1)]
    return [schema]


def _guessed(name: str, known: Mapping[str, Any]) -> str:
    from jqjobs.base.nearest import did_you_mean

    meant = did_you_mean(name, known)
    return f"{name!r}" + (f"; {meant}" if meant else "")


def _may_be(value: Any, schema: Any) -> bool:
    """Whether a value is of a type that a schema allows; what is inside of it is not looked at."""
    if not isinstance(schema, dict):
        return True
    if "enum" in schema:
        return value in schema["enum"]
    kind, form = schema.get("type"), schema.get("format")
    if kind not in _KINDS:
        return True
    if isinstance(value, bool) and kind != "boolean":
        return False
    if form == "decimal" and isinstance(value, (int, float)):
        return True
    return isinstance(value, _KINDS[kind]) and (form is None or _is_written_as(form, value))


def _is_written_as(form: str, value: Any) -> bool:
    """Whether a text may be of a format; what is no text, or of another one, may be anything."""
    from datetime import date
    from decimal import Decimal
    from uuid import UUID

    reads: dict[str, Callable[[str], Any]] = {"uuid": UUID, "date": date.fromisoformat, "decimal": Decimal}
    try:
        return form not in reads or not isinstance(value, str) or reads[form](value) is not None
    except (ValueError, ArithmeticError):
        return False


def _called(value: Any, wanted: Sequence[Any]) -> str:
    is_told = any(isinstance(each, dict) and ("enum" in each or "format" in each) for each in wanted)
    if is_told and not isinstance(value, (dict, list)):
        return json.dumps(value)[:_MOST_SHOWN]
    return next((kind for kind, types in _KINDS.items() if type(value) in types), type(value).__name__)


def type_words(schema: Any) -> str:
    """Return what a schema allows, in words: ``integer``, ``string or null``, ``"a" or "b"``, ``date-time``."""
    if not isinstance(schema, dict):
        return "anything"
    if "anyOf" in schema:
        return " or ".join(map(type_words, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(map(json.dumps, schema["enum"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return str(schema.get("format") or schema.get("title") or schema.get("type") or "anything")
