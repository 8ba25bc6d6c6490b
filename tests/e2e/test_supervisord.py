"""The whole system as it is deployed: four daemons under a real supervisord that reads deploy/supervisor/jqd.conf."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.chaos.app import QUEUE, build
from e2e.chaos.checker import Checker
from e2e.chaos.producers import Producers
from e2e.chaos.storm import Storm
from e2e.chaos.supervision import PATIENCE_S, Fleet, living, started_ms, supervised, workers_of
from jqjobs import App
from jqjobs.daemon.workers.runtime import runtime_directory
from jqjobs.store.address import parse_url
from servers import Server
from waiting import eventually

#: `make test-long` has 105 of them.
WORKER_KILLS = int(os.environ.get("JQ_TEST_KILLS", "16"))
DAEMON_KILLS = WORKER_KILLS // 8
JOBS = 20 * WORKER_KILLS

#: A dead daemon's jobs run again within this long of a daemon's start (on a machine that is not overloaded).
TAKE_OVER_S = 2.0


@pytest.fixture
def app(durable_redis: Server) -> Iterator[App]:
    """The app as a producer has it."""
    producer = build(durable_redis.url)
    yield producer
    producer.client.close()


@pytest.fixture
def lone_daemon(durable_redis: Server, tmp_path: Path) -> Iterator[Fleet]:
    """One daemon, so that nobody else takes up what it leaves."""
    with supervised(durable_redis, tmp_path, daemons=1) as running:
        yield running


@pytest.fixture
def checker(durable_redis: Server, tmp_path: Path) -> Iterator[Callable[[Fleet], Checker]]:
    made: list[Checker] = []

    def make(fleet: Fleet) -> Checker:
        made.append(Checker(durable_redis, fleet.ledger))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_no_job_is_lost_whatever_is_killed_or_restarted(
    durable_redis: Server, app: App, tmp_path: Path, checker: Callable[[Fleet], Checker]
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    with supervised(durable_redis, tmp_path) as fleet:
        began_s = time.monotonic()
        producers = Producers(durable_redis, app, rng)
        storm = Storm(fleet, producers, rng, JOBS)
        storm.rage(WORKER_KILLS, DAEMON_KILLS)
        check = checker(fleet)
        eventually(lambda: check.all_done(len(producers.ids)), PATIENCE_S, "all jobs done, nothing left")
        took_s = time.monotonic() - began_s
        infos = check.infos(producers.ids)
        check.judge(infos)
        assert _status_of_queue(durable_redis)["kept"] == len(infos) >= JOBS
        fleet.ctl("stop", "jqd:*")
        assert check.leases() == 0
        assert list(runtime_directory(parse_url(durable_redis.url)).glob("*.board")) == []
    crashes = sum(info.crashes for info in infos.values())
    executions = sum(info.executions for info in infos.values())
    effects = sum(fleet.ledger.per_job().values())
    print(
        f"{len(producers.python_ids)} jobs by Python, {len(producers.raw_ids)} by LPUSH; blows {dict(storm.blows)}; "
        f"crashes {crashes}, executions {executions}, effects {effects}, duplicates {effects - len(infos)}, "
        f"{took_s:.1f} s"
    )
    assert crashes >= WORKER_KILLS // 4, "the kills missed the jobs, so this proves little"


def _status_of_queue(server: Server) -> dict[str, int]:
    jqctl = Path(sys.executable).parent / "jqctl"
    done = subprocess.run(
        [jqctl, "--redis", server.url, "status", "--json"], capture_output=True, timeout=PATIENCE_S, check=True
    )
    (queue,) = [queue for queue in json.loads(done.stdout)["queues"] if queue["name"] == QUEUE]
    return dict(queue)


def test_by_supervisorctl_hup_replaces_the_workers_and_stop_lets_the_running_job_finish(
    durable_redis: Server, app: App, tmp_path: Path, checker: Callable[[Fleet], Checker]
) -> None:
    with supervised(durable_redis, tmp_path) as fleet:
        _hup_loses_no_job(fleet, durable_redis, app, checker)
        _stop_loses_no_job(fleet, app)


def _stop_loses_no_job(fleet: Fleet, app: App) -> None:
    job = app.jobs["linger"].enqueue(3)
    eventually(lambda: fleet.ledger.begun(job.id), PATIENCE_S, "the job begins")
    fleet.ctl("stop", "jqd:*")
    assert [effect.what for effect in fleet.ledger.effects() if effect.job_id == job.id] == ["begin", "end"]
    info = job.info()
    assert (info.state, info.executions, info.interrupts) == ("kept", 1, 0)
    assert fleet.log().count("(exit status 0)") == 4
    assert "SIGKILL" not in fleet.log()


def _hup_loses_no_job(fleet: Fleet, durable_redis: Server, app: App, checker: Callable[[Fleet], Checker]) -> None:
    producers = Producers(durable_redis, app, random.Random(1))
    producers.enqueue(100)
    daemons, old = {p.pid for p in fleet.daemons()}, fleet.workers()
    eventually(lambda: fleet.ledger.count() > 10, PATIENCE_S, "jobs run")
    fleet.ctl("signal", "HUP", "jqd:*")

    def all_replaced() -> bool:
        if len(producers.ids) - fleet.ledger.count() < 50 and len(producers.ids) < 1000:
            producers.enqueue(50)
        return not living(old) and len(fleet.workers()) == len(old)

    eventually(all_replaced, PATIENCE_S, "all workers replaced")
    assert {p.pid for p in fleet.daemons()} == daemons
    check = checker(fleet)
    eventually(lambda: check.all_done(len(producers.ids)), PATIENCE_S, "all jobs done")
    infos = check.infos(producers.ids)
    check.judge(infos)
    assert {(info.executions, info.interrupts, info.crashes) for info in infos.values()} == {(1, 0, 0)}


def test_fault_02_a_killed_daemon_takes_its_workers_along_and_its_successor_takes_the_job_up(
    lone_daemon: Fleet, app: App
) -> None:
    job = app.jobs["linger"].enqueue(1.5)
    eventually(lambda: lone_daemon.ledger.begun(job.id), PATIENCE_S, "the job begins")
    (daemon,) = lone_daemon.daemons()
    workers = workers_of(daemon)
    assert lone_daemon.ledger.begun(job.id)[0].pid in {worker.pid for worker in workers}
    daemon.send_signal(signal.SIGKILL)
    eventually(lambda: not living(workers), PATIENCE_S, "the workers are gone")
    (successor,) = eventually(lone_daemon.daemons, PATIENCE_S, "supervisord starts another daemon")
    limit_s = max(TAKE_OVER_S, 4 * _bare_start_s())
    eventually(lambda: len(lone_daemon.ledger.begun(job.id)) == 2, PATIENCE_S, "the job runs again")
    took_s = (lone_daemon.ledger.begun(job.id)[1].at_ms - started_ms(successor)) / 1000
    print(f"taken over {took_s:.2f} s after the start of the new daemon (limit {limit_s:.2f} s)")
    assert took_s <= limit_s
    eventually(lambda: job.state() == "kept", PATIENCE_S, "the job is done")
    info = job.info()
    assert (info.executions, info.crashes, info.interrupts) == (2, 0, 0)  # nobody is charged


def _bare_start_s() -> float:
    """Return how long this machine takes now to load what a worker loads."""
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", "import jqjobs.worker.__main__"], check=True, timeout=PATIENCE_S)
    return time.monotonic() - began_s
