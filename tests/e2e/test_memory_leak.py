"""A job that leaks 50 MB each run, under a real supervisord with the shipped file, all of it in a cgroup of 400 MB.

The reserve is the default: of so little memory a quarter, 100 MB.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cgroups import Cgroup, limited
from e2e.chaos.supervision import Fleet, supervised
from handles import enqueue
from jqjobs import JobHandle
from jqjobs.api.client import Client
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import NewJob, State, new_id
from servers import Server
from waiting import eventually

pytestmark = pytest.mark.xdist_group("memory")
#: Nearly all of it is the start of workers, and a slow machine may take several times as long as ours.
PATIENCE_S = 600

APP = """\
from e2e.chaos.ledger import record
from jqjobs import App

app = App()
kept = []


def leak():
    record("begin")
    kept.append(bytearray(b"x") * 50_000_000)
    record("end")


app.job(name="leak")(leak)
app.job(name="leak_as_announced", memory="50MB")(leak)
"""


@dataclass
class Shop:
    """What runs in the cgroup, and the producer outside of it."""

    fleet: Fleet
    cgroup: Cgroup
    client: Client

    def finish(self, name: str, count: int) -> list[JobHandle]:
        """Have ``count`` jobs run to their end; say what it took."""
        began_s = time.monotonic()
        fields = Options(keep="1h").fields()
        jobs = enqueue(self.client, [NewJob(name, b"{}", new_id(), fields=fields) for _ in range(count)])
        eventually(lambda: self._have_ended(count), PATIENCE_S, "all jobs ended")
        eventually(lambda: {job.state() for job in jobs} == {State.KEPT}, 60, "all of them are recorded")
        took_s, workers = time.monotonic() - began_s, {effect.pid for effect in self.fleet.ledger.effects()}
        print(f"{count} x {name}: {took_s:.1f} s, {len(workers)} workers, {self.cgroup.oom_kills()} OOM kills")
        return jobs

    def _have_ended(self, count: int) -> bool:
        if self.cgroup.oom_kills():
            pytest.fail(f"somebody was killed\n{self.fleet.logs()}")
        return self.fleet.ledger.count() >= 2 * count

    def judge(self, jobs: list[JobHandle]) -> None:
        """Check that nobody was killed, and that each job ran once and was charged nothing."""
        assert self.cgroup.oom_kills() == 0
        assert set(self.fleet.ledger.per_job().values()) == {1}
        infos = [job.info() for job in jobs]
        charged = Counter((info.executions, info.failures, info.crashes, info.interrupts) for info in infos)
        assert charged == {(1, 0, 0, 0): len(jobs)}


OpenShop = Callable[[int], AbstractContextManager[Shop]]


@pytest.fixture
def open_shop(durable_redis: Server, tmp_path: Path) -> OpenShop:
    """Make a daemon with so many workers, and a Redis outside of the cgroup."""
    (tmp_path / "leaky.py").write_text(APP)

    @contextmanager
    def opened(processes: int) -> Iterator[Shop]:
        changes = {"shop.app:app": "leaky:app"}
        with (
            limited(400_000_000) as cgroup,
            supervised(durable_redis, tmp_path, 1, changes, processes=processes, before=cgroup.entering()) as fleet,
        ):
            assert str(fleet.process.pid) in (cgroup.path / "cgroup.procs").read_text().split()
            client = Client(durable_redis.url)
            yield Shop(fleet, cgroup, client)
            client.close()

    return opened


def test_30_runs_of_a_job_that_leaks_50_mb_finish_under_400_mb_with_no_kill_and_no_job_lost(
    open_shop: OpenShop,
) -> None:
    with open_shop(1) as shop:
        shop.judge(shop.finish("leak", 30))
        assert "worker.died" not in shop.fleet.logs()


def test_two_workers_finish_them_too_when_the_job_says_how_much_it_needs(open_shop: OpenShop) -> None:
    """Without that, each of two may take 50 MB beyond its share of the room at the same time: all of the reserve."""
    with open_shop(2) as shop:
        shop.judge(shop.finish("leak_as_announced", 24))
        assert "worker.died" not in shop.fleet.logs()
