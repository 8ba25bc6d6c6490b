"""The dashboard as a process of its own: what it listens on, and who may come in there. Called by `jqctl web`."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jqjobs.base.listening import listen
from jqjobs.errors import ConfigError
from jqjobs.web.access import Auth, everybody
from jqjobs.web.credentials import UNIX, AuthFile, TrustedHeader
from jqjobs.web.dashboard import Dashboard
from jqjobs.web.guard import is_loopback

#: Connections at a time; whoever comes then is told to come later.
_MOST_CONNECTIONS = 500
#: How long requests have to end.
_GRACE_S = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is served. ``listen``: HOST:PORT or unix:/path; ``hosts``: names beside those of the loopback."""

    redis_url: str
    listen: str = "127.0.0.1:8390"
    mount: str = ""
    stripped: str = ""
    read_only: bool = False
    auth_file: Path | None = None
    trust_header: str = ""
    trust_from: Sequence[str] = ()
    origins: Sequence[str] = ()
    hosts: Sequence[str] = ()
    trust_prefix: bool = False
    redact: Sequence[str] = ()
    title: str = "jqjobs"

    @property
    def is_private(self) -> bool:
        """Whether only this host can connect."""
        return self.listen.startswith("unix:") or is_loopback(self.listen.rpartition(":")[0].strip("[]"))

    def auth(self) -> Auth:
        """Return who says who asks. Raises: ConfigError, also where anybody could connect and nobody would say it."""
        file = None if self.auth_file is None else AuthFile(self.auth_file)
        if self.trust_header:
            self._check_proxy()
            return TrustedHeader(self.trust_header, self.trust_from, file)
        if file is not None:
            return file
        if not self.is_private:
            raise ConfigError(
                f"anybody who reaches {self.listen} could do anything",
                hint="give --auth-file (jqctl web passwd makes one), or --trust-header with --trust-from, or listen on "
                "127.0.0.1",
            )
        return everybody

    def _check_proxy(self) -> None:
        if not self.trust_from:
            raise ConfigError("--trust-header believes nobody", hint="say from whom: --trust-from 10.0.0.0/8, or unix")
        if self.listen.startswith("unix:") and UNIX not in self.trust_from:
            raise ConfigError("--trust-header on a socket takes --trust-from unix",
                              hint="whoever may open the socket is believed then: mind its directory")  # fmt: skip

    def dashboard(self) -> Dashboard:
        """Return what is served. Raises: ConfigError."""
        checks_host = self.is_private and not self.listen.startswith("unix:")
        return Dashboard(
            self.redis_url, auth=self.auth(), read_only=self.read_only, redact=self.redact, title=self.title,
            origins=self.origins, hosts=tuple(self.hosts) if checks_host else None, mount=self.mount,
            prefix=self.stripped, trust_prefix=self.trust_prefix,
        )  # fmt: skip


def open_listener(settings: Settings) -> socket.socket:
    """Return the socket that is listened on. Raises: ConfigError."""
    return listen(settings.listen, "--listen")


def serve(dashboard: Dashboard, listener: socket.socket) -> None:
    """Answer until INT or TERM; requests that run then are waited for. Raises: ConfigError without the extra."""
    try:
        import uvicorn

        from jqjobs.web.connections import Connection
    except ImportError:
        raise ConfigError("jqctl web needs uvicorn", hint="pip install 'jqjobs[web]'") from None
    config = uvicorn.Config(
        dashboard.asgi, http=Connection, limit_concurrency=_MOST_CONNECTIONS, log_level="error",
        access_log=False, server_header=False, lifespan="off", ws="none",
        proxy_headers=False, timeout_graceful_shutdown=_GRACE_S,
    )  # fmt: skip
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        dashboard.close()
