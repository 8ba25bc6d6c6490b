"""What tells one version of a job's function from another: a digest of what it takes.

Workers publish it with the job's name, and report it of a job whose arguments do not fit; so code of before and after
a deploy can be told apart, and a job waits for the one that it fits.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_DIGEST_BYTES = 6
_PLAIN = (int, str, bool, float)
#: What a JSON schema says for people only.
_WORDS = frozenset({"title", "description", "examples"})


def digest_of(parameters: Iterable[inspect.Parameter], types: Mapping[str, Any]) -> str:
    """Return a digest of names, kinds, which have defaults, and annotations; of these what JSON they accept."""
    told = [
        (parameter.name, parameter.kind.name, parameter.default is not parameter.empty, _told_of(parameter, types))
        for parameter in parameters
    ]
    text = json.dumps(told, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=_DIGEST_BYTES).hexdigest()


def _told_of(parameter: inspect.Parameter, types: Mapping[str, Any]) -> Any:
    kind = types.get(parameter.name, Any)
    return kind.__name__ if kind in _PLAIN else _schema_of(kind)  # which takes 25 µs and more


def _schema_of(kind: Any) -> Any:
    """Return the JSON schema of an annotation: a new member of an enum, a new field of a dataclass are in it."""
    try:
        return _without_words(msgspec.json.schema(kind, schema_hook=_schema_of_custom))
    except Exception:  # what can be carried and not be described; models run code of the user
        return repr(kind)


def _schema_of_custom(kind: type) -> dict[str, Any]:
    """Return what tells a type that msgspec does not know: of a pydantic model its own schema."""
    describe = getattr(kind, "model_json_schema", dict)
    return {**describe(), "type": f"{kind.__module__}.{kind.__qualname__}"}


def _without_words(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_words(value) for key, value in schema.items() if key not in _WORDS}
    return [_without_words(item) for item in schema] if isinstance(schema, list) else schema
