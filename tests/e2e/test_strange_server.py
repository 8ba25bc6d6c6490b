"""A server that speaks as Redis does and is none: the daemon says so in one line, and ends."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator

import hiredis
import pytest

from e2e.daemon import Site
from servers import Server

#: The first lines of INFO, as Dragonfly writes them: it tells a version of Redis too, and with --cluster_mode=emulated
#: that it is a cluster.
_INFO = (
    "# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.38.1\r\nredis_mode:cluster\r\narch_bits:64\r\n"
    "multiplexing_api:iouring\r\n"
)


class _Stranger(socketserver.BaseRequestHandler):
    """Tells what it is, and runs no script that touches keys it was not told of."""

    def handle(self) -> None:
        reader = hiredis.Reader()
        while data := self.request.recv(65536):
            reader.feed(data)
            for command in iter(reader.gets, False):
                self.request.sendall(_answer(command[0].upper()))


def _answer(name: bytes) -> bytes:
    match name:
        case b"INFO":
            return b"$%d\r\n%s\r\n" % (len(_INFO), _INFO.encode())
        case b"PING":
            return b"+PONG\r\n"
        case b"EVAL" | b"EVALSHA":
            return b"-ERR script tried accessing undeclared key\r\n"
        case b"BLPOP" | b"BZPOPMIN":
            return b""  # nothing comes
        case _:
            return b"+OK\r\n"


@pytest.fixture
def dragonfly() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Stranger) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield "redis://{}:{}".format(*server.server_address)
        server.shutdown()


def test_dragonfly_ends_the_boot_with_78_and_one_line(
    start_server: Callable[..., Server], site_on: Callable[[Server], Site], dragonfly: str
) -> None:
    daemon = site_on(start_server("valkey")).start_daemon(wait=False, JQ_REDIS_URL=dragonfly)
    assert daemon.wait() == 78, daemon.log_text()
    [refused] = daemon.events("daemon.refused")
    assert refused["message"] == "this is Dragonfly df-v1.38.1, not Redis: jqjobs needs Redis 7 or Valkey"
    assert daemon.log_text().count("Dragonfly") == 1
