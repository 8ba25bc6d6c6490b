"""Fixtures of the end-to-end tests: real daemons, real signals, a real server.

    def test_it(site): ...               # on a shared server; empty when the test starts
    def test_it(site_on, start_server):  # on a server of the test's own, to be killed or reconfigured
        site = site_on(start_server("redis", "--appendonly", "yes"))
    def test_it(shared_site):            # with daemons of `module_site`, which serve all tests of a module

At the end of a test its daemons are killed, and their logs must not show a defect of jqjobs itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.daemon import Site
from jqjobs.daemon.workers.runtime import runtime_directory
from jqjobs.store.address import parse_url
from servers import Server, require_program, start


@pytest.fixture
def site_on(tmp_path: Path) -> Iterator[Callable[[Server], Site]]:
    """Make sites on servers of the test's own."""
    made: list[Site] = []

    def make(server: Server) -> Site:
        site = Site(server, tmp_path)
        made.append(site)
        return site

    yield make
    for site in made:
        site.close()
    for site in made:
        assert site.tolerates_defects or not site.defects()


@pytest.fixture
def durable_redis(start_server: Callable[..., Server]) -> Iterator[Server]:
    """A Redis that keeps what it acknowledged, for daemons under supervisord; with their place for boards."""
    require_program("supervisord")
    server = start_server("redis", "--appendonly", "yes")
    yield server
    shutil.rmtree(runtime_directory(parse_url(server.url)), ignore_errors=True)


@pytest.fixture
def site(any_server: Server, site_on: Callable[[Server], Site]) -> Site:
    """A site on the shared server."""
    return site_on(any_server)


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site for daemons of a module that is of one xdist_group: starting one costs more than most tests do in it.

    So none of its tests may end them, or leave jobs, or count what is there in all.
    """
    server = start("valkey")
    made = Site(server, tmp_path_factory.mktemp("site"))
    yield made
    made.close()
    server.stop()
    assert made.tolerates_defects or not made.defects()


@pytest.fixture
def shared_site(module_site: Site) -> Iterator[Site]:
    """The site of the module, its gate shut, nothing in its journal."""
    yield module_site
    for path in (module_site.gate(), module_site.directory / "journal"):
        path.unlink(missing_ok=True)
