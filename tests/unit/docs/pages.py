"""The pages of docs/, and how tests read them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "daemon" / "jqjobs"
DOCS = sorted((ROOT / "docs").glob("*.md"))
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
