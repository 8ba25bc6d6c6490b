"""The real watchdog on real directories: what stirs and what does not; and what happens when it cannot listen."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.deploys import inotify as inotify_module
from jqjobs.daemon.deploys.inotify import InotifyWatch
from log_lines import Lines
from waiting import eventually


class NotedInotify(InotifyWatch):
    """One that notes what it hears, and which of that stirred."""

    def __init__(self) -> None:
        super().__init__(lambda: self.wakes.append(1), enabled=True)
        self.wakes: list[int] = []
        self.heard: list[str] = []
        self.stirred_by: list[str] = []

    def dispatch(self, event: Any) -> None:
        had_stirred = self.has_stirred
        super().dispatch(event)
        self.heard.append(f"{event.event_type} {os.path.basename(event.src_path)}")
        if self.has_stirred and not had_stirred:
            self.stirred_by.append(self.heard[-1])


@pytest.fixture
def inotify() -> Iterator[NotedInotify]:
    made = NotedInotify()
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path, inotify: InotifyWatch) -> Path:
    path = tmp_path / "shop" / "jobs.txt"
    path.parent.mkdir()
    path.write_text("1")
    inotify.cover([str(path)])
    return path


def stirs(inotify: InotifyWatch, deed: Callable[[], object]) -> None:
    """Do something; it must be noticed."""
    inotify.take()
    deed()
    eventually(lambda: inotify.has_stirred, what="something stirs")


def is_silent(inotify: NotedInotify, deed: Callable[[], object], file: Path) -> bool:
    """Do something, then write to a watched file; say whether only that has rung."""
    inotify.stirred_by.clear()
    inotify.take()
    deed()
    file.write_text("loud")
    eventually(lambda: inotify.stirred_by)
    return inotify.stirred_by == [f"modified {file.name}"]


def test_a_write_a_rename_and_a_deletion_stir(inotify: InotifyWatch, file: Path, tmp_path: Path) -> None:
    stirs(inotify, lambda: file.write_text("2"))
    stirs(inotify, lambda: file.rename(tmp_path / "elsewhere"))
    stirs(inotify, lambda: (tmp_path / "elsewhere").rename(file))
    stirs(inotify, file.unlink)


def test_a_swapped_link_stirs(inotify: InotifyWatch, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("1")
    inotify.cover([str(tmp_path / "current")])
    (tmp_path / "next").symlink_to("2")
    stirs(inotify, lambda: (tmp_path / "next").rename(tmp_path / "current"))


def test_a_directory_behind_a_link_is_listened_at(inotify: InotifyWatch, tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    (tmp_path / "current").symlink_to("releases")
    inotify.cover([str(tmp_path / "current" / "jobs.txt")])
    stirs(inotify, (tmp_path / "releases" / "jobs.txt").touch)


def test_the_wake_up_comes_once_until_it_is_taken(inotify: NotedInotify, file: Path) -> None:
    for text in "234":
        heard = len(inotify.heard)
        file.write_text(text)
        eventually(lambda heard=heard: len(inotify.heard) > heard)  # type: ignore[misc]
    assert inotify.wakes == [1]
    assert inotify.take()
    assert not inotify.take()
    stirs(inotify, lambda: file.write_text("5"))
    assert inotify.wakes == [1, 1]


@pytest.mark.parametrize("name", ["jobs.cpython-311.pyc", ".jobs.txt.swp", "4913", "jobs.txt~", "app.log"])
def test_other_files_beside_it_are_nothing(inotify: NotedInotify, file: Path, name: str) -> None:
    assert is_silent(inotify, lambda: file.with_name(name).write_text("noise"), file)


def test_reading_is_nothing(inotify: NotedInotify, file: Path) -> None:
    assert is_silent(inotify, lambda: [file.read_text() for _ in range(100)], file)


def test_a_new_module_beside_it_stirs(inotify: InotifyWatch, file: Path) -> None:
    stirs(inotify, file.with_name("new.py").touch)


def test_a_directory_that_was_replaced_stirs_and_is_heard_again_once_covered_anew(
    inotify: NotedInotify, file: Path, tmp_path: Path
) -> None:
    paths = [str(file), str(tmp_path / "beside.txt")]
    inotify.cover(paths)
    stirs(inotify, lambda: file.parent.rename(file.parent.with_name("old")))
    file.parent.mkdir()
    inotify.cover(paths, anew=True)
    stirs(inotify, file.touch)


def test_a_directory_that_comes_later_is_heard_once_it_is_covered_anew(inotify: InotifyWatch, tmp_path: Path) -> None:
    path = tmp_path / "later" / "jobs.txt"
    inotify.cover([str(path)])
    assert inotify.is_on
    path.parent.mkdir()
    inotify.cover([str(path)], anew=True)
    stirs(inotify, path.touch)


def test_too_many_directories_turn_it_off_and_that_is_said_once(
    inotify: InotifyWatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Lines
) -> None:
    monkeypatch.setattr(inotify_module, "_MOST_DIRECTORIES", 3)
    paths = [str(tmp_path / str(n) / "jobs.txt") for n in range(4)]
    for path in paths:
        os.mkdir(os.path.dirname(path))
    (tmp_path / "link").symlink_to("0")
    for path in [*paths[:3], str(tmp_path / "link" / "jobs.txt"), str(tmp_path / "absent" / "jobs.txt")]:
        inotify.cover([path])
    assert inotify.is_on, "the same one by another path, and one that is not there, do not count"
    inotify.cover(paths)
    inotify.cover(paths)
    assert not inotify.is_on
    assert logged.names() == ["watch.without_inotify"]
    assert logged[0]["reason"] == "more than 3 directories"


def test_a_kernel_that_refuses_turns_it_off_and_nothing_is_left(
    inotify: InotifyWatch, file: Path, monkeypatch: pytest.MonkeyPatch, logged: Lines
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("watchdog.observers.api.BaseObserver.schedule", refuse)
    (file.parent / "more").mkdir()
    inotify.cover([str(file.parent / "more" / "jobs.txt")])
    assert not inotify.is_on
    assert "watch limit reached" in logged[0]["reason"]
    assert inotify.failure == logged[0]["reason"]
    assert open_inotifies() == 0


def test_without_watchdog_it_is_off(
    inotify: InotifyWatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Lines
) -> None:
    monkeypatch.setitem(sys.modules, "watchdog", None)
    inotify.cover([str(tmp_path / "jobs.txt")])
    assert not inotify.is_on
    assert len(logged) == 1


def test_turned_off_it_listens_at_nothing(tmp_path: Path) -> None:
    inotify = InotifyWatch(lambda: None, enabled=False)
    threads = threading.active_count()
    inotify.cover([str(tmp_path / "jobs.txt")])
    assert threading.active_count() == threads
    inotify.close()


def test_closed_it_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    threads = threading.active_count()
    inotify = NotedInotify()
    inotify.cover([str(tmp_path / "jobs.txt"), str(tmp_path.parent / "jobs.txt")])
    assert threading.active_count() > threads
    inotify.close()
    assert threading.active_count() == threads
    inotify.close()
    assert open_inotifies() == 0


def open_inotifies() -> int:
    """How many inotify instances this process has open; 0 where that cannot be known."""
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/dev/fd")]
    return sum("inotify" in os.readlink(link) for link in links if os.path.islink(link))
