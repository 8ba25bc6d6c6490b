"""Which files a worker reports to its daemon: its app's own, as they are imported, and what a failure points to."""

from __future__ import annotations

import importlib
import socket
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import jqjobs
from jqjobs.link.channel import Channel
from jqjobs.worker.life.loaded_files import LoadedFiles


class Wire:
    """The control socket of a worker; what came through it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.channel, self._daemon = Channel(ours, patient=False), Channel(theirs)

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := self._daemon.receive():
            found += messages
            self.channel.receive()  # offers what there was no room for
        return found

    def paths(self) -> set[str]:
        return {path for message in self.messages() for path in message["paths"]}

    def close(self) -> None:
        self.channel.close()
        self._daemon.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """Write modules that can be imported; they are forgotten when the test ends."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
        return str(path)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_of_a_module_in_a_zip_archive_the_archive_is_reported(
    wire: Wire, write: Callable[[str, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "app.pyz"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("zipped_jobs.py", "x = 1")
    monkeypatch.syspath_prepend(str(archive))
    loaded = LoadedFiles()
    importlib.import_module("zipped_jobs")
    loaded.report(wire.channel)
    assert str(archive) in wire.paths()


def failure(name: str) -> BaseException:
    """Return what importing a module raises."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011  whatever a module may raise
        importlib.import_module(name)
    return caught.value


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, file: object) -> None:
    """Have a module be loaded from a file."""
    module = ModuleType(name)
    module.__file__ = file  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, name, module)


def test_files_are_told_once_and_new_ones_as_they_come(wire: Wire, write: Callable[[str, str], str]) -> None:
    sources = LoadedFiles()
    first, second = write("k_first.py", ""), write("k_package/__init__.py", "")
    importlib.import_module("k_first")
    sources.report(wire.channel)
    told = wire.paths()
    assert first in told
    assert second not in told
    sources.report(wire.channel)
    assert wire.messages() == []
    importlib.import_module("k_package")
    sources.report(wire.channel)
    assert wire.paths() == {second}


def test_with_files_goes_since_when_they_may_have_been_loaded_and_when_they_had_been(
    wire: Wire, write: Callable[[str, str], str]
) -> None:
    sources = LoadedFiles()
    sources.report(wire.channel)
    wire.messages()
    sources.report(wire.channel)
    before_ns = time.time_ns()
    write("k_timed.py", "")
    importlib.import_module("k_timed")
    after_ns = time.time_ns()
    sources.report(wire.channel)
    [message] = wire.messages()
    assert message["since_ns"] <= before_ns <= after_ns <= message["until_ns"]


def test_while_nothing_is_imported_nothing_is_looked_at(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = LoadedFiles()
    sources.report(wire.channel)
    monkeypatch.setattr("jqjobs.worker.life.loaded_files._module_files", None)  # it is asked between all batches
    sources.report(wire.channel)


def test_the_standard_library_and_jqjobs_itself_are_left_out(wire: Wire) -> None:
    importlib.import_module("xml.dom.minidom")
    LoadedFiles(packages=True).report(wire.channel)
    told = wire.paths()
    assert str(Path(jqjobs.__file__)) not in told, "the daemon watches its own copy"
    own = str(Path(jqjobs.__file__).parent)
    assert not [path for path in told if path.startswith(own)]
    stdlib = sysconfig.get_path("stdlib")
    assert not [path for path in told if path.startswith(stdlib) and "site-packages" not in path]


@pytest.mark.parametrize("directory", ["site-packages", "dist-packages"])
@pytest.mark.parametrize("packages", [False, True])
def test_installed_packages_are_told_on_request_only(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, directory: str, packages: bool
) -> None:
    path = f"/opt/venv/lib/python3/{directory}/k_installed.py"
    pretend(monkeypatch, "k_installed", path)
    LoadedFiles(packages=packages).report(wire.channel)
    assert (path in wire.paths()) is packages


@pytest.mark.parametrize("file", [None, "", "relative.py", "<frozen importlib>", 7], ids=str)
def test_what_is_no_path_is_passed_over(wire: Wire, monkeypatch: pytest.MonkeyPatch, file: object) -> None:
    pretend(monkeypatch, "k_odd", file)
    LoadedFiles().report(wire.channel)
    assert file not in wire.paths()


def test_a_name_that_only_begins_like_the_library_is_the_apps_own(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sysconfig.get_path("stdlib") + "-of-ours/k_near.py"
    pretend(monkeypatch, "k_near", path)
    LoadedFiles().report(wire.channel)
    assert path in wire.paths()


def test_thousands_of_files_are_told_in_messages_of_a_bounded_size(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1201):
        pretend(monkeypatch, f"k_many_{number}", f"/srv/shop/many/{number}.py")
    LoadedFiles().report(wire.channel)
    told = [message["paths"] for message in wire.messages()]
    assert max(map(len, told)) <= 500
    assert len({path for paths in told for path in paths if path.startswith("/srv/shop/many/")}) == 1201


def test_a_failure_tells_the_file_that_cannot_be_read_as_python(wire: Wire, write: Callable[[str, str], str]) -> None:
    outer, broken = write("k_outer.py", "import k_broken"), write("k_broken.py", "def broken(:")
    LoadedFiles().report_failure(wire.channel, failure("k_outer"))
    assert {outer, broken} <= wire.paths()


def test_a_failure_tells_every_file_on_the_way_to_it(wire: Wire, write: Callable[[str, str], str]) -> None:
    outer, inner = write("k_outer.py", "import k_inner"), write("k_inner.py", "1 / 0")
    LoadedFiles().report_failure(wire.channel, failure("k_outer"))
    assert {outer, inner} <= wire.paths()


def test_a_failure_tells_where_the_missing_module_would_be(
    wire: Wire, write: Callable[[str, str], str], tmp_path: Path
) -> None:
    outer = write("k_outer.py", "import k_missing")
    LoadedFiles().report_failure(wire.channel, failure("k_outer"))
    told = wire.paths()
    assert {outer, f"{tmp_path}/k_missing.py", f"{tmp_path}/k_missing/__init__.py"} <= told


def test_a_missing_part_of_a_package_is_looked_for_in_the_package_only(
    wire: Wire, write: Callable[[str, str], str], tmp_path: Path
) -> None:
    write("k_package/__init__.py", "")
    write("k_outer.py", "import k_package.part")
    LoadedFiles().report_failure(wire.channel, failure("k_outer"))
    told = wire.paths()
    assert {f"{tmp_path}/k_package/part.py", f"{tmp_path}/k_package/part/__init__.py"} <= told
    assert not [path for path in told if path.endswith("part.py") and not path.startswith(f"{tmp_path}/k_package/")]


def test_a_package_that_is_not_installed_yet_is_waited_for_where_it_will_be(
    wire: Wire, write: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deployed first and installed a minute later: that must not need a touch."""
    monkeypatch.syspath_prepend("/opt/venv/lib/python3/site-packages")
    write("k_outer.py", "import k_not_installed")
    LoadedFiles().report_failure(wire.channel, failure("k_outer"))
    assert "/opt/venv/lib/python3/site-packages/k_not_installed/__init__.py" in wire.paths()


def test_a_failure_without_a_file_is_no_failure_of_the_report(wire: Wire) -> None:
    for error in (SystemExit(3), SyntaxError("no file"), ModuleNotFoundError("no name"), KeyboardInterrupt()):
        LoadedFiles().report_failure(wire.channel, error)
