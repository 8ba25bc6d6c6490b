"""fakeredis over TCP, in a thread: for what must run where there is no real server. Used by `servers.Server`."""

from __future__ import annotations

import threading
from typing import Any

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis.exceptions import RedisError

#: Seconds that its thread may take to end.
_STOP_TIMEOUT_S = 20.0


class FakeServer:
    """A fake server that listens until it is stopped."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._server = _Server(address)
        # A handler thread of a client that never hangs up must not keep pytest alive.
        self._server.daemon_threads = True
        self._server.clients = _Forgetful()
        self._server.RequestHandlerClass = _SurvivingHandler
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-redis", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_STOP_TIMEOUT_S)


class _Server(TcpFakeServer):
    allow_reuse_address = True


class _Forgetful(dict[Any, Any]):
    """Knows no connection again.

    fakeredis finds a connection by the client's port and forgets none; a port that is used again would get the state
    of a dead one, which another thread may just be closing.
    """

    def __contains__(self, key: object) -> bool:
        return False


class _SurvivingHandler(TCPFakeRequestHandler):
    """Answers an error and goes on, as a real server does; the stock one hangs up after it."""

    def setup(self) -> None:
        super().setup()
        read = self.current_client.read_response

        def read_or_error(*args: object, **options: object) -> object:
            try:
                return read(*args, **options)
            except RedisError as error:
                return error

        self.current_client.read_response = read_or_error
