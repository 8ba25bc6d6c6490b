"""The pages of docs/, and how tests read them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "daemon" / "jqjobs"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
TUTORIAL = ROOT / "docs" / "tutorial.md"
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text("utf-8")


def section(text: str, title: str) -> str:
    """The text below a heading, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title!r}"
    return found[1]


def chapter(text: str, title: str) -> str:
    """The text below a heading of the second level, with all that is beneath it."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no chapter {title!r}"
    return found[1]


def first_cells(table: str) -> set[str]:
    """Every word in backquotes in the first column of a table."""
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


class Fence(NamedTuple):
    """A fenced block. ``title``: the file it is, "" for one that is none."""

    language: str
    title: str
    body: str


def fences(path: Path) -> list[Fence]:
    """Every fenced block of a page, in order."""
    found = re.findall(r'^```(\w+)(?: title="(.*?)")?\n(.*?)^```$', path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [Fence(*each) for each in found]


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(body: str) -> list[tuple[str, str]]:
    """Each `$ command` of a console block, with what is shown below it."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE)


#: A job's id, as `new_id` makes it: hardly one in 100,000 has small letters only, as words have.
ID = r"\b(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{14}\b"

#: What differs from run to run: workers, ids, durations, numbers and the blanks of columns. In this order.
_VARIES = (
    (r"\S+:\d+:[0-9a-f]{8}\b", "WORKER"),
    (ID, "ID"), (r"\d{4}-\d\d-\d\d[ T][\d:]+Z", "TIME"), (r"\b(\d+(ms|[smhd]))+\b", "AGE"),
    (r"\d+(\.\d+)*", "0"), (r"unix://\S+|redis://\S+", "URL"), (r" on \S+,", " on HOST,"), (r"\S+@\S+", "WHO"),
    (r"[ \t]+", " "),
)  # fmt: skip


def shape(text: str) -> str:
    """What a command prints, numbers aside."""
    for pattern, stands_for in _VARIES:
        text = re.sub(pattern, stands_for, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())
