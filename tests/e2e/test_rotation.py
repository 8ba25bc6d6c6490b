"""A password that is changed again and again while everybody works: told by a file, or by the app itself."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.daemon import Daemon, Site
from jqjobs import App, JobHandle
from jqjobs.errors import StoreUnavailable
from jqjobs.jobs.records import State
from servers import Server
from waiting import eventually

ROTATIONS = 8
APP = """
import os, pathlib, time
from jqjobs import App

{credentials}

app = App({argument})

@app.job(keep="1h")
def nap():
    time.sleep(0.002)
    child.enqueue()

@app.job
def child():
    pass
"""
OWN = """
def credentials():
    return os.environ["OTHER_USER"], pathlib.Path(os.environ["OTHER_FILE"]).read_text().strip()
"""


class Secret:
    """The password of a user, and the file that says it."""

    def __init__(self, server: Server, file: Path) -> None:
        self.server, self.file = server, file

    def rotate(self, password: str) -> None:
        """Tell Redis, then us, as whoever rotates does; and end all connections."""
        self.server.call("ACL", "SETUSER", self.file.name, "on", "~*", "&*", "+@all", "resetpass", f">{password}")
        fresh = self.file.with_suffix(".new")
        fresh.write_text(password + "\n")
        fresh.rename(self.file)
        self.server.call("CLIENT", "KILL", "USER", self.file.name)


class Producer:
    """Enqueues for as long as it is told to; knows what it was told of each job."""

    def __init__(self, app: App) -> None:
        self.job = app.job(name="nap", keep="1h")(lambda: None)
        self.app = app
        self.sent: list[JobHandle] = []
        self.errors: list[StoreUnavailable] = []
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._produce), threading.Thread(target=self._produce_async)]
        for thread in self._threads:
            thread.start()

    def _produce(self) -> None:
        while not self._is_over.wait(0.01):
            try:
                self.sent.append(self.job.enqueue())
            except StoreUnavailable as error:
                self.errors.append(error)

    def _produce_async(self) -> None:
        async def produce() -> None:
            while not self._is_over.is_set():
                try:
                    self.sent.append(await self.job.enqueue_async())
                except StoreUnavailable as error:
                    self.errors.append(error)
                await asyncio.sleep(0.01)
            await self.app.client.close_async()

        asyncio.run(produce())

    def end(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(20)


@pytest.mark.parametrize("told_by", ["file", "app"])
def test_a_password_that_is_rotated_under_load_costs_no_job_no_restart_and_no_call_but_those_in_flight(
    start_server: Callable[..., Server], site_on: Callable[[Server], Site], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, told_by: str,
) -> None:  # fmt: skip
    server = start_server("redis")
    site, secret = site_on(server), Secret(server, tmp_path / "ann")
    secret.rotate("first")
    told = {"JQ_REDIS_USERNAME": "ann", "JQ_REDIS_PASSWORD_FILE": str(secret.file)}
    own = {"OTHER_USER": "ann", "OTHER_FILE": str(secret.file)}
    for name, value in (told if told_by == "file" else own).items():
        monkeypatch.setenv(name, value)
    text = APP.format(credentials=OWN, argument="" if told_by == "file" else "credentials=credentials")
    daemon = site.start_daemon("--app", site.write_app("rotated", text), "--processes", "2", **told, **own)
    workers = daemon.workers()
    producer = Producer(_own_app(server, secret.file) if told_by == "app" else App(redis_url=server.url))
    try:
        for number in range(ROTATIONS):
            before = len(producer.sent)
            secret.rotate(f"hunter{number}")
            eventually(lambda seen=before: len(producer.sent) > seen + 4, what="work goes on")  # type: ignore[misc]
    finally:
        producer.end()
    for job in producer.sent:
        site.wait_for(job, State.KEPT)
    producer.app.client.close()
    assert len(producer.errors) <= 2 * ROTATIONS
    assert all(error.maybe_stored for error in producer.errors), producer.errors
    _assert_nobody_noticed(site, daemon, workers)
    assert _jqctl("status", server, told).returncode == 0


def test_a_worker_that_starts_while_a_password_is_being_changed_waits_for_the_new_one(
    start_server: Callable[..., Server], site_on: Callable[[Server], Site], tmp_path: Path
) -> None:
    server = start_server("redis")
    site, secret = site_on(server), Secret(server, tmp_path / "ann")
    secret.rotate("first")
    told = {"JQ_REDIS_USERNAME": "ann", "JQ_REDIS_PASSWORD_FILE": str(secret.file)}
    daemon = site.start_daemon(**told)
    server.call("ACL", "SETUSER", "ann", "resetpass", ">second")
    [worker] = daemon.workers()
    os.kill(worker, signal.SIGKILL)
    refused = eventually(lambda: [line for line in daemon.events("redis.refused") if line.get("worker")])
    secret.rotate("second")
    daemon.wait_for_event("worker.ready", 2)
    assert refused[0]["worker"] == daemon.events("worker.ready")[1]["worker"], "nobody had to start another one"


def _own_app(server: Server, file: Path) -> App:
    return App(redis_url=server.url, credentials=lambda: (file.name, file.read_text().strip()))


def _assert_nobody_noticed(site: Site, daemon: Daemon, workers: list[int]) -> None:
    assert daemon.workers() == workers
    assert daemon.process.poll() is None
    eventually(lambda: site.status().active == 0, what="all is over")
    assert site.status().dead == 0
    for event in ("worker.died", "worker.fenced", "lease.reaped"):
        assert not daemon.events(event), daemon.log_text()
    assert "hunter" not in daemon.log_text()


def _jqctl(command: str, server: Server, told: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JQ_REDIS_URL": server.url, **told}
    return subprocess.run(
        [sys.executable, "-m", "jqjobs.cli.jqctl", command], env=environment, capture_output=True, text=True
    )
