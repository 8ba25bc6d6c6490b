"""Whatever stands in Redis, and whatever is asked for: an answer says what is wrong, and none is a defect."""

from __future__ import annotations

import copy
import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jqjobs.store.calls import upkeep
from jqjobs.web import Dashboard, Request
from jqjobs.web.routes import Route
from jqjobs.web.table import ROUTES
from store.queue_system import QueueSystem

_QUICK = settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
_ANY = st.sampled_from(
    [None, True, 0, -1, 1e308, 10**30, 1.5, "", "x", "\x00", "٣", [], [1], ["a"], {}, {"a": 1}, {"type": 5}, [{}]]
)
_TYPED = st.sampled_from(
    [
        "1e999", "-1", "1" + "0" * 30, "NaN", "٣", "", "null", "[" * 2000, "9" * 5000, "0x10", "1_000", "\x00", "a b",
        "../..", "inf", "1e999h", "9999-12-31T23:59:59Z", "0000-00-00", "999999999999999", "-", "Ojo6", "MCBkZWFkIHgg",
    ]
)  # fmt: skip
_WORDS = (
    "queue", "state", "name", "error", "text", "key", "since", "older_than", "cursor", "seen", "offset", "act", "limit",
    "q", "policy", "target", "min", "max", "lead", "queues", "reason", "until", "id", "until_ms", "matched", "result",
    "workers", "priority", "delay", "p.a", "p.b", "rest", "more", "args", "kwargs", "selector", "dry_run", "token",
    "replace", "due", "coalesce", "max_attempts", "schedule", "job", "cron", "every", "tz", "missed", "catch_up",
    "overlap", "no_overlap", "tags", "tag", "group", "edit", "for", "before", "order", "after", "back", "worker",
)  # fmt: skip
#: What some paths want at least, so that all else is looked at too.
_ENOUGH = {
    "jobs": {"name": "n"}, "bulk": {"queue": "q", "act": "cancel", "state": "ready"},
    "schedules": {"name": "s", "job": "n", "queue": "q", "every": "1h"},
}  # fmt: skip
_ENTRY = {
    "queue": "q", "priority": 1, "max_attempts": 3, "timeout_ms": 1, "doc": "d", "coalesce": "running", "replace": True,
    "redact": ["a"], "delay": "10m", "delay_ms": 5,
}  # fmt: skip
_SCHEMA = {
    "type": "object", "required": ["a"], "additionalProperties": False, "x-positional": ["a", "b"],
    "x-positional-only": ["a"], "x-rest": {"type": "integer"}, "$defs": {"S": {"title": "S", "properties": {"x": {}}}},
    "properties": {
        "a": {"type": "integer", "default": 1}, "b": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "c": {"enum": ["x", "y"]}, "d": {"$ref": "#/$defs/S"},
    },
}  # fmt: skip


@pytest.fixture
def world(system: QueueSystem, dashboard: Dashboard) -> tuple[QueueSystem, Dashboard]:
    """A queue, and a dashboard that lets Ann do anything; the same for all examples."""
    system.run(upkeep.add_queues(["q"]))
    system.redis("ZADD", system.key("offers"), 10**15, "n")
    return system, dashboard


def ask(dashboard: Dashboard, method: str, path: str, query: dict[str, list[str]], body: bytes = b"") -> None:
    kind = "application/json" if path.startswith("/api") else "application/x-www-form-urlencoded"
    headers = {"sec-fetch-site": "same-origin", "content-type": kind}
    response = dashboard.handle(Request(method, path, query, headers, body, host="h"))
    assert response.status < 500, (method, path, query, body[:300])


def _paths(route: Route) -> list[str]:
    acts = ("pause", "retry", "run", "quiet", "resolve", "delete")
    filled = [route.pattern.replace("{act}", act) for act in acts] if "{act}" in route.pattern else [route.pattern]
    return [re.sub(r"\{(\w+)\}", lambda part: {"id": "j", "name": "n"}.get(part[1], "q"), path) for path in filled]


_CALLS = [(route.method, path) for route in ROUTES.routes for path in _paths(route)]


