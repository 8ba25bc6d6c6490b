"""The app that a command is told of, with its job modules loaded: for the few that import it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jqjobs.errors import ConfigError, JqError

if TYPE_CHECKING:
    from jqjobs.api.app import App


def load_whole_app(reference: str | None) -> App:
    """Return the app with its job modules loaded. Raises: ConfigError."""
    from jqjobs.api.app import App
    from jqjobs.base.imports import load_app, require_module

    if not reference:
        raise ConfigError("which app? --app or JQ_APP says so", hint="--app yourpackage.jobs:app")
    require_module(reference, os.getcwd())
    try:
        app = load_app(reference)
        if isinstance(app, App):
            return app.load()
    except JqError:
        raise
    except Exception as error:  # an import runs code of the user
        raise ConfigError(f"--app {reference!r} does not load: {type(error).__name__}: {error}") from error
    raise ConfigError(f"--app {reference!r} is a {type(app).__name__}, not a jqjobs.App")
