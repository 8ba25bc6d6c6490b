"""`jqctl scale`: what it answers, what it has run, and that neither Redis nor a command that fails moves the number."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jqjobs.cli.daemon.scaling_loop import ScalingCommand, ScalingLoop
from jqjobs.cli.exit_codes import Exit
from jqjobs.errors import StoreUnavailable
from jqjobs.jobs.scaling import Decision, Hold, Load
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.statistics import add_statistics
from servers import Server
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem
from waiting import eventually

HEROKU = "heroku ps:scale worker={wanted}"
KUBECTL = "kubectl scale deployment/worker --replicas={wanted}"
AWS = "aws autoscaling set-desired-capacity --auto-scaling-group-name workers --desired-capacity {wanted}"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Fakes of three commands, which record what they were told; where a file ``refusal`` is, they fail."""
    directory, record = tmp_path / "bin", tmp_path / "told"
    directory.mkdir()
    for name in ("heroku", "kubectl", "aws"):
        fake = directory / name
        fake.write_text(f'#!/bin/sh\necho "{name} $*" >> {record}\necho scaling\n! test -e {tmp_path}/refusal\n')
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return lambda: record.read_text().splitlines() if record.exists() else []


def fill(system: QueueSystem, jobs: int, each_ms: int = 0, queue: str = "q") -> None:
    """Have a queue with jobs that wait, of which all that ran took so long."""
    system.run(upkeep.add_queues([queue]))
    system.add(*(f"{queue}-{n}" for n in range(jobs)), queue=queue)
    if each_ms:
        system.run(add_statistics(queue, {"n": {"started": 1, "run_ms": each_ms, "run:3": 1}}))


def test_it_answers_what_tools_rely_on(system: QueueSystem, terminal: Terminal) -> None:
    fill(system, 125, 1600)
    system.take("a", 1)
    system.add("soon", due="+30000")
    answer = terminal.json("scale")
    assert answer.pop("oldest_s") in range(5)
    assert answer == {
        "wanted": 7, "busy": 1, "ready": 124, "due_soon": 1, "why": "125 jobs, 1.6 s each, within 30 s",
    }  # fmt: skip
    assert terminal.run("scale", "--target", "10s") == 0
    assert terminal.out.startswith("20 wanted: 125 jobs, 1.6 s each, within 10 s\n  1 busy, 124 ready, the oldest for ")
    assert terminal.run("scale", "--max", "3", "-o", "ids") == 0
    assert terminal.out == "3\n"


