"""Proof of death: certain, or not given. And what may be killed on the strength of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest

from jqjobs.base import process
from jqjobs.base.clock import monotonic_ms
from jqjobs.base.process import Identity, describe_exit, identity_of, is_proven_dead, kill_orphan_group, processes
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


@dataclass
class Group:
    """A process group: a leader, and a child of it that only waits."""

    leader: subprocess.Popen[str]
    identity: Identity
    child: int

    def lose_leader(self) -> None:
        self.leader.kill()
        self.leader.wait()

    @property
    def is_left(self) -> bool:
        """Whether the child still runs."""
        return any(seen.pid == self.child and seen.state != "Z" for seen in processes())


#: A leader that starts a child, says its pid, and waits.
_LEADER = "import subprocess, sys; print(subprocess.Popen(['sleep', '300']).pid, flush=True); sys.stdin.read()"


def start_group(script: str = _LEADER) -> Group:
    leader = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert leader.stdout is not None
    return Group(leader, identity_of(leader.pid), int(leader.stdout.readline()))


@pytest.fixture
def group() -> Iterator[Group]:
    made = start_group()
    yield made
    with suppress(ProcessLookupError):
        os.killpg(made.identity.pid, signal.SIGKILL)
    made.leader.communicate()


@linux
def test_what_a_dead_process_left_in_its_group_is_killed(group: Group) -> None:
    group.lose_leader()
    assert group.is_left
    assert kill_orphan_group(group.identity, monotonic_ms())
    eventually(lambda: not group.is_left, what="the child is gone")
    assert not kill_orphan_group(group.identity, monotonic_ms()), "there is nothing more to kill"


@linux
def test_the_group_of_a_zombie_is_killed_too_since_its_number_is_still_its_own(group: Group) -> None:
    group.leader.kill()
    eventually(lambda: is_proven_dead(group.identity), what="the leader is a zombie")
    assert kill_orphan_group(group.identity, monotonic_ms())
    eventually(lambda: not group.is_left, what="the child is gone")


@linux
def test_the_group_of_a_living_process_is_left_alone(group: Group) -> None:
    assert not kill_orphan_group(group.identity, monotonic_ms())
    assert group.is_left
    assert group.leader.poll() is None


@linux
@pytest.mark.parametrize(
    "change", [{"host": "another"}, {"boot_id": "another"}, {"boot_id": ""}, {"pid_namespace": "pid:[1]"}], ids=str
)
def test_a_number_that_means_nothing_here_kills_nobody(group: Group, change: dict[str, str]) -> None:
    group.lose_leader()
    assert not kill_orphan_group(replace(group.identity, **change), monotonic_ms())
    assert group.is_left


@linux
def test_a_group_whose_number_went_to_another_process_is_that_ones(group: Group) -> None:
    former = replace(group.identity, started=group.identity.started - 1)
    assert is_proven_dead(former)
    assert not kill_orphan_group(former, monotonic_ms())
    assert group.is_left
    assert group.leader.poll() is None


@linux
def test_a_group_that_began_after_the_death_is_not_what_the_dead_one_left(group: Group) -> None:
    earlier_ms = group.identity.started * 10 - 60_000  # when the first owner of the number was seen last
    group.lose_leader()
    assert not kill_orphan_group(group.identity, earlier_ms)
    assert group.is_left


@linux
def test_nobody_kills_the_group_it_is_in_itself() -> None:
    heir = (
        "import sys; from jqjobs.base.clock import monotonic_ms; from jqjobs.base.process import *;"
        "who = Identity(**eval(sys.stdin.readline())); print(is_proven_dead(who), flush=True);"
        "print(kill_orphan_group(who, monotonic_ms()), flush=True)"
    )
    script = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {heir!r}]).pid, flush=True)"
    group = start_group(script + "; sys.stdin.buffer.raw.read(1)")
    leader = group.leader
    assert leader.stdin is not None
    assert leader.stdout is not None
    leader.kill()
    leader.wait()
    leader.stdin.write(f"{group.identity.as_dict()}\n")
    leader.stdin.flush()
    said = leader.stdout.read().split()
    leader.stdin.close()
    leader.stdout.close()
    assert said == ["True", "False"], "an heir that was killed says nothing more"
