"""The types that arguments may have beyond those that msgspec knows, and what annotations are made of.

These are paths, `deque`, `OrderedDict` and the models of pydantic, which is never imported here. `convert`,
`to_builtins` and `encode` are msgspec's with them.
"""

from __future__ import annotations

import collections
import pathlib
import typing
from collections.abc import Iterator
from types import GenericAlias
from typing import Any

import msgspec
import msgspec.inspect

from jqjobs.jobs.model_choice import ModelChoice, is_model

#: Subclasses of these, such as text that a template has marked as safe, travel as what they are underneath.
_BASES: tuple[Any, ...] = (str, int, float, list, dict)
_WITH_FIELDS = (msgspec.inspect.TypedDictType, msgspec.inspect.DataclassType, msgspec.inspect.StructType)
_KNOWN = (pathlib.PurePath, collections.deque, collections.OrderedDict)


def convert(plain: Any, kind: Any) -> Any:
    """Return a value of JSON as its annotation wants it. Raises: ValidationError, and what code of the type raises."""
    return msgspec.convert(plain, kind, str_keys=True, dec_hook=_from_plain)


def to_builtins(value: Any) -> Any:
    """Return a value as JSON has it, not yet written. Raises: TypeError, and what code of the type raises."""
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_to_plain)


def _to_plain(value: Any) -> Any:
    """Return what msgspec cannot write by itself as something it can. Raises: NotImplementedError."""
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if isinstance(value, collections.deque):
        return list(value)
    if is_model(type(value)):
        return _dumped(value)
    if (moment := plain_moment(value)) is not value:
        return moment
    for base in _BASES:
        if isinstance(value, base) and type(value) is not bool:
            return base(value)
    raise NotImplementedError(f"objects of type {type(value).__name__} cannot be carried")


def plain_moment(value: Any) -> Any:
    """Return a moment of a subclass, as those of pendulum, pandas and freezegun, as what it is underneath.

    Anything else as it is. freezegun has `datetime` mean its own class in each module, so the true one is looked up.
    """
    true: Any = next((kind for kind in type(value).__mro__ if kind.__module__ == "datetime"), None)
    if true is None or true is type(value) or not hasattr(true, "fromisoformat"):
        return value
    _, state = true.__reduce_ex__(value, 4) if hasattr(true, "fold") else true.__reduce__(value)
    return true(*state)


encode = msgspec.json.Encoder(enc_hook=_to_plain).encode


def _from_plain(kind: Any, plain: Any) -> Any:
    """Return a value of one of these types, made from JSON unless it is one already."""
    made, items = typing.get_origin(kind) or kind, typing.get_args(kind)
    if isinstance(plain, made):
        if is_pydantic(made) and type(plain) not in _models(made):
            came = made.model_validate_json(msgspec.json.encode(_dumped(plain)))
            if came != plain:  # of a generic one, or where the base knows its subclasses, it is the same
                raise ValueError(f"JSON would make a {made.__name__} of this {type(plain).__name__}")
        return plain
    if is_pydantic(made):
        return made.model_validate_json(msgspec.json.encode(plain))
    if issubclass(made, collections.deque):
        return made(convert(plain, GenericAlias(list, items) if items else list))
    if issubclass(made, collections.OrderedDict):
        return made(convert(plain, GenericAlias(dict, items) if items else dict))
    return made(convert(plain, str)) if issubclass(made, pathlib.PurePath) else plain


def is_pydantic(kind: Any) -> bool:
    """Whether an annotation is a model of pydantic, or a choice of several."""
    return is_model(kind) or isinstance(kind, ModelChoice)


def _dumped(model: Any) -> Any:
    """Return a model as JSON. Raises: ValueError when it would come back changed: a secret, a field left out."""
    plain = model.model_dump(mode="json", by_alias=True, round_trip=True)
    came = type(model).model_validate_json(msgspec.json.encode(plain))
    for name in type(model).model_fields:
        if getattr(came, name) != getattr(model, name):
            raise ValueError(f"JSON would change the field {name!r} of {type(model).__name__}")
    return plain


def _models(kind: Any) -> tuple[type, ...]:
    return kind.members if isinstance(kind, ModelChoice) else (kind,)


def bases_of(kind: Any) -> tuple[type, ...]:
    """Return the classes with fields in an annotation, of which JSON does not say which subclass a value was."""
    parts = [*_parts(msgspec.inspect.type_info(kind), set())]
    plain = [part.cls for part in parts if isinstance(part, _WITH_FIELDS[1:])]
    return (*plain, *(model for part in parts if is_pydantic(_custom(part)) for model in _models(_custom(part))))


def is_open(kind: Any) -> bool:
    """Whether an annotation says nothing of what it is given."""
    return kind is Any or kind is object


def has_open_part(kind: Any) -> bool:
    """Whether an annotation says nothing of some part of what it is given, as ``list`` of its items."""
    parts = _parts(msgspec.inspect.type_info(kind), set())
    return any(isinstance(part, msgspec.inspect.AnyType) or _is_open_custom(_custom(part)) for part in parts)


def _is_open_custom(cls: type | None) -> bool:
    """Whether JSON does not say which type a value of that one was: which model of several, say."""
    return cls in (object, *_KNOWN) or isinstance(cls, ModelChoice)


def has_fields(kind: Any) -> bool:
    """Whether something in an annotation has fields of its own, and takes a dict with their names."""
    return any(isinstance(part, _WITH_FIELDS) for part in _parts(msgspec.inspect.type_info(kind), set()))


def unknown_type(kind: Any) -> type | None:
    """Return a type anywhere in an annotation that cannot be made from JSON. Raises: TypeError, as msgspec does."""
    customs = map(_custom, _parts(msgspec.inspect.type_info(kind), set()))
    return next((cls for cls in customs if cls is not None and not _is_carried(cls)), None)


def _is_carried(cls: type) -> bool:
    # While time stands still, freezegun hides the true classes from msgspec's own look at types, not from its decoder.
    is_moment = cls.__module__ == "datetime" and hasattr(cls, "fromisoformat")
    return cls is object or is_moment or issubclass(cls, _KNOWN) or is_pydantic(cls)


def _custom(info: Any) -> type | None:
    return info.cls if isinstance(info, msgspec.inspect.CustomType) else None


def _parts(info: Any, seen: set[int]) -> Iterator[Any]:
    """Return what an annotation is made of, each part once: types may contain themselves."""
    if id(info) in seen or not isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field, tuple)):
        return
    seen.add(id(info))
    yield info
    for part in info if isinstance(info, tuple) else (getattr(info, name) for name in info.__struct_fields__):
        yield from _parts(part, seen)
