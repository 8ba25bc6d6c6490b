"""The dashboard in the apps that people have, at the top and below a prefix, behind a proxy that takes a part away.

What is asked each time: the page comes, it links to where it is, a file that it loads is there, and an act is done.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from jqjobs.store.calls import upkeep
from jqjobs.web import Access, Dashboard, Request, Right, everybody
from jqjobs.web.access import VIEW
from store.queue_system import QueueSystem

#: Sends a request to an app as a server does: method, path, headers; what came back: status, headers, body.
Ask = Callable[[str, str, dict[str, str]], tuple[int, dict[str, str], bytes]]


def over_wsgi(app: Any) -> Ask:
    def ask(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        told: list[Any] = []
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_NAME": "h",
            "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0",
            "wsgi.errors": io.StringIO(), "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0), "wsgi.run_once": False,
            "wsgi.multithread": True, "wsgi.multiprocess": False, "SERVER_PROTOCOL": "HTTP/1.1",
        }  # fmt: skip
        environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        chunks = app(environ, lambda status, sent, *_: told.append((int(status.split()[0]), dict(sent))))
        body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        return *told[0], body

    return ask


def over_asgi(app: Any) -> Ask:
    def ask(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return asyncio.run(_ask_asgi(app, method, path, headers))

    return ask


async def _ask_asgi(app: Any, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "root_path": "", "query_string": b"", "scheme": "http", "server": ("h", 80),
        "client": ("127.0.0.1", 1), "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    told = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], told, b"".join(message.get("body", b"") for message in sent)


def plain_wsgi(dashboard: Dashboard, mount: str) -> Ask:
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    if not mount:
        return over_wsgi(dashboard.wsgi)
    return over_wsgi(DispatcherMiddleware(lambda *_: pytest.fail("elsewhere"), {mount: dashboard.wsgi}))


def flask(dashboard: Dashboard, mount: str) -> Ask:
    from flask import Flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    app = Flask("shop")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {mount: dashboard.wsgi})  # type: ignore[method-assign]
    return over_wsgi(app)


def django(dashboard: Dashboard, mount: str) -> Ask:
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    if not settings.configured:
        settings.configure(ROOT_URLCONF="django.contrib.auth.urls", ALLOWED_HOSTS=["*"])
    return over_wsgi(DispatcherMiddleware(get_wsgi_application(), {mount: dashboard.wsgi}))


def plain_asgi(dashboard: Dashboard, mount: str) -> Ask:
    from starlette.routing import Mount, Router

    return over_asgi(Router([Mount(mount, dashboard.asgi)]) if mount else dashboard.asgi)


def starlette(dashboard: Dashboard, mount: str) -> Ask:
    from starlette.applications import Starlette

    app = Starlette()
    app.mount(mount, dashboard.asgi)
    return over_asgi(app)


def fastapi(dashboard: Dashboard, mount: str) -> Ask:
    from fastapi import FastAPI

    app = FastAPI()
    app.mount(mount, dashboard.asgi)
    return over_asgi(app)


@pytest.fixture(params=[plain_wsgi, flask, django, plain_asgi, starlette, fastapi], ids=lambda host: host.__name__)
def host(request: pytest.FixtureRequest) -> Callable[[Dashboard, str], Ask]:
    found: Callable[[Dashboard, str], Ask] = request.param
    return found


@pytest.fixture
def queue(system: QueueSystem) -> str:
    system.run(upkeep.add_queues(["q"]))
    return "q"


@pytest.mark.parametrize("mount", ["", "/a/b"])
@pytest.mark.parametrize("taken_away", ["", "/outer"], ids=["direct", "proxy"])
def test_it_works_wherever_it_is_mounted(
    system: QueueSystem, queue: str, host: Callable[[Dashboard, str], Ask], mount: str, taken_away: str
) -> None:
    dashboard = Dashboard(system.url, auth=everybody, prefix=taken_away)
    ask = host(dashboard, mount)
    seen_as = taken_away + mount

    status, headers, page = ask("GET", f"{mount}/", {"host": "h"})
    assert (status, headers.get("content-type", headers.get("Content-Type"))) == (200, "text/html; charset=utf-8")
    for link in _links(page.decode()):
        assert link.startswith(f"{seen_as}/")
        below = link.removeprefix(taken_away)
        assert ask("GET", below.partition("?")[0], {"host": "h"})[0] == 200, link
    lost = ask("GET", f"{mount}/no-such-page", {"host": "h"})
    assert (lost[0], f'href="{seen_as}/"' in lost[2].decode()) == (404, True)

    same = {"host": "h", "sec-fetch-site": "same-origin"}
    status, _, body = ask("POST", f"{mount}/api/v1/queues/{queue}/pause", same)
    assert (status, json.loads(body)["changed"]) == (200, True)
    foreign = {"host": "h", "sec-fetch-site": "cross-site"}
    assert ask("POST", f"{mount}/api/v1/queues/{queue}/resume", foreign)[0] == 403
    dashboard.close()


def test_rights_are_the_same_wherever_it_is_mounted(
    system: QueueSystem, queue: str, host: Callable[[Dashboard, str], Ask]
) -> None:
    rights = {"ann": frozenset(Right), "bob": VIEW}

    def who(request: Request) -> Access | None:
        name = request.headers.get("x-user", "")
        return Access(name, rights[name]) if name in rights else None

    dashboard = Dashboard(system.url, auth=who)
    ask = host(dashboard, "/a")

    def statuses(user: str) -> list[int]:
        said = {"host": "h", "sec-fetch-site": "same-origin", "x-user": user}
        pages = [ask("GET", path, said)[0] for path in ("/a/", "/a/api/v1/status")]
        return pages + [
            ask("POST", path, said)[0] for path in (f"/a/queues/{queue}/pause", f"/a/api/v1/queues/{queue}/resume")
        ]

    assert statuses("ann") == [200, 200, 303, 200]
    assert statuses("bob") == [200, 200, 403, 403]
    assert statuses("eve") == [403] * 4
    assert ask("GET", "/a/healthz", {"host": "h"})[0] == 200
    dashboard.close()


def _links(page: str) -> list[str]:
    """Return what a page links to and loads, of itself; forms are left out."""
    return sorted(set(re.findall(r'(?:href|src)="(/[^"]*)"', page)))
