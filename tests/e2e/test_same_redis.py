"""An app that enqueues elsewhere than its daemon works: said by name, before anything waits there for ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from deployments.ports import free_port
from e2e.daemon import Site
from jqjobs.jobs.records import State
from servers import Server

APP = """
from jqjobs import App

app = App({options})

@app.job(keep="1h")
def parent():
    return child.enqueue().ref

@app.job(keep="1h")
def child():
    pass
"""


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server("valkey", tcp=True)


@pytest.fixture
def site(site_on: Callable[[Server], Site], server: Server) -> Site:
    return site_on(server)


def check(site: Site, app: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``jqd --check``."""
    return subprocess.run(
        [sys.executable, "-m", "jqjobs.cli.jqd", "--check", "--app", app], cwd=site.directory, timeout=60, check=False,
        env={**site._environment({}), **environment}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("difference", ["database", "server", "prefix"])
def test_an_app_that_enqueues_to_another_redis_is_refused_by_name(
    site: Site, start_server: Callable[..., Server], difference: str
) -> None:
    others = {
        "database": (f"redis_url='{site.server.url}/5'", f"{site.server.url}/5"),
        "prefix": ("prefix='shop'", f"{site.server.url}/0?prefix=shop"),
    }
    if difference == "server":
        other = start_server("valkey", tcp=True)
        others["server"] = (f"redis_url='{other.url}'", other.url)
    options, theirs = others[difference]
    app = site.write_app("elsewhere", APP.format(options=options))
    checked = check(site, app)
    assert checked.returncode == 78
    daemon = site.start_daemon("--app", app, wait=False)
    assert daemon.wait() == 78, daemon.log_text()
    for said in (checked.stderr, daemon.events("daemon.unusable")[0]["error"]):
        assert f"the app enqueues to {theirs}" in said
        assert f"its workers would take from {site.server.url}/0" in said
    assert len(checked.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["another", "a dead one"])
def test_children_go_where_their_worker_works_by_whatever_name_the_app_knows_it(site: Site, name: str) -> None:
    port = site.server.address[1] if name == "another" else free_port()
    app = site.write_app("renamed", APP.format(options=f"redis_url='redis://localhost:{port}'"))
    assert check(site, app).returncode == 0
    daemon = site.start_daemon("--app", app)
    assert len(daemon.events("app.elsewhere")) == (0 if name == "another" else 1)
    parent = site.send("parent")
    queue, _, job_id = site.wait_for(parent, State.KEPT).result.partition("/")
    assert queue == "default"
    child = type(parent)(job_id, queue, True, site.client)
    site.wait_for(child, State.KEPT)


def test_the_same_redis_is_asked_nothing(site: Site) -> None:
    app = site.write_app("same", APP.format(options=f"redis_url='{site.server.url}'"))
    site.server.stop()
    checked = check(site, app)
    assert (checked.returncode, checked.stderr) == (0, "")
