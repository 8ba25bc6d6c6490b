"""Two apps on one Redis and one host, with equal queues, jobs, ids and schedules: apart by their prefixes."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any

from e2e.daemon import Daemon, Site
from jqjobs import App
from waiting import eventually

#: Both apps have the same names, so each says in a file of its own what it ran.
_APP = """
import os
from jqjobs import App

app = App()

def note(word):
    place = os.open("{world}.ran", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(place, f"{{word}}\\n".encode())
    os.close(place)

@app.job(keep="1h")
def send(word: str) -> str:
    note(word)
    return "{world}"

@app.job(keep="1h")
def send_another(word: str) -> str:
    return send.enqueue(word).ref

@app.periodic(every="1s", missed="all")
def nightly() -> None:
    note("tick")
"""


def _start(site: Site, world: str, *flags: str, **environment: str) -> Daemon:
    """Start a daemon of that world, which has the prefix that a flag or a variable says."""
    app = site.write_app(world, _APP.format(world=world))
    return site.start_daemon("--app", app, "--name", world, *flags, **environment)


def _results(site: Site, world: str, prefix: str) -> list[Any]:
    """Return what jobs of that world returned: 20, and one that a job enqueued."""
    app = App(redis_url=site.server.url, prefix=prefix)

    @app.job(keep="1h")
    def send(word: str) -> str:
        raise NotImplementedError

    @app.job(keep="1h")
    def send_another(word: str) -> str:
        raise NotImplementedError

    with closing(app.client):
        handles = [send.options(id=f"job-{n}").enqueue(f"{world}-{n}") for n in range(20)]
        child = send_another.enqueue(f"{world}-child").result(timeout=60)
        return [handle.result(timeout=60) for handle in (*handles, app.handle(child))]


def _ran(site: Site, world: str) -> list[str]:
    return (site.directory / f"{world}.ran").read_text().splitlines()


def test_two_apps_with_equal_names_never_meet_when_their_prefixes_differ(site: Site) -> None:
    _start(site, "shop", "--prefix", "shop")
    _start(site, "blog", JQ_PREFIX="eu:blog")

    assert _results(site, "shop", "shop") == ["shop"] * 21
    assert _results(site, "blog", "eu:blog") == ["blog"] * 21
    for world, other in (("shop", "blog"), ("blog", "shop")):
        eventually(partial(lambda world: "tick" in _ran(site, world), world), what=f"a tick of {world}")
        assert not [word for word in _ran(site, world) if word.startswith(other)]
    assert {key.decode().partition("{")[0] for key in site.server.call("KEYS", "*")} == {"shop:", "eu:blog:"}

    seen = {prefix: site.jqctl("status", "--prefix", prefix)[1] for prefix in ("shop", "eu:blog", "jq")}
    names = {prefix: [daemon["name"] for daemon in found["daemons"]] for prefix, found in seen.items()}
    assert names == {"shop": ["shop"], "eu:blog": ["blog"], "jq": []}
    _, answer = site.jqctl("daemon", "quiet", "--all", "--prefix", "shop")
    assert [daemon["name"] for daemon in answer["daemons"]] == ["shop"]


def test_two_apps_that_publish_one_schedule_without_prefixes_are_both_told_so(site: Site) -> None:
    shop, blog = _start(site, "shop"), _start(site, "blog")
    for daemon in (shop, blog):
        said = daemon.wait_for_event("schedule.clash")
        assert (said["schedule"], said["apps"]) == ("default/nightly", "blog:app, shop:app")
