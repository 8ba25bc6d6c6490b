"""Mounts a function from request to response in an app: as WSGI, and as ASGI, where it runs in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from jqjobs.web.http import MOST_BODY, Request, Response
from jqjobs.web.threads import Threads

Handle = Callable[[Request], Response]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

_PLAIN = (("Content-Type", "text/plain"),)
TOO_LARGE = Response(413, _PLAIN, b"the body is too large\n")
_NO_LENGTH = Response(411, _PLAIN, b"say how long the body is: Content-Length\n")
_TOO_SLOW = Response(408, (*_PLAIN, ("Connection", "close")), b"the body took too long\n")
_TWO_LENGTHS = Response(400, (*_PLAIN, ("Connection", "close")), b"the body has two lengths\n")
_TOO_MANY_FIELDS = Response(400, _PLAIN, b"the query has too many fields\n")
_CUT_OFF = Response(400, _PLAIN, b"the body ended before its Content-Length\n")


#: So many fields a query may have.
_MOST_FIELDS = 200
#: No number that is meant has more digits.
_LONGEST_NUMBER = 15
#: So long a body takes at most, however it drips.
BODY_S = 20.0


class _GoneError(Exception):
    """Whoever asked hung up before all was said: half a form may mean more than the whole."""


def wsgi(handle: Handle) -> WsgiApp:
    """Return the WSGI application of a handler."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = _refusal(environ.get("QUERY_STRING", "")) or _read(environ)
        response = body if isinstance(body, Response) else handle(_of_environ(environ, body))
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", _sent_headers(response))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    return application


def _read(environ: Mapping[str, Any]) -> bytes | Response:
    """Return the whole body, or the refusal of one that is not whole."""
    if environ.get("HTTP_TRANSFER_ENCODING") and not environ.get("CONTENT_LENGTH"):
        return _NO_LENGTH
    length = _length(environ.get("CONTENT_LENGTH"))
    if length > MOST_BODY:
        return TOO_LARGE
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    return body if len(body) == length else _CUT_OFF


def _of_environ(environ: Mapping[str, Any], body: bytes) -> Request:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers |= {"content-type": environ.get("CONTENT_TYPE") or ""}
    host = headers.get("host") or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
    return Request(
        environ["REQUEST_METHOD"], _text(environ.get("PATH_INFO", "")), _query(environ.get("QUERY_STRING", "")),
        headers, body, _text(environ.get("SCRIPT_NAME", "")).rstrip("/"), environ.get("wsgi.url_scheme", "http"), host,
        environ.get("REMOTE_ADDR") or "",
    )  # fmt: skip


def asgi(handle: Handle, is_quick: Callable[[Request], bool] = lambda _: False) -> AsgiApp:
    """Return the ASGI application of a handler. ``is_quick``: of what waits for nothing, and for no thread."""
    threads = Threads()

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
        elif scope["type"] == "http":
            try:
                body = _refusal_of(scope) or await _body(receive)
            except _GoneError:
                return
            if isinstance(body, Response):
                response = body
            else:
                request = _of_scope(scope, body)
                response = handle(request) if is_quick(request) else await threads.answer(handle, request)
            headers = [(name.lower().encode("latin-1"), value.encode("latin-1"))
                       for name, value in _sent_headers(response)]  # fmt: skip
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else response.body})

    return application


async def _live(receive: Receive, send: Send) -> None:
    """Tell a server that there is nothing to start, and nothing to stop."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _body(receive: Receive) -> bytes | Response:
    """Return the whole body of a request, or the refusal of one that is too large or slow. Raises: _GoneError."""
    try:
        async with asyncio.timeout(BODY_S):
            return await _whole(receive)
    except TimeoutError:
        return _TOO_SLOW


async def _whole(receive: Receive) -> bytes | Response:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        body += message.get("body", b"")
        if len(body) > MOST_BODY:
            return TOO_LARGE
        if not message.get("more_body"):
            return bytes(body)


def _of_scope(scope: Message, body: bytes) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value  # as servers of WSGI do
    prefix, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):  # some servers leave it out
        path = path.removeprefix(prefix)
    client, server = scope.get("client"), scope.get("server")
    return Request(
        scope["method"], path, _query(scope.get("query_string", b"").decode("latin-1")), headers, body, prefix,
        scope.get("scheme", "http"), headers.get("host", ""), _client(client, server),
    )  # fmt: skip


def _client(client: Any, server: Any) -> str:
    if client:
        return str(client[0])
    return "" if server and server[1] is not None else "unix"


def _query(text: str) -> dict[str, list[str]]:
    return parse_qs(text, keep_blank_values=True)


def _refusal(query: str) -> Response | None:
    """Return the refusal of a query that is nothing that we have written."""
    return _TOO_MANY_FIELDS if query.count("&") >= _MOST_FIELDS else None


def _refusal_of(scope: Message) -> Response | None:
    """Return the refusal of a request that others on its way may understand otherwise, or of its query."""
    lengths = {name for name, _ in scope["headers"] if name in (b"transfer-encoding", b"content-length")}
    return _TWO_LENGTHS if len(lengths) > 1 else _refusal(scope.get("query_string", b"").decode("latin-1"))


def _text(value: str) -> str:
    """Return a part of a WSGI environment as text: it comes as bytes in the guise of Latin-1 (PEP 3333)."""
    return value.encode("latin-1").decode("utf-8", "replace")


def _length(said: str | None) -> int:
    if not said or not (said.isascii() and said.isdigit()):
        return 0
    return int(said) if len(said) <= _LONGEST_NUMBER else MOST_BODY + 1


def _sent_headers(response: Response) -> list[tuple[str, str]]:
    has_body = response.status not in (204, 304)
    return [*response.headers, *([("Content-Length", str(len(response.body)))] if has_body else [])]
