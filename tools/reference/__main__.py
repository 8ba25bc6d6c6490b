"""`make reference`: write docs/reference/ from the code. With --check: name what is stale, and exit with 1."""

from __future__ import annotations

import sys
from pathlib import Path

from reference.pages import PAGES, text_of

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def stale() -> list[str]:
    """Return the names of pages that the code would write otherwise."""
    return [name for name in PAGES if not _is_current(FOLDER / name, text_of(name))]


def write() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(text_of(name), "utf-8")


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


def main() -> int:
    """Be the command."""
    if "--check" not in sys.argv:
        write()
        return 0
    if found := stale():
        print(f"stale: {', '.join(found)}; run `make reference`")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
