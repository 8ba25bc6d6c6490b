"""The real watchdog on real directories: what rings and what does not; and what happens when it cannot listen."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.deploys import inotify as alarm_module
from jqjobs.daemon.deploys.inotify import Alarm
from waiting import eventually


class NotedAlarm(Alarm):
    """One that notes what it hears, and what of that made it ring."""

    def __init__(self) -> None:
        super().__init__(lambda: self.wakes.append(1), enabled=True)
        self.wakes: list[int] = []
        self.heard: list[str] = []
        self.rung_by: list[str] = []

    def dispatch(self, event: Any) -> None:
        was_ringing = self.is_ringing
        super().dispatch(event)
        self.heard.append(f"{event.event_type} {os.path.basename(event.src_path)}")
        if self.is_ringing and not was_ringing:
            self.rung_by.append(self.heard[-1])


@pytest.fixture
def alarm() -> Iterator[NotedAlarm]:
    made = NotedAlarm()
    yield made
    made.close()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(alarm_module.log, "event", lambda name, **fields: lines.append({"event": name, **fields}))
    return lines


@pytest.fixture
def file(tmp_path: Path, alarm: Alarm) -> Path:
    path = tmp_path / "shop" / "jobs.txt"
    path.parent.mkdir()
    path.write_text("1")
    alarm.cover([str(path)])
    return path


def rings(alarm: Alarm, deed: Callable[[], object]) -> None:
    """Do something; it must ring."""
    alarm.take()
    deed()
    eventually(lambda: alarm.is_ringing, what="the alarm rings")


def is_silent(alarm: NotedAlarm, deed: Callable[[], object], file: Path) -> bool:
    """Do something, then write to a watched file; say whether only that has rung."""
    alarm.rung_by.clear()
    alarm.take()
    deed()
    file.write_text("loud")
    eventually(lambda: alarm.rung_by)
    return alarm.rung_by == [f"modified {file.name}"]


def test_a_write_a_rename_and_a_deletion_ring(alarm: Alarm, file: Path, tmp_path: Path) -> None:
    rings(alarm, lambda: file.write_text("2"))
    rings(alarm, lambda: file.rename(tmp_path / "elsewhere"))
    rings(alarm, lambda: (tmp_path / "elsewhere").rename(file))
    rings(alarm, file.unlink)


def test_a_swapped_link_rings(alarm: Alarm, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("1")
    alarm.cover([str(tmp_path / "current")])
    (tmp_path / "next").symlink_to("2")
    rings(alarm, lambda: (tmp_path / "next").rename(tmp_path / "current"))


def test_a_directory_behind_a_link_is_listened_at(alarm: Alarm, tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    (tmp_path / "current").symlink_to("releases")
    alarm.cover([str(tmp_path / "current" / "jobs.txt")])
    rings(alarm, (tmp_path / "releases" / "jobs.txt").touch)


def test_the_wake_up_comes_once_until_it_is_taken(alarm: NotedAlarm, file: Path) -> None:
    for text in "234":
        heard = len(alarm.heard)
        file.write_text(text)
        eventually(lambda heard=heard: len(alarm.heard) > heard)  # type: ignore[misc]
    assert alarm.wakes == [1]
    assert alarm.take()
    assert not alarm.take()
    rings(alarm, lambda: file.write_text("5"))
    assert alarm.wakes == [1, 1]


@pytest.mark.parametrize("name", ["jobs.cpython-311.pyc", ".jobs.txt.swp", "4913", "jobs.txt~", "app.log"])
def test_other_files_beside_it_are_nothing(alarm: NotedAlarm, file: Path, name: str) -> None:
    assert is_silent(alarm, lambda: file.with_name(name).write_text("noise"), file)


def test_reading_is_nothing(alarm: NotedAlarm, file: Path) -> None:
    assert is_silent(alarm, lambda: [file.read_text() for _ in range(100)], file)


def test_a_new_module_beside_it_rings(alarm: Alarm, file: Path) -> None:
    rings(alarm, file.with_name("new.py").touch)


def test_a_directory_that_was_replaced_rings_and_is_heard_again_once_covered_anew(
    alarm: NotedAlarm, file: Path, tmp_path: Path
) -> None:
    paths = [str(file), str(tmp_path / "beside.txt")]
    alarm.cover(paths)
    rings(alarm, lambda: file.parent.rename(file.parent.with_name("old")))
    file.parent.mkdir()
    alarm.cover(paths, anew=True)
    rings(alarm, file.touch)


def test_a_directory_that_comes_later_is_heard_once_it_is_covered_anew(alarm: Alarm, tmp_path: Path) -> None:
    path = tmp_path / "later" / "jobs.txt"
    alarm.cover([str(path)])
    assert alarm.is_on
    path.parent.mkdir()
    alarm.cover([str(path)], anew=True)
    rings(alarm, path.touch)


def test_too_many_directories_turn_it_off_and_that_is_said_once(
    alarm: Alarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(alarm_module, "_MOST_DIRECTORIES", 3)
    paths = [str(tmp_path / str(n) / "jobs.txt") for n in range(4)]
    for path in paths:
        os.mkdir(os.path.dirname(path))
    (tmp_path / "link").symlink_to("0")
    for path in [*paths[:3], str(tmp_path / "link" / "jobs.txt"), str(tmp_path / "absent" / "jobs.txt")]:
        alarm.cover([path])
    assert alarm.is_on, "the same one by another path, and one that is not there, do not count"
    alarm.cover(paths)
    alarm.cover(paths)
    assert not alarm.is_on
    assert [line["event"] for line in logged] == ["watch.without_inotify"]
    assert logged[0]["reason"] == "more than 3 directories"


def test_a_kernel_that_refuses_turns_it_off_and_nothing_is_left(
    alarm: Alarm, file: Path, monkeypatch: pytest.MonkeyPatch, logged: list[dict[str, Any]]
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("watchdog.observers.api.BaseObserver.schedule", refuse)
    (file.parent / "more").mkdir()
    alarm.cover([str(file.parent / "more" / "jobs.txt")])
    assert not alarm.is_on
    assert "watch limit reached" in logged[0]["reason"]
    assert open_inotifies() == 0


def test_without_watchdog_it_is_off(
    alarm: Alarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[dict[str, Any]]
) -> None:
    monkeypatch.setitem(sys.modules, "watchdog", None)
    alarm.cover([str(tmp_path / "jobs.txt")])
    assert not alarm.is_on
    assert len(logged) == 1


def test_turned_off_it_listens_at_nothing(tmp_path: Path) -> None:
    alarm = Alarm(lambda: None, enabled=False)
    threads = threading.active_count()
    alarm.cover([str(tmp_path / "jobs.txt")])
    assert threading.active_count() == threads
    alarm.close()


def test_closed_it_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    threads = threading.active_count()
    alarm = NotedAlarm()
    alarm.cover([str(tmp_path / "jobs.txt"), str(tmp_path.parent / "jobs.txt")])
    assert threading.active_count() > threads
    alarm.close()
    assert threading.active_count() == threads
    alarm.close()
    assert open_inotifies() == 0


def open_inotifies() -> int:
    """How many inotify instances this process has open; 0 where that cannot be known."""
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/dev/fd")]
    return sum("inotify" in os.readlink(link) for link in links if os.path.islink(link))
