"""Which release of the code a worker loads: what JQ_RELEASE says, else the git commit of the directory it starts in.

Git is not run: its program may be missing in a container, and its answer is in three small files
(gitrepository-layout(5)).
"""

from __future__ import annotations

import re
from pathlib import Path

from jqjobs.base.config import Environment
from jqjobs.errors import ConfigError

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: Longer than any of these files but packed-refs, of which the lines are looked at one by one.
_MOST_CHARS = 1000
_MOST_RELEASE_CHARS = 100


def release_in(directory: Path) -> str:
    """Return the release that a worker started in this directory loads, "" when nothing tells."""
    try:
        told = Environment(directory=directory).get("release")
    except ConfigError:  # its .env cannot be read: who needs more of it says so
        told = None
    return told[:_MOST_RELEASE_CHARS] if told else _commit_of(directory)


def _commit_of(directory: Path) -> str:
    try:
        for place in (directory, *directory.parents):
            if (place / ".git").exists():
                return _head_of(_git_directory(place / ".git"))
    except (OSError, ValueError):  # no repository of a kind that we know
        pass
    return ""


def _git_directory(place: Path) -> Path:
    """Return the directory of a repository; of a worktree or a submodule ``.git`` is a file that names it."""
    return place if place.is_dir() else place.parent / _first_line(place).removeprefix("gitdir: ")


def _head_of(repository: Path) -> str:
    head = _first_line(repository / "HEAD")
    if not head.startswith("ref: "):
        return head if _COMMIT.fullmatch(head) else ""
    reference = head.removeprefix("ref: ")
    for place in (repository, _shared_by(repository)):
        if (place / reference).is_file():
            commit = _first_line(place / reference)
            return commit if _COMMIT.fullmatch(commit) else ""
    return _packed(_shared_by(repository) / "packed-refs", reference)


def _shared_by(repository: Path) -> Path:
    """Return the directory with the branches, which worktrees share."""
    common = repository / "commondir"
    return repository / _first_line(common) if common.is_file() else repository


def _packed(path: Path, reference: str) -> str:
    with path.open(encoding="utf-8") as file:
        for line in file:
            commit, _, name = line.rstrip("\n").partition(" ")
            if name == reference and _COMMIT.fullmatch(commit):
                return commit
    return ""


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline(_MOST_CHARS).rstrip("\n")
