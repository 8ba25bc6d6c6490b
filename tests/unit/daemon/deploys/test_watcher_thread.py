"""The watcher as it runs: in its thread, with the real watchdog; and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.deploys import snapshot as snapshot_module
from jqjobs.daemon.deploys import watcher as watcher_module
from jqjobs.daemon.deploys.fingerprints import fingerprint
from jqjobs.daemon.deploys.watcher import Change, Pace, SourceWatcher
from waiting import eventually

QUICK = Pace(sweep_s=3600, poll_s=0.02, settle_s=0.05, settling_s=0.01)


@pytest.fixture
def changes() -> list[Change]:
    return []


@pytest.fixture
def started(changes: list[Change]) -> Iterator[Callable[[str], SourceWatcher]]:
    """Start a watcher in its thread, by mode."""
    running: list[SourceWatcher] = []

    def start(mode: str) -> SourceWatcher:
        watcher = SourceWatcher(changes.append, mode=mode, pace=QUICK)
        watcher.start()
        running.append(watcher)
        return watcher

    yield start
    for watcher in running:
        watcher.end(10)
        assert not watcher.is_alive()


def is_listening(watcher: SourceWatcher) -> bool:
    """Whether all that was asked for is in the snapshot, and watchdog is at it."""
    watched = len(watcher._snapshot.paths()) == len(watcher._files | watcher._links)
    return watched and not watcher._snapshot._unread and bool(watcher._inotify._directories)


def replace(path: Path, text: str) -> None:
    """As editors save and releases switch: make it beside, rename it over."""
    beside = path.with_name("beside")
    beside.write_text(text)
    beside.rename(path)


def swap(link: Path, target: str) -> None:
    beside = link.with_name("beside")
    beside.symlink_to(target)
    beside.rename(link)


def append(path: Path) -> None:
    """One write: a file that is emptied first may settle empty on a slow machine, and be reported twice."""
    with path.open("a") as stream:
        stream.write("y = 2\n")


DEEDS: dict[str, Callable[[Path], object]] = {
    "edit": append,
    "replace by rename": lambda path: replace(path, "x = 2\n"),
    "delete": lambda path: path.unlink(),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_inotify_wakes_it_long_before_the_next_sweep(
    started: Callable[[str], SourceWatcher], changes: list[Change], tmp_path: Path, deed: str
) -> None:
    path = tmp_path / "jobs.py"
    path.write_text("x = 1\n")
    watcher = started("auto")
    watcher.watch([str(path)])
    eventually(lambda: is_listening(watcher))
    DEEDS[deed](path)
    eventually(lambda: changes == [Change((str(path),))], what="reported")


def test_inotify_sees_a_swapped_link_and_then_the_new_release(
    started: Callable[[str], SourceWatcher], changes: list[Change], tmp_path: Path
) -> None:
    for number in "12":
        (tmp_path / number).mkdir()
        (tmp_path / number / "jobs.py").write_text("x = 1\n")
    (tmp_path / "current").symlink_to("1")
    path = str(tmp_path / "current" / "jobs.py")
    watcher = started("auto")
    watcher.watch_links([str(tmp_path / "current")])
    watcher.watch([path])
    eventually(lambda: is_listening(watcher))
    swap(tmp_path / "current", "2")
    eventually(lambda: changes == [Change((str(tmp_path / "current"),))], what="the swap is reported")
    eventually(lambda: str(tmp_path / "2") in watcher._inotify._directories.values())
    append(tmp_path / "2" / "jobs.py")
    eventually(lambda: changes[1:] == [Change((path,))], what="an edit in the new release is reported")


def test_by_polling_it_is_noticed_too(
    started: Callable[[str], SourceWatcher], changes: list[Change], tmp_path: Path
) -> None:
    path = tmp_path / "jobs.py"
    path.write_text("x = 1\n")
    watcher = started("poll")
    watcher.watch([str(path)])
    eventually(lambda: len(watcher._snapshot.paths()) == 1 and not watcher._snapshot._unread)
    append(path)
    eventually(lambda: changes == [Change((str(path),))], what="reported")


def test_an_error_in_a_turn_is_logged_and_does_not_end_it(
    started: Callable[[str], SourceWatcher], changes: list[Change], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(watcher_module.log, "event", lambda name, **fields: lines.append(name))
    monkeypatch.setattr(watcher_module, "_AFTER_ERROR_S", 0.01)
    path = tmp_path / "jobs.py"
    watcher = started("poll")
    with monkeypatch.context() as patch:
        patch.setattr(watcher._snapshot, "differing", lambda: 1 / 0)
        eventually(lambda: "watch.error" in lines)
    watcher.watch([str(path)])
    eventually(lambda: len(watcher._snapshot.paths()) == 1)
    path.touch()
    eventually(lambda: changes == [Change((str(path),))], what="reported")


def test_a_file_system_that_hangs_holds_up_neither_callers_nor_the_end(
    changes: list[Change], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered = threading.Event(), threading.Event()

    def hang(path: str) -> Any:
        asked.set()
        answered.wait()
        return fingerprint(path)

    monkeypatch.setattr(snapshot_module, "fingerprint", hang)
    watcher = SourceWatcher(changes.append, mode="poll", pace=QUICK)
    watcher.start()
    watcher.watch([str(tmp_path / "jobs.py")])
    asked.wait()
    began_s = time.monotonic()
    for number in range(1000):
        watcher.watch([str(tmp_path / f"m{number}.py")])
    watcher.keep([])
    watcher.end(0.01)
    assert watcher.is_alive()
    assert time.monotonic() - began_s < 5
    answered.set()
    eventually(lambda: not watcher.is_alive())


def test_the_end_comes_in_the_middle_of_reading(
    changes: list[Change], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, ended = threading.Event(), threading.Event()
    read: list[str] = []

    def read_slowly(path: str) -> bytes:
        read.append(path)
        reading.set()
        ended.wait()
        return b"content"

    monkeypatch.setattr(snapshot_module, "digest", read_slowly)
    watcher = SourceWatcher(changes.append, mode="poll", pace=QUICK)
    watcher.start()
    watcher.watch(str(tmp_path / f"m{n}.py") for n in range(1000))
    reading.wait()
    watcher.end(0.01)
    ended.set()
    eventually(lambda: not watcher.is_alive())
    assert len(read) == 1


def test_with_it_end_the_threads_of_watchdog(started: Callable[[str], SourceWatcher], tmp_path: Path) -> None:
    before = threading.active_count()
    watcher = started("auto")
    watcher.watch([str(tmp_path / "jobs.py")])
    eventually(lambda: is_listening(watcher))
    assert threading.active_count() > before + 1
    watcher.end(10)
    assert threading.active_count() == before


def test_the_end_of_one_that_was_never_started_is_nothing(changes: list[Change]) -> None:
    SourceWatcher(changes.append).end()
