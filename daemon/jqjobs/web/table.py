"""All paths of the dashboard."""

from __future__ import annotations

from jqjobs.web.api import paths
from jqjobs.web.pages import overview
from jqjobs.web.routes import Route, Table

PAGES = (
    Route("GET", "/", overview.overview),
)  # fmt: skip

ROUTES = Table((*PAGES, *paths.ROUTES))
