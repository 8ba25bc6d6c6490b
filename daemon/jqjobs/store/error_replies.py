"""Which error a reply of Redis is. Called by both connections (`wire`, `async_wire`)."""

from __future__ import annotations

from jqjobs.errors import JqError, ScriptMissing, StoreBusy, StoreError, StoreFull, StoreRefused

_BUSY = (
    "LOADING",
    "BUSY",
    "READONLY",
    "MASTERDOWN",
    "NOREPLICAS",
    "MISCONF",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "UNBLOCKED",
)
TOO_MANY_CLIENTS = "max number of clients"
_REFUSED = ("NOAUTH", "WRONGPASS", "NOPERM", "DENIED")
#: Refusals that Redis words as a plain ERR: a password nobody asked for, a command denied inside a script.
_REFUSED_IN_WORDS = ("without any password configured", "The user executing the script can't", "ACL failure in script")


def error_of(reply: Exception) -> JqError:
    """Return the typed error of an error reply.

    Redis tells its kinds of errors apart only by their first word. An error raised inside a script
    carries its kind there too (Redis >= 7).
    """
    text = str(reply)
    word = text.split(" ", 1)[0]
    if word == "NOSCRIPT":
        return ScriptMissing(text)
    if word == "OOM":
        return StoreFull("Redis is at its maxmemory and refuses new jobs", hint="raise maxmemory or let workers drain")
    if word in _BUSY or TOO_MANY_CLIENTS in text:
        return StoreBusy(f"Redis does not serve right now: {text}")
    if word in _REFUSED or any(said in text for said in _REFUSED_IN_WORDS):
        return StoreRefused(f"Redis refuses: {text}", hint="check user, password and ACL in JQ_REDIS_URL")
    return StoreError(text)
