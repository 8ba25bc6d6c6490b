"""Templates: Jinja2, with escaping of everything, and an error for a name that is not there."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from jqjobs.web.formats import FILTERS, shown


def environment(**shared: Any) -> Environment:
    """Return the templates of the dashboard. ``shared``: functions and values that each of them has."""
    made = Environment(
        loader=PackageLoader("jqjobs.web", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False, finalize=shown,
    )  # fmt: skip
    made.filters.update(FILTERS)
    made.globals.update(shared)
    return made
