"""A dashboard on a system, asked as programs ask it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from jqjobs.web import Access, Dashboard, Request
from jqjobs.web.access import ALL
from jqjobs.web.http import Response
from store.queue_system import QueueSystem


@dataclass
class Program:
    """Asks the JSON API."""

    dashboard: Dashboard

    def ask(self, method: str, url: str, given: dict[str, Any] | None = None) -> Response:
        found = urlsplit(url)
        body = b"" if given is None else json.dumps(given).encode()
        headers = {"authorization": "Bearer x", "content-type": "application/json"}
        return self.dashboard.handle(Request(method, found.path, parse_qs(found.query), headers, body, host="h"))

    def get(self, path: str) -> Any:
        return self._answer(self.ask("GET", f"/api/v1/{path}"))

    def post(self, path: str, **given: Any) -> Any:
        return self._answer(self.ask("POST", f"/api/v1/{path}", given))

    def refused(self, method: str, path: str, given: dict[str, Any] | None = None) -> tuple[int, str]:
        """Return the status and the code of an error."""
        response = self.ask(method, f"/api/v1/{path}", given)
        error = json.loads(response.body)["error"]
        assert set(error) == {"code", "message", "hint"}
        return response.status, error["code"]

    def _answer(self, response: Response) -> Any:
        found = json.loads(response.body)
        assert response.status in (200, 201), found
        assert found["v"] == 1
        return found


@pytest.fixture
def system(live_system: QueueSystem) -> QueueSystem:
    """One quick real server by its own clock."""
    return live_system


@pytest.fixture
def dashboard(system: QueueSystem) -> Iterator[Dashboard]:
    """A dashboard that lets Ann do anything."""
    made = Dashboard(system.url, auth=lambda _: Access("ann", ALL), redact=["*card*"])
    yield made
    made.close()


@pytest.fixture
def program(dashboard: Dashboard) -> Program:
    return Program(dashboard)
