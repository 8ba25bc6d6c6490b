"""Whether arguments fit the parameters that workers have published: how many, their names, and what is plain of them.

For those who do not have the function itself. What it lets through can still be refused by the worker: a text that is
no date, an object that lacks a field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_KINDS: dict[str, tuple[type, ...]] = {
    "integer": (int,), "number": (int, float), "string": (str,), "boolean": (bool,), "array": (list,),
    "object": (dict,), "null": (type(None),),
}  # fmt: skip
#: Characters of a value that is told.
_MOST_SHOWN = 40


def misfit(schema: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return why arguments do not fit a schema (`parameters`), "" when they do, or it does not say."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return ""
    try:
        return next(_misfits(schema, args, kwargs), "")
    except (TypeError, AttributeError, KeyError):  # it is damaged, or of another version
        return ""


def _misfits(schema: dict[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[str]:
    positional, properties = schema.get("x-positional", []), schema.get("properties", {})
    if len(args) > len(positional) and "x-rest" not in schema:
        most = f"at most {len(positional)}" if positional else "no"
        yield f"it takes {most} positional argument{'' if len(positional) == 1 else 's'}, and got {len(args)}"
    by_position = dict(zip(positional, args, strict=False))
    only = schema.get("x-positional-only", [])
    yield from (f"{name!r} is given by position and by name" for name in by_position if name in kwargs)
    yield from (f"{name!r} can only be given by position" for name in only if name in kwargs)
    if schema.get("additionalProperties") is False:
        yield from (_unknown(name, properties) for name in kwargs if name not in properties)
    given = {**by_position, **kwargs}
    yield from (f"{name!r} is missing" for name in schema.get("required", []) if name not in given)
    for name, value in given.items():
        if not _may_be(value, properties.get(name, {})):
            yield f"{name!r} wants {type_words(properties[name])}, and got {_called(value, properties[name])}"


def _unknown(name: str, properties: Mapping[str, Any]) -> str:
    from jqjobs.base.nearest import did_you_mean

    meant = did_you_mean(name, properties)
    return f"it has no parameter {name!r}" + (f"; {meant}" if meant else "")


def _may_be(value: Any, schema: Any) -> bool:
    """Whether a value is of a type that a schema allows; what is inside of it is not looked at."""
    if not isinstance(schema, dict):
        return True
    if "anyOf" in schema:
        return any(_may_be(value, each) for each in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema.get("type")
    if kind not in _KINDS:
        return True
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _KINDS[kind])


def _called(value: Any, wanted: Mapping[str, Any]) -> str:
    if "enum" in wanted:
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
