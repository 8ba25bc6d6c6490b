"""What an error is called by HTTP, and how it is told: an object to programs, a page to people."""

from __future__ import annotations

from typing import Any

from jqjobs.errors import (
    Conflict,
    InvalidArguments,
    InvalidName,
    InvalidOption,
    JqError,
    Misdirected,
    NotAllowed,
    NotFound,
    PayloadTooLarge,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    TooManyGuesses,
    Unauthenticated,
)
from jqjobs.web.http import Request, Response, json_response

_STATUS: tuple[tuple[type[JqError], int], ...] = (
    (NotAllowed, 403), (Unauthenticated, 401), (Misdirected, 421), (NotFound, 404), (Conflict, 409),
    (PayloadTooLarge, 413), (InvalidName, 400), (InvalidOption, 400), (InvalidArguments, 400), (StoreFull, 507),
    (StoreUnavailable, 503), (StoreError, 502), (TooManyGuesses, 429),
)  # fmt: skip
_HEADINGS = {
    400: "That cannot be understood", 401: "Who are you?", 403: "Not allowed", 404: "Not found",
    405: "Not that way", 409: "Not now", 413: "Too large", 421: "Wrong host", 429: "Too often", 500: "A defect",
    502: "Redis answers with an error", 503: "Redis does not answer", 507: "Redis is full",
}  # fmt: skip
_HINTS = {
    502: "Something else may have written to that key, or an older version. `jqctl doctor` looks at all of them.",
    503: "This page works again as soon as Redis does. Jobs that run go on meanwhile; `jqctl ping` looks from here.",
}
#: Characters of an error that are told: it may quote what was sent, which may be megabytes.
_MOST_TOLD = 1000
#: Below these programs ask.
_OF_PROGRAMS = ("/api/", "/metrics")


def status_of(error: JqError) -> int:
    """Return the status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def asks_for_json(request: Request) -> bool:
    """Whether who asks is a program."""
    return request.path.startswith(_OF_PROGRAMS)


def cut(words: str) -> str:
    """Return what is told of an error, or of its hint."""
    return words if len(words) <= _MOST_TOLD else f"{words[:_MOST_TOLD]}…"


def error_object(status: int, error: JqError, *headers: tuple[str, str]) -> Response:
    """Return an error as programs get it."""
    told = {"code": error.code, "message": cut(error.message), "hint": error.hint and cut(error.hint)}
    return json_response(status, {"error": told}, *headers)


def error_words(status: int, error: JqError) -> dict[str, Any]:
    """Return what the page of an error shows."""
    more = None if isinstance(error, StoreRefused) else _HINTS.get(status)  # which is about no key, and says all
    hint = " ".join(filter(None, (error.hint and f"{error.hint[0].upper()}{cut(error.hint)[1:]}.", more)))
    return {"heading": _HEADINGS.get(status, "That did not work"), "message": cut(error.message), "hint": hint}
