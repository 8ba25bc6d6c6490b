"""Where an embedded server keeps its data and listens, as its URL says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jqjobs.embedded import EmbeddedServer, data_directory, is_embedded, place, socket_url


def test_only_embedded_urls_are_embedded() -> None:
    assert is_embedded("embedded:")
    assert is_embedded("embedded:/data")
    assert not is_embedded("redis://localhost")
    assert EmbeddedServer.ensure("redis://localhost", Path("/")) is None


@pytest.mark.parametrize("marker", ["pyproject.toml", ".git"])
def test_without_a_directory_the_data_lie_in_the_project_root(tmp_path: Path, marker: str) -> None:
    (tmp_path / marker).mkdir()
    below = tmp_path / "src" / "shop"
    below.mkdir(parents=True)
    assert data_directory("embedded:", below) == tmp_path / ".jqjobs"


def test_outside_a_project_the_data_lie_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "project_root", lambda directory: None)
    assert data_directory("embedded:", tmp_path) == tmp_path / ".jqjobs"


def test_a_named_directory_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert data_directory("embedded:data/x", tmp_path) == tmp_path / "data" / "x"
    assert data_directory("embedded:/data/x", tmp_path) == Path("/data/x")
    assert data_directory("embedded:///data/x", tmp_path) == Path("/data/x")
    assert data_directory("embedded:~/x", tmp_path) == Path("/home/somebody/x")


def test_the_socket_url_is_known_without_a_server(tmp_path: Path) -> None:
    assert socket_url("embedded:x", tmp_path) == f"unix://{tmp_path}/x/valkey.sock"
    assert socket_url("embedded:x?prefix=shop", tmp_path) == f"unix://{tmp_path}/x/valkey.sock?prefix=shop"
    assert not (tmp_path / "x").exists()
