"""Looks and contents of files: what differs when, and that nothing that lies on a disk raises or waits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jqjobs.daemon.deploys.fingerprints import Fingerprint, digest, fingerprint, link_target
from waiting import eventually


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.py"
    path.write_text("x = 1\n")
    return path


def test_a_file_that_stays_as_it_is_looks_the_same(file: Path) -> None:
    seen = fingerprint(str(file))
    assert seen is not None
    assert seen == fingerprint(str(file))
    assert seen.size == 6


def test_another_size_time_or_file_looks_different(file: Path) -> None:
    looks = [fingerprint(str(file))]
    file.write_text("x = 10\n")
    looks.append(fingerprint(str(file)))
    os.utime(file, ns=(0, 1_000))  # older: a rollback
    looks.append(fingerprint(str(file)))
    copy = file.with_name("copy")
    copy.write_text("x = 10\n")
    os.utime(copy, ns=(0, 1_000))
    copy.rename(file)
    looks.append(fingerprint(str(file)))
    assert len(set(looks)) == 4


def test_new_content_of_the_same_size_and_time_looks_different(file: Path) -> None:
    before = os.stat(file)
    looks = fingerprint(str(file))
    eventually(lambda: _written_again(file, before) != looks, what="the clock of the file system has moved")


def _written_again(file: Path, before: os.stat_result) -> Fingerprint | None:
    file.write_text("x = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return fingerprint(str(file))


def test_links_are_followed(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.py"
    link.symlink_to(file)
    assert fingerprint(str(link)) == fingerprint(str(file))
    assert digest(str(link)) == digest(str(file))


def test_the_digest_tells_contents_apart_and_nothing_else(file: Path) -> None:
    before = digest(str(file))
    os.utime(file, ns=(0, 1))
    assert digest(str(file)) == before
    file.write_text("x = 2\n")
    assert digest(str(file)) != before
    file.write_text("")
    assert digest(str(file)) not in (b"", before), "an empty file can be read"


def test_what_is_absent_or_out_of_reach_has_no_look_and_no_content(file: Path, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path in (str(tmp_path / "absent"), str(file / "below-a-file"), str(loop / "x"), "nul\0byte", "/" + "x" * 5000):
        assert (fingerprint(path), digest(path)) == (None, b""), path


def test_a_pipe_is_not_waited_for_and_a_directory_has_no_content(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert digest(str(pipe)) == b""
    assert digest(str(tmp_path)) == b""
    assert digest("/dev/zero") == b""


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.touch()
    os.truncate(path, 64 * 1024**3)  # sparse: it takes no place
    assert digest(str(path)) == b""
    assert fingerprint(str(path)) is not None


def test_no_descriptor_is_left_open(file: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        digest(str(file))
        digest(str(file.parent))
    assert len(os.listdir("/dev/fd")) == before


def test_a_link_says_where_it_points_and_other_things_do_not(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to("releases/1")
    assert link_target(str(link)) == "releases/1", "as it was made, though nothing is there"
    assert link_target(str(file)) is None
    assert link_target(str(tmp_path / "absent")) is None
    assert link_target("nul\0byte") is None
