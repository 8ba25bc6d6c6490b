"""What jqctl orders a daemon to do, and what the daemon answers: verbs, and the JSON they travel as.

Owns which orders are valid; knows no connection and does nothing. Called by `listener` (the daemon's end) and by
`cli.remote` (the other one), so it stays light. docs/protocol.md, "Remote control".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jqjobs.link.bounds import Bounds
from jqjobs.store.reply_values import strict_json

#: The version of orders and answers; another one is not understood.
_VERSION = 1
#: An order is a few words; anything longer is none.
_MOST_ORDER_BYTES = 1024
#: Stacks of 256 workers fit in. What is larger goes without its facts.
_MOST_ANSWER_CHARS = 8 * 1024 * 1024
_NONCE = re.compile(r"[A-Za-z0-9]{8,64}")
_WORKERS = re.compile(r"[+-]1|[1-9][0-9]{0,2}(\.\.[1-9][0-9]{0,2})?")
_ORDER_KEYS = {"v", "verb", "argument", "nonce", "at_ms"}


class Verb(StrEnum):
    """What a daemon can be told to do."""

    QUIET = "quiet"
    RESUME = "resume"
    RELOAD = "reload"
    SCALE = "scale"
    DRAIN = "drain"
    STOP = "stop"
    DUMP = "dump"
    PING = "ping"


@dataclass(frozen=True, slots=True)
class Order:
    """One order. ``argument``: for scale how many workers ("4", "1..8") or "+1", "-1"; else "".

    ``nonce``: where the answer goes. ``at_ms``: when it was posted, by the clock of Redis.
    """

    verb: Verb
    argument: str = ""
    nonce: str = ""
    at_ms: int = 0

    def to_json(self) -> str:
        """Return what is posted; the script that posts it adds ``at_ms``."""
        return json.dumps({"v": _VERSION, "verb": self.verb, "argument": self.argument, "nonce": self.nonce})


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """What a daemon says to an order. ``ok``: it does it. ``facts``: whatever else it tells, JSON values."""

    daemon: str
    ok: bool
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return what is posted; facts that are no JSON, or too much of it, are left out and that is said."""
        try:
            text = self._packed(self.message, self.facts)
        except (TypeError, ValueError, RecursionError):
            return self._packed(f"{self.message} (the details cannot be sent)", {})
        if len(text) > _MOST_ANSWER_CHARS:
            return self._packed(f"{self.message[:1000]} (the details are too large to be sent)", {})
        return text

    def _packed(self, message: str, facts: Mapping[str, Any]) -> str:
        said = {"v": _VERSION, "daemon": self.daemon, "ok": self.ok, "message": message, "facts": dict(facts)}
        return json.dumps(said, allow_nan=False)


def parse_order(raw: bytes) -> Order | None:
    """Return the order that was posted, None when it is none that this version understands."""
    said = _object(raw) if len(raw) <= _MOST_ORDER_BYTES else {}
    verb, argument, nonce, at_ms = (said.get(key, "") for key in ("verb", "argument", "nonce", "at_ms"))
    if set(said) - _ORDER_KEYS or verb not in list(Verb) or type(at_ms) is not int:
        return None
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        return None
    if not isinstance(argument, str) or not is_argument(Verb(verb), argument):
        return None
    return Order(Verb(verb), argument, nonce, at_ms)


def is_argument(verb: Verb, argument: str) -> bool:
    """Whether a verb goes with an argument: scale needs 1…256, a range of these, "+1" or "-1", the others have none."""
    if verb is not Verb.SCALE:
        return argument == ""
    return bool(_WORKERS.fullmatch(argument)) and (argument[0] in "+-" or Bounds.parse(argument).are_possible)


def scaled(argument: str, present: int) -> Bounds | None:
    """Return how many workers an argument of scale means, None when that is not between 1 and 256."""
    found = Bounds(*[present + int(argument)] * 2) if argument[0] in "+-" else Bounds.parse(argument)
    return found if found.are_possible else None


def parse_answer(raw: bytes) -> OrderAnswer | None:
    """Return the answer that was posted, None when it is none."""
    said = _object(raw)
    daemon, ok, message, facts = (said.get(key) for key in ("daemon", "ok", "message", "facts"))
    if not (isinstance(daemon, str) and isinstance(message, str) and isinstance(ok, bool)):
        return None
    return OrderAnswer(daemon, ok, message, facts if isinstance(facts, dict) else {})


def _object(raw: bytes) -> dict[str, Any]:
    try:
        said = strict_json(raw)
    except ValueError:
        return {}
    known = isinstance(said, dict) and type(said.get("v")) is int and said["v"] == _VERSION
    return said if known else {}
