"""The daemon's next image: how it is started, and what it is made of. Its check: see test_source_changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jqjobs.daemon.deploys import new_image
from jqjobs.daemon.deploys.new_image import command_of, own_files
from jqjobs.daemon.deploys.release import Release


def test_the_daemon_is_started_again_as_it_was_and_in_its_directory_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Release(tmp_path, (), tmp_path)
    monkeypatch.setattr(sys, "orig_argv", ["python3", "/srv/bin/jqd", "--app", "a:b", "--directory", "../x"])
    command = command_of(release)
    assert command == [sys.executable, *sys.orig_argv[1:], "--directory", str(tmp_path)], "the last one counts"
    monkeypatch.setattr(sys, "orig_argv", command)
    assert command_of(release) == command, "however often it is replaced"


def test_its_own_files_are_code_and_scripts_and_a_vanishing_package_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {path.name for path in own_files()}
    assert {"new_image.py", "exchange.lua", "settle.lua", "jqd.py"} <= names
    monkeypatch.setattr(new_image, "__file__", str(tmp_path / "gone" / "daemon" / "deploys" / "new_image.py"))
    assert own_files() == []
