"""Finds an embedded server running or starts it, and ends it.

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
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jqjobs.base.file_lock import lock_file
from jqjobs.embedded import valkey
from jqjobs.embedded.ownership import Ownership
from jqjobs.embedded.place import data_directory, is_embedded, make_directory, options_of, socket_path
from jqjobs.embedded.spoken import PingAnswer, ping, shut_down
from jqjobs.errors import ConfigError

#: Seconds until a started or starting server must answer PING.
_START_TIMEOUT_S = 10.0
#: Seconds from SIGTERM to SIGKILL, which loses nothing: Valkey writes its append-only file before it replies.
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.02

#: Wait some seconds; True means: stop waiting, the caller is shutting down.
Pause = Callable[[float], bool]


@dataclass
class EmbeddedServer:
    """A running embedded server, started by this process or found running. ``options``: of its URL."""

    directory: Path
    socket_path: Path
    options: str = ""
    _process: subprocess.Popen[bytes] | None = None
    _ownership: Ownership = field(init=False)

    def __post_init__(self) -> None:
        self._ownership = Ownership(self.directory)

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
        make_directory(directory)
        return cls(directory, socket_path(directory), options_of(url))._find_or_start(pause or _sleep)

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"unix://{self.socket_path}{self.options}"

    @property
    def owned(self) -> bool:
        """Whether `stop` ends the server whatever others do: this process started it, or its owner is dead."""
        return self._process is not None or self._ownership.is_mine

    @property
    def pid(self) -> int | None:
        """The process id of the server; None when a server found running has left no pid file."""
        return self._process.pid if self._process else valkey.written_pid(self.directory)

    def stop(self) -> None:
        """End the server in an orderly way and wait for it, unless another living process owns it."""
        is_mine = self._ownership.claim()
        if self._process is not None:
            self._end_process()
        elif is_mine:
            self._shut_down()
        self._ownership.give_up()

    def _abandon(self) -> None:
        """Leave no server that this process has started."""
        self._end_process()
        self._ownership.give_up()

    def _shut_down(self) -> None:
        """End a server that another process started. Not by its pid, which may be one of another namespace."""
        shut_down(self.socket_path)
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
                try:
                    self._start_unless_locked()
                except OSError as error:
                    raise self._failure(f"cannot be started: {error.strerror}") from error
            if pause(_POLL_S):
                self._abandon()
                return None
            self._fail_if_ended()
            if time.monotonic() > deadline:
                if answer is PingAnswer.LOADING:
                    break
                self._abandon()
                raise self._failure(f"does not answer within {_START_TIMEOUT_S:.0f} s")
        self._ownership.claim()
        return self

    def _start_unless_locked(self) -> None:
        try:
            lock = lock_file(self.directory / "lock")
        except BlockingIOError:
            return  # a server lives there: it starts, stops or hangs
        try:
            self._ownership.claim()  # before anybody can find it
            # It replaces the socket file of a dead server.
            self._process = valkey.start(self.directory, self.socket_path, lock)
        finally:
            os.close(lock)  # the server has inherited the open file, and with it the lock

    def _fail_if_ended(self) -> None:
        if self._process and self._process.poll() is not None:
            code, self._process = self._process.returncode, None
            raise self._failure(f"ended at its start with code {code}")

    def _failure(self, what: str) -> ConfigError:
        return ConfigError(
            f"the embedded Valkey server in {self.directory} {what}{valkey.end_of_log(self.directory)}",
            hint=f"read {valkey.log_of(self.directory)}; valkey.pid beside it names a server that hangs",
        )


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
