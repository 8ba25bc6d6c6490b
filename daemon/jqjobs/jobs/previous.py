"""``Previous[T]``: the parameter that gets what the step before in a chain has returned."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any, TypeVar, get_origin

import msgspec

from jqjobs.errors import ConfigError, InvalidArguments
from jqjobs.jobs.carried_types import convert, is_open

T = TypeVar("T")


class _Mark:
    """Says of a parameter that no caller gives it."""


_MARK = _Mark()
#: Annotates the parameter of a step that gets the result of the step before, converted to T.
Previous = Annotated[T, _MARK]

_WRITTEN = re.compile(r"(^|[\s.|\[])Previous\[")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def previous_parameter(signature: inspect.Signature) -> inspect.Parameter | None:
    """Return the parameter that is annotated so, None when there is none. Raises: ConfigError when it cannot be one."""
    found = [parameter for parameter in signature.parameters.values() if _is_marked(parameter.annotation)]
    if not found:
        return None
    if len(found) > 1 or found[0].kind not in _BY_NAME:
        raise ConfigError(f"{signature}: one parameter may be Previous[…], and one that has a name")
    return found[0]


def _is_marked(annotation: Any) -> bool:
    """Look without resolving: annotations may name what the module defines further down."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    if text is not None:
        return _WRITTEN.search(text) is not None
    return get_origin(annotation) is Annotated and _MARK in annotation.__metadata__


def value_of_previous(parameter: inspect.Parameter, kind: Any, previous: bytes | None) -> dict[str, Any]:
    """Return what the step before has returned, JSON or None, by the name of the parameter; nothing: its default.

    Raises: InvalidArguments.
    """
    if previous is None:
        if parameter.default is parameter.empty:
            raise InvalidArguments(
                f"no result of a step before is there for {parameter.name!r}", hint="it may take 64 KiB as JSON"
            )
        return {}
    try:
        value = msgspec.json.decode(previous)
        return {parameter.name: value if is_open(kind) else convert(value, kind)}
    except Exception as error:  # converting runs code of the user
        raise InvalidArguments(f"the result of the step before does not fit {parameter.name!r}: {error}") from None
