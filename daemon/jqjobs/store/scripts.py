"""The Lua scripts: one file per transition under ``lua/``, what several share in ``lua/rules/``; known by their SHA-1.

A line ``--: include a limits/b`` in a file stands for the text of these rules, unless they are there already: at its
top for what every run needs, inside a function for what is built only when that is called. Each rule includes what it
needs itself. What a rule keeps to itself ends with it: a script may have 200 locals at a time.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent / "lua"
_INCLUDES = re.compile(r"^ *--: include ([\w/ ]+)\n", re.MULTILINE)
_GIVES = re.compile(r"^-- Gives: (.+)$", re.MULTILINE)
_LOCAL = re.compile(r"^local (function )?(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """A script as Redis sees it. ``sha``: what EVALSHA takes. ``source``: what EVAL takes."""

    name: str
    source: str
    sha: str


@cache
def script(name: str) -> Script:
    """Return the script of ``lua/<name>.lua`` with the rules that it needs."""
    source = _whole(f"{name}.lua", set())
    made = Script(name, source, _sha(source))
    _sources[made.sha] = source
    return made


def _sha(source: str) -> str:
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


#: By the SHA-1 of the script itself, of all that were asked for.
_sources: dict[str, str] = {}


def guarded_source(source: str) -> str:
    """Return a script that has one key more than it needs, the last one, and takes no notice of it: see `routes`."""
    return f"KEYS[#KEYS] = nil {source}"


@cache
def guarded_sha(sha: str) -> str:
    """Return what EVALSHA takes for that, from what it takes for the script itself."""
    return _sha(guarded_source(_sources[sha]))


def _whole(file: str, there: set[str]) -> str:
    """Return a file with the rules that it includes and that are not ``there`` yet; adds all of them to that."""
    there.add(file)

    def rules(line: re.Match[str]) -> str:
        files = (f"rules/{name}.lua" for name in line[1].split())
        return "\n".join(_whole(rule, there) for rule in files if rule not in there)

    return _INCLUDES.sub(rules, _closed(_read(file)))


def _closed(text: str) -> str:
    """Return a rule as a block, with what it gives declared before that; a script, which gives nothing, as it is."""
    gives = _GIVES.search(text)
    if gives is None:
        return text
    given = gives[1].split(", ")

    def without_local(line: re.Match[str]) -> str:
        return f"{line[1] or ''}{line[2]}" if line[2] in given else line[0]

    includes = "".join(line[0] for line in _INCLUDES.finditer(text))
    block = _LOCAL.sub(without_local, _INCLUDES.sub("", text))
    return f"{includes}local {gives[1]}\ndo\n{block}end\n"


def _read(file: str) -> str:
    # A path, not importlib.resources: that imports tempfile and zipfile, 10 ms of a `jqctl status`.
    return (_HERE / file).read_text("utf-8")
