"""Each peer in an environment of its own, outside the project, made once and kept."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from subjects import JQJOBS, Subject

DEFAULT = Path.home() / ".cache" / "jqjobs-bench"
_VERSIONS = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
#: Tools of the environment, which no figure depends on.
_TOOLS = frozenset({"pip", "setuptools", "wheel"})
#: Of our own environment, which holds the development tools, too.
_OURS = frozenset({"jqjobs", "redis", "hiredis", "msgspec", "uvloop"})


@dataclass(frozen=True)
class Environment:
    """Where a subject's programs are, and the versions of what is installed there."""

    bin: Path
    versions: dict[str, str]

    def program(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.bin / name)


def prepare(subject: Subject, folder: Path) -> Environment:
    """Return the environment of a subject; install what it needs the first time.

    Raises: CalledProcessError when that fails, with what pip said on stderr.
    """
    if subject is JQJOBS:
        found = _read(Path(sys.executable).parent)
        return Environment(found.bin, {name: found.versions[name] for name in found.versions if name in _OURS})
    place = folder / subject.name
    stamp = place / ".requirements"
    wanted = "\n".join(subject.requirements)
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        print(f"installing {' '.join(subject.requirements)} into {place}", file=sys.stderr)
        venv.create(place, with_pip=True, symlinks=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *subject.requirements], check=True)
        stamp.write_text(wanted, "utf-8")
    return _read(place / "bin")


def _read(folder: Path) -> Environment:
    answer = subprocess.run([folder / "python", "-c", _VERSIONS], check=True, capture_output=True, text=True)
    versions: dict[str, str] = json.loads(answer.stdout)
    return Environment(folder, {name: versions[name] for name in sorted(versions) if name not in _TOOLS})
