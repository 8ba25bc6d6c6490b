"""`embedded:[DIR][?prefix=…]`: a real Valkey server for development and tests, shipped as a wheel.

Owns where such a server keeps its data, its start, and its end by the process that owns it. Speaks no
Redis beyond PING and SHUTDOWN: clients get a plain `unix://` URL. The daemon calls `EmbeddedServer.ensure` before it
connects; producers and jqctl only call `socket_url`.
"""

from __future__ import annotations

from jqjobs.embedded.place import data_directory, is_embedded, socket_url
from jqjobs.embedded.server import EmbeddedServer, Pause
from jqjobs.embedded.spoken import PingAnswer, ping
from jqjobs.embedded.valkey import server_binary

__all__ = [
    "EmbeddedServer",
    "Pause",
    "PingAnswer",
    "data_directory",
    "is_embedded",
    "ping",
    "server_binary",
    "socket_url",
]
