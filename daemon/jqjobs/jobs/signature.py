"""A job's arguments: checked against the function's signature, carried as JSON, converted by annotation.

One `Signature` serves both ends, so what `enqueue` accepts is what the worker can turn back.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import msgspec.inspect

from jqjobs.errors import ConfigError, InvalidArguments, MalformedPayload, PayloadTooLarge
from jqjobs.jobs.annotations import resolved, signature_of
from jqjobs.jobs.records import MAX_PAYLOAD_BYTES

_PLAIN = (int, str, bool, float, type(None))
_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
#: So many shapes of calls that fit are remembered for each function.
_MOST_SHAPES = 64


class Payload(msgspec.Struct):
    """What a job carries. Other keys (of an ingested envelope) are passed over."""

    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    meta: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(Payload)
_encode = msgspec.json.Encoder().encode


def decode_payload(raw: bytes) -> Payload:
    """Decode strictly. Raises: MalformedPayload with what is wrong, and where."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayload(str(error)) from None


class Signature:
    """The parameters of one job function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature = signature_of(function)
        self._fitting: set[tuple[Any, ...]] = set()

    @cached_property
    def _types(self) -> dict[str, Any]:
        # Resolved on first use: annotations may name what the module defines further down.
        found = resolved(self._function, self._signature)
        for name, kind in found.items():
            self._check_carriable(name, kind)
        return found

    def _check_carriable(self, name: str, kind: Any) -> None:
        try:
            msgspec.json.Decoder(kind)
            unknown = _unknown_type(msgspec.inspect.type_info(kind), set())
            why = f"msgspec knows no {unknown}" if unknown else ""
        except TypeError as error:
            why = str(error)
        if why:
            raise ConfigError(
                f"{self._function.__qualname__}: parameter {name!r} cannot be carried as JSON: {why}",
                hint="use plain types, datetime, UUID, Decimal, Enum, dataclasses or msgspec Structs",
            )

    def check(self) -> None:
        """Resolve and check the annotations now. Raises: ConfigError."""
        _ = self._types

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """Return the payload of a call. Raises: InvalidArguments, PayloadTooLarge."""
        if _shape(args, kwargs) not in self._fitting:
            self._converted(args, kwargs, to_plain=True)
        parts: dict[str, Any] = {}
        if args:
            parts["args"] = args
        if kwargs:
            parts["kwargs"] = kwargs
        return self._encoded(parts)

    def _encoded(self, parts: dict[str, Any]) -> bytes:
        try:
            payload: bytes = _encode(parts)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidArguments(f"{self._function.__name__}: not JSON: {error}") from None
        if b"null" in payload and has_nonfinite(msgspec.to_builtins(parts)):  # NaN would arrive as null
            raise InvalidArguments(f"{self._function.__name__}: JSON has no NaN and no infinity")
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLarge(
                f"{self._function.__name__}: the arguments take {len(payload)} bytes as JSON, more than 1 MiB",
                hint="store the data elsewhere and pass a reference",
            )
        return payload

    def decode(self, payload: Payload) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call, converted to the annotated types. Raises: InvalidArguments."""
        if _shape(payload.args, payload.kwargs) in self._fitting:
            return tuple(payload.args), payload.kwargs
        bound = self._converted(payload.args, payload.kwargs, to_plain=False)
        return bound.args, bound.kwargs

    def names(self) -> frozenset[str] | None:
        """Return the names that the arguments of a call can have; None when there is ``**kwargs``: any."""
        parameters = self._signature.parameters.values()
        is_open = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
        return None if is_open else frozenset(self._signature.parameters)

    def named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, as the function will get them, defaults included.

        Raises: InvalidArguments.
        """
        bound = self._converted(args, kwargs, to_plain=True)
        bound.apply_defaults()
        found = dict(bound.arguments)
        for parameter in self._signature.parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                found |= found.pop(parameter.name)
        return found

    def _converted(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], *, to_plain: bool
    ) -> inspect.BoundArguments:  # fmt: skip
        """Return the arguments of a call, bound and converted. Raises: InvalidArguments."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArguments(f"{self._function.__name__}{self._signature}: {error}") from None
        self.check()  # also when nothing is given
        if all(self._is_carried_as_it_is(name, value) for name, value in bound.arguments.items()):
            if len(self._fitting) < _MOST_SHAPES:
                self._fitting.add(_shape(args, kwargs))
            return bound
        self._convert_all(bound, to_plain=to_plain)
        return bound

    def _is_carried_as_it_is(self, name: str, value: Any) -> bool:
        """Whether this and any value of its type is what its parameter wants, and needs no conversion."""
        if self._signature.parameters[name].kind in _OPEN:
            return False
        return type(value) in _PLAIN and self._types.get(name, Any) in (Any, type(value))

    def _convert_all(self, bound: inspect.BoundArguments, *, to_plain: bool) -> None:
        for name, value in bound.arguments.items():
            if not self._is_carried_as_it_is(name, value):
                kind = self._types.get(name, Any)
                bound.arguments[name] = self._convert_parameter(name, value, kind, to_plain=to_plain)

    def _convert_parameter(self, name: str, value: Any, kind: Any, *, to_plain: bool) -> Any:
        how = self._signature.parameters[name].kind
        if how is inspect.Parameter.VAR_POSITIONAL:
            return tuple(self._convert(name, item, kind, to_plain=to_plain) for item in value)
        if how is inspect.Parameter.VAR_KEYWORD:
            return {key: self._convert(key, item, kind, to_plain=to_plain) for key, item in value.items()}
        return self._convert(name, value, kind, to_plain=to_plain)

    def _convert(self, name: str, value: Any, kind: Any, *, to_plain: bool) -> Any:
        if kind is Any:
            return value
        try:
            return msgspec.convert(msgspec.to_builtins(value) if to_plain else value, kind, str_keys=True)
        except Exception as error:  # converting runs code of the user: __post_init__, properties, enums
            what = str(error) if isinstance(error, msgspec.ValidationError) else f"{type(error).__name__}: {error}"
            raise InvalidArguments(f"{self._function.__name__}: argument {name!r}: {what}") from None


def _shape(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what binding and converting a call depend on, when its values are plain: types, names, types.

    A call of a shape that was bound before need not be bound again, which takes 5 µs.
    """
    if not kwargs:
        return tuple(map(type, args))
    return (tuple(map(type, args)), *kwargs, *map(type, kwargs.values()))


def _unknown_type(info: Any, seen: set[int]) -> type | None:
    """Return a type anywhere in an annotation that cannot be made from JSON; ``object`` takes what comes."""
    if isinstance(info, msgspec.inspect.CustomType):
        return None if info.cls is object else info.cls
    if id(info) in seen or not isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field, tuple)):
        return None
    seen.add(id(info))  # types may contain themselves
    parts = info if isinstance(info, tuple) else (getattr(info, name) for name in info.__struct_fields__)
    return next((unknown for part in parts if (unknown := _unknown_type(part, seen)) is not None), None)


def has_nonfinite(value: Any) -> bool:
    """Whether there is a NaN or an infinity anywhere in plain values."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(has_nonfinite(item) for pair in value.items() for item in pair)
    return isinstance(value, (list, tuple)) and any(map(has_nonfinite, value))
