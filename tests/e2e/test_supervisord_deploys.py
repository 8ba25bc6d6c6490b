"""Deploys as they are done: files change below a real supervisord with four daemons, and nobody sends a signal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.chaos.supervision import PATIENCE_S, Fleet, supervised
from handles import enqueue
from jqjobs.api.client import Client
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import NewJob, State, new_id
from jqjobs.store.reads.jobs import JobInfo
from jqjobs.store.reads.registry import DaemonInfo, read_registry
from servers import Server
from waiting import eventually

APP = """\
import time
from jqjobs import App
import texts

app = App()

@app.job(keep="1h")
def which() -> str:
    time.sleep(0.02)
    return texts.VERSION
"""


@pytest.fixture
def client(durable_redis: Server) -> Iterator[Client]:
    made = Client(durable_redis.url)
    yield made
    made.close()


def write_release(directory: Path, version: str) -> Path:
    directory.mkdir(parents=True)
    (directory / "shop.py").write_text(APP)
    (directory / "texts.py").write_text(f'VERSION = "{version}"\n')
    return directory


def deployed(release: Path) -> dict[str, str]:
    """What the file says of the shop itself."""
    return {"shop.app:app": "shop:app", 'JQ_DIRECTORY="/srv/shop/current"': f'JQ_DIRECTORY="{release}"'}


class Shop:
    """The deployed app: which versions of it run jobs, and what its daemons say."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.infos: list[JobInfo] = []

    def versions(self, jobs: int = 40) -> set[object]:
        """Return which versions ran a burst of jobs, so many that every worker has some."""
        fields = Options(keep="1h").fields()
        new = [NewJob("which", b'{"args":[]}', new_id(), fields=fields) for _ in range(jobs)]
        handles = enqueue(self._client, new)
        eventually(lambda: all(handle.state() is State.KEPT for handle in handles), PATIENCE_S, "the burst is done")
        infos = [handle.info() for handle in handles]
        self.infos += infos
        return {info.result for info in infos}

    def wait_for_version(self, version: str) -> None:
        """Wait until every worker runs a version."""
        eventually(lambda: self.versions() == {version}, PATIENCE_S, f"all run version {version}")

    def daemons(self) -> tuple[DaemonInfo, ...]:
        with self._client.store() as store:
            return read_registry(store).daemons


def test_edit_broken_edit_and_a_swapped_link_are_deployed_with_no_signal_and_no_lost_job(
    durable_redis: Server, client: Client, tmp_path: Path
) -> None:
    current = tmp_path / "current"
    current.symlink_to(write_release(tmp_path / "releases" / "1", "1"))
    with supervised(durable_redis, tmp_path, changes=deployed(current)) as fleet:
        shop, daemons = Shop(client), pids(fleet)
        shop.wait_for_version("1")

        (current / "texts.py").write_text('VERSION = "2"\n')
        shop.wait_for_version("2")

        (current / "texts.py").write_text('VERSION = "3"\nthis is no Python\n')
        eventually(lambda: all("reload refused" in d.note for d in shop.daemons()), PATIENCE_S, "all refuse it")
        assert {daemon.state for daemon in shop.daemons()} == {"running"}
        assert all("SyntaxError" in daemon.note for daemon in shop.daemons())
        assert shop.versions() == {"2"}

        write_release(tmp_path / "releases" / "4", "4")
        (tmp_path / "next").symlink_to(tmp_path / "releases" / "4")
        (tmp_path / "next").replace(current)
        shop.wait_for_version("4")
        eventually(lambda: not any(daemon.note for daemon in shop.daemons()), PATIENCE_S, "the refusal is forgotten")

        assert pids(fleet) == daemons
        assert {(i.executions, i.failures, i.crashes, i.interrupts) for i in shop.infos} == {(1, 0, 0, 0)}


def test_fault_30_a_stopwaitsecs_below_the_grace_period_is_said_and_costs_no_job(
    durable_redis: Server, client: Client, tmp_path: Path
) -> None:
    with supervised(durable_redis, tmp_path, daemons=1, changes={"stopwaitsecs=45": "stopwaitsecs=2"}) as fleet:
        log = tmp_path / "jqd-00.log"
        complaint = eventually(lambda: re.search(r"daemon\.stop_wait .*", log.read_text()), PATIENCE_S, "it is said")
        assert "kills jqd 2 s after TERM" in complaint[0]
        assert "stopwaitsecs=33" in complaint[0]

        new = NewJob("linger", b'{"args":[12]}', new_id(), fields=Options(keep="1h").fields())
        [job] = enqueue(client, [new], "chaos")
        eventually(lambda: fleet.ledger.begun(job.id), PATIENCE_S, "the job begins")
        fleet.ctl("stop", "jqd:*")
        assert "SIGKILL" in fleet.log()
        fleet.ctl("start", "jqd:*")
        eventually(lambda: job.state() is State.KEPT, PATIENCE_S, "the job is done all the same")
        assert [effect.what for effect in fleet.ledger.effects()] == ["begin", "begin", "end"]
        assert (job.info().executions, job.info().crashes) == (2, 0)


def pids(fleet: Fleet) -> set[int]:
    return {process.pid for process in fleet.daemons()}
