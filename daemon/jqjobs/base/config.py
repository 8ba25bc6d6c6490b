"""Settings: where a value comes from (flag, environment, ``.env``, default) and whether it makes sense.

The only place that reads the environment. Every setting ``x_y`` is ``--x-y`` on the command line and ``JQ_X_Y``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from jqjobs.errors import ConfigError

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"


class Environment:
    """``JQ_*`` variables: the process's own first, then those of ``.env`` in ``directory``."""

    def __init__(self, environ: Mapping[str, str] | None = None, directory: Path | None = None) -> None:
        self._own = os.environ if environ is None else environ
        self.directory = directory or working_directory()
        self._file = read_dotenv(self.directory / ".env")

    def anew(self) -> Environment:
        """Return it as it is by now; ``.env`` is where it was, wherever this process has gone."""
        return Environment(self._own, self.directory)

    def get(self, name: str) -> str | None:
        """Return the value of ``JQ_<NAME>``, or None; an empty one counts as not set."""
        key = f"JQ_{name.upper()}"
        return self._own.get(key) or self._file.get(key) or None

    def path(self, text: str) -> Path:
        """Return a path of a setting; a relative one is where ``.env`` is looked for."""
        return self.directory / Path(text).expanduser()

    def redis_url(self, flag: str | None = None) -> str:
        """Return the Redis URL: the flag, JQ_REDIS_URL, or Redis on this host."""
        return flag or self.get("redis_url") or DEFAULT_REDIS_URL


def working_directory() -> Path:
    """Return the working directory. Raises: ConfigError when it was deleted."""
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError("the working directory is gone", hint="start from one that exists") from error


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a ``.env`` file; none when there is no such file.

    Raises: ConfigError when it cannot be read. It changes nothing in the environment.
    """
    if not path.is_file():
        return {}
    from dotenv import dotenv_values  # imported only when there is a file: it costs 60 ms

    try:
        return {name: value for name, value in dotenv_values(path).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
