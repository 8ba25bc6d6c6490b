"""What a request and a response are to the dashboard, whatever serves it. No framework, no connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from jqjobs.errors import InvalidArguments
from jqjobs.store.reply_values import strict_json

HTML, JSON, TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
#: Methods that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: A body is not read beyond that: arguments of a job have 1 MiB at most, and a form writes a byte as three.
MOST_BODY = 4 * 1024 * 1024
_MOST_FIELDS = 2000


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path``: below ``prefix``, where the dashboard is mounted; names of ``headers`` in small letters.

    ``client``: the address of who is connected, "unix" over a socket, "" when nobody says.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    prefix: str = ""
    scheme: str = "http"
    host: str = ""
    client: str = ""

    def form(self) -> dict[str, list[str]]:
        """Return what a form has posted, {} when there is no body. Raises: InvalidArguments."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.body and kind != "application/x-www-form-urlencoded":
            raise InvalidArguments("the body is no form", hint="send Content-Type: application/x-www-form-urlencoded")
        try:
            return parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise InvalidArguments(f"a form has at most {_MOST_FIELDS} fields") from None

    def json(self) -> dict[str, Any]:
        """Return the JSON object in the body, {} when there is no body. Raises: InvalidArguments."""
        if not self.body.strip():
            return {}
        try:
            found = strict_json(self.body)
            if b"\\u" in self.body:
                json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no character
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InvalidArguments("the body is no JSON object", hint="send Content-Type: application/json and {…}")
        return found

    def asked(self, name: str, default: str = "") -> str:
        """Return a value of the query, the last one where there are several."""
        return self.query.get(name, [default])[-1]


@dataclass(frozen=True, slots=True)
class Response:
    """One response. ``headers``: pairs; those that every response has are added where it leaves."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def text_response(status: int, text: str, kind: str = TEXT, *headers: tuple[str, str]) -> Response:
    """Return a response of text."""
    return Response(status, (("Content-Type", kind), *headers), text.encode("utf-8", "backslashreplace"))


def json_response(status: int, value: Mapping[str, Any], *headers: tuple[str, str]) -> Response:
    """Return a JSON object, with the version that each one carries."""
    return text_response(status, json.dumps({"v": 1, **value}, allow_nan=False), JSON, *headers)


def redirect(location: str) -> Response:
    """Return "see other": after a form was posted, so that going back or loading anew posts nothing again."""
    return Response(303, (("Location", location),))
