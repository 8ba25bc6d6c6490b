"""The runtime directory: one place for each user and Redis, and nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jqjobs.daemon.workers.runtime import runtime_directory
from jqjobs.errors import ConfigError
from jqjobs.store.address import Address

HERE = Address(host="127.0.0.1")


def test_the_place_depends_on_redis_and_on_nothing_else(tmp_path: Path) -> None:
    place = runtime_directory(HERE, str(tmp_path))
    assert place == runtime_directory(HERE, str(tmp_path))
    assert place == runtime_directory(Address(host="127.0.0.1", password="other"), str(tmp_path)), "nor on the password"
    assert place != runtime_directory(Address(host="127.0.0.1", db=1), str(tmp_path))
    assert place.stat().st_mode & 0o777 == 0o700


def test_the_order_of_places(tmp_path: Path) -> None:
    given, systemd = tmp_path / "given", tmp_path / "systemd"
    environ = {"RUNTIME_DIRECTORY": f"{systemd}:{tmp_path}/second"}
    assert runtime_directory(HERE, str(given), environ).parent == given
    assert runtime_directory(HERE, "", environ).parent == systemd


def test_by_default_it_is_a_directory_of_the_user_in_memory() -> None:
    place = runtime_directory(Address(host="test.invalid"), "", {})
    assert place.parent.name == f"jqjobs-{os.getuid()}"
    place.rmdir()


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    place = runtime_directory(HERE, str(tmp_path))
    place.chmod(0o722)
    with pytest.raises(ConfigError, match="not ours alone"):
        runtime_directory(HERE, str(tmp_path))


def test_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    place = runtime_directory(HERE, str(tmp_path))
    place.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="not ours alone"):
        runtime_directory(HERE, str(tmp_path))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(runtime_directory(HERE, str(tmp_path)), 12345, 12345)
    with pytest.raises(ConfigError, match="owner 12345"):
        runtime_directory(HERE, str(tmp_path))


def test_a_place_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used") as refused:
        runtime_directory(HERE, str(tmp_path / "file"))
    assert "--runtime-dir" in refused.value.hint


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_place_in_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(ConfigError, match="others can replace it"):
        runtime_directory(HERE, str(tmp_path))


def test_a_place_where_all_may_write_is_refused_unless_only_owners_may_delete(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    assert runtime_directory(HERE, str(tmp_path)).is_dir()
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="others can replace it"):
        runtime_directory(HERE, str(tmp_path))


def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that an image brought along, on a file system that is mounted read-only."""
    place = runtime_directory(HERE, str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != place)
    with pytest.raises(ConfigError, match="cannot be written to") as raised:
        runtime_directory(HERE, str(tmp_path))
    assert "--runtime-dir" in raised.value.in_one_line()
