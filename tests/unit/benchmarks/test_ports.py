"""Ports of servers: nobody takes one between its choice and the start of its server."""

from __future__ import annotations

import socket
import sys

import pytest

from deployments.ports import BUS, node_port


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a server listen where another socket is bound")
def test_a_port_is_nobody_elses_until_its_server_listens_there() -> None:
    port = node_port()
    for held in (port, port + BUS):
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", held))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", held))
        socket.create_server(("127.0.0.1", held)).close()
