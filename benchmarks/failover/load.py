"""Producers and a daemon behind sentinels, and what each of them knows: accepted here, started there."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from jqjobs import App, NotReplicated, StoreError

_APP = """
import os, time
from jqjobs import App, current_job

app = App()

@app.job
def note():
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(f"{current_job().id} {time.monotonic()}\\n")
"""
_LEASE = "5s"
_PATIENCE_S = 60.0
_LOOK_S = 0.05


class Load:
    """Two producers, one with threads and one with coroutines, and one daemon with two workers."""

    def __init__(self, url: str, directory: Path, rate: float) -> None:
        """``rate``: calls a second of each producer."""
        self._journal = directory / "journal"
        self._journal.touch()
        (directory / "failover_app.py").write_text(_APP)
        self._pause_s = 1 / rate
        self._url = url
        self._ended = threading.Event()
        #: Job → when it was accepted, seconds of the monotonic clock.
        self._accepted: dict[str, float] = {}
        self.refused = self.unreplicated = 0
        self._read_to, self._started = 0, dict[str, float]()
        with (directory / "jqd.log").open("ab") as output:
            self._daemon = subprocess.Popen(
                [sys.executable, "-m", "jqjobs.cli.jqd", "--app", "failover_app:app", "--processes", "2",
                 "--lease", _LEASE, "--runtime-dir", str(directory / "boards"), "--watch", "off"],
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

    @property
    def accepted(self) -> int:
        """How many calls returned."""
        return len(self._accepted)

    def _produce(self) -> None:
        app = App(redis_url=self._url)
        note = app.job(name="note")(lambda: None)
        while not self._ended.wait(self._pause_s):
            try:
                self._accepted[note.enqueue().id] = time.monotonic()
            except StoreError as error:
                self._count(error)
        app.client.close()

    async def _produce_async(self) -> None:
        app = App(redis_url=self._url)
        note = app.job(name="note")(lambda: None)
        while not self._ended.is_set():
            await asyncio.sleep(self._pause_s)
            try:
                self._accepted[(await note.enqueue_async()).id] = time.monotonic()
            except StoreError as error:
                self._count(error)

    def _count(self, error: StoreError) -> None:
        if isinstance(error, NotReplicated):
            self.unreplicated += 1
        else:
            self.refused += 1

    def wait_for_accepted(self, since_s: float) -> float:
        """Return when a call returned that was accepted after a moment."""
        return self._first(lambda: [at_s for at_s in list(self._accepted.values()) if at_s > since_s], "a call returns")

    def wait_for_run(self, since_s: float) -> float:
        """Return when a job began that was accepted after a moment."""
        return self._first(
            lambda: [at_s for job, at_s in self._runs().items() if self._accepted.get(job, -1.0) > since_s],
            "a job runs",
        )

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
                job, at_s = line.split()
                self._started.setdefault(job, float(at_s))
        return self._started

    def lost(self) -> int:
        """End the producers; return how many accepted jobs were never started when no more are."""
        self._ended.set()
        for producer in self._producers:
            producer.join(_PATIENCE_S)
        left, same_since_s = -1, time.monotonic()
        while left != 0 and time.monotonic() - same_since_s < 15:
            now = len(self._accepted.keys() - self._runs().keys())
            if now != left:
                left, same_since_s = now, time.monotonic()
            time.sleep(_LOOK_S)
        return left

    def stop(self) -> None:
        """End all of it."""
        self._ended.set()
        self._daemon.terminate()
        self._daemon.wait(_PATIENCE_S)
