"""What the files looked like, and what of the differences is a change. No time here, no thread."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from jqjobs.daemon.deploys import snapshot as baseline_module
from jqjobs.daemon.deploys.fingerprints import digest
from jqjobs.daemon.deploys.snapshot import Snapshot


@pytest.fixture
def ending() -> threading.Event:
    return threading.Event()


@pytest.fixture
def baseline(ending: threading.Event) -> Snapshot:
    return Snapshot(ending)


@pytest.fixture
def file(tmp_path: Path, baseline: Snapshot) -> Path:
    """A file that the baseline knows, content included."""
    path = tmp_path / "jobs.py"
    path.write_text("x = 1\n")
    baseline.add_files([str(path)])
    assert not baseline.read_some(10)
    return path


def test_a_difference_stays_until_it_is_accepted(baseline: Snapshot, file: Path) -> None:
    assert baseline.differing() == {}
    file.write_text("x = 22\n")
    differing = baseline.differing()
    assert list(differing) == [str(file)]
    assert baseline.differing() == differing
    assert baseline.accept(differing) == (str(file),)
    assert baseline.differing() == {}


def test_equal_content_is_accepted_without_a_word(baseline: Snapshot, file: Path) -> None:
    os.utime(file, ns=(1, 1))
    assert baseline.accept(baseline.differing()) == ()
    assert baseline.differing() == {}


def test_what_was_accepted_is_what_the_next_content_is_compared_with(baseline: Snapshot, file: Path) -> None:
    file.write_text("x = 22\n")
    baseline.accept(baseline.differing())
    os.utime(file, ns=(1, 1))
    assert baseline.accept(baseline.differing()) == ()
    file.write_text("x = 1\n")
    assert baseline.accept(baseline.differing()) == (str(file),), "back to the first content is a change"


def test_while_something_moves_nothing_is_accepted(
    baseline: Snapshot, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("x = 22\n")
    differing = baseline.differing()

    def read_while_it_is_written(path: str) -> bytes:
        content = digest(path)
        file.write_text("x = 333\n")
        return content

    with monkeypatch.context() as patch:
        patch.setattr(baseline_module, "digest", read_while_it_is_written)
        assert baseline.accept(differing) is None
    assert list(baseline.differing()) == [str(file)]
    assert baseline.accept(baseline.differing()) == (str(file),)


def test_a_file_written_before_its_content_was_read_has_changed(baseline: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    path.write_text("x = 1\n")
    baseline.add_files([str(path)])
    path.write_text("x = 22\n")
    baseline.read_some(10)
    assert baseline.accept(baseline.differing()) == (str(path),), "though it is what was read"


def test_adding_a_file_again_does_not_take_it_anew(baseline: Snapshot, file: Path) -> None:
    file.write_text("x = 22\n")
    baseline.add_files([str(file)])
    assert list(baseline.differing()) == [str(file)]


def test_contents_are_read_a_few_at_a_time(baseline: Snapshot, tmp_path: Path) -> None:
    paths = [tmp_path / f"m{n}.py" for n in range(5)]
    for path in paths:
        path.write_text("")
    baseline.add_files(map(str, paths))
    assert [baseline.read_some(2) for _ in range(3)] == [True, True, False]
    for path in paths:
        os.utime(path, ns=(1, 1))
    assert baseline.accept(baseline.differing()) == (), "all were read"


def test_an_absent_file_that_comes_and_goes_is_a_change_each_time(baseline: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "missing.py"
    baseline.add_files([str(path)])
    baseline.read_some(1)
    assert baseline.differing() == {}
    path.touch()
    assert baseline.accept(baseline.differing()) == (str(path),)
    path.unlink()
    assert baseline.accept(baseline.differing()) == (str(path),)


def test_a_link_is_its_target_whatever_lies_there(baseline: Snapshot, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to("one")
    baseline.add_links([str(link)])
    (tmp_path / "one").mkdir()
    assert baseline.differing() == {}
    link.unlink()
    link.symlink_to("one")
    assert baseline.differing() == {}, "the same words again"
    link.unlink()
    link.symlink_to("./one")
    assert baseline.accept(baseline.differing()) == (str(link),)


def test_what_is_forgotten_is_not_looked_at(baseline: Snapshot, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    baseline.add_files([str(other)])
    baseline.forget_all_but({str(file)})
    assert list(baseline.paths()) == [str(file)]
    other.touch()
    assert not baseline.read_some(10)
    assert baseline.differing() == {}


def test_at_the_end_every_walk_stops(
    baseline: Snapshot, file: Path, ending: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(baseline_module, "digest", read.append)
    file.write_text("x = 22\n")
    differing = baseline.differing()
    baseline.add_files([str(tmp_path / "other")])
    ending.set()
    assert baseline.differing() == {}
    assert baseline.accept(differing) is None
    assert not baseline.read_some(10)
    assert read == []
    baseline.add_files([str(tmp_path / "more")])
    assert str(tmp_path / "more") not in baseline.paths()
