"""Where an embedded server keeps its data and listens: what every process computes alike from the URL."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from jqjobs.base.config import project_root
from jqjobs.errors import ConfigError

_SCHEME = "embedded:"
_DEFAULT_NAME = ".jqjobs"
#: Beneath the limits of sun_path with its final NUL: 108 on Linux, 104 on macOS (man 7 unix).
_SOCKET_PATH_BYTES = 100


def is_embedded(url: str) -> bool:
    """Say whether a Redis URL asks for the embedded server."""
    return url.startswith(_SCHEME)


def data_directory(url: str, cwd: Path) -> Path:
    """Return the absolute directory of an `embedded:[DIR]` URL.

    DIR is relative to `cwd`; `~` is the home directory. Without DIR it is `.jqjobs` of the project root: the
    nearest directory from `cwd` upwards that holds a project; else `cwd`.
    """
    named = url.removeprefix(_SCHEME).partition("?")[0]
    if named.startswith("//"):
        named = named[2:]
    if named:
        return (cwd / Path(named).expanduser()).resolve()
    here = cwd.resolve()
    return (project_root(here) or here) / _DEFAULT_NAME


def options_of(url: str) -> str:
    """Return what a URL says beyond the directory: ``?prefix=…``, or nothing."""
    return "".join(url.partition("?")[1:])


def socket_url(url: str, cwd: Path) -> str:
    """Return the `unix://` URL of the embedded server; start nothing.

    Raises:
        ConfigError: the socket's directory belongs to somebody else.
    """
    return f"unix://{socket_path(data_directory(url, cwd))}{options_of(url)}"


def make_directory(directory: Path) -> None:
    """Make the data directory and the socket's, closed to others."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.name == _DEFAULT_NAME:  # in a directory that somebody named, git is their affair
            (directory / ".gitignore").write_text("*\n")
        socket_path(directory).parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make {directory} for the embedded Valkey server: {error.strerror}",
            hint="name another directory: JQ_REDIS_URL=embedded:DIR",
        ) from error


def socket_path(directory: Path) -> Path:
    """Return DIR/valkey.sock, or a short path under /tmp that every process computes alike from DIR."""
    path = directory / "valkey.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    # Not tempfile.gettempdir(): TMPDIR differs between a shell and a service, and is long on macOS.
    short = Path("/tmp", f"jqjobs-{digest}")
    _refuse_a_strangers_directory(short)
    return short / "valkey.sock"


def _refuse_a_strangers_directory(short: Path) -> None:
    # Anybody may create this name in /tmp first and listen there for our jobs. Root may use a user's server.
    try:
        facts = short.lstat()
    except FileNotFoundError:
        return
    ours = os.geteuid() in (0, facts.st_uid)
    if ours and stat.S_ISDIR(facts.st_mode) and not facts.st_mode & 0o077:
        return
    raise ConfigError(
        f"{short}, where the embedded Valkey server would listen, is not a private directory of this user",
        hint="remove it, or name a shorter directory: JQ_REDIS_URL=embedded:DIR",
    )
