"""Groups of errors as JSON."""

from __future__ import annotations

from typing import Any

from jqjobs.store.reads.error_groups import ErrorGroup


def group_json(group: ErrorGroup) -> dict[str, Any]:
    """Return a group as ``errors --json`` shows it."""
    told = group._asdict()
    return {"count": told.pop("dead"), **told}
