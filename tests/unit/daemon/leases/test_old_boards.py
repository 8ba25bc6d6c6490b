"""What is removed from a shared runtime directory: by age, never by the pids of another namespace."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.base.process import Identity, identity_of
from jqjobs.daemon.leases.old_boards import remove_old_boards
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Word
from jqjobs.link.stacks import stacks_path

HERE = identity_of(os.getpid())
CONTAINER = replace(HERE, host="a container", pid_namespace="pid:[1]")
SAME_HOST_NAME = replace(HERE, pid_namespace="pid:[1]")
OTHER_HOST = replace(HERE, host="another host", boot_id="another boot")
DEAD_HERE = replace(HERE, boot_id="an earlier boot")
TWO_DAYS_S = 2 * 86_400


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "0123456789ab"
    place.mkdir()
    return place


def make(folder: Path, daemon: Identity | None, *, silent_s: float, age_s: float = TWO_DAYS_S) -> Path:
    """A board whose daemon wrote to it last so long ago; ``age_s``: what its file says."""
    board = Board.create(folder / f"{len(list(folder.iterdir()))}.board")
    if daemon is not None:
        board.write_header({"daemon": daemon.as_dict(), "worker": daemon.as_dict(), "worker_id": "w", "queues": []})
    board.set_word(Word.LEASE_UNTIL, max(0, monotonic_ms() - round(silent_s * 1000)))
    board.close()
    make_older(board.path, age_s)
    return board.path


def make_older(path: Path, age_s: float) -> None:
    then_s = time.time() - age_s
    os.utime(path, (then_s, then_s))


@pytest.fixture
def up_for_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has run for long."""
    monkeypatch.setattr("jqjobs.daemon.leases.old_boards.monotonic_ms", lambda: monotonic_ms() + TWO_DAYS_S * 1000)


@pytest.mark.usefixtures("up_for_days")
@pytest.mark.parametrize("daemon", [CONTAINER, SAME_HOST_NAME, OTHER_HOST])
def test_a_board_of_another_namespace_or_host_goes_when_it_was_silent_for_a_day(place: Path, daemon: Identity) -> None:
    stacks_path(make(place, daemon, silent_s=0)).touch()
    remove_old_boards(place)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("daemon", [CONTAINER, SAME_HOST_NAME])
def test_one_that_is_written_stays_however_old_its_file_is(place: Path, daemon: Identity) -> None:
    written = make(place, daemon, silent_s=60)
    remove_old_boards(place)
    assert written.exists()


@pytest.mark.usefixtures("up_for_days")
@pytest.mark.parametrize("daemon", [CONTAINER, OTHER_HOST])
def test_a_young_one_stays_also_before_its_daemon_has_written(place: Path, daemon: Identity) -> None:
    young = make(place, daemon, silent_s=0, age_s=60)
    remove_old_boards(place)
    assert young.exists()


@pytest.mark.usefixtures("up_for_days")
@pytest.mark.parametrize("daemon", [HERE, DEAD_HERE, None])
def test_what_can_be_proven_here_is_left_to_the_next_daemon_of_its_redis(place: Path, daemon: Identity | None) -> None:
    ours = make(place, daemon, silent_s=0)
    remove_old_boards(place)
    assert ours.exists()


def test_folders_of_other_addresses_go_when_they_are_empty_and_old(place: Path) -> None:
    names = ("aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc", "not-ours")
    empty, young, used, strange = (place.parent / name for name in names)
    for folder in (empty, young, used, strange):
        folder.mkdir()
    make(used, HERE, silent_s=60)
    for folder in (empty, used, strange, place):
        make_older(folder, TWO_DAYS_S)
    remove_old_boards(place)
    assert sorted(place.parent.iterdir()) == sorted([place, young, used, strange])


def test_a_folder_that_is_gone_is_no_error(place: Path) -> None:
    place.rmdir()
    place.parent.rmdir()
    remove_old_boards(place)
