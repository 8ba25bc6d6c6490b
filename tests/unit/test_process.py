"""Proof of death: certain, or not given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from jqjobs import process
from jqjobs.process import Identity, describe_exit, identity_of, is_proven_dead
from waiting import eventually

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.communicate()


def test_a_process_that_runs_is_not_dead(child: subprocess.Popen[bytes]) -> None:
    assert not is_proven_dead(identity_of(os.getpid()))
    assert not is_proven_dead(identity_of(child.pid))


def test_a_process_that_was_waited_for_is_dead(child: subprocess.Popen[bytes]) -> None:
    identity = identity_of(child.pid)
    child.kill()
    child.wait()
    assert is_proven_dead(identity)


@linux
def test_a_zombie_is_dead_although_its_pid_is_still_there(child: subprocess.Popen[bytes]) -> None:
    identity = identity_of(child.pid)
    child.kill()
    eventually(lambda: is_proven_dead(identity), what="the zombie counts as dead")
    assert os.path.exists(f"/proc/{child.pid}")


@linux
def test_a_pid_that_was_given_to_another_process_proves_the_first_one_dead() -> None:
    own = identity_of(os.getpid())
    assert own.started > 0
    assert is_proven_dead(replace(own, started=own.started - 1))


def test_another_boot_of_this_host_ended_all_its_processes() -> None:
    assert is_proven_dead(replace(identity_of(os.getpid()), boot_id="another"))


@pytest.mark.parametrize(
    "change", [{"host": "another"}, {"pid_namespace": "pid:[1]"}, {"host": "another", "boot_id": "another"}], ids=str
)
def test_another_host_or_namespace_proves_nothing(child: subprocess.Popen[bytes], change: dict[str, str]) -> None:
    identity = replace(identity_of(child.pid), **change)
    child.kill()
    child.wait()
    assert not is_proven_dead(identity)


@linux
def test_a_missing_start_time_proves_nothing_while_somebody_has_that_pid() -> None:
    assert not is_proven_dead(replace(identity_of(os.getpid()), started=0))


def test_without_proc_only_the_end_of_the_pid_is_a_proof(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = process._read
    monkeypatch.setattr(process, "_read", lambda path: "" if path.endswith("/stat") else real(path))
    identity = identity_of(child.pid)
    assert identity.started == 0
    assert not is_proven_dead(identity)
    child.kill()
    child.wait()
    assert is_proven_dead(identity)


def test_without_a_boot_id_nothing_is_proven(child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_boot_id", lambda: "")
    identity = identity_of(child.pid)
    child.kill()
    child.wait()
    assert not is_proven_dead(identity)


@linux
def test_a_command_name_with_brackets_and_spaces_does_not_confuse(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = "S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 777 1 1"
    monkeypatch.setattr(process, "_read", lambda path: f"42 (a) b (c d)) {fields}" if path.endswith("stat") else "")
    assert process._start_ticks(42) == 777


def test_an_identity_survives_its_journey_as_plain_values() -> None:
    own = identity_of(os.getpid())
    assert Identity(**own.as_dict()) == own


@pytest.mark.parametrize(
    ("code", "said"),
    [(0, "code 0"), (1, "code 1"), (-9, "SIGKILL, probably out of memory"), (-11, "SIGSEGV"), (-63, "signal 63")],
)
def test_how_a_process_ended_is_said_in_words(code: int, said: str) -> None:
    assert said in describe_exit(code)
