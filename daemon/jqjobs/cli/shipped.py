"""Files that come with jqjobs: those of clients/ as they are, those of deploy/ filled in for `jqd --print-config`.

Each shipped file is a whole example for one place (`/srv/shop/current`, user `shop`). What is known here takes the
place of those words; what is not stays, and so do the comments that say what to change.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jqjobs.errors import ConfigError

#: What may be asked for → the file below deploy/.
SHIPPED = {
    "supervisor": "supervisor/jqd.conf",
    "systemd": "systemd/jqd@.service",
    "systemd-target": "systemd/jqd.target",
    "systemd-reload": "systemd/notify-reload.conf",
    "runit": "runit/jqd/run",
    "dockerfile": "docker/Dockerfile",
    "dockerignore": "docker/Dockerfile.dockerignore",
    "compose": "docker/compose.yaml",
    "kubernetes": "kubernetes/worker.yaml",
    "kubernetes-dashboard": "kubernetes/dashboard.yaml",
    "keda": "kubernetes/scaledobject.yaml",
    "prometheus": "prometheus/jqjobs.rules.yml",
    "grafana": "grafana/jqjobs.json",
}
_PROGRAM, _DIRECTORY, _APP, _USER = "/srv/shop/.venv/bin/jqd", "/srv/shop/current", "shop.app:app", "shop"
_REDIS_URL = "redis://127.0.0.1:6379/0"


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of this machine. ``app`` and ``redis_url`` empty: nobody has said."""

    program: str
    directory: str
    user: str
    app: str = ""
    redis_url: str = ""

    @classmethod
    def here(cls, directory: Path, app: str, redis_url: str) -> Place:
        """Return what this process knows. A URL that holds a secret, or is for development, is not repeated."""
        is_secret = "@" in redis_url or "sentinel_password=" in redis_url
        is_kept_back = is_secret or redis_url.startswith("embedded:")
        return cls(_own_program(), str(directory), _own_user(), app, "" if is_kept_back else redis_url)

    @property
    def writable(self) -> str:
        """What holds the releases: the place of the link, where the directory is one."""
        return str(Path(self.directory).parent) if os.path.islink(self.directory) else self.directory


def filled_in(kind: str, place: Place) -> str:
    """Return a shipped file for a place. Raises: ConfigError when this installation does not have it."""
    text = shipped(f"deploy/{SHIPPED[kind]}")
    for example, own in _replacements(kind, place):
        text = text.replace(example, own)
    return text


def shipped(name: str) -> str:
    """Return a file of deploy/ or clients/ as it is: of the installed package, or of the checkout that this is."""
    beside = Path(__file__).parents[3] / name
    for found in (files("jqjobs") / name, beside):
        if found.is_file():
            return found.read_text("utf-8")
    raise ConfigError(f"{name} is not installed here", hint="it is in the source distribution")


def _replacements(kind: str, place: Place) -> Iterator[tuple[str, str]]:
    """Yield what stands in a shipped file, and what is to stand there, longer words first."""
    escaped = _percent_twice if kind in ("supervisor", "systemd") else str
    yield _PROGRAM, escaped(place.program)
    yield _DIRECTORY, escaped(place.directory)
    if place.app:
        yield _APP, escaped(place.app)
    if place.redis_url:
        yield _REDIS_URL, escaped(place.redis_url)
    yield "ReadWritePaths=-/srv/shop", f"ReadWritePaths=-{escaped(place.writable)}"
    for before in ("\nuser=", "\nUser=", "chpst -u "):
        yield f"{before}{_USER}", f"{before}{place.user}"
    if any(_is_at_home(path) for path in (place.program, place.directory)):
        yield "\nProtectHome=yes", "\nProtectHome=read-only"


def _percent_twice(text: str) -> str:
    return text.replace("%", "%%")


def _is_at_home(path: str) -> bool:
    return any(path.startswith(home) for home in ("/home/", "/root/", "/run/user/"))


def _own_program() -> str:
    """Return the `jqd` of this Python: the one beside it, or how this one was called."""
    beside, called = Path(sys.executable).with_name("jqd"), Path(sys.argv[0]).absolute()
    if not beside.exists() and called.suffix == ".py":
        return f"{sys.executable} -m jqjobs jqd"
    return str(beside if beside.exists() else called)


def _own_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user that nobody has named
        return str(os.getuid())
