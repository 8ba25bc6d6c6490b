"""The JSON API described for programs: OpenAPI 3.1, made of the routes themselves and the docs of their handlers.

`docs/openapi.json` is written from it; a test holds both together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from jqjobs.jobs.flow import OnDead
from jqjobs.jobs.records import State
from jqjobs.jobs.scaling import Policy
from jqjobs.jobs.timetable import Missed
from jqjobs.web.acting import BATCH_ACTS, DAEMON_ACTS, JOB_ACTS, QUEUE_ACTS, SCHEDULE_ACTS
from jqjobs.web.bulk import BULK_ACTS
from jqjobs.web.routes import Route

_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
_STATES = {"type": "string", "enum": [*State]}
_SPAN: Mapping[str, Any] = {"type": ["string", "number"]}
_SPANS = dict.fromkeys(("timeout", "expires", "keep"), _SPAN)
#: Each the name of a job, an envelope (docs/envelope.schema.json), or {"all": a list of these}.
_STEPS: Mapping[str, Any] = {"type": "array", "items": {"type": ["string", "object"]}}
#: What the query of a path may say.
_QUERIES: Mapping[str, Mapping[str, Any]] = {
    "/api/v1/jobs": {
        "queue": _TEXT, "state": {"type": "string", "enum": [*State, "inbox", "rejected"]}, "name": _TEXT,
        "error": _TEXT, "text": _TEXT, "key": _TEXT, "tag": _TEXT, "group": _TEXT, "since": _TEXT,
        "older_than": _TEXT, "limit": _NUMBER, "cursor": _TEXT,
    },
    "/api/v1/errors": {"queue": _TEXT},
    "/api/v1/recent": {"queue": _TEXT, "name": _TEXT},
    "/api/v1/schedules": {"queue": _TEXT},
    "/api/v1/batches": {"queue": _TEXT, "limit": _NUMBER, "cursor": _TEXT},
    "/api/v1/limits": {"queue": _TEXT},
    "/api/v1/catalog": {"queue": _TEXT},
    "/api/v1/scale": {
        "queues": _TEXT, "policy": {"type": "string", "enum": [*Policy]}, "target": _TEXT, "min": _NUMBER,
        "max": _NUMBER, "lead": _TEXT, "concurrency": _NUMBER,
    },
}  # fmt: skip
#: What the body of a request may say.
_BODIES: Mapping[str, Mapping[str, Any]] = {
    "/api/v1/jobs": {
        "name": _TEXT, "queue": _TEXT, "args": {"type": "array"}, "kwargs": {"type": "object"}, "id": _TEXT,
        "key": _TEXT, "priority": _NUMBER, "delay": {"type": ["string", "number"]}, "due": _TEXT,
        "max_attempts": _NUMBER, "max_crashes": _NUMBER, **_SPANS, "coalesce": _TEXT, "replace": {"type": "boolean"},
        "tags": {"type": "array", "items": _TEXT}, "group": _TEXT, "then": _STEPS, "batch": _TEXT,
        "unchecked": {"type": "boolean"},
    },
    "/api/v1/batches": {
        "batch": _TEXT, "then": _STEPS, "always": _STEPS, "on_dead": {"type": "string", "enum": [*OnDead]},
        "keep": _SPAN, "unchecked": {"type": "boolean"},
    },
    "/api/v1/batches/{queue}/{id}/{act}": {"count": _NUMBER},
    "/api/v1/schedules": {
        "name": _TEXT, "job": _TEXT, "queue": _TEXT, "args": {"type": "array"}, "kwargs": {"type": "object"},
        "cron": _TEXT, "tz": _TEXT, "every": {"type": ["string", "number"]}, "until": _TEXT,
        "missed": {"type": "string", "enum": [*Missed]}, "catch_up": {"type": ["string", "number"]},
        "overlap": {"type": "boolean"}, "priority": _NUMBER, "max_attempts": _NUMBER, "max_crashes": _NUMBER,
        **_SPANS, "tags": {"type": "array", "items": _TEXT}, "group": _TEXT, "replace": {"type": "boolean"},
        "unchecked": {"type": "boolean"},
    },
    "/api/v1/jobs/{queue}/{id}/{act}": {"token": _TEXT, "result": {}, "error": _TEXT},
    "/api/v1/queues/{queue}/{act}": {"reason": _TEXT, "until": _TEXT},
    "/api/v1/daemons/{daemon}/{act}": {"argument": _TEXT},
    "/api/v1/bulk": {
        "queue": _TEXT, "state": _STATES, "act": {"type": "string", "enum": [*BULK_ACTS]},
        "selector": {
            "type": "object", "additionalProperties": False,
            "properties": {
                "name": _TEXT, "error": _TEXT, "text": _TEXT, "key": _TEXT, "tag": _TEXT, "group": _TEXT,
                "since_ms": _NUMBER, "older_than_s": {"type": "number"},
            },
        },
        "until_ms": _NUMBER, "cursor": _TEXT, "dry_run": {"type": "boolean"},
    },
}  # fmt: skip
_ACTS: Mapping[str, Iterable[str]] = {
    "/api/v1/jobs/{queue}/{id}/{act}": JOB_ACTS, "/api/v1/queues/{queue}/{act}": QUEUE_ACTS,
    "/api/v1/schedules/{queue}/{schedule}/{act}": SCHEDULE_ACTS, "/api/v1/daemons/{daemon}/{act}": DAEMON_ACTS,
    "/api/v1/batches/{queue}/{id}/{act}": BATCH_ACTS,
}  # fmt: skip
_ERROR = {"$ref": "#/components/schemas/Error"}
_PLAIN = ("/metrics", "/api/v1/metrics")


def description(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI description of these routes."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.pattern, {})[route.method.lower()] = _operation(route)
    error = {"code": _TEXT, "message": _TEXT, "hint": _TEXT}
    told = {"type": "object", "properties": error, "required": [*error]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "jqjobs", "version": "1", "description": "What `jqctl --json` tells and does, by HTTP."},
        "paths": paths,
        "components": {
            "schemas": {"Error": {"type": "object", "properties": {"v": {"const": 1}, "error": told}}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"},
                                "password": {"type": "http", "scheme": "basic"}},
        },
        "security": [{"token": []}, {"password": []}],
    }  # fmt: skip


def _operation(route: Route) -> dict[str, Any]:
    summary = (route.handler.__doc__ or "").strip().partition("\n")[0]
    told: dict[str, Any] = {"summary": summary, "responses": _responses(route)}
    parameters = [*_path_parameters(route), *_query_parameters(route)]
    if parameters:
        told["parameters"] = parameters
    if route.method == "POST" and route.pattern in _BODIES:
        body = {"type": "object", "properties": _BODIES[route.pattern]}
        told["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return told


def _responses(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = (
        {"text/plain": {}} if route.pattern in _PLAIN else {"application/json": {"schema": {"type": "object"}}}
    )
    failed = {"description": "An error", "content": {"application/json": {"schema": _ERROR}}}
    return {"200": {"description": "The answer", "content": answer}, "default": failed}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    acts: dict[str, Any] = {"type": "string", "enum": [*_ACTS.get(route.pattern, ())]}
    return [
        {"name": name, "in": "path", "required": True, "schema": acts if name == "act" else _TEXT}
        for name in re.findall(r"\{(\w+)\}", route.pattern)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    asked = _QUERIES.get(route.pattern, {}) if route.method == "GET" else {}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in asked.items()]
