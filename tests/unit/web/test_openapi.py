"""docs/openapi.json is what the routes say; JQ_WRITE_DOCS=1 writes it anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

from jqjobs.web.api import openapi
from jqjobs.web.api.paths import ROUTES

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"


def test_the_file_is_what_the_routes_say() -> None:
    made = json.dumps(openapi.description(ROUTES), indent=1) + "\n"
    if os.environ.get("JQ_WRITE_DOCS"):
        FILE.write_text(made, "utf-8")

    assert FILE.read_text("utf-8") == made


def test_nothing_is_described_that_there_is_not() -> None:
    patterns = {route.pattern for route in ROUTES}

    assert {*openapi._QUERIES, *openapi._BODIES, *openapi._ACTS} <= patterns
    assert {pattern for pattern in patterns if "{act}" in pattern} == set(openapi._ACTS)
    assert all(route.handler.__doc__ for route in ROUTES)
