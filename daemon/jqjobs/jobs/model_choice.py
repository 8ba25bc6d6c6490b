"""Annotations as msgspec takes them: an alias is what it stands for, a union of pydantic's models one type.

msgspec allows one type of strangers in a union. Which model JSON is meant for, pydantic decides; `carried_types` treats
the type made here as it treats a model. pydantic is never imported before the app has done so.
"""

from __future__ import annotations

import functools
import sys
import types
import typing
from collections.abc import Sequence
from typing import Any

_UNIONS = (typing.Union, types.UnionType)


def is_model(kind: Any) -> bool:
    """Whether a type is a model of pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


class ContainsItself(Exception):
    """An alias names itself in what it stands for: where that ends, msgspec cannot tell."""


class ModelChoice(type):
    """The type of such types: their ``members`` are models, of which a value is exactly one."""

    members: tuple[type, ...]
    _adapter: Any

    @classmethod
    def of(cls, members: Sequence[type]) -> ModelChoice:
        """Return the type of what is one of these models. Raises: what pydantic raises where they make no union."""
        pydantic = sys.modules["pydantic"]
        made = cls(" | ".join(each.__name__ for each in members), (), {})
        made.members, made._adapter = tuple(members), pydantic.TypeAdapter(typing.Union[tuple(members)])  # noqa: UP007
        return made

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, cls.members)

    def model_validate_json(cls, raw: bytes) -> Any:
        """Return the model that JSON is meant for. Raises: ValidationError of pydantic."""
        return cls._adapter.validate_json(raw)

    def model_json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of all of them."""
        described: dict[str, Any] = cls._adapter.json_schema()
        return described


def taken_apart(kind: Any, within: tuple[Any, ...] = ()) -> Any:
    """Return an annotation without aliases, and with a `ModelChoice` for each union of models.

    ``within``: the aliases that lead here. Raises: ContainsItself where one of them does, and what the code of an
    alias raises.
    """
    origin, given = typing.get_origin(kind), typing.get_args(kind)
    alias = origin if _is_alias(origin) else kind
    if isinstance(alias, typing.ForwardRef) or alias in within:
        name = getattr(alias, "__forward_arg__", None) or alias.__name__
        raise ContainsItself(f"the alias {name} contains itself")
    if _is_alias(alias):
        value = alias.__value__[given] if given else alias.__value__
        return taken_apart(value, (*within, alias))
    if not given:
        return _true(kind)
    if origin is typing.Literal or origin is typing.Unpack:
        return kind
    parts = tuple(_part(each, within) for each in given)
    if origin in _UNIONS:
        parts = _with_choice(parts)
    if parts == given:
        return kind
    if origin is typing.Annotated:
        return parts[0]
    return functools.reduce(lambda one, other: one | other, parts) if origin in _UNIONS else origin[parts]


def _part(kind: Any, within: tuple[Any, ...]) -> Any:
    return kind if isinstance(kind, list) or kind is Ellipsis else taken_apart(kind, within)


def _true(kind: Any) -> Any:
    """Return what stands in the code where freezegun has its own: names are looked up while time stands still, too."""
    if getattr(kind, "__module__", "") != "freezegun.api":
        return kind
    return next(each for each in kind.__mro__ if each.__module__ == "datetime")


def _is_alias(kind: Any) -> bool:
    return type(kind).__name__ == "TypeAliasType"  # of typing since Python 3.12, of typing_extensions before


def _with_choice(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    models = [part for part in parts if is_model(part)]
    if len(models) < 2:
        return parts
    return (ModelChoice.of(models), *(part for part in parts if part not in models))