@_QUICK
@given(st.sampled_from(_CALLS), st.dictionaries(st.sampled_from(_WORDS), _TYPED, max_size=3))
def test_nothing_that_somebody_types_is_a_defect(
    world: tuple[QueueSystem, Dashboard], call: tuple[str, str], typed: dict[str, str]
) -> None:
    system, dashboard = world
    system.add("j", payload=b'{"args": [1]}')
    said = {"queue": "q", "state": "ready", "act": "cancel", "until_ms": "1", **typed}
    method, path = call
    body = b"" if method == "GET" else urlencode(said).encode()
    if not path.startswith("/api"):
        ask(dashboard, method, path, {word: [value] for word, value in said.items()}, body)
    elif method == "GET":
        ask(dashboard, method, path, {word: [value] for word, value in said.items()})


@_QUICK
@given(st.sampled_from(_CALLS), st.dictionaries(st.sampled_from(_WORDS), _ANY | _TYPED, max_size=3))
def test_nothing_that_a_program_sends_is_a_defect(
    world: tuple[QueueSystem, Dashboard], call: tuple[str, str], sent: dict[str, Any]
) -> None:
    method, path = call
    if method == "POST" and path.startswith("/api"):
        enough = _ENOUGH.get(path.rpartition("/")[2], {})
        said = {**enough, **sent}
        ask(world[1], method, path, {}, json.dumps(said).encode())


@pytest.mark.parametrize("body", [b'{"token": "\\ud800"}', b'{"a": NaN}', b'{"a": 1e999}', b"[1]", b'{"a":' * 2000])
def test_a_body_that_is_no_json_object_is_refused(world: tuple[QueueSystem, Dashboard], body: bytes) -> None:
    headers = {"sec-fetch-site": "same-origin", "content-type": "application/json"}
    request = Request("POST", "/api/v1/jobs/q/j/resolve", {}, headers, body, host="h")

    assert world[1].handle(request).status == 400


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> Any:
    """Return JSON with something else anywhere in it."""
    where, value = [], whole
    while isinstance(value, (dict, list)) and value and draw(st.integers(0, 3)):
        where.append(draw(st.sampled_from([*value] if isinstance(value, dict) else range(len(value)))))
        value = value[where[-1]]
    return _put(copy.deepcopy(whole), where, draw(_ANY))


def _put(whole: Any, where: list[Any], value: Any) -> Any:
    if not where:
        return value
    whole[where[0]] = _put(whole[where[0]], where[1:], value)
    return whole


@settings(_QUICK, max_examples=50)
@given(damaged(_ENTRY), damaged(_SCHEMA))
@example(_ENTRY, {"type": "object", "properties": {"a": True}})
def test_a_catalog_may_say_anything(world: tuple[QueueSystem, Dashboard], entry: Any, schema: Any) -> None:
    system, dashboard = world
    system.add("j", payload=b'{"args": [1]}')
    system.redis("HSET", system.key("catalog"), "n", json.dumps(entry), "params:n", json.dumps(schema))

    for path in ("/new", "/new/q/n", "/jobs/q/j", "/api/v1/catalog"):
        ask(dashboard, "GET", path, {})
    ask(dashboard, "POST", "/new/q/n", {}, b"p.a=1&p.b=x&p.c=x&rest=[1]")
    ask(dashboard, "POST", "/api/v1/jobs", {}, b'{"name": "n", "args": [1], "kwargs": {"c": "z"}}')


@pytest.mark.parametrize("depth", [60, 490])
def test_what_is_nested_deeply_is_cut_off(world: tuple[QueueSystem, Dashboard], depth: int) -> None:
    system, dashboard = world
    nested = "[" * depth + "]" * depth
    system.redis("HSET", system.key("catalog"), "n", "{}")
    system.add("deep", payload=f'{{"args": [{nested}]}}'.encode(), fields=("progress", nested))

    ask(dashboard, "GET", "/jobs/q/deep", {})
    ask(dashboard, "GET", "/api/v1/jobs/q/deep", {})
