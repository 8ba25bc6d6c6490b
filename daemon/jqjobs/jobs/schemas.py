"""Whether a schema of parameters that somebody published (`parameters`) has the shape that readers rely on.

Anybody can write to the catalog. A schema that has not is as good as none: then nothing is known of a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

#: Schemas inside schemas.
_MOST_DEPTH = 20


def sound(schema: Any) -> Any:
    """Return the schema of a call, None when it is no such schema."""
    return schema if schema is True or (isinstance(schema, dict) and _is_call(schema)) else None


def _is_call(schema: Mapping[str, Any]) -> bool:
    properties = schema.get("properties")
    are_told = isinstance(properties, dict) and all(isinstance(each, dict) for each in properties.values())
    return schema.get("type") == "object" and are_told and _is_schema(schema, 0)


def _is_schema(schema: Any, depth: int) -> bool:
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or depth > _MOST_DEPTH:
        return False
    return all(_RULES[key](value, depth + 1) for key, value in schema.items() if key in _RULES)


def _is_text(value: Any, _: int) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any, _: int) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_kind(value: Any, _: int) -> bool:
    return isinstance(value, str) or _are_texts(value, _)


def _is_list(value: Any, _: int) -> bool:
    return isinstance(value, list)


def _are_schemas(value: Any, depth: int) -> bool:
    return isinstance(value, list) and all(_is_schema(each, depth) for each in value)


def _are_named_schemas(value: Any, depth: int) -> bool:
    return isinstance(value, dict) and all(_is_schema(each, depth) for each in value.values())


#: What readers look at, and what it must be.
_RULES: Mapping[str, Callable[[Any, int], bool]] = {
    "type": _is_kind, "$ref": _is_text, "format": _is_text, "title": _is_text, "enum": _is_list,
    "required": _are_texts, "x-positional": _are_texts, "x-positional-only": _are_texts, "anyOf": _are_schemas,
    "properties": _are_named_schemas, "$defs": _are_named_schemas, "x-rest": _is_schema,
    "additionalProperties": _is_schema, "items": _is_schema,
}  # fmt: skip