def test_policy_bounds_queues_and_concurrency_are_chosen(
    system: QueueSystem, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(system, 30, 10_000)
    fill(system, 5, queue="r")

    def wanted(*words: str) -> int:
        return int(terminal.json("scale", *words)["wanted"])

    assert wanted("--queues", "q") == 10
    assert wanted("--queues", "r,q", "--policy", "linear", "--max", "99") == 35
    assert wanted("--policy", "half") == 17
    assert wanted("--queues", "r", "--min", "2") == 2
    assert wanted("--queues", "q", "--concurrency", "4") == 3
    monkeypatch.setenv("JQ_CONCURRENCY", "2")
    assert wanted("--queues", "q") == 5


def test_an_error_is_no_answer(system: QueueSystem, terminal: Terminal) -> None:
    fill(system, 1)
    assert terminal.error("scale", "--queues", "qq")["code"] == "not_found"
    assert (terminal.code, terminal.out) == (Exit.NOT_FOUND, "")
    assert terminal.run("scale", "--redis", "redis://127.0.0.1:1", "--json") == Exit.UNREACHABLE
    assert terminal.out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--exec", "heroku ps:scale worker=3"], ["--every", "0"], ["--target", "0s"], ["--min", "3", "--max", "2"],
        ["--queues", "no queue"],
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_before_anything_is_asked(terminal: Terminal, words: list[str]) -> None:
    assert terminal.run("scale", "--redis", "redis://127.0.0.1:1", *words) == Exit.USAGE


@pytest.mark.parametrize(
    ("line", "became"),
    [
        (HEROKU, "heroku ps:scale worker=10"),
        (KUBECTL, "kubectl scale deployment/worker --replicas=10"),
        (AWS, "aws autoscaling set-desired-capacity --auto-scaling-group-name workers --desired-capacity 10"),
    ],
)
def test_a_command_is_told_the_number_once(
    system: QueueSystem, terminal: Terminal, told: Callable[[], list[str]], tmp_path: Path, line: str, became: str
) -> None:
    fill(system, 30, 10_000)
    assert terminal.run("scale", "--exec", line) == 0
    assert told() == [became]
    (tmp_path / "refusal").touch()
    assert terminal.run("scale", "--exec", line) == Exit.ERROR
    assert f"jqctl: ? → 10: {became}: failed with 1" in terminal.err


class Looks:
    """Answers one after the other: numbers, or None while Redis is away."""

    def __init__(self, *answers: int | None) -> None:
        self._answers = list(answers)
        self.shown: list[tuple[int, bool]] = []

    def __call__(self) -> tuple[Load, Decision]:
        answer = self._answers.pop(0)
        if answer is None:
            raise StoreUnavailable("Redis cannot be reached")
        return Load(), Decision(answer, "why")

    def show(self, load: Load, found: Decision, *, is_other: bool) -> None:
        self.shown.append((found.wanted, is_other))


def turns(*answers: int | None, hold_s: float = 0) -> Looks:
    """Have a loop turn once for each answer, with a command for heroku."""
    looks = Looks(*answers)
    loop = ScalingLoop(looks, Hold(hold_s), ScalingCommand(HEROKU), looks.show)
    for _ in answers:
        loop.turn()
    return looks


def heroku(*numbers: int) -> list[str]:
    return [f"heroku ps:scale worker={number}" for number in numbers]


def test_in_a_loop_the_command_runs_when_the_number_changes(told: Callable[[], list[str]]) -> None:
    assert turns(2, 2, 7, 7, 3).shown == [(2, True), (2, False), (7, True), (7, False), (3, True)]
    assert told() == heroku(2, 7, 3)


def test_while_redis_is_away_the_last_number_stays_and_the_reason_is_said_once(
    told: Callable[[], list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    assert turns(None, None, 7, None, None, 0, hold_s=60).shown == [(7, True), *[(7, False)] * 3]
    assert told() == heroku(7)
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "cannot" in line] == [
        "jqctl: Redis cannot be reached", "jqctl: Redis cannot be reached; 7 is kept",
    ]  # fmt: skip


def test_a_command_that_fails_is_tried_again_and_said(
    told: Callable[[], list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    looks = Looks(2, 5, 5, 5, None)
    loop = ScalingLoop(looks, Hold(0), ScalingCommand(HEROKU), looks.show)
    loop.turn()
    (tmp_path / "refusal").touch()
    loop.turn()
    loop.turn()
    (tmp_path / "refusal").unlink()
    loop.turn()
    loop.turn()
    assert told() == heroku(2, 5, 5, 5)
    captured = capfd.readouterr()
    assert captured.err.count("jqctl: 2 → 5: heroku ps:scale worker=5: failed with 1") == 2
    assert (captured.out, captured.err.count("scaling")) == ("", 4), "what it writes is no answer of ours"


def test_a_command_that_hangs_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jqjobs.cli.daemon.scaling_loop._PATIENCE_S", 0.2)
    assert not ScalingCommand(f"sleep 300 & echo $! > {tmp_path}/pid; echo {{wanted}}; wait").run(3)
    assert "failed, killed after 0.2 s" in capfd.readouterr().err
    child = int((tmp_path / "pid").read_text())
    eventually(lambda: not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text())


@contextmanager
def scaling(url: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`jqctl scale` as a process that looks often."""
    command = [sys.executable, "-m", "jqjobs.cli.jqctl", "scale", "--redis", url, "--every", "0.1", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_a_process_follows_what_is_there_rides_out_an_outage_and_ends_in_order(
    start_server: Callable[..., Server], told: Callable[[], list[str]]
) -> None:
    server = start_server("redis")
    system = QueueSystem(server.url)
    fill(system, 3, 30_000)
    words: Sequence[str] = ("--exec", KUBECTL, "--hold", "0s", "--json")
    with closing(system.store), scaling(server.url, *words) as process:
        eventually(lambda: len(told()) == 1, 30, "three are told of")
        system.add(*"abcd")
        eventually(lambda: len(told()) == 2, 30, "seven are")
        server.kill()
        assert process.stderr is not None
        for line in process.stderr:
            if "7 is kept" in line:
                break
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told() == [f"kubectl scale deployment/worker --replicas={number}" for number in (3, 7)]
    answers = [json.loads(line) for line in out.splitlines()]
    assert {answer["v"] for answer in answers} == {1}
    assert answers[-1]["wanted"] == 7
