"""What the files looked like, and what of the differences is a change. No time here, no thread."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from jqjobs.daemon.deploys import snapshot as snapshot_module
from jqjobs.daemon.deploys.fingerprints import digest
from jqjobs.daemon.deploys.snapshot import Snapshot


@pytest.fixture
def ending() -> threading.Event:
    return threading.Event()


@pytest.fixture
def snapshot(ending: threading.Event) -> Snapshot:
    return Snapshot(ending)


@pytest.fixture
def file(tmp_path: Path, snapshot: Snapshot) -> Path:
    """A file that the snapshot knows, content included."""
    path = tmp_path / "jobs.py"
    path.write_text("x = 1\n")
    snapshot.add_files([str(path)])
    assert not snapshot.read_some(10)
    return path


def test_a_difference_stays_until_it_is_accepted(snapshot: Snapshot, file: Path) -> None:
    assert snapshot.differing() == {}
    file.write_text("x = 22\n")
    differing = snapshot.differing()
    assert list(differing) == [str(file)]
    assert snapshot.differing() == differing
    assert snapshot.accept(differing) == (str(file),)
    assert snapshot.differing() == {}


def test_equal_content_is_accepted_without_a_word(snapshot: Snapshot, file: Path) -> None:
    os.utime(file, ns=(1, 1))
    assert snapshot.accept(snapshot.differing()) == ()
    assert snapshot.differing() == {}


def test_what_was_accepted_is_what_the_next_content_is_compared_with(snapshot: Snapshot, file: Path) -> None:
    file.write_text("x = 22\n")
    snapshot.accept(snapshot.differing())
    os.utime(file, ns=(1, 1))
    assert snapshot.accept(snapshot.differing()) == ()
    file.write_text("x = 1\n")
    assert snapshot.accept(snapshot.differing()) == (str(file),), "back to the first content is a change"


def test_while_something_moves_nothing_is_accepted(
    snapshot: Snapshot, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("x = 22\n")
    differing = snapshot.differing()

    def read_while_it_is_written(path: str) -> bytes:
        content = digest(path)
        file.write_text("x = 333\n")
        return content

    with monkeypatch.context() as patch:
        patch.setattr(snapshot_module, "digest", read_while_it_is_written)
        assert snapshot.accept(differing) is None
    assert list(snapshot.differing()) == [str(file)]
    assert snapshot.accept(snapshot.differing()) == (str(file),)


def test_a_file_written_before_its_content_was_read_has_changed(snapshot: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    path.write_text("x = 1\n")
    snapshot.add_files([str(path)])
    path.write_text("x = 22\n")
    snapshot.read_some(10)
    assert snapshot.accept(snapshot.differing()) == (str(path),), "though it is what was read"


def test_adding_a_file_again_does_not_take_it_anew(snapshot: Snapshot, file: Path) -> None:
    file.write_text("x = 22\n")
    snapshot.add_files([str(file)])
    assert list(snapshot.differing()) == [str(file)]


def test_contents_are_read_a_few_at_a_time(snapshot: Snapshot, tmp_path: Path) -> None:
    paths = [tmp_path / f"m{n}.py" for n in range(5)]
    for path in paths:
        path.write_text("")
    snapshot.add_files(map(str, paths))
    assert [snapshot.read_some(2) for _ in range(3)] == [True, True, False]
    for path in paths:
        os.utime(path, ns=(1, 1))
    assert snapshot.accept(snapshot.differing()) == (), "all were read"


def test_an_absent_file_that_comes_and_goes_is_a_change_each_time(snapshot: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "missing.py"
    snapshot.add_files([str(path)])
    snapshot.read_some(1)
    assert snapshot.differing() == {}
    path.touch()
    assert snapshot.accept(snapshot.differing()) == (str(path),)
    path.unlink()
    assert snapshot.accept(snapshot.differing()) == (str(path),)


def test_a_link_is_its_target_whatever_lies_there(snapshot: Snapshot, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to("one")
    snapshot.add_links([str(link)])
    (tmp_path / "one").mkdir()
    assert snapshot.differing() == {}
    link.unlink()
    link.symlink_to("one")
    assert snapshot.differing() == {}, "the same words again"
    link.unlink()
    link.symlink_to("./one")
    assert snapshot.accept(snapshot.differing()) == (str(link),)


def test_what_is_forgotten_is_not_looked_at(snapshot: Snapshot, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    snapshot.add_files([str(other)])
    snapshot.forget_all_but({str(file)})
    assert list(snapshot.paths()) == [str(file)]
    other.touch()
    assert not snapshot.read_some(10)
    assert snapshot.differing() == {}


def test_at_the_end_every_walk_stops(
    snapshot: Snapshot, file: Path, ending: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(snapshot_module, "digest", read.append)
    file.write_text("x = 22\n")
    differing = snapshot.differing()
    snapshot.add_files([str(tmp_path / "other")])
    ending.set()
    assert snapshot.differing() == {}
    assert snapshot.accept(differing) is None
    assert not snapshot.read_some(10)
    assert read == []
    snapshot.add_files([str(tmp_path / "more")])
    assert str(tmp_path / "more") not in snapshot.paths()
