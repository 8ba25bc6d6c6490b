"""What the parameters of a function are annotated with, as types. Others' annotations are not looked at.

Those of a return value, say, may name what is only imported for type checkers: nobody needs them when a job runs.
"""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from jqjobs.errors import ConfigError, InvalidOption
from jqjobs.jobs.carried_types import unknown_type
from jqjobs.jobs.model_choice import ContainsItself, taken_apart


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function, with annotations as they are written. Raises: InvalidOption without one."""
    try:
        return _signature(function)
    except ValueError:  # of some that are written in C
        raise InvalidOption(
            f"{function!r} does not say what arguments it takes", hint="register a function of your own that calls it"
        ) from None


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    if sys.version_info >= (3, 14):  # there they are evaluated when somebody asks
        import annotationlib

        as_written = annotationlib.Format.FORWARDREF
        return inspect.signature(_declaring(function), follow_wrapped=False, annotation_format=as_written)
    return inspect.signature(_declaring(function), follow_wrapped=False)


def name_of(function: Any) -> str:
    """Return how a function is called in messages: its name, that beneath a partial, or its class."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _declaring(function: Any) -> Any:
    """Return which of the functions that decorators laid over each other says what a call takes.

    It is the outermost that names all its parameters: ``*args`` and ``**kwargs`` are meant for the one beneath.
    """
    while hasattr(function, "__wrapped__") and not hasattr(function, "__signature__"):
        code = getattr(function, "__code__", None)
        if code is not None and not code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
            break
        function = function.__wrapped__
    return function


def resolved(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """Return the annotations of the parameters that have one. Raises: ConfigError when one means nothing here."""
    annotated = [each for each in signature.parameters.values() if each.annotation is not inspect.Parameter.empty]
    origin = _origin(function)
    if getattr(origin, "__no_type_check__", False):
        return {}
    return {parameter.name: _evaluated(origin, parameter) for parameter in annotated}


def _evaluated(origin: Any, parameter: inspect.Parameter) -> Any:
    def probe() -> None: ...

    names = {each.__name__: each for each in getattr(origin, "__type_params__", ())}
    probe.__annotations__ = {parameter.name: parameter.annotation}
    try:
        return typing.get_type_hints(probe, getattr(origin, "__globals__", {}), names)[parameter.name]
    except Exception as error:  # evaluating it runs code
        raise ConfigError(
            f"{place_in_code(origin)}: parameter {parameter.name!r}: the annotation {parameter.annotation!r} cannot be "
            f"resolved: {error}",
            hint="workers need it: import what it names outside of `if TYPE_CHECKING:`, at module level",
        ) from error


def place_in_code(function: Any) -> str:
    """Return module and name of a function, beneath decorators and partials, for people."""
    origin = _origin(function)
    return f"{origin.__module__}.{getattr(origin, '__qualname__', origin)}"


def decorator_hint(function: Any) -> str:
    """Return what to do where a call does not fit because a decorator gives some of the arguments, or ""."""
    is_wrapped = hasattr(function, "__wrapped__")
    return "a decorator that adds arguments names its own, or sets __signature__" if is_wrapped else ""


def carriable(function: Callable[..., Any], name: str, annotation: Any) -> Any:
    """Return what a parameter is annotated with as `carried_types` takes it. Raises: ConfigError when JSON cannot."""
    hint = "use plain types, datetime, UUID, Decimal, Path, Enum, dataclasses, msgspec or pydantic models"
    try:
        kind = taken_apart(annotation)
        msgspec.json.Decoder(kind)
        unknown = unknown_type(kind)
        why = f"msgspec knows no {unknown}" if unknown else ""
    except ContainsItself as error:
        why, hint = (
            str(error),
            "write a dataclass or a model that contains itself, or Any, which takes all that is JSON",
        )
    except Exception as error:  # it evaluates what the annotations of a dataclass name
        why = f"{type(error).__name__}: {error}" if isinstance(error, NameError) else str(error)
    if why:
        raise ConfigError(f"{place_in_code(function)}: parameter {name!r} cannot be carried as JSON: {why}", hint=hint)
    return kind


def _origin(function: Any) -> Any:
    """Return the function whose module the annotations are written in: beneath decorators, in a callable object."""
    function = inspect.unwrap(function)  # `functools.wraps` hands the annotations on
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    return function if hasattr(function, "__globals__") else inspect.unwrap(type(function).__call__)
