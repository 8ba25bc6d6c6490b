"""The Lua scripts: one file per transition under ``lua/``, loaded once, known by their SHA-1.

The first line of a script, ``--: include a b``, names the shared parts that are put before it as text.
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
    own = _read(name)
    included = re.match(r"--: include ([\w ]+)\n", own)
    parts = [_read(part) for part in (included[1].split() if included else [])]
    source = "\n".join([*parts, own])
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    # A path, not importlib.resources: that imports tempfile and zipfile, 10 ms of a `jqctl status`.
    return (_HERE / f"{name}.lua").read_text("utf-8")
