"""What workers and the daemon write comes out by lines, until the end of both."""

from __future__ import annotations

import json
import os
import sys

import pytest

from jqjobs.base import log
from jqjobs.daemon.output.relay import Relay
from jqjobs.daemon.output.worker_pipes import WorkerPipes


@pytest.fixture(autouse=True)
def configured(own_log: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", os.fdopen(2, "w", closefd=False))
    log.configure("jqd:1")


def started(pipes: WorkerPipes) -> int:
    """Act as a worker that was started with these pipes: return what it has for stdout."""
    assert pipes.stdout is not None
    pipes.belong_to(7)
    return os.dup(pipes.stdout)


def test_pieces_of_lines_of_two_workers_come_out_as_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with Relay("jqd:1", "text") as relay:
        with relay.pipes() as first, relay.pipes() as second:
            workers = [started(first), started(second)]
        for piece in (b"a" * 5000, b"b" * 5000, b"\n"):
            for worker in workers:
                os.write(worker, piece)
        for worker in workers:
            os.close(worker)
    assert capfd.readouterr().out == ("a" * 5000 + "b" * 5000 + "\n") * 2


def test_the_end_of_a_worker_ends_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    with Relay("jqd:1", "text") as relay:
        with relay.pipes() as pipes:
            worker = started(pipes)
        os.write(worker, b"whole\nhalf")
        os.close(worker)
    assert capfd.readouterr().out == "whole\nhalf\n"


def test_at_the_end_what_was_written_comes_out_though_somebody_still_has_the_pipe(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Relay("jqd:1", "json") as relay:
        with relay.pipes() as pipes:
            worker = started(pipes)
        os.write(worker, b"x" * 60_000)
    os.close(worker)
    assert json.loads(capfd.readouterr().out)["message"] == "x" * 60_000


def test_lines_of_the_daemon_go_the_same_way_and_after_the_end_as_ever(capfd: pytest.CaptureFixture[str]) -> None:
    log.event("daemon.started")
    with Relay("jqd:1", "text"):
        log.event("worker.ready")
    log.event("daemon.ended")
    said = [line.split()[-1] for line in capfd.readouterr().err.splitlines()]
    assert said == ["daemon.started", "worker.ready", "daemon.ended"]


def test_stdout_and_stderr_that_are_one_place_are_one_pipe_so_their_order_is_kept() -> None:
    kept = os.dup(2)
    os.dup2(1, 2)
    try:
        with Relay("jqd:1", "text") as relay, relay.pipes() as pipes:
            assert pipes.stdout == pipes.stderr
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@pytest.mark.parametrize(
    ("place", "is_handed_on"), [("terminal", True), (os.devnull, True), ("/dev/full", False)], ids=str
)
def test_a_terminal_and_dev_null_are_handed_on_as_they_are_and_no_other_device(place: str, is_handed_on: bool) -> None:
    kept = os.dup(1), os.dup(2)
    output = os.openpty()[1] if place == "terminal" else os.open(place, os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        with Relay("jqd:1", "text") as relay, relay.pipes() as pipes:
            found = (pipes.stdout, pipes.stderr, pipes.read_ends)
        assert (found == (None, None, [])) is is_handed_on
    finally:
        for target, descriptor in enumerate(kept, 1):
            os.dup2(descriptor, target)
            os.close(descriptor)
