"""Producers and a daemon at a deployment, and what each of them knows: accepted here, started there."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from jqjobs import App, JobHandle, NotReplicated, StoreError
from jqjobs.store import keys
from jqjobs.store.address import parse_url
from jqjobs.store.store import Store

_APP = """
import os, time
from jqjobs import App, current_job

app = App()

@app.job
def note():
    job = current_job()
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(f"{job.queue} {job.id} {time.monotonic()}\\n")
"""
_LEASE = "5s"
_PATIENCE_S = 120.0
#: When nothing has begun for so long, nothing will: well over a lease, and what is looked for after it.
_STILL_S = 30.0
_LOOK_S = 0.05


class Balance(NamedTuple):
    """What became of accepted jobs. ``lost``: no record of a job that never began. ``stuck``: there is one.

    ``disordered``: jobs that began before one which the same producer had enqueued to that queue earlier.
    """

    lost: int
    stuck: int
    disordered: int


class _Stored(NamedTuple):
    """A job that its producer knows to be stored. ``number``: in the order of its producer, which waits for each call.

    ``at_s``: of the monotonic clock. ``is_accepted``: as many replicas as were wanted have it.
    """

    queue: str
    producer: str
    number: int
    at_s: float
    is_accepted: bool


class Load:
    """Two producers, one with threads and one with coroutines, and one daemon."""

    def __init__(
        self, url: str, directory: Path, rate: float, queues: Sequence[str] = ("default",), processes: int = 2
    ) -> None:  # fmt: skip
        """``rate``: calls a second of each producer, to all queues in turn. Order is kept by one process only."""
        self._journal = directory / "journal"
        self._journal.touch()
        (directory / "noting_app.py").write_text(_APP)
        self._pause_s = 1 / rate
        self._url = url
        self._queues = queues
        self._ended = threading.Event()
        self._stored: dict[str, _Stored] = {}
        self.accepted = self.refused = self.unreplicated = 0
        #: Job → when it first began, in the order in which they did.
        self._read_to, self._started = 0, dict[str, float]()
        with (directory / "jqd.log").open("ab") as output:
            self._daemon = subprocess.Popen(
                [sys.executable, "-m", "jqjobs.cli.jqd", "--app", "noting_app:app", "--processes", str(processes),
                 "--queues", ",".join(queues), "--lease", _LEASE, "--runtime-dir", str(directory / "boards"),
                 "--watch", "off"],
                cwd=directory, stdout=output, stderr=output,
                env={**os.environ, "JQ_REDIS_URL": url, "JOURNAL": str(self._journal),
                     "PYTHONPATH": os.pathsep.join(sys.path)},
            )  # fmt: skip
        self._producers = [
            threading.Thread(target=self._produce, daemon=True),
            threading.Thread(target=lambda: asyncio.run(self._produce_async()), daemon=True),
        ]
        for producer in self._producers:
            producer.start()
        self.wait_for_run(0.0)

    def _produce(self) -> None:
        app = App(redis_url=self._url)
        note = app.job(name="note")(lambda: None)
        for queue in self._turns():
            time.sleep(self._pause_s)
            try:
                self._note(note.options(queue=queue).enqueue(), "threads")
            except StoreError as error:
                self._note_failure(error, "threads")
        app.client.close()

    async def _produce_async(self) -> None:
        app = App(redis_url=self._url)
        note = app.job(name="note")(lambda: None)
        for queue in self._turns():
            await asyncio.sleep(self._pause_s)
            try:
                self._note(await note.options(queue=queue).enqueue_async(), "coroutines")
            except StoreError as error:
                self._note_failure(error, "coroutines")

    def _turns(self) -> Iterator[str]:
        while not self._ended.is_set():
            yield from self._queues

    def _note(self, job: JobHandle, producer: str, *, is_accepted: bool = True) -> None:
        self._stored[job.id] = _Stored(job.queue, producer, len(self._stored), time.monotonic(), is_accepted)
        self.accepted += is_accepted

    def _note_failure(self, error: StoreError, producer: str) -> None:
        if not isinstance(error, NotReplicated):
            self.refused += 1
            return
        self.unreplicated += 1
        for job in error.handles:
            self._note(job, producer, is_accepted=False)

    def wait_for_accepted(self, since_s: float, queue: str = "") -> float:
        """Return when a call returned that was accepted after a moment. ``queue``: to this one; "": to any."""
        return self._first(
            lambda: [
                one.at_s for one in list(self._stored.values()) if one.is_accepted and _is_meant(one, since_s, queue)
            ],
            "a call returns",
        )  # fmt: skip

    def wait_for_run(self, since_s: float, queue: str = "") -> float:
        """Return when a job began that was stored after a moment."""
        return self._first(lambda: list(self._begun(since_s, queue)), "a job runs")

    def _begun(self, since_s: float, queue: str) -> Iterator[float]:
        for job, at_s in self._runs().items():
            if (stored := self._stored.get(job)) and _is_meant(stored, since_s, queue):
                yield at_s

    def _first(self, moments: Callable[[], Sequence[float]], what: str) -> float:
        until_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until_s:
            if found := moments():
                return min(found)
            time.sleep(_LOOK_S)
        raise TimeoutError(f"not within {_PATIENCE_S:g} s: {what}")

    def _runs(self) -> dict[str, float]:
        """Return what was started, and when first."""
        with self._journal.open() as journal:
            journal.seek(self._read_to)
            for line in iter(journal.readline, ""):
                if not line.endswith("\n"):
                    break
                self._read_to += len(line)
                _, job, at_s = line.split()
                self._started.setdefault(job, float(at_s))
        return self._started

    def balance(self) -> Balance:
        """End the producers; say what became of all that was accepted, once nothing more happens."""
        self._ended.set()
        for producer in self._producers:
            producer.join(_PATIENCE_S)
        accepted = {job for job, stored in self._stored.items() if stored.is_accepted}
        left, same_since_s = accepted, time.monotonic()
        while left and time.monotonic() - same_since_s < _STILL_S:
            now = accepted - self._runs().keys()
            if len(now) != len(left):
                left, same_since_s = now, time.monotonic()
            time.sleep(_LOOK_S)
        stuck = self._with_a_record(left)
        return Balance(len(left) - stuck, stuck, self._disordered())

    def _with_a_record(self, jobs: set[str]) -> int:
        with closing(Store(parse_url(self._url), patience_s=5.0)) as store:
            at = [store.address.key(keys.job(self._stored[job].queue, job)) for job in jobs]
            return sum(store.wire.call("EXISTS", key) for key in at)

    def _disordered(self) -> int:
        latest: dict[tuple[str, str], int] = defaultdict(lambda: -1)
        disordered = 0
        for stored in filter(None, map(self._stored.get, self._started)):
            line = (stored.queue, stored.producer)
            disordered += stored.is_accepted and stored.number < latest[line]
            latest[line] = max(latest[line], stored.number)
        return disordered

    def stop(self) -> None:
        """End all of it."""
        self._ended.set()
        self._daemon.terminate()
        self._daemon.wait(_PATIENCE_S)


def _is_meant(stored: _Stored, since_s: float, queue: str) -> bool:
    return stored.at_s > since_s and queue in ("", stored.queue)
