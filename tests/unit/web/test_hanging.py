"""A Redis that takes connections and says nothing keeps viewers waiting once, and together."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from jqjobs.web import Dashboard, Request, everybody


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Its backlog takes connections that nobody serves."""
    monkeypatch.setenv("JQ_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener


def test_viewers_of_a_redis_that_hangs_wait_together(silent: socket.socket) -> None:
    dashboard = Dashboard(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", auth=everybody)

    def look(path: str) -> int:
        return dashboard.handle(Request("GET", path)).status

    began_s = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(look, ["/", "/running", "/api/v1/status", "/jobs"] * 5)) == {503}
    assert time.monotonic() - began_s < 10  # one after the other: 20
    dashboard.close()
