"""What `jqctl doctor` tells of its findings: as JSON, and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from jqjobs.base.escape import visible
from jqjobs.base.words import plural
from jqjobs.cli.colours import Colour
from jqjobs.cli.tables import PaintedLine, Part
from jqjobs.operations.doctor.checks import Check
from jqjobs.operations.doctor.findings import Finding, Level

#: What a line begins with, and its colour.
_SIGNS = {
    Level.OK: ("✔", Colour.GREEN), Level.WARNING: ("!", Colour.YELLOW), Level.ERROR: ("✘", Colour.RED),
    Level.UNKNOWN: ("?", Colour.YELLOW),
}  # fmt: skip

Examined = Sequence[tuple[Check, Finding]]


def is_ok(found: Examined) -> bool:
    """Whether nothing does harm now."""
    return all(finding.level is not Level.ERROR for _, finding in found)


def as_json(found: Examined) -> dict[str, Any]:
    """Return the answer of ``doctor --json``."""
    return {"ok": is_ok(found), "checks": [{"id": check.id, **finding._asdict()} for check, finding in found]}


def as_text(found: Examined) -> Iterator[Part]:
    """Return what ``doctor`` tells people: by group, each with what to do, and the sum."""
    for group, members in groupby(found, lambda pair: pair[0].group):
        yield PaintedLine([(group.upper(), Colour.BOLD)])
        for check, finding in members:
            yield from _lines(check, finding)
        yield ""
    counts = [
        plural(sum(finding.level is level for _, finding in found), word)
        for level, word in ((Level.ERROR, "error"), (Level.WARNING, "warning"))
    ]
    unknown = sum(finding.level is Level.UNKNOWN for _, finding in found)
    yield ", ".join(counts) + (f", {unknown} not known" if unknown else "")


def _lines(check: Check, finding: Finding) -> Iterator[Part]:
    sign, colour = _SIGNS[finding.level]
    about = "" if finding.subject == check.subject else f"{finding.subject}: "
    yield PaintedLine([("  ", None), (sign, colour), (visible(f" {about}{finding.message}"), None)])
    if finding.hint:
        yield f"      {finding.hint}"
