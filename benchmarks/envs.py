"""Each peer in an environment of its own, outside the project, made once and kept; Debian's packages where they are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from subjects import JQJOBS, Subject

#: Says what is installed in a folder.
_STAMP = ".requirements"
DEFAULT = Path.home() / ".cache" / "jqjobs-bench"
_VERSIONS = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
#: Tools of the environment, which no figure depends on.
_TOOLS = frozenset({"pip", "setuptools", "wheel"})
#: Of our own environment, which holds the development tools, too.
_OURS = frozenset({"jqjobs", "redis", "hiredis", "msgspec", "uvloop"})


class Missing(Exception):
    """A subject is not on this machine; the message says what installs it."""


@dataclass(frozen=True)
class Environment:
    """Where a subject's programs are, the versions of what is installed there, and variables that it needs."""

    bin: Path
    versions: dict[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)

    def program(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.bin / name)


def prepare(subject: Subject, folder: Path) -> Environment:
    """Return the environment of a subject; what pip or npm can bring is installed the first time.

    Raises: Missing; CalledProcessError when an installation fails, with what was said of it on stderr.
    """
    if subject is JQJOBS:
        found = _read(Path(sys.executable).parent)
        return Environment(found.bin, {name: found.versions[name] for name in found.versions if name in _OURS})
    if subject.comes_by == "apt":
        return _of_debian(subject)
    place = folder / subject.name
    return _with_npm(subject, place) if subject.comes_by == "npm" else _with_pip(subject, place)


def _with_pip(subject: Subject, place: Path) -> Environment:
    if _is_wanted(subject, place):
        venv.create(place, with_pip=True, symlinks=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _install([*pip, *subject.requirements], subject, place)
    return _read(place / "bin")


def _with_npm(subject: Subject, place: Path) -> Environment:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("it wants Node.js: sudo apt install nodejs npm")
    if _is_wanted(subject, place):
        place.mkdir(parents=True, exist_ok=True)
        _install([npm, "install", "--silent", "--no-audit", "--no-fund", *subject.requirements], subject, place)
    modules = place / "node_modules"
    versions = {name: json.loads((modules / name / "package.json").read_text("utf-8"))["version"]
                for name in subject.requirements}  # fmt: skip
    node_version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return Environment(Path(node).parent, {"node": node_version, **versions}, {"NODE_PATH": str(modules)})


def _of_debian(subject: Subject) -> Environment:
    program = shutil.which(subject.name)
    if program is None:
        raise Missing(f"it is not installed: sudo apt install {' '.join(subject.requirements)}")
    query = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *subject.requirements]
    found = subprocess.run(query, check=False, capture_output=True, text=True).stdout
    return Environment(Path(program).parent, dict(line.split(" ", 1) for line in found.splitlines()))


def _is_wanted(subject: Subject, place: Path) -> bool:
    stamp = place / _STAMP
    return not stamp.exists() or stamp.read_text("utf-8") != "\n".join(subject.requirements)


def _install(command: Sequence[str], subject: Subject, place: Path) -> None:
    print(f"installing {' '.join(subject.requirements)} into {place}", file=sys.stderr)
    subprocess.run(command, check=True, cwd=place)
    (place / _STAMP).write_text("\n".join(subject.requirements), "utf-8")


def _read(folder: Path) -> Environment:
    answer = subprocess.run([folder / "python", "-c", _VERSIONS], check=True, capture_output=True, text=True)
    versions: dict[str, str] = json.loads(answer.stdout)
    return Environment(folder, {name: versions[name] for name in sorted(versions) if name not in _TOOLS})
