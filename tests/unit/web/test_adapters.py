"""What servers say of a request is understood, and bodies have a limit."""

from __future__ import annotations

import asyncio
import io
from threading import Event
from typing import Any

import pytest

from jqjobs.errors import ConfigError, InvalidArguments
from jqjobs.web.adapters import asgi, wsgi
from jqjobs.web.http import MOST_BODY, Request, Response
from jqjobs.web.placing import Placing


def kept(seen: list[Request]) -> Any:
    def handle(request: Request) -> Response:
        seen.append(request)
        return Response(200, (), b"answer")

    return handle


def environ(**more: Any) -> dict[str, Any]:
    known = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "https"}
    return {**known, **more}


def test_a_wsgi_path_is_read_as_the_text_that_it_is() -> None:
    seen: list[Request] = []
    path = "/jöbs".encode().decode("latin-1")

    wsgi(kept(seen))(
        environ(PATH_INFO=path, SCRIPT_NAME="/a", QUERY_STRING="x=1&x=2&y=", HTTP_HOST="h"), lambda *_: None
    )

    [found] = seen
    assert (found.path, found.prefix, found.query, found.host, found.scheme) == (
        "/jöbs", "/a", {"x": ["1", "2"], "y": [""]}, "h", "https",
    )  # fmt: skip


def test_a_head_has_the_length_and_no_body() -> None:
    told: list[Any] = []

    body = wsgi(kept([]))(environ(REQUEST_METHOD="HEAD"), lambda *said: told.append(said))

    assert list(body) == []
    assert ("Content-Length", "6") in told[0][1]


def test_a_body_that_is_too_large_is_not_read() -> None:
    told: list[Any] = []
    size = str(MOST_BODY + 1)

    wsgi(pytest.fail)(environ(REQUEST_METHOD="POST", CONTENT_LENGTH=size), lambda *said: told.append(said))  # type: ignore[arg-type]

    assert told[0][0].startswith("413")


@pytest.mark.parametrize(
    ("root", "path", "prefix", "below"),
    [
        ("", "/x", "", "/x"), ("/a", "/a/x", "/a", "/x"), ("/a", "/x", "/a", "/x"), ("/a", "/ab", "/a", "/ab"),
        ("/a/", "/a/", "/a", "/"), ("/a", "/a", "/a", ""),
    ],
)  # fmt: skip
def test_asgi_servers_say_where_it_is_in_two_ways(root: str, path: str, prefix: str, below: str) -> None:
    seen: list[Request] = []
    scope = {"type": "http", "method": "GET", "path": path, "root_path": root, "headers": [], "server": ("h", 1),
             "client": ("10.0.0.1", 2)}  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(_: Any) -> None: ...

    asyncio.run(asgi(kept(seen))(scope, receive, send))

    assert (seen[0].prefix, seen[0].path, seen[0].client) == (prefix, below, "10.0.0.1")


@pytest.mark.parametrize(
    ("said", "prefix"),
    [("/a/b", "/a/b"), ("/a/", "/a"), ("//evil.example", ""), ('/a"><b', ""), ("http://x", ""), ("", "")],
)
def test_a_proxy_says_a_path_and_nothing_else(said: str, prefix: str) -> None:
    request = Request("GET", "/x", headers={"x-forwarded-prefix": said})

    assert Placing(trust_header=True).of(request).prefix == prefix
    assert Placing().of(request).prefix == ""


@pytest.mark.parametrize(
    ("mount", "stripped", "path", "below", "prefix"),
    [
        ("/jobs", "", "/jobs", "/", "/app/jobs"), ("/jobs", "", "/jobs/jobs", "/jobs", "/app/jobs"),
        ("/jobs", "", "/jobsx", "", "/app/jobs"), ("/jobs", "", "/", "", "/app/jobs"),
        ("", "/jobs", "/jobs", "/jobs", "/jobs/app"), ("", "/jobs", "/", "/", "/jobs/app"),
        ("/in/", "/out/", "/in/x", "/x", "/out/app/in"),
    ],
)  # fmt: skip
def test_a_path_that_arrives_and_one_that_was_taken_away_are_not_mixed_up(
    mount: str, stripped: str, path: str, below: str, prefix: str
) -> None:
    found = Placing(mount, stripped).of(Request("GET", path, prefix="/app"))

    assert (found.path, found.prefix) == (below, prefix)


@pytest.mark.parametrize("prefix", ["jobs", "//x", "/a b", "http://x"])
def test_a_prefix_that_is_no_path_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError):
        Placing(prefix)


@pytest.mark.parametrize(
    ("said", "status"),
    [({"CONTENT_LENGTH": "20"}, "400"), ({"HTTP_TRANSFER_ENCODING": "chunked"}, "411")],
    ids=["cut off", "of no length"],
)
def test_a_wsgi_body_that_may_not_be_whole_does_nothing(said: dict[str, str], status: str) -> None:
    told: list[Any] = []
    half = environ(REQUEST_METHOD="POST", **said) | {"wsgi.input": io.BytesIO(b"act=delete")}

    wsgi(pytest.fail)(half, lambda *words: told.append(words))  # type: ignore[arg-type]

    assert told[0][0].startswith(status)


def test_who_hangs_up_amid_a_body_has_asked_for_nothing() -> None:
    messages = iter([{"type": "http.request", "body": b"act=delete", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        pytest.fail(f"nobody is there to be told {message}")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(asgi(pytest.fail)(scope, receive, send))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        {"headers": [(b"transfer-encoding", b"chunked"), (b"content-length", b"5")]},
        {"headers": [], "query_string": b"a=1&" * 1500},
    ],
)
def test_what_others_may_understand_otherwise_is_refused(said: dict[str, Any]) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(asgi(pytest.fail)({"type": "http", "method": "POST", "path": "/", **said}, receive, send))  # type: ignore[arg-type]

    assert sent[0]["status"] == 400


def test_a_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jqjobs.web.adapters.BODY_S", 0.01)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b"a", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(asgi(pytest.fail)(scope, receive, send))  # type: ignore[arg-type]

    assert sent[0]["status"] == 408


def test_what_is_quick_waits_for_no_thread() -> None:
    """However many requests wait for Redis, files and /healthz are answered; and no more of them wait than help."""
    held, statuses = Event(), list[int]()

    def handle(request: Request) -> Response:
        if request.path == "/slow":
            held.wait(30)
        return Response(200)

    app = asgi(handle, lambda request: request.path == "/quick")

    async def ask(path: str) -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            statuses.append(message["status"]) if "status" in message else None

        await app({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send)

    async def crowd() -> None:
        slow = [asyncio.create_task(ask("/slow")) for _ in range(129)]
        await slow[-1]
        await ask("/quick")
        assert statuses == [503, 200]
        held.set()
        await asyncio.gather(*slow)

    asyncio.run(crowd())
    assert statuses[2:] == [200] * 128


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json", ""])
def test_what_is_no_form_is_not_taken_for_an_empty_one(kind: str) -> None:
    with pytest.raises(InvalidArguments):
        Request("POST", "/", headers={"content-type": kind}, body=b"reason=x").form()


def test_a_form_has_so_many_fields_at_most() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    with pytest.raises(InvalidArguments):
        Request("POST", "/", headers=form, body=b"a=&" * 100_000).form()
