"""Fixtures of the contract suite: a `QueueSystem` on each server of the contract, on the real ones, on the fake."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from cluster_server import ClusterServer
from jqjobs.store.address import parse_url
from jqjobs.store.store import Store
from servers import Server, require_program
from store.queue_system import QueueSystem


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the groups, which one process runs from end to end: else the others have long been done by then."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@cache
def documented_rights() -> tuple[str, ...]:
    """Return name and rights of the user of docs/protocol.md for daemons and workers: each feature works with them."""
    page = Path(__file__).parents[2] / "docs" / "protocol.md"
    granted = re.search(r"ACL SETUSER (jqjobs .*)", page.read_text("utf-8"))
    assert granted
    return tuple(shlex.split(granted[1]))


@contextmanager
def _system_on(server: Server, request: pytest.FixtureRequest) -> Iterator[QueueSystem]:
    """The tests of the scripts have them run by a user with the documented rights; others break its one connection."""
    is_of_scripts = request.path.parent.name == "lua" and server.kind != "fake"
    rights = documented_rights() if is_of_scripts else ()
    system = QueueSystem(server.url, server.kind, rights)
    yield system
    system.close()


@pytest.fixture
def system(server: Server, request: pytest.FixtureRequest) -> Iterator[QueueSystem]:
    """A system on each server of the contract."""
    with _system_on(server, request) as made:
        yield made


@pytest.fixture
def fake_system(fake_server: Server, request: pytest.FixtureRequest) -> Iterator[QueueSystem]:
    """A system on the fake server."""
    with _system_on(fake_server, request) as made:
        yield made


@pytest.fixture
def real_system(real_server: Server, request: pytest.FixtureRequest) -> Iterator[QueueSystem]:
    """A system on Valkey and on Redis."""
    with _system_on(real_server, request) as made:
        yield made


@pytest.fixture
def cluster_system(cluster: ClusterServer) -> Iterator[QueueSystem]:
    """A system on a cluster of each kind."""
    system = QueueSystem(cluster.url, cluster.kind)
    yield system
    system.close()


@pytest.fixture
def live_system(any_server: Server) -> Iterator[QueueSystem]:
    """A system on one quick real server, by that server's own clock."""
    made = QueueSystem(any_server.url)
    made.store._now_ms = None
    yield made
    made.store.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Store]]:
    """Make further stores of a URL (options as for `Store`); they are closed when the test ends."""
    made: list[Store] = []

    def one(url: str, **options: float) -> Store:
        store = Store(parse_url(url), **options)
        made.append(store)
        return store

    yield one
    for store in made:
        store.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority; its key lies beside it."""
    path = tmp_path / "certificate.pem"
    subprocess.run(
        [require_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(tmp_path / "key.pem"), "-out", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    return path
