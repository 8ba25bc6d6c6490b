"""One daemon of a host reloads at a time, unless that one is stuck."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jqjobs.daemon.deploys.host_lock import HostLock
from waiting import eventually


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_one_has_it_and_the_next_gets_it_back(tmp_path: Path) -> None:
    one, other = HostLock(tmp_path), HostLock(tmp_path)
    assert one.try_take()
    assert not other.try_take()
    assert one.try_take(), "who has it keeps it"
    one.give_back()
    assert other.try_take()
    assert not one.try_take()
    other.give_back()


def test_giving_back_what_one_does_not_have_takes_it_from_nobody(tmp_path: Path) -> None:
    one, other, third = (HostLock(tmp_path) for _ in range(3))
    assert one.try_take()
    assert not other.try_take()
    other.give_back()
    assert not third.try_take()
    one.give_back()


def test_daemons_of_another_directory_do_not_wait(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = HostLock(tmp_path), HostLock(tmp_path / "other")
    assert one.try_take()
    assert other.try_take()
    one.give_back()
    other.give_back()


def test_the_turn_of_a_holder_that_was_killed_is_free(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time; from jqjobs.daemon.deploys.host_lock import HostLock\n"
        "lock = HostLock(pathlib.Path(sys.argv[1])); print(lock.try_take(), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        lock = HostLock(tmp_path)
        assert not lock.try_take()
        holder.send_signal(signal.SIGKILL)
        eventually(lock.try_take, what="the kernel frees the lock")
    lock.give_back()


def test_who_waited_too_long_goes_ahead_without_it(tmp_path: Path, clock: Clock) -> None:
    stuck, waiting = HostLock(tmp_path), HostLock(tmp_path, patience_s=60, clock=clock)
    assert stuck.try_take()
    answers = []
    for _ in range(7):
        answers.append(waiting.try_take())
        clock.now_s += 10
    assert answers == [False] * 6 + [True]
    waiting.give_back()
    assert not waiting.try_take(), "the next reload waits anew"
    stuck.give_back()


def test_a_queue_that_moves_is_waited_for_however_long_it_is(tmp_path: Path, clock: Clock) -> None:
    waiting = HostLock(tmp_path, patience_s=60, clock=clock)
    for _ in range(5):
        another = HostLock(tmp_path)
        assert another.try_take()
        assert not waiting.try_take()
        clock.now_s += 50
        assert not waiting.try_take()
        another.give_back()
    assert waiting.try_take()
    waiting.give_back()


def test_where_no_lock_is_possible_everybody_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert HostLock(tmp_path / "absent").try_take()
    (tmp_path / "reload.turn").symlink_to(tmp_path / "elsewhere")
    assert HostLock(tmp_path).try_take()
    assert not (tmp_path / "elsewhere").exists(), "a planted link is not followed"
    (tmp_path / "reload.turn").unlink()

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert HostLock(tmp_path).try_take()


def test_nothing_is_left_open_and_nothing_is_inherited(tmp_path: Path) -> None:
    before = set(os.listdir("/dev/fd"))
    one, other = HostLock(tmp_path), HostLock(tmp_path)
    assert one.try_take()
    [descriptor] = [int(name) for name in os.listdir("/dev/fd") if _leads_to(name, tmp_path / "reload.turn")]
    assert not os.get_inheritable(descriptor), "a worker that outlives the reload would keep the lock"
    for _ in range(5):
        assert not other.try_take()
    one.give_back()
    one.give_back()
    assert set(os.listdir("/dev/fd")) == before


def _leads_to(descriptor: str, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(int(descriptor)), path.stat())
    except OSError:  # the listing's own
        return False
