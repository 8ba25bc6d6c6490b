"""Where no descriptor is left, nothing is half started: no process that nobody knows, no board of nobody."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from jqjobs.daemon.output.worker_pipes import WorkerPipes
from jqjobs.daemon.workers.outbox_relay import OutboxRelay
from jqjobs.daemon.workers.stop_plans import Restart
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from log_lines import Lines

#: More than a start needs, and than the fewest with which it goes wrong.
MOST, FEW = 30, 6


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Leave this process so many descriptors."""
    lowest, before = os.dup(0), resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def pipes() -> WorkerPipes:
    sink: Any = object()
    return WorkerPipes({1: sink, 2: sink}, lambda pid, descriptor, sink: os.close(descriptor))


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


@pytest.mark.usefixtures("logged")
def test_a_worker_is_there_as_a_whole_or_leaves_nothing(tmp_path: Path) -> None:
    output: Any = SimpleNamespace(pipes=pipes)
    workers, before = WorkerProcesses("host:1:test", tmp_path, lambda *_: "{}", tmp_path, output), children()
    for count in range(MOST):
        with descriptors_left(count):
            worker = workers.start(0)
        if worker is not None:
            break
        assert (list(tmp_path.iterdir()), children()) == ([], before)
    assert worker is not None
    assert count > FEW
    worker.process.kill()
    worker.process.wait()
    worker.channel.close()
    worker.board.remove()


def test_a_relay_is_there_as_a_whole_or_tried_again_later(tmp_path: Path, logged: Lines) -> None:
    nobody: Any = ()
    relay, before = OutboxRelay(nobody, lambda _: "{}", tmp_path, pipes, is_told=True), children()
    relay._is_wanted = True
    for count in range(MOST):
        relay._restart = Restart()
        with descriptors_left(count):
            relay.look()
        if relay.pids:
            break
        assert children() == before
    assert children() == before | relay.pids
    assert logged.names() == ["outbox.not_started"] * count + ["outbox.started"]
    assert count > FEW
    relay.end()
    assert relay._channel is not None
    relay._channel.close()
