"""Settings: where a value comes from (flag, environment, ``.env``, default) and whether it makes sense.

The only place that reads the environment. Every setting ``x_y`` is ``--x-y`` on the command line and ``JQ_X_Y``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from jqjobs.base.clock import duration_ms
from jqjobs.base.prefix import DEFAULT_PREFIX, check_prefix, prefix_in, with_prefix
from jqjobs.errors import ConfigError, InvalidOption

#: So long a call of a producer, or of a person, may take in all.
DEFAULT_TIMEOUT_S = 5.0
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
#: Where a line sets a variable of ours, or means to.
_OURS = re.compile(r"\bJQ_\w+\s*[=:]")
#: What stands in the root of a project.
_ROOT = ("pyproject.toml", "setup.cfg", "setup.py", ".git")


class Environment:
    """``JQ_*`` variables: the process's own first, then those of the ``.env`` of ``directory``, see `dotenv_of`."""

    def __init__(self, environ: Mapping[str, str] | None = None, directory: Path | None = None) -> None:
        self._own = os.environ if environ is None else environ
        self.directory = directory or working_directory()
        self.dotenv = dotenv_of(self.directory)
        self._file = read_dotenv(self.dotenv) if self.dotenv else {}

    def anew(self) -> Environment:
        """Return it as it is by now; ``.env`` is where it was, wherever this process has gone."""
        return Environment(self._own, self.directory)

    def get(self, name: str) -> str | None:
        """Return the value of ``JQ_<NAME>``, or None; an empty one counts as not set.

        Less white space around it: secrets and config maps of Kubernetes end in a line end, env files of docker keep a
        CR. Of a password only line ends go.
        """
        key = f"JQ_{name.upper()}"
        around = "\r\n" if name == "redis_password" else None
        return self._own.get(key, "").strip(around) or self._file.get(key, "").strip(around) or None

    def path(self, text: str) -> Path:
        """Return a path of a setting; a relative one is beside the ``.env`` that says it, else in ``directory``."""
        base = self.dotenv.parent if self.dotenv and text in map(str.strip, self._file.values()) else self.directory
        return base / Path(text).expanduser()

    def redis_url(self, flag: str | None = None, prefix: str | None = None) -> str:
        """Return the Redis URL: the flag, JQ_REDIS_URL, or Redis on this host; it says the prefix, where one is chosen.

        ``prefix`` goes before what the URL says, that before JQ_PREFIX. Raises: ConfigError when that is none, or when
        JQ_REDIS_URL says another one: nobody knows in whose jobs we would be.
        """
        url = (flag or self.get("redis_url") or DEFAULT_REDIS_URL).strip()
        if prefix is not None:
            return with_prefix(url, check_prefix(prefix))
        usual = self.get("prefix")
        if usual is None:
            return url
        said = prefix_in(url)
        if said is None:
            return with_prefix(url, check_prefix(usual, "JQ_PREFIX"))
        if not flag and said != usual:
            raise ConfigError(f"JQ_REDIS_URL says another prefix than JQ_PREFIX, which is {usual!r}", hint="keep one")
        return url

    def timeout_s(self) -> float:
        """Return how long a call to Redis may take in all. Raises: ConfigError."""
        said = self.get("timeout")
        try:
            timeout_s = duration_ms(said, "JQ_TIMEOUT") / 1000 if said else DEFAULT_TIMEOUT_S
        except InvalidOption as error:
            raise ConfigError(error.message, error.hint) from None
        if not timeout_s:
            raise ConfigError(f"JQ_TIMEOUT {said!r} leaves no time", hint="write a duration such as 500ms or 5s")
        return timeout_s


def use_redis(url: str) -> None:
    """Have everything in this process, and what it starts, go where the URL says."""
    os.environ["JQ_REDIS_URL"] = url
    os.environ["JQ_PREFIX"] = prefix_in(url) or DEFAULT_PREFIX


def working_directory() -> Path:
    """Return the working directory. Raises: ConfigError when it was deleted."""
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError("the working directory is gone", hint="start from one that exists") from error


def project_root(directory: Path) -> Path | None:
    """Return the nearest directory from ``directory`` upwards that holds a project, None when there is none.

    One that may not be searched, as ``/root`` after ``sudo -u``, holds none for us.
    """
    return next(
        (place for place in (directory, *directory.parents) if any(os.path.exists(place / name) for name in _ROOT)),
        None,
    )


def dotenv_of(directory: Path) -> Path | None:
    """Return the nearest ``.env`` from ``directory`` upwards to the project root, None when there is none.

    Outside a project only that of ``directory`` counts: who is above may be anybody.
    """
    root = project_root(directory) or directory
    inside = [place for place in (directory, *directory.parents) if place.is_relative_to(root)]
    return next((place / ".env" for place in inside if os.path.isfile(place / ".env")), None)


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a ``.env`` file; none when there is no such file.

    Raises: ConfigError when it cannot be read, or a line that names one of ours does not parse: left out without a word
    it would be missed elsewhere. It repeats nothing of that line, and changes nothing in the environment.
    """
    if not path.is_file():
        return {}
    from dotenv.main import resolve_variables  # imported only when there is a file: it costs 60 ms
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8-sig") as file:
            bindings = list(parse_stream(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    for binding in bindings:
        if binding.error and _OURS.search(binding.original.string):
            raise ConfigError(
                f"line {binding.original.line} of {path} does not parse", hint="write NAME=value, or NAME='any value'"
            )
    pairs = ((binding.key, binding.value) for binding in bindings if binding.key is not None)
    return {name: value for name, value in resolve_variables(pairs, override=True).items() if value is not None}
