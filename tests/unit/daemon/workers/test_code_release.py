"""Which release of the code a worker loads: what git itself would say of its directory, and what JQ_RELEASE says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from jqjobs.daemon.workers.code_release import release_in

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to compare with")


def git(directory: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *who, *words], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("JQ_RELEASE", raising=False)
    made = tmp_path / "shop"
    made.mkdir()
    git(made, "init")
    git(made, "commit", "--allow-empty", "-m", "one")
    return made


@needs_git
def test_it_is_the_commit_of_the_directory_and_of_those_below(repository: Path) -> None:
    below = repository / "a" / "b"
    below.mkdir(parents=True)
    assert release_in(repository) == release_in(below) == git(repository, "rev-parse", "HEAD")


@needs_git
def test_after_a_pull_it_is_another_one(repository: Path) -> None:
    before = release_in(repository)
    git(repository, "commit", "--allow-empty", "-m", "two")
    assert before != release_in(repository) == git(repository, "rev-parse", "HEAD")


@needs_git
@pytest.mark.parametrize("how", [("checkout", "--detach"), ("pack-refs", "--all"), ("checkout", "-b", "feature/x")])
def test_however_git_keeps_it(repository: Path, how: tuple[str, ...]) -> None:
    git(repository, *how)
    assert release_in(repository) == git(repository, "rev-parse", "HEAD")


@needs_git
def test_a_worktree_has_its_own(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-b", "other", str(tmp_path / "tree"))
    git(tmp_path / "tree", "commit", "--allow-empty", "-m", "two")
    git(repository, "pack-refs", "--all")
    assert release_in(tmp_path / "tree") == git(tmp_path / "tree", "rev-parse", "HEAD") != release_in(repository)


@needs_git
def test_what_people_say_goes_first_in_the_environment_and_in_dotenv(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / ".env").write_text("JQ_RELEASE=v41\n")
    assert release_in(repository) == "v41"
    monkeypatch.setenv("JQ_RELEASE", "v42")
    assert release_in(repository) == "v42"


@pytest.mark.parametrize("content", ["", "ref: refs/heads/unborn\n", "ref: ../../secret\n", "nonsense\n"])
def test_where_nothing_tells_it_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.delenv("JQ_RELEASE", raising=False)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(content)
    (tmp_path / "secret").write_text("password")
    assert release_in(tmp_path) == ""


def test_a_directory_that_is_gone_or_cannot_be_read_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / ".git").write_bytes(b"gitdir: \xff\n")
    assert release_in(tmp_path / "gone") == release_in(tmp_path) == ""
