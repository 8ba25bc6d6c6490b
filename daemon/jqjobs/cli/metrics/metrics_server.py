"""Answers ``GET /metrics`` by HTTP, reading from Redis each time; until it is told to end."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from jqjobs.base.exposition import MEDIA_TYPE, exposition
from jqjobs.base.listening import listen, name_of, remove_path
from jqjobs.cli.interrupts import until_told
from jqjobs.cli.output import complain
from jqjobs.cli.session import Session
from jqjobs.errors import JqError
from jqjobs.store.reads.metrics import queue_metrics

#: A client that says nothing for so long is left.
_PATIENCE_S = 10.0


class MetricsServer(ThreadingHTTPServer):
    """Listens from its making on; each request has a thread and a connection to Redis of its own."""

    daemon_threads = True

    def __init__(self, address: str, session: Session) -> None:
        """``address``: as `listen` has it. Raises: ConfigError when nobody can listen there."""
        self._given = listen(address, "--listen")
        self.session = session
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket: socket.socket = self._given
        self.name = name_of(self._given)

    def text(self) -> tuple[int, str]:
        """Return status and body of an answer."""
        try:
            with self.session.store() as store:
                return 200, exposition(queue_metrics(store))
        except JqError as error:
            complain(f"jqctl: {error.in_one_line()}")
            return 503, f"{error.in_one_line()}\n"

    def server_close(self) -> None:
        """Stop listening."""
        remove_path(self.name)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        """Answer."""
        is_known = self.path.partition("?")[0] == "/metrics"
        status, body = self.server.text() if is_known else (404, "there is only /metrics\n")
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", MEDIA_TYPE if status == 200 else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 - a name of http.server

    def address_string(self) -> str:
        """Return nothing: a client of a unix socket has no address."""
        return ""

    def log_message(self, *_: object) -> None:
        """A scrape is no news."""


def serve(address: str, session: Session) -> None:
    """Answer until INT or TERM."""
    with MetricsServer(address, session) as server, until_told():
        complain(f"jqctl: http://{server.name}/metrics")
        server.serve_forever()
