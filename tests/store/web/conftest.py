"""A dashboard on a system, asked as programs ask it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

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


class Browser:
    """Goes where somebody without JavaScript can go."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    def ask(self, url: str, form: dict[str, str] | None = None) -> Response:
        found = urlsplit(url)
        headers = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
        body = b"" if form is None else urlencode(form).encode()
        method = "GET" if form is None else "POST"
        return self._dashboard.handle(
            Request(method, unquote(found.path), parse_qs(found.query), headers, body, host="h")
        )

    def see(self, url: str) -> str:
        """Return a page, through redirects."""
        response = self.ask(url)
        if response.status == 303:
            return self.see(dict(response.headers)["Location"])
        assert response.status == 200, (url, response.status, response.body.decode())
        return response.body.decode()

    def words(self, url: str) -> str:
        """Return what a page says, without its tags."""
        return re.sub(r"<[^>]*>", "", self.see(url))

    def press(self, url: str, **form: str) -> str:
        """Post a form and return the page that it leads to."""
        response = self.ask(url, form)
        assert response.status == 303, response.body.decode()
        return self.see(dict(response.headers)["Location"])


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


@pytest.fixture
def browser(system: QueueSystem) -> Iterator[Browser]:
    dashboard = Dashboard(system.url, auth=lambda _: Access("maria", ALL))
    yield Browser(dashboard)
    dashboard.close()
