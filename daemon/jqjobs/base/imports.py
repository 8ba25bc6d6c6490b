"""Finds and imports an app and its job modules."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from jqjobs.base.nearest import did_you_mean
from jqjobs.errors import ConfigError


def import_all(patterns: Iterable[str]) -> list[ModuleType]:
    """Import modules by dotted name; ``*`` stands for one part of it.

    Raises: ConfigError when a pattern matches nothing; what a module raises comes through.
    """
    modules = []
    for pattern in patterns:
        names = sorted(_matches(pattern))
        if not names:
            raise ConfigError(f"imports: no module matches {pattern!r}", hint="is the package on the Python path?")
        modules += [importlib.import_module(name) for name in names]
    return modules


def _matches(pattern: str) -> Iterator[str]:
    parts = pattern.split(".")
    fixed = next((i for i, part in enumerate(parts) if "*" in part), len(parts))
    if fixed == len(parts):
        yield pattern
        return
    if fixed == 0:
        raise ConfigError(f"imports: {pattern!r} must begin with the name of a package")
    yield from _below(importlib.import_module(".".join(parts[:fixed])), parts[fixed:])


def _below(package: ModuleType, rest: list[str]) -> Iterator[str]:
    for found in pkgutil.iter_modules(getattr(package, "__path__", [])):
        if not fnmatchcase(found.name, rest[0]):
            continue
        name = f"{package.__name__}.{found.name}"
        if len(rest) == 1:
            yield name
        elif found.ispkg:
            yield from _below(importlib.import_module(name), rest[1:])


def load_app(reference: str) -> Any:
    """Return the object ``package.module:attribute``. Raises: ConfigError; import errors come through."""
    module_name, attribute = parts_of(reference)
    if "" not in sys.path:
        sys.path.insert(0, "")
    target: Any = importlib.import_module(module_name)
    for part in attribute.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            raise ConfigError(f"--app {reference!r}: the module has no {attribute!r}") from None
    return target


def parts_of(reference: str) -> tuple[str, str]:
    """Return module and attribute of ``package.module:attribute``. Raises: ConfigError when it is not of that form."""
    module, colon, attribute = reference.partition(":")
    if not colon or not all(name.isidentifier() for name in [*module.split("."), *attribute.split(".")]):
        hint = "such as --app shop:app, for the name app in shop.py"
        raise ConfigError(f"--app {reference!r} is not of the form package.module:attribute", hint=hint)
    return module, attribute


def require_module(reference: str, directory: str) -> None:
    """Raise ConfigError when the module of an app is nowhere, for a process that starts in ``directory``.

    It is looked for, and not imported. So only its first part is: to look inside of a package is to import that.
    """
    first = parts_of(reference)[0].partition(".")[0]
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    places = [directory, *(os.path.join(directory, place) for place in told if place)]
    if first in sys.modules or PathFinder.find_spec(first, places) or importlib.util.find_spec(first):
        return
    meant = did_you_mean(first, {found.name for found in pkgutil.iter_modules(places)})
    where = f"it was looked for in {directory} and on the Python path: --directory names another place"
    raise ConfigError(f"--app {reference!r}: there is no module {first!r}", hint=" ".join(filter(None, (meant, where))))
