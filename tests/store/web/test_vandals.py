"""Requests of those who mean no good: each is answered by an error that says something, and none is a defect."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from jqjobs.store.calls import upkeep
from jqjobs.web import Dashboard, Request
from jqjobs.web.http import Response
from jqjobs.web.table import ROUTES
from store.queue_system import QueueSystem

#: What stands where a path names something.
_NAMES = (
    "..", "%2e%2e", "a b", "a}b", "~", "*", "\x00", "q\r\nX-Evil: 1", "<script>", "\u202e", "\ufffd", "٣",
    "q" * 10_000, "-1", "{~}:audit", "q:job:j",
)  # fmt: skip
#: What stands in each field of a form, or behind each word of a query.
_TYPED = (
    "",
    "\x00",
    "9" * 5000,
    "-1",
    "NaN",
    "<img src=x>",
    "\r\nSet-Cookie: a=b",
    "\ufffd" * 100,
    "[" * 3000,
    "x" * 100_000,
)
_WORDS = (
    "queue", "state", "name", "error", "text", "key", "tag", "group", "since", "older_than", "cursor", "seen",
    "offset", "before", "order", "after", "act", "limit", "q", "policy", "target", "min", "max", "lead",
    "queues", "reason", "until", "until_ms", "matched", "done", "id", "back", "worker", "workers", "priority",
    "delay", "max_attempts", "tags", "schedule", "cron", "every", "tz", "missed", "catch_up", "p.a", "rest",
    "more", "edit", "for", "result", "token",
)  # fmt: skip
_SITE = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}


#: Of these, what a page goes on with.
_FINE = {"queue": "q", "state": "ready", "act": "cancel", "until_ms": "1", "schedule": "s", "every": "1h"}


@dataclass
class Query(Mapping[str, list[str]]):
    """A query with one value behind each word. ``read``: the words that somebody has looked for, there or not."""

    said: dict[str, str]
    read: set[str] = field(default_factory=set)

    def __getitem__(self, word: str) -> list[str]:
        self.read.add(word)
        return [self.said[word]]

    def __iter__(self) -> Iterator[str]:
        self.read.update(_WORDS)
        return iter(self.said)

    def __len__(self) -> int:
        return len(self.said)


@pytest.fixture
def vandal(system: QueueSystem, dashboard: Dashboard) -> Dashboard:
    """A dashboard of a queue with a job, of which `n` may be enqueued."""
    system.run(upkeep.add_queues(["q"]))
    system.redis("HSET", system.key("catalog"), "n", '{"queue": "q"}')
    system.add("j")
    return dashboard


def paths(name: str) -> list[tuple[str, str]]:
    """Return all paths with their methods, with this name where they name something."""
    return [(route.method, re.sub(r"\{\w+\}", lambda _: name, route.pattern)) for route in ROUTES.routes]


def ask(dashboard: Dashboard, method: str, path: str, **more: Any) -> Response:
    """Return the answer, which tells what is wrong when something is."""
    headers = {**_SITE, **more.pop("headers", {})}
    response = dashboard.handle(Request(method, path, headers=headers, host="h", **more))
    page = response.body.decode()
    assert response.status < 500, (method, path[:100], more, page[-500:])
    assert "Traceback" not in page
    assert all("\n" not in value and "\r" not in value for pair in response.headers for value in pair)
    if response.status >= 400:
        told = json.loads(page)["error"]["message"] if path.startswith(("/api", "/metrics")) else page
        assert told
        again = 0 if path.startswith("/api") else 6 * len(more.get("body", b""))  # a form is shown as it was typed
        assert len(page) < 30_000 + again, (method, path[:100], more)
    return response


@pytest.mark.parametrize("name", _NAMES, ids=ascii)
def test_a_path_may_name_anything(vandal: Dashboard, name: str) -> None:
    for method, path in paths(name):
        ask(vandal, method, path)
    ask(vandal, "GET", f"/static/{name}")
    ask(vandal, "GET", f"/static/../{name}/../../../../etc/passwd")
    ask(vandal, "GET", f"/{name}")


@pytest.mark.parametrize("typed", _TYPED, ids=lambda typed: ascii(typed[:12]))
def test_a_field_may_hold_anything(vandal: Dashboard, typed: str) -> None:
    """One field at a time, beside others that are fine, and all of them at once."""
    for method, path in paths("q"):
        if method == "GET":
            ask_in_each_word(vandal, path, typed)
            continue
        for word in ("", "queue", "back", "until", "reason", "schedule", "cron", "every", "tz", "p.a", "rest"):
            said = {**_FINE, word: typed} if word else dict.fromkeys(_WORDS, typed)
            ask(vandal, method, path, body="&".join(f"{name}={quote(value)}" for name, value in said.items()).encode())


def ask_in_each_word(dashboard: Dashboard, path: str, typed: str) -> None:
    """Of its query, those words that the page looks at."""
    found, tried = {"nobody-looks-at-this", ""}, set[str]()
    while left := found - tried:
        tried.add(word := left.pop())
        query = Query({**_FINE, word: typed} if word else dict.fromkeys(_WORDS, typed))
        ask(dashboard, "GET", path, query=query)
        found |= query.read


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"queue=q"), ("multipart/form-data; boundary=x", b"--x\r\n"), ("", b"\xff\xfe"),
        ("application/x-www-form-urlencoded", b"\xff=%ff&%00=%00&a" + b"&a" * 5000),
        ("application/x-www-form-urlencoded", b"id=" + b"x" * 4_000_000), ("application/json", b"{" * 100_000),
        ("application/json", b'{"name": "' + b"x" * 1_000_000 + b'"}'), ("application/json", b'{"a": 1, "a": 2}'),
        ("application/json", b"9" * 5000), ("application/json", b'{"' + b"k" * 500_000 + b'": 1}'),
        ("application/json", json.dumps(dict.fromkeys(map(str, range(5000)))).encode()),
        ("application/json", b'{"queue": {"q": ["' + b"x" * 100_000 + b'"]}, "name": ["n"], "act": []}'),
    ],
    ids=lambda value: ascii(value[:16]),
)  # fmt: skip
def test_a_body_may_be_anything(vandal: Dashboard, kind: str, body: bytes) -> None:
    for method, path in paths("q"):
        if method == "POST":
            ask(vandal, method, path, body=body, headers={"content-type": kind})


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "", "GET /x", "POST\x00"]
)
def test_another_method_is_told_which_there_are(vandal: Dashboard, method: str) -> None:
    for path in {path for _, path in paths("q")}:
        answer = ask(vandal, method, path)
        assert answer.status == 405
        assert dict(answer.headers)["Allow"] in ("GET", "POST", "GET, POST")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": ""},
        {"sec-fetch-site": None, "origin": "null"}, {"sec-fetch-site": None, "origin": "http://h.evil.example"},
        {"sec-fetch-site": None, "origin": "http://[::1"}, {"sec-fetch-site": None, "referer": "http://h:0/"},
        {"sec-fetch-site": None, "authorization": "Basic eDp5"}, {"sec-fetch-site": None, "origin": "http://h@evil/"},
    ],
    ids=str,
)  # fmt: skip
def test_no_other_site_can_post_anything(vandal: Dashboard, headers: dict[str, str | None]) -> None:
    for method, path in paths("q"):
        if method == "POST":
            said = {name: value for name, value in {**_SITE, **headers}.items() if value is not None}
            response = vandal.handle(Request(method, path, headers=said, host="h"))
            assert response.status == 403, path


def test_a_get_changes_nothing(vandal: Dashboard, system: QueueSystem) -> None:
    """Also not with what a form would say, nor where a form would be posted to."""
    system.redis("DEL", "jq:{~}:audit")
    before = sorted(system.redis("KEYS", "jq:{q}:*"))
    said = {"act": ["delete"], "queue": ["q"], "state": ["ready"], "until_ms": ["9999999999999"], "id": ["j"]}
    for _, path in paths("q"):
        ask(vandal, "GET", path, query=said)
        ask(vandal, "HEAD", path, query=said)

    assert sorted(system.redis("KEYS", "jq:{q}:*")) == before
    assert system.redis("EXISTS", "jq:{~}:audit") == 0


def test_the_length_of_a_body_may_be_anything(vandal: Dashboard) -> None:
    for said in ("9" * 5000, "-1", "1e9", "٣", "0x10", " 5", "+5"):
        told: list[Any] = []
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/api/v1/jobs", "CONTENT_LENGTH": said, "HTTP_HOST": "h",
                   "wsgi.input": io.BytesIO(b"{}"), "HTTP_SEC_FETCH_SITE": "same-origin"}  # fmt: skip
        list(vandal.wsgi(environ, lambda *words, told=told: told.append(words)))
        assert told[0][0][:3] in ("400", "411", "413"), said


def test_where_a_key_is_of_another_type_pages_say_so(vandal: Dashboard, system: QueueSystem) -> None:
    """Anybody who may write to Redis can break a queue; that is no defect of the dashboard, and no traceback."""
    parts = (
        "meta", "ready", "dead", "inbox", "rejected", "job:j", "catalog", "batches", "batch:j", "added",
        "schedule", "errors", "stats", "recent", "held", "leases",
    )  # fmt: skip
    for part in parts:
        system.redis("DEL", system.key(part))
        system.redis("SETBIT", system.key(part), 7, 1)
        for method, path in paths("q"):
            if method == "GET":
                query = parse_qs("queue=q&state=ready")
                response = vandal.handle(Request(method, path, query, dict(_SITE), host="h"))
                assert response.status not in (500, 503), (part, path, response.body[-600:])
        system.redis("DEL", system.key(part))
