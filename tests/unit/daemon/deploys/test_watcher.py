"""Fault 27: what is noticed, when, and how often it is said. Real files; a clock that stands still unless told."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from watchdog.events import FileCreatedEvent

from jqjobs.daemon.deploys import inotify as inotify_module
from jqjobs.daemon.deploys import snapshot as snapshot_module
from jqjobs.daemon.deploys import watcher as watcher_module
from jqjobs.daemon.deploys.watcher import Change, SourceWatcher


class Moment:
    """A clock for the watcher, and what a sweep costs on it."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.cpu_s = 0.0
        self.sweep_cost_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def cpu(self) -> float:
        self.cpu_s += self.sweep_cost_s  # asked for before a sweep and after it
        return self.cpu_s


class Watched:
    """A watcher without its thread: turned by hand."""

    def __init__(self, mode: str = "poll") -> None:
        self.moment = Moment()
        self.changes: list[Change] = []
        self.watcher = SourceWatcher(self.changes.append, mode=mode, clock=self.moment.clock, cpu=self.moment.cpu)

    def pass_time(self, seconds: float) -> None:
        """Let time pass as the thread would: from turn to turn."""
        until_s = self.moment.now_s + seconds
        while (pause_s := self.watcher.turn()) <= until_s - self.moment.now_s:
            self.moment.now_s += pause_s
        self.moment.now_s = until_s

    def reported(self) -> list[str]:
        """Return the names in what was reported since the last call, in order."""
        names = [os.path.basename(path) for change in self.changes for path in change.paths]
        self.changes.clear()
        return names


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def file(tmp_path: Path, watched: Watched) -> Path:
    path = tmp_path / "jobs.py"
    path.write_text("x = 1\n")
    os.utime(path, ns=(10**18, 10**18))
    watched.watcher.watch([str(path)])
    watched.pass_time(10)
    assert watched.reported() == []
    return path


@pytest.mark.parametrize(("written_s", "reported"), [(-60, []), (+60, ["jobs.py"])], ids=["before", "since"])
def test_what_was_written_while_it_was_being_loaded_is_a_change(
    tmp_path: Path, watched: Watched, written_s: int, reported: list[str]
) -> None:
    path = tmp_path / "jobs.py"
    path.write_text("x = 1\n")
    loaded_since_ns = path.stat().st_ctime_ns - written_s * 10**9
    watched.watcher.watch([str(path)], loaded_since_ns)
    watched.pass_time(30)
    assert watched.reported() == reported
    watched.watcher.watch([str(path)], loaded_since_ns)
    watched.pass_time(30)
    assert watched.reported() == [], "once"


