"""Where a daemon runs, unresolved: the ways to find it, its links, and paths through it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jqjobs.daemon.deploys.release import Release, find_release, resolve, unresolved


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """/srv/shop with two releases; current leads to the first."""
    root = Path(os.path.realpath(tmp_path)) / "srv" / "shop"
    for number in "12":
        (root / "releases" / number / "backend").mkdir(parents=True)
        (root / "releases" / number / ".venv" / "bin").mkdir(parents=True)
    (root / "current").symlink_to("releases/1")
    return root


def links_in(shop: Path, release: Release) -> list[str]:
    """The links below the shop; others belong to the machine."""
    return [str(link.relative_to(shop)) for link in release.links if link.is_relative_to(shop)]


def swap(shop: Path, target: str) -> None:
    (shop / "next").symlink_to(target)
    (shop / "next").rename(shop / "current")


def test_what_was_chosen_counts_first(shop: Path) -> None:
    cwd = str(shop / "releases/1")
    environ = {"PWD": cwd}
    found = find_release(str(shop / "current"), environ, "/usr/bin/jqd", "/")
    assert found.directory == shop / "current"
    assert links_in(shop, found) == ["current"]
    assert found.real == shop / "releases/1"
    assert find_release("current/backend", {}, "jqd", str(shop)).directory == shop / "current/backend"


def test_a_shell_says_it_in_pwd(shop: Path) -> None:
    cwd = str(shop / "releases/1/backend")
    found = find_release("", {"PWD": str(shop / "current/backend")}, "jqd", cwd)
    assert found.directory == shop / "current/backend"
    assert links_in(shop, found) == ["current"]


@pytest.mark.parametrize("pwd", ["/", "", ".", "current", "/nowhere/at/all", "nul\0byte", "/nul\0byte"])
def test_a_pwd_that_is_not_true_is_not_believed(shop: Path, pwd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cwd = str(shop / "releases/1")
    monkeypatch.chdir(cwd)
    assert find_release("", {"PWD": pwd}, "jqd", cwd) == resolve(Path(cwd))


@pytest.mark.parametrize("below", ["", "backend"])
def test_a_supervisor_says_it_by_the_way_to_the_program(shop: Path, below: str) -> None:
    cwd = str(shop / "releases/1" / below)
    found = find_release("", {"PWD": "/"}, str(shop / "current/.venv/bin/jqd"), cwd)
    assert found.directory == shop / "current" / below
    assert links_in(shop, found) == ["current"]


@pytest.mark.parametrize("argv0", ["jqd", ".venv/bin/jqd", "/usr/bin/jqd", "{shop}/current/../bin/jqd", ""])
def test_a_program_elsewhere_says_nothing(shop: Path, argv0: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cwd = str(shop / "releases/1")
    monkeypatch.chdir(cwd)
    found = find_release("", {}, argv0.format(shop=shop), cwd)
    assert found.directory == Path(cwd)
    assert links_in(shop, found) == []


def test_a_program_of_the_other_release_says_nothing(shop: Path) -> None:
    swap(shop, "releases/2")
    cwd = str(shop / "releases/1")
    assert find_release("", {}, str(shop / "current/.venv/bin/jqd"), cwd).directory == Path(cwd)


def test_links_that_a_link_leads_through_count_too(shop: Path) -> None:
    (shop / "latest").symlink_to(shop / "releases" / "2")
    swap(shop, "latest")
    (shop / "by-name").symlink_to("current/backend")
    found = resolve(shop / "by-name")
    assert links_in(shop, found) == ["by-name", "current", "latest"]
    assert found.real == shop / "releases/2/backend"


def test_links_in_a_circle_end(shop: Path) -> None:
    (shop / "one").symlink_to("other")
    (shop / "other").symlink_to("one/x")
    assert links_in(shop, resolve(shop / "one")) == ["one", "other"]


def test_the_release_resolved_anew_is_the_next_one(shop: Path) -> None:
    before = resolve(shop / "current")
    swap(shop, "releases/2")
    assert before.real == shop / "releases/1", "as it was when it was resolved"
    after = before.refreshed()
    assert (after.directory, after.real) == (shop / "current", shop / "releases/2")


def test_paths_below_the_release_go_through_its_directory(shop: Path) -> None:
    release = resolve(shop / "current")
    assert unresolved(f"{shop}/releases/1/shop/jobs.py", release) == f"{shop}/current/shop/jobs.py"
    assert unresolved(f"{shop}/releases/1", release) == f"{shop}/current"


@pytest.mark.parametrize("path", ["releases/2/jobs.py", "releases/10/jobs.py", "current/jobs.py", "other.py"])
def test_paths_elsewhere_stay_as_they_are(shop: Path, path: str) -> None:
    assert unresolved(f"{shop}/{path}", resolve(shop / "current")) == f"{shop}/{path}"


def test_without_links_nothing_is_translated(shop: Path) -> None:
    for directory in (shop / "releases/1", Path("/")):
        path = str(directory / "shop/jobs.py")
        assert unresolved(path, resolve(directory)) == path
