"""Loads the app with all its jobs, and says in one line why it cannot be. For workers, and for `jqd --check`."""

from __future__ import annotations

import traceback

from jqjobs.app import App
from jqjobs.errors import ConfigError
from jqjobs.imports import load_app
from jqjobs.worker.runner import describe


def describe_failure(error: BaseException) -> str:
    """Return what loading the app raised, and where, unless the error says so itself."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, (SyntaxError, ConfigError)) or not frames:
        return describe(error)
    return f"{describe(error)} (at {frames[-1].filename}:{frames[-1].lineno})"


def load_registered(reference: str) -> App:
    """Return the app with all its job modules loaded. Raises: ConfigError, and what its modules raise."""
    app = load_app(reference)
    if not isinstance(app, App):
        raise ConfigError(f"--app {reference!r} is a {type(app).__name__}, not a jqjobs.App")
    app.load()
    if not app.jobs:
        raise ConfigError(f"--app {reference!r} registers no job", hint="name its job modules in App(imports=[…])")
    return app