def test_what_was_written_before_our_clock_was_set_back_is_no_change(
    tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each module that a job is the first to import would be reloaded for, until that hour is over."""
    path = tmp_path / "jobs.py"
    path.write_text("x = 1\n")
    now_ns = path.stat().st_ctime_ns - 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)
    watched.watcher.watch([str(path)], now_ns - 10**9)
    watched.pass_time(30)
    assert watched.reported() == []


def replace(path: Path, text: str) -> None:
    """As editors save: write beside, rename over."""
    beside = path.with_name(path.name + "~")
    beside.write_text(text)
    beside.rename(path)


def roll_back(path: Path) -> None:
    """The former release is put back with the times it had."""
    path.write_text("x = 0\n")
    os.utime(path, ns=(10**17, 10**17))


DEEDS: dict[str, Callable[[Path], object]] = {
    "edit": lambda path: path.write_text("x = 22\n"),
    "replace by rename": lambda path: replace(path, "x = 2\n"),
    "roll back to an older file": roll_back,
    "delete": lambda path: path.unlink(),
    "empty": lambda path: path.write_text(""),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_it_is_noticed_and_reported_once(watched: Watched, file: Path, deed: str) -> None:
    DEEDS[deed](file)
    watched.pass_time(10)
    assert watched.reported() == ["jobs.py"]
    watched.pass_time(1000)
    assert watched.reported() == []


def undo(path: Path) -> None:
    """Deleted and put back while nobody looked."""
    path.unlink()
    path.write_text("x = 1\n")


def leave_noise(path: Path) -> None:
    """What interpreters and editors leave beside a source file."""
    (path.parent / "__pycache__").mkdir()
    (path.parent / "__pycache__" / "jobs.cpython-311.pyc").write_bytes(b"0")
    path.with_suffix(".pyc").write_bytes(b"0")
    for name in (".jobs.py.swp", "4913", "jobs.py~", "#jobs.py#"):
        path.with_name(name).write_text("x")
    path.with_name(".#jobs.py").symlink_to("me@here.1:2")


NOTHINGS: dict[str, Callable[[Path], object]] = {
    "touch": lambda path: path.touch(),
    "write the same": lambda path: path.write_text("x = 1\n"),
    "replace by the same": lambda path: replace(path, "x = 1\n"),
    "delete and recreate": undo,
    "noise": leave_noise,
    "chmod": lambda path: path.chmod(0o600),
}


@pytest.mark.parametrize("deed", NOTHINGS)
def test_it_is_no_change(watched: Watched, file: Path, deed: str) -> None:
    NOTHINGS[deed](file)
    watched.pass_time(10)
    assert watched.changes == []
    file.write_text("x = 22\n")
    watched.pass_time(10)
    assert watched.reported() == ["jobs.py"], "and it still looks"


def test_gone_for_a_moment_and_back_with_the_same_content_is_no_change(watched: Watched, file: Path) -> None:
    file.unlink()
    watched.pass_time(3)
    file.write_text("x = 1\n")
    watched.pass_time(10)
    assert watched.reported() == []


def test_gone_for_long_and_back_is_two_changes(watched: Watched, file: Path) -> None:
    for deed in (file.unlink, lambda: file.write_text("x = 1\n")):
        deed()
        watched.pass_time(10)
        assert watched.reported() == ["jobs.py"]


def test_a_missing_file_may_be_watched_and_comes(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "__init__.py"
    watched.watcher.watch([str(path)])
    watched.pass_time(10)
    path.parent.mkdir()
    path.touch()
    watched.pass_time(10)
    assert watched.reported() == ["__init__.py"]


def test_a_change_that_was_undone_before_it_settled_is_none(watched: Watched, file: Path) -> None:
    away = file.with_name("away")
    file.rename(away)
    watched.pass_time(3)
    away.rename(file)
    watched.pass_time(10)
    assert watched.reported() == []


def test_a_deploy_is_reported_when_nothing_has_moved_for_a_while_and_all_at_once(
    watched: Watched, file: Path, tmp_path: Path
) -> None:
    others = [tmp_path / f"m{n}.py" for n in range(20)]
    watched.watcher.watch(map(str, others))
    watched.pass_time(10)
    for number, other in enumerate(others):  # twenty seconds of it
        other.write_text(f"y = {number}\n")
        if number == 3:
            file.write_text("half")
        if number == 17:
            file.write_text("x = 2\n")
        watched.pass_time(1)
        assert watched.changes == [], "half of a deploy"
    watched.pass_time(2.7)
    assert len(watched.changes) == 1
    assert sorted(watched.reported()) == sorted(["jobs.py", *(other.name for other in others)])


def test_a_file_that_is_still_written_keeps_everybody_waiting(watched: Watched, file: Path) -> None:
    with file.open("w") as stream:
        for _ in range(30):
            stream.write("# more\n")
            stream.flush()
            watched.pass_time(1)
    assert watched.reported() == []
    watched.pass_time(3)
    assert watched.reported() == ["jobs.py"]


def test_modules_that_are_new_in_a_deploy_are_waited_for_though_nobody_watches_them(
    watched: Watched, file: Path
) -> None:
    file.write_text("x = 22\n")
    for number in range(10):
        watched.pass_time(1)
        watched.watcher._inotify.dispatch(FileCreatedEvent(str(file.with_name(f"new{number}.py"))))
    assert watched.reported() == []
    watched.pass_time(3)
    assert watched.reported() == ["jobs.py"]


def test_what_stirs_for_ever_beside_a_change_does_not_hold_it_up_for_ever(watched: Watched, file: Path) -> None:
    file.write_text("x = 22\n")
    for _ in range(60):
        watched.pass_time(1)
        watched.watcher._inotify.dispatch(FileCreatedEvent(str(file.with_name("generated.py"))))
    assert watched.reported() == ["jobs.py"]


def test_a_file_that_moves_while_it_is_compared_waits_until_it_rests(
    watched: Watched, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = iter(["x = 333\n", "x = 4444\n"])

    def read_while_it_is_written(path: str) -> bytes:
        file.write_text(next(texts, "x = 4444\n"))
        return b"another"

    file.write_text("x = 22\n")
    with monkeypatch.context() as patch:
        patch.setattr(snapshot_module, "digest", read_while_it_is_written)
        watched.pass_time(7)
        assert next(texts, None) is None, "it was compared, twice"
    assert watched.reported() == []
    watched.pass_time(4)
    assert watched.reported() == ["jobs.py"]


@pytest.fixture
def current(tmp_path: Path, watched: Watched) -> Path:
    """A release link, watched with a module of the release; two releases with equal content."""
    for number in "12":
        (tmp_path / number).mkdir()
        (tmp_path / number / "jobs.py").write_text("x = 1\n")
    link = tmp_path / "current"
    link.symlink_to("1")
    watched.watcher.watch_links([str(link)])
    watched.watcher.watch([str(link / "jobs.py")])
    watched.pass_time(10)
    return link


def swap(link: Path, target: str) -> None:
    beside = link.with_name("next")
    beside.symlink_to(target)
    beside.rename(link)


def test_a_swapped_link_is_a_change_though_all_content_is_equal(watched: Watched, current: Path) -> None:
    swap(current, "2")
    watched.pass_time(10)
    assert watched.reported() == ["current"]
    swap(current, "1")
    watched.pass_time(10)
    assert watched.reported() == ["current"], "a rollback"


def test_a_swapped_link_shows_what_changed_below_it(watched: Watched, current: Path) -> None:
    (current.parent / "2" / "jobs.py").write_text("x = 2\n")
    swap(current, "2")
    watched.pass_time(10)
    assert watched.reported() == ["current", "jobs.py"]


def test_what_comes_into_a_release_is_no_swap_of_the_link(watched: Watched, current: Path) -> None:
    (current / "new.txt").touch()
    watched.pass_time(10)
    assert watched.reported() == []


def test_a_link_made_again_as_it_was_is_no_change(watched: Watched, current: Path) -> None:
    current.unlink()
    watched.pass_time(3)
    current.symlink_to("1")
    watched.pass_time(10)
    assert watched.reported() == []


@contextmanager
def out_of_reach(directory: Path) -> Iterator[None]:
    """Nobody may enter the directory; root, who may everything, becomes somebody else."""
    is_root = os.getuid() == 0
    directory.chmod(0)
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        directory.chmod(0o700)


def test_a_directory_that_cannot_be_entered_is_like_a_deleted_one(watched: Watched) -> None:
    with tempfile.TemporaryDirectory() as name:  # others could not reach a directory of pytest's
        Path(name).chmod(0o755)
        path = Path(name) / "shop" / "jobs.py"
        path.parent.mkdir()
        path.write_text("x = 1\n")
        watched.watcher.watch([str(path)])
        watched.pass_time(10)
        with out_of_reach(path.parent):
            watched.pass_time(10)
            assert watched.reported() == ["jobs.py"]
        watched.pass_time(10)
        assert watched.reported() == ["jobs.py"], "it can be read again"


def test_what_was_watched_before_is_not_taken_anew(watched: Watched, file: Path) -> None:
    file.write_text("x = 22\n")
    for _ in range(20):
        watched.watcher.watch([str(file), str(file)])
        watched.pass_time(1)
    assert watched.reported() == ["jobs.py"]


def test_what_is_watched_already_makes_no_work(
    watched: Watched, file: Path, current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched.watcher._snapshot, "add_files", None)  # whoever calls it fails
    watched.watcher.watch([str(file)])
    watched.watcher.watch_links([str(current)])
    watched.pass_time(5)


def test_what_is_not_kept_is_not_watched_any_more(watched: Watched, file: Path, current: Path) -> None:
    watched.watcher.keep([str(current / "jobs.py"), str(file.with_name("new.py"))])
    watched.pass_time(10)
    file.write_text("x = 22\n")
    file.with_name("new.py").touch()
    swap(current, "2")
    watched.pass_time(10)
    assert watched.reported() == ["current", "new.py"]


def test_there_is_an_end_to_how_much_is_watched(
    watched: Watched, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(watcher_module, "MOST_FILES", 3)
    monkeypatch.setattr(watcher_module.log, "event", lambda name, **fields: lines.append(name))
    watched.watcher.watch_links([str(tmp_path / "link")])
    watched.watcher.watch([str(tmp_path / "a.py")])
    for name in ("b.py", "c.py"):
        watched.watcher.watch([str(tmp_path / name)])
    watched.watcher.watch([str(file)])
    watched.pass_time(10)
    for name in ("a.py", "b.py"):
        (tmp_path / name).touch()
    watched.pass_time(10)
    assert watched.reported() == ["a.py"]
    assert lines == ["watch.full"]


def sweeps(watched: Watched, monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[float]:
    """Return when sweeps happened, in seconds from now, while so much time passes."""
    began_s, moments = watched.moment.now_s, []
    sweep = SourceWatcher._sweep

    def note(watcher: SourceWatcher) -> None:
        moments.append(round(watched.moment.now_s - began_s, 3))
        sweep(watcher)

    with monkeypatch.context() as patch:
        patch.setattr(SourceWatcher, "_sweep", note)
        watched.pass_time(seconds)
    return moments


def test_sweeps_are_seldom_while_nothing_happens_and_dense_while_it_settles(
    watched: Watched, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = sweeps(watched, monkeypatch, 20)
    assert idle == [2.5 * n for n in range(1, 9)]
    file.write_text("x = 22\n")
    assert sweeps(watched, monkeypatch, 6) == [round(2.5 + 0.3 * n, 3) for n in range(8)]
    assert watched.reported() == ["jobs.py"]


def test_sweeps_never_take_more_than_their_share(watched: Watched, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.moment.sweep_cost_s = 0.1
    watched.pass_time(100)
    seen = sweeps(watched, monkeypatch, 200)
    assert len(seen) * 0.1 / 200 <= 0.005
    assert len(seen) >= 9, "but it is made use of"
    file.write_text("x = 22\n")
    first, second, *_ = sweeps(watched, monkeypatch, 30)
    assert second - first == 2, "while it settles a twentieth"
    assert watched.reported() == ["jobs.py"]


def test_one_slow_sweep_does_not_count(watched: Watched, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.moment.sweep_cost_s = 10.0  # a cold disk: by its own measure a rest of half an hour
    assert len(sweeps(watched, monkeypatch, 2.5)) == 1
    watched.moment.sweep_cost_s = 0.0
    assert len(sweeps(watched, monkeypatch, 5)) == 2


def test_two_thousand_files_are_taken_in_small_turns_and_one_is_found_among_them(
    watched: Watched, tmp_path: Path
) -> None:
    paths = []
    for number in range(2000):
        path = tmp_path / f"package{number % 50}" / f"module{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"n = {number}\n")
        paths.append(path)
    watched.watcher.watch(map(str, paths))
    turns = 0
    while watched.watcher.turn() == 0.0:
        turns += 1
    assert turns >= 20, "contents are read bit by bit"
    paths[1234].write_text("n = -1\n")
    for path in paths[::3]:
        os.utime(path, ns=(1, 1))
    watched.pass_time(10)
    assert watched.reported() == ["module1234.py"]


def test_by_polling_watchdog_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchdog", None)
    lines: list[str] = []
    monkeypatch.setattr(inotify_module.log, "event", lambda name, **fields: lines.append(name))
    watched = Watched("poll")
    watched.watcher.watch([str(tmp_path / "jobs.py")])
    watched.pass_time(10)
    assert lines == []


def test_where_inotify_cannot_be_had_sweeps_come_as_by_polling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchdog", None)
    monkeypatch.setattr(inotify_module.log, "event", lambda name, **fields: None)
    watched = Watched("auto")
    watched.watcher.watch([str(tmp_path / "jobs.py")])
    watched.pass_time(10)
    assert len(sweeps(watched, monkeypatch, 10)) == 4
