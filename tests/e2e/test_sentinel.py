"""A primary that dies under load: the sentinels choose another, everybody goes there, and nothing is lost."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.daemon import Site
from failover.deployment import Deployment
from jqjobs import App
from jqjobs.cli.exit_codes import Exit
from jqjobs.errors import StoreError
from servers import require_program
from store.cli.terminal import Terminal
from waiting import eventually

#: From the moment a sentinel names another primary.
GOES_ON_S = 5.0


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    require_program("redis-server")
    place = tmp_path / "servers"
    place.mkdir()
    made = Deployment(place, down_after_ms=1500)
    for sentinel in made.sentinels:
        made.ask(sentinel, *documented_rights())
    made.options = "?sentinel_username=jqjobs&sentinel_password=secret"
    yield made
    made.stop()


def documented_rights() -> list[str]:
    """Return the command that lets us ask sentinels, and nothing else."""
    page = Path(__file__).parents[2] / "docs" / "protocol.md"
    [command] = re.findall(r"^ACL SETUSER jqjobs .*\+switch-master.*$", page.read_text("utf-8"), re.MULTILINE)
    return str(command).split()


class Producer(threading.Thread):
    """Enqueues one job after the other, and keeps the ids of those that it was told are stored."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.app = App(redis_url=url)
        self.job = self.app.job(name="quick")(lambda: None)
        self.accepted: dict[str, float] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self.accepted[self.job.enqueue().id] = time.monotonic()
            except StoreError:
                continue
            self.ended.wait(0.005)
        self.app.client.close()


def test_a_primary_that_dies_under_load_costs_no_job_and_all_goes_on_within_5_s_of_the_next_one(
    deployment: Deployment,
    site_on: Callable[[Deployment], Site],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JQ_WAIT", "all:500ms")
    site = site_on(deployment)
    site.start_daemon("--processes", "2")
    producer = Producer(deployment.url)
    producer.start()
    eventually(lambda: len(producer.accepted) > 100)

    before = deployment.primary()
    deployment.kill(before)
    chosen_s = deployment.wait_for_primary_but(before)

    def ran_since() -> bool:
        return any(producer.accepted.get(note.id, 0) > chosen_s for note in site.notes("start"))

    eventually(ran_since)
    went_on_s = time.monotonic() - chosen_s
    producer.ended.set()
    producer.join(10)
    eventually(lambda: set(producer.accepted) <= {note.id for note in site.notes("start")})
    assert went_on_s <= GOES_ON_S + 2.0, "with time for a busy machine"
    assert Terminal(deployment.url, capsys).run("daemon", "quiet", "--all") == Exit.OK, "it hears orders there, too"
