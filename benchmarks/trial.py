"""One trial of one subject in one mode: fill the queue while no worker runs, start workers, watch the ledger.

The rate is counted from the moment a fifth of the jobs was done until the last one, so the start of the workers is not
in it, but the tail is. How many jobs a run has follows from a first look: at least two seconds' worth.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import ledger
from envs import Environment
from machine import family_pss_mib
from producer import Producer, producer, tail
from stage import HERE, Stage, background
from subjects import Mode, Subject

_RUN_S = 2.5
#: Nothing ran for so long: it will not.
_STALLED_S = 20.0
_MOST_JOBS = 200_000


class Trial:
    """Runs the modes of one subject."""

    def __init__(self, stage: Stage, subject: Subject, environment: Environment) -> None:
        self._stage, self._subject, self._environment = stage, subject, environment
        self._ledger = stage.place.directory / "ledger"
        self._log = stage.place.directory / f"{subject.name}.log"
        #: Of the last drain: the memory of all processes of the mode, MiB.
        self.pss_mib = 0.0

    def rates(self, mode: Mode, repeats: int) -> list[float]:
        """Return jobs a second of each repeat."""
        found, jobs = self._run(mode, mode.first), mode.first
        if self._stage.quick:
            return [found]
        jobs = int(min(_MOST_JOBS, max(mode.first, found * _RUN_S / 0.8)))
        return [self._run(mode, jobs) for _ in range(repeats)]

    def latencies(self, mode: Mode, count: int, most_s: float) -> list[float]:
        """Return ms from before enqueue to the first line of the job, for an idle worker.

        The first tenth is left out: it holds the start of the worker.
        """
        self._stage.clear()
        ledger.create(self._ledger, count)
        with self._producer(mode) as source, self._workers(mode):
            took = source.idle(count, most_s)
        self._stage.clear()
        return took[len(took) // 10 :]

    def enqueue_rate(self, count: int, *, one_by_one: bool) -> float:
        """Return jobs a second of one producer, no worker running."""
        ledger.create(self._ledger, 1)
        mode = self._subject.one[0]
        with self._producer(mode) as source:
            source.enqueue("noop", 10, one_by_one=one_by_one)
            looked = source.enqueue("noop", 200, one_by_one=one_by_one)
            jobs = count if self._stage.quick else max(count, int(200 / looked))
            seconds = source.enqueue("noop", jobs, one_by_one=one_by_one)
        self._stage.clear()
        return jobs / seconds

    def _run(self, mode: Mode, jobs: int) -> float:
        self._stage.clear()
        cells = ledger.create(self._ledger, jobs)
        with self._producer(mode) as source:
            source.enqueue(mode.job, jobs)
        with self._workers(mode) as processes:
            self._wait(cells, processes)
            self.pss_mib = sum(family_pss_mib(process.pid) for process in processes)
        self._stage.clear()
        return ledger.steady_rate(cells)

    def _wait(self, cells: memoryview, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Wait until every cell is written. Raises: RuntimeError when nothing more happens, or a process has ended."""
        at, changed = 0, time.monotonic()
        while (new := ledger.first_gap(cells, at)) < len(cells):
            if new > at:
                at, changed = new, time.monotonic()
            has_ended = any(process.poll() is not None for process in processes)
            if has_ended or time.monotonic() - changed > _STALLED_S:
                raise RuntimeError(f"{at} of {len(cells)} jobs ran, then nothing: {tail(self._log)}")
            time.sleep(0.05)

    def _variables(self, mode: Mode) -> dict[str, str]:
        path = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        own = {**self._environment.variables, **mode.environment}
        return {**own, ledger.VARIABLE: str(self._ledger), "PYTHONPATH": os.pathsep.join(path)}

    @contextmanager
    def _producer(self, mode: Mode) -> Iterator[Producer]:
        command = self._subject.producer.format(name=self._subject.name)
        with producer(command, self._environment, self._variables(mode), self._log) as source:
            yield source

    @contextmanager
    def _workers(self, mode: Mode) -> Iterator[list[subprocess.Popen[bytes]]]:
        command = self._command(mode.command)
        variables = self._variables(mode)
        with ExitStack() as stack:
            yield [stack.enter_context(background(command, self._log, variables)) for _ in range(mode.copies)]

    def _command(self, words: str) -> Sequence[str]:
        program, *rest = words.format(url=self._stage.place.url, bin=self._environment.bin).split()
        return [self._environment.program(program), *rest]
