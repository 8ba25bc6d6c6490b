"""The fields of a form that is made of what a job takes: each parameter with its type; and what was typed into them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jqjobs.errors import InvalidArguments, InvalidOption
from jqjobs.jobs.fitting import type_words
from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reply_values import strict_json
from jqjobs.web.redaction import HIDDEN

#: Before the name of a parameter in a form, so that none is taken for a field of ours.
PREFIX = "p."
_REST, _MORE = "rest", "more"
_TEXT, _NUMBER, _BOOLEAN, _CHOICE, _JSON = "text", "number", "boolean", "choice", "json"
_NUMBER_TYPED = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_KINDS = {"integer": _NUMBER, "number": _NUMBER, "boolean": _BOOLEAN, "string": _TEXT}


class Field(NamedTuple):
    """One parameter. ``kind``: of input. ``default``: as it is shown, "" when it must be given, or may be left out."""

    name: str
    label: str
    kind: str
    type_words: str
    is_required: bool
    default: str
    choices: tuple[str, ...] = ()
    step: str = "any"


def fields_of(schema: Any) -> list[Field]:
    """Return the fields of a call; where nobody says what it takes, two for all arguments as JSON."""
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return [_json_field(_REST, "args", "array"), _json_field(_MORE, "kwargs", "object")]
    required = schema.get("required", [])
    shared = schema.get("$defs", {})
    found = [
        _field(name, kind, _meant(kind, shared), is_required=name in required)
        for name, kind in schema["properties"].items()
    ]
    if "x-rest" in schema:
        found.append(_json_field(_REST, "further positional arguments", "array"))
    if schema.get("additionalProperties") is not False:
        found.append(_json_field(_MORE, "further named arguments", "object"))
    return found


def _json_field(name: str, label: str, kind: str) -> Field:
    return Field(name, label, _JSON, f"JSON {kind}", False, "")


def _field(name: str, schema: Any, plain: Mapping[str, Any], *, is_required: bool) -> Field:
    told = schema if isinstance(schema, dict) else {}
    kind, words = _kind(plain), type_words(told)
    default = json.dumps(told["default"], ensure_ascii=False) if "default" in told else ""
    if HIDDEN in default:
        default, words = "", f"{words}, with a default that is not shown"
    elif kind in (_TEXT, _CHOICE) and isinstance(told.get("default"), str):
        default = told["default"]
    choices = tuple(str(each) for each in plain.get("enum", ())) if kind == _CHOICE else ()
    step = "1" if plain.get("type") == "integer" else "any"
    return Field(f"{PREFIX}{name}", name, kind, words, is_required, default, choices, step)


def _kind(plain: Mapping[str, Any]) -> str:
    if all(isinstance(each, str) for each in plain.get("enum", [0])):
        return _CHOICE
    return _KINDS.get(str(plain.get("type")), _JSON)


def _meant(schema: Any, shared: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one kind of value that is meant: where nothing, too, will do, and where it is described elsewhere."""
    told = schema if isinstance(schema, dict) else {}
    others = [each for each in told.get("anyOf", ()) if isinstance(each, dict) and each.get("type") != "null"]
    told = others[0] if len(others) == 1 else told
    found = shared.get(str(told["$ref"]).rpartition("/")[2]) if "$ref" in told else told
    return found if isinstance(found, dict) else {}


def arguments_of(offer: Offer, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments that were typed, ``args`` and ``kwargs``. Raises: InvalidArguments."""
    schema = offer.parameters if isinstance(offer.parameters, dict) else {}
    by_position = schema.get("x-positional-only", [])
    args: list[Any] = []
    kwargs: dict[str, Any] = _json(typed, _MORE, {}, "further named arguments")
    for field in fields_of(offer.parameters):
        text = typed.get(field.name, "")
        if field.name in (_REST, _MORE) or (not text and not (field.is_required and field.kind == _TEXT)):
            continue
        value = _read(field, text)
        if field.label in by_position:
            args.append(value)
        else:
            kwargs[field.label] = value
    args += _by_position(schema, kwargs, _json(typed, _REST, [], "further positional arguments"))
    return {"args": args, "kwargs": kwargs}


def _by_position(schema: Mapping[str, Any], kwargs: dict[str, Any], rest: list[Any]) -> list[Any]:
    """Return what more stands by position: before the rest of them all that have a position must have one."""
    if not rest or "x-rest" not in schema:
        return rest
    names = [name for name in schema.get("x-positional", []) if name not in schema.get("x-positional-only", [])]
    missing = [name for name in names if name not in kwargs]
    if missing:
        raise InvalidArguments(f"{missing[0]} must be given where further positional arguments are")
    return [*(kwargs.pop(name) for name in names), *rest]


def _read(field: Field, text: str) -> Any:
    """Return the value of one field."""
    if field.kind in (_TEXT, _CHOICE):
        return text
    try:
        return strict_json(text)
    except ValueError:
        raise InvalidArguments(f"{field.label} wants {field.type_words}, and {text[:40]!r} is not that") from None


def _json(typed: Mapping[str, str], name: str, otherwise: Any, label: str) -> Any:
    text = typed.get(name, "").strip()
    try:
        value = strict_json(text) if text else otherwise
    except ValueError:
        value = None
    if type(value) is not type(otherwise):
        raise InvalidArguments(f"{label} are no JSON {'list' if isinstance(otherwise, list) else 'object'}")
    return value


def number_typed(typed: Mapping[str, str], name: str, label: str) -> int | None:
    """Return the number in a field, None for none. Raises: InvalidOption."""
    text = typed.get(name, "").strip()
    if text and not _NUMBER_TYPED.fullmatch(text):
        raise InvalidOption(f"the {label} {text!r} is no number")
    return int(text) if text else None


def typed_arguments(offer: Offer, args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, str]:
    """Return arguments as they would be typed; those that are hidden are left out."""
    schema = offer.parameters if isinstance(offer.parameters, dict) else {}
    names = schema.get("x-positional", [])
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    typed = dict[str, str]()
    for field in fields_of(offer.parameters):
        if field.name not in (_REST, _MORE) and field.label in given:
            typed[field.name] = _written(field, given.pop(field.label))
    rest, more = args[len(names) :], {name: value for name, value in given.items() if name not in names}
    typed |= {_REST: json.dumps(rest, ensure_ascii=False)} if rest else {}
    typed |= {_MORE: json.dumps(more, ensure_ascii=False)} if more else {}
    return {name: text for name, text in typed.items() if HIDDEN not in text}


def _written(field: Field, value: Any) -> str:
    return value if field.kind in (_TEXT, _CHOICE) and isinstance(value, str) else json.dumps(value, ensure_ascii=False)
