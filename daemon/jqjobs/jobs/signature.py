"""A job's arguments: checked against the function's signature, carried as JSON, converted by annotation.

One `Signature` serves both ends, so what `enqueue` accepts is what the worker can turn back.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import GenericAlias
from typing import Any

from jqjobs.errors import InvalidArguments
from jqjobs.jobs.annotations import carriable, decorator_hint, name_of, resolved, signature_of
from jqjobs.jobs.carried_types import has_fields, has_open_part
from jqjobs.jobs.conversion import OPEN, Conversion
from jqjobs.jobs.json_changes import PLAIN
from jqjobs.jobs.model_choice import taken_apart
from jqjobs.jobs.parameters import schema_of
from jqjobs.jobs.payload import Payload, encode_payload
from jqjobs.jobs.previous import previous_parameter, value_of_previous
from jqjobs.jobs.signature_digest import digest_of

#: So many shapes of calls that fit are remembered for each function.
_MOST_SHAPES = 64


class Signature:
    """The parameters of one job function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._name = name_of(function)
        self._signature = signature_of(function)
        #: The parameter that no caller gives: it gets what the step before in a chain has returned.
        self._whole = self._signature
        self._previous = previous_parameter(self._signature)
        #: The name of the parameter that gets the result of the step before, None when there is none.
        self.previous = None if self._previous is None else self._previous.name
        if self._previous is not None:
            given = [each for each in self._signature.parameters.values() if each is not self._previous]
            self._signature = self._signature.replace(parameters=given)
        #: Whether it cannot do without that.
        self.needs_previous = self._previous is not None and self._previous.default is inspect.Parameter.empty
        self._fitting: set[tuple[Any, ...]] = set()
        #: Parameters of which the annotation speaks of all values together: ``**options: Unpack[Options]``.
        self._unpacked: set[str] = set()

    @cached_property
    def _types(self) -> dict[str, Any]:
        # Resolved on first use: annotations may name what the module defines further down.
        found = resolved(self._function, self._signature)
        for name, kind in found.items():
            if (together := _unpacked(kind)) is not None:
                self._unpacked.add(name)
                kind = together
            found[name] = carriable(self._function, name, kind)
        return found

    @cached_property
    def _conversion(self) -> Conversion:
        half_open = {name for name, kind in self._types.items() if has_open_part(kind)}
        with_fields = {name for name, kind in self._types.items() if has_fields(kind)}
        return Conversion(
            self._name, self._signature, frozenset(half_open), frozenset(with_fields), frozenset(self._unpacked)
        )  # fmt: skip

    def check(self) -> None:
        """Resolve and check the annotations now. Raises: ConfigError."""
        _ = self._types

    @cached_property
    def digest(self) -> str:
        """What tells it from other versions of the function, see `signature_digest`. Raises: ConfigError."""
        return digest_of(self._signature.parameters.values(), self._types)

    def schema(self) -> dict[str, Any] | bool:
        """Return what is published of the parameters, see `parameters`. Raises: ConfigError."""
        return schema_of(self._signature.parameters.values(), self._types, self._unpacked)

    def encode(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], meta: Mapping[str, Any] | None = None
    ) -> bytes:  # fmt: skip
        """Return the payload of a call. Raises: InvalidArguments, PayloadTooLarge."""
        if _shape(args, kwargs) not in self._fitting:
            self._converted(args, kwargs, to_plain=True)
        parts: dict[str, Any] = {}
        if args:
            parts["args"] = args
        if kwargs:
            parts["kwargs"] = kwargs
        if meta:
            parts["meta"] = meta
        return encode_payload(self._name, parts)

    def decode(self, payload: Payload) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call, converted to the annotated types. Raises: InvalidArguments."""
        if _shape(payload.args, payload.kwargs) in self._fitting:
            return tuple(payload.args), payload.kwargs
        bound = self._converted(payload.args, payload.kwargs, to_plain=False)
        return bound.args, bound.kwargs

    def with_previous(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], previous: bytes | None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call with the result of the step before, JSON or None. Raises: InvalidArguments."""
        if self._previous is None:
            return args, kwargs
        alone = self._whole.replace(parameters=[self._previous])
        kind = taken_apart(resolved(self._function, alone).get(self._previous.name, Any))
        given = self._signature.bind(*args, **kwargs).arguments | value_of_previous(self._previous, kind, previous)
        in_order = {name: given[name] for name in self._whole.parameters if name in given}
        whole = inspect.BoundArguments(self._whole, in_order)
        return whole.args, whole.kwargs

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
            hint = decorator_hint(self._function)
            raise InvalidArguments(f"{self._name}{self._signature}: {error}", hint=hint) from None
        self.check()  # also when nothing is given
        for name in self._unpacked:  # some of them may be required
            is_named = self._signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
            bound.arguments.setdefault(name, {} if is_named else ())
        if all(self._is_carried_as_it_is(name, value) for name, value in bound.arguments.items()):
            if len(self._fitting) < _MOST_SHAPES:
                self._fitting.add(_shape(args, kwargs))
            return bound
        for name, value in bound.arguments.items():
            if not self._is_carried_as_it_is(name, value):
                kind = self._types.get(name, Any)
                bound.arguments[name] = self._conversion.of_parameter(name, value, kind, to_plain=to_plain)
        return bound

    def _is_carried_as_it_is(self, name: str, value: Any) -> bool:
        """Whether this and any value of its type is what its parameter wants, and needs no conversion."""
        if self._signature.parameters[name].kind in OPEN:
            return False
        return type(value) in PLAIN and self._types.get(name, Any) in (Any, type(value))


def _unpacked(kind: Any) -> Any:
    """Return what ``Unpack[…]`` or ``*tuple[…]`` names, None for any other annotation."""
    if typing.get_origin(kind) is typing.Unpack:
        return typing.get_args(kind)[0]
    return GenericAlias(tuple, typing.get_args(kind)) if getattr(kind, "__unpacked__", False) else None


def _shape(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what binding and converting a call depend on, when its values are plain: types, names, types.

    A call of a shape that was bound before need not be bound again, which takes 5 µs.
    """
    if not kwargs:
        return tuple(map(type, args))
    return (tuple(map(type, args)), *kwargs, *map(type, kwargs.values()))
