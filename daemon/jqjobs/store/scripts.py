"""The Lua scripts: one file per transition under ``lua/``, loaded once, known by their SHA-1.

A line ``--: include a b`` in a file stands for the text of these shared parts, unless they are there already: at its
top for what every run needs, inside a function for what is built only when that is called.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Script:
    """A script as Redis sees it. ``sha``: what EVALSHA takes. ``source``: what EVAL takes."""

    name: str
    source: str
    sha: str


@cache
def script(name: str) -> Script:
    """Return the script of ``lua/<name>.lua`` with its shared parts."""
    source = _whole(name, set())
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _whole(name: str, there: set[str]) -> str:
    """Return a file with the parts that it includes and that are not ``there`` yet; adds them to that."""
    there.add(name)

    def parts(line: re.Match[str]) -> str:
        return "\n".join([_whole(part, there) for part in line[1].split() if part not in there])

    return re.sub(r"^ *--: include ([\w ]+)\n", parts, _read(name), flags=re.MULTILINE)


def _read(name: str) -> str:
    # A path, not importlib.resources: that imports tempfile and zipfile, 10 ms of a `jqctl status`.
    return (_HERE / f"{name}.lua").read_text("utf-8")
