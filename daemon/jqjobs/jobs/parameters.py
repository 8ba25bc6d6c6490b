"""What workers publish of a function's parameters: a JSON Schema, for forms, for `jqctl`, for other languages.

A call is described as an object, since every parameter but a positional one can be given by name:

    {"type": "object", "properties": {"user_id": {"type": "integer"}, "template": {"type": "string", "default": "d"}},
     "required": ["user_id"], "additionalProperties": false, "x-positional": ["user_id", "template"]}

JSON Schema has no positions, so keys of our own tell them: ``x-positional``, which parameters can be given by
position, in order; ``x-positional-only``, which only so; ``x-rest``, what more of them may be (``*args``).
"""

from __future__ import annotations

import collections
import inspect
import json
import pathlib
import typing
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from jqjobs.jobs.carried_types import is_open, is_pydantic, to_builtins

#: A schema has so many bytes at most; beyond that it tells less.
MOST_BYTES = 4096
#: What is said of parameters that take too much to be said.
ANYTHING = True
_PLAIN = {int: "integer", str: "string", bool: "boolean", float: "number"}
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_REF = "#/$defs/{name}"


def schema_of(
    parameters: Iterable[inspect.Parameter], types: Mapping[str, Any], together: Collection[str] = ()
) -> dict[str, Any] | bool:
    """Return the JSON Schema of a call; with fewer details, at last `ANYTHING`, where it takes more than 4 KiB.

    ``types``: what each parameter is annotated with. ``together``: of which parameters the annotation speaks of all
    values at once.
    """
    known = list(parameters)
    kinds = {name: kind for name, kind in types.items() if name not in together}
    schemas, shared = _schemas(kinds)
    for schema in (_object(known, schemas, shared), _object(known, _only_plain(schemas), {})):
        if len(json.dumps(schema)) <= MOST_BYTES:
            return schema
    return ANYTHING


def _object(
    parameters: Iterable[inspect.Parameter], schemas: Mapping[str, Any], shared: Mapping[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    told: dict[str, Any] = {"x-positional": [], "x-positional-only": []}
    for parameter in parameters:
        schema = schemas.get(parameter.name, {})
        if parameter.kind is parameter.VAR_POSITIONAL:
            told["x-rest"] = schema
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            found["additionalProperties"] = schema or ANYTHING
            continue
        if parameter.kind in _POSITIONAL:
            told["x-positional"].append(parameter.name)
        if parameter.kind is parameter.POSITIONAL_ONLY:
            told["x-positional-only"].append(parameter.name)
        if parameter.default is parameter.empty:
            found["required"].append(parameter.name)
        found["properties"][parameter.name] = schema | _default(parameter)
    told |= {"$defs": dict(shared)}
    return found | {key: value for key, value in told.items() if value or key == "x-rest"}


def _default(parameter: inspect.Parameter) -> dict[str, Any]:
    """Return the default of a parameter, if JSON can tell it."""
    if parameter.default is parameter.empty:
        return {}
    try:
        plain = to_builtins(parameter.default)
        json.dumps(plain, allow_nan=False)
    except Exception:  # a marker that means "not given"; encoding a model runs code of the user
        return {}
    return {"default": plain}


def _schemas(kinds: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of each annotation, and the parts that they share."""
    found: dict[str, Any] = {name: {"type": _PLAIN[kind]} for name, kind in kinds.items() if _is_plain(kind)}
    others = {name: kind for name, kind in kinds.items() if name not in found and not is_open(kind)}
    if not others:  # describing takes 50 µs
        return found, {}
    try:
        described, shared = msgspec.json.schema_components(
            others.values(), schema_hook=_schema_of_custom, ref_template=_REF
        )
    except Exception:  # what can be carried and not be described; models run code of the user
        return found, {}
    return found | dict(zip(others, described, strict=True)), shared


def _is_plain(kind: Any) -> bool:
    return isinstance(kind, type) and kind in _PLAIN


def _only_plain(schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {name: schema for name, schema in schemas.items() if set(schema) == {"type"}}


def _schema_of_custom(annotation: Any) -> dict[str, Any]:
    """Return the schema of a type that msgspec does not know."""
    kind = typing.get_origin(annotation) or annotation
    if issubclass(kind, pathlib.PurePath):
        return {"type": "string"}
    if issubclass(kind, collections.deque):
        return {"type": "array"}
    if is_pydantic(kind):
        own: dict[str, Any] = kind.model_json_schema()
        told = ("type", "title")  # of what has parts that refer to each other
        return own if "$defs" not in own else {"title": kind.__name__} | {key: own[key] for key in told if key in own}
    return {"type": "object"} if issubclass(kind, collections.OrderedDict) else {}
