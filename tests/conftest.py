"""Fixtures every test may use: Redis servers, one of each kind per test process.

    def test_it(server): ...            # twice: valkey, redis; see CONTRACT_KINDS, and by_turns.py for `make test`
    def test_it(real_server): ...       # valkey and redis: where Lua, memory limits, persistence must be true
    def test_it(any_server): ...        # one quick real server, for tests that only need some Redis
    def test_it(start_server):          # a factory, for tests that kill or configure their server
        server = start_server("redis", "--maxmemory", "20mb")

The database of `server`, `real_server` and `any_server` is empty when the test starts; do not
reconfigure them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from typing import cast

import hypothesis
import pytest

import by_turns
from cluster_server import KINDS as CLUSTER_KINDS
from cluster_server import ClusterServer
from leftovers import Leftovers, described
from log_lines import Lines
from servers import CONTRACT_KINDS, EITHER, REAL_KINDS, Server, must_not_skip, start, start_cluster

# No deadline: how fast an example runs says nothing on a shared machine. `--hypothesis-seed=N` repeats a run.
hypothesis.settings.register_profile("jqjobs", deadline=None, print_blob=True)
hypothesis.settings.load_profile("jqjobs")

#: A skip that names one of these is a failure where JQ_REQUIRE_SERVERS=1.
_REQUIRED = (
    "redis-server", "valkey", "supervisord", "supervisorctl", "promtool",
    "node is not", "php is not", "ruby is not", "go is not", "PostgreSQL", "MariaDB",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where each test is to be on one of two kinds of servers, leave it out on the other. Have groups heeded."""
    if EITHER:
        left_out = set(by_turns.left_out(items))
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        _call_by_group(item)


def _call_by_group(item: pytest.Item) -> None:
    """Call an item what xdist 3.8 has named it for its group: `_nodeid`, which pytest 9.2 does not look at.

    Without that no test is in a group, and nothing says so: browsers, clusters and wheels are made by each process.
    """
    named = getattr(item, "_nodeid", item.nodeid)
    if named != item.nodeid:
        item._id = type(item._id).parse(named)  # type: ignore[attr-defined]


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail a run whose processes or directories outlive it, by the name of the test that started them.

    The first fixture of a test process, so the last one to end; with xdist each process looks for its own.
    """
    leftovers = Leftovers(tmp_path_factory.getbasetemp())
    yield
    left = leftovers.processes(patience_s=5)
    said = [described(process) for process in left]
    for process in left:
        process.kill()
    assert said == [], "left running"
    assert leftovers.directories() == [], "left behind"


class _Servers:
    """The servers this test process shares, started when first asked for."""

    def __init__(self) -> None:
        self._started: dict[str, Server] = {}

    def empty(self, kind: str) -> Server:
        server = self._started.get(kind)
        if server is None and kind.endswith("-cluster"):  # which does what its tests ask of a server
            server = self._started[kind] = cast(Server, start_cluster(kind))
        elif server is None:
            server = self._started[kind] = start(kind)
        elif not server.alive():
            server.restart()
        server.flush()
        return server

    def stop(self) -> None:
        for server in self._started.values():
            server.stop()


@pytest.fixture(scope="session")
def shared_servers() -> Iterator[_Servers]:
    servers = _Servers()
    yield servers
    servers.stop()


@pytest.fixture(params=CONTRACT_KINDS)
def server(request: pytest.FixtureRequest, shared_servers: _Servers) -> Server:
    """An empty server of each kind in turn that the contract names."""
    return shared_servers.empty(request.param)


@pytest.fixture(params=REAL_KINDS)
def real_server(request: pytest.FixtureRequest, shared_servers: _Servers) -> Server:
    """An empty Valkey, then an empty Redis."""
    return shared_servers.empty(request.param)


@pytest.fixture(params=CLUSTER_KINDS)
def cluster(request: pytest.FixtureRequest, shared_servers: _Servers) -> ClusterServer:
    """An empty cluster of Valkey, then of Redis. Its tests are of one xdist_group, so that one process starts them."""
    return cast(ClusterServer, shared_servers.empty(request.param))


@pytest.fixture
def any_server(shared_servers: _Servers) -> Server:
    """One empty real server: the embedded Valkey, which every development environment has."""
    return shared_servers.empty("valkey")


@pytest.fixture
def fake_server(shared_servers: _Servers) -> Server:
    """An empty fake server."""
    return shared_servers.empty("fake")


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Start servers of the test's own (arguments as `servers.start`); they are stopped when the test ends."""
    started: list[Server] = []

    def start_one(kind: str, *options: str, tcp: bool = False) -> Server:
        server = start(kind, *options, tcp=tcp)
        started.append(server)
        return server

    yield start_one
    for server in started:
        server.stop()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """The lines that this process logs; nothing is written."""
    lines = Lines()
    monkeypatch.setattr("jqjobs.base.log.event", lambda name, /, **fields: lines.append({"event": name, **fields}))
    return lines


@pytest.fixture
def own_log() -> Iterator[None]:
    """Whatever a test does to the logger of jqjobs, later ones find it as it was."""
    logger = logging.getLogger("jqjobs")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip for want of a server into a failure where servers are required."""
    report = yield
    if report.skipped and must_not_skip() and any(name in str(report.longrepr) for name in _REQUIRED):
        report.outcome = "failed"
        report.longrepr = f"skipped although JQ_REQUIRE_SERVERS=1: {report.longrepr}"
    return report
