"""Turns the arguments of one call into what JSON carries, and what came back into what the annotations say."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import msgspec

from jqjobs.errors import InvalidArguments
from jqjobs.jobs.carried_types import bases_of, convert, is_open
from jqjobs.jobs.json_changes import WouldBeLost, WouldChange, arriving, check_plain, derived, is_plain

#: Parameters that take any number of values.
OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Conversion:
    """Of one function. ``name``: of the function, for people.

    ``half_open``: parameters whose annotations say nothing of some part of what they are given. ``with_fields``: those
    with a type that has fields of its own. ``unpacked``: those of which the annotation speaks of all values together.
    """

    name: str
    signature: inspect.Signature
    half_open: frozenset[str]
    with_fields: frozenset[str]
    unpacked: frozenset[str]

    def of_parameter(self, parameter: str, value: Any, kind: Any, *, to_plain: bool) -> Any:
        """Return what one parameter is given, converted; ``kind``: its annotation. Raises: InvalidArguments."""
        how = self.signature.parameters[parameter].kind
        if how not in OPEN:
            return self._convert(parameter, parameter, value, kind, to_plain=to_plain)
        if parameter in self.unpacked:
            return self._convert_together(parameter, value, kind, to_plain=to_plain)
        if how is inspect.Parameter.VAR_POSITIONAL:
            return tuple(self._convert(parameter, parameter, item, kind, to_plain=to_plain) for item in value)
        return {key: self._convert(parameter, key, item, kind, to_plain=to_plain) for key, item in value.items()}

    def _convert_together(self, parameter: str, value: Any, kind: Any, *, to_plain: bool) -> Any:
        came = self._convert(parameter, parameter, value, kind, to_plain=to_plain)
        if isinstance(value, dict) and (unknown := value.keys() - came.keys()):
            raise InvalidArguments(f"{self.name}: no argument is named {', '.join(sorted(unknown))}")
        return came

    def _convert(self, parameter: str, name: str, value: Any, kind: Any, *, to_plain: bool) -> Any:
        try:
            if not to_plain:
                return value if is_open(kind) else convert(value, kind)
            if is_open(kind):
                check_plain(value)
                return value
            is_open_within, has_fields = parameter in self.half_open, parameter in self.with_fields
            return arriving(value, kind, has_open_part=is_open_within, has_fields=has_fields)
        except Exception as error:  # converting runs code of the user: __post_init__, properties, enums
            raise self._misfit(name, value, kind, error, to_plain=to_plain) from None

    def _misfit(self, name: str, value: Any, kind: Any, error: Exception, *, to_plain: bool) -> InvalidArguments:
        """Return what is told of an argument that cannot be converted."""
        is_told = isinstance(error, (msgspec.ValidationError, WouldChange, WouldBeLost))
        what = f"{name!r}: {error}" if is_told else f"{name!r}: {type(error).__name__}: {error}"
        hint = ""
        if to_plain and (refused := derived(value, bases_of(kind))):
            return InvalidArguments(
                f"{self.name}: argument {name!r}: {refused}",
                hint="annotate the parameter with the class that is given; a union of pydantic models or of tagged "
                "Structs takes several",
            )
        is_misplaced = isinstance(error, WouldChange) or (is_told and not is_plain(value))
        if to_plain and is_misplaced and not isinstance(error, WouldBeLost):
            what += ": annotate the parameter"
            hint = f"say its type, as in {name}: datetime, or pass text, numbers, lists and dicts of them"
        known = "" if to_plain else self.signature  # of a worker it may be older or newer than what the producer has
        return InvalidArguments(f"{self.name}{known}: argument {what}", hint=hint)
