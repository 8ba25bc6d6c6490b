"""Which error a reply of Redis is. Called by both connections (`wire`, `async_wire`)."""

from __future__ import annotations

from jqjobs.errors import JqError, Repartitioned, ScriptMissing, StoreBusy, StoreError, StoreFull, StoreRefused

#: What to do about a server that does not serve right now, by the first word of what it says.
_NOT_NOW = {
    "LOADING": "it reads its data from disk: wait; INFO persistence says how far it is",
    "BUSY": "a script runs there for too long: SCRIPT KILL ends it",
    "NOREPLICAS": "fewer replicas are connected than its min-replicas-to-write: see INFO replication",
    "MISCONF": "it cannot save to its disk and takes no writes: its log says why, such as a full disk",
    "TRYAGAIN": "the cluster moves this slot to another node: wait",
    "CLUSTERDOWN": "the cluster is not whole: see CLUSTER INFO",
}
_REPLICA = "it is a replica: JQ_REDIS_URL must lead to its primary, which INFO replication names"
#: Said by a server that was a primary, or is not one yet: another one may be behind the address by now.
MOVED = {
    "READONLY": _REPLICA,
    "MASTERDOWN": f"{_REPLICA}, and it has lost that",
    "UNBLOCKED": "it has just become a replica: what it was asked is asked again at the primary",
}
TOO_MANY_CLIENTS = "max number of clients"
_SENTINEL = "for a Sentinel write redis+sentinel://HOST:PORT,…/SERVICE"
_CLUSTER = "this is a node of a Redis Cluster: write redis+cluster://n1:6379,n2,n3"
#: What to do about a refusal, by its first word.
_REFUSED = {
    "MOVED": _CLUSTER,
    "ASK": _CLUSTER,
    "CROSSSLOT": _CLUSTER,
    "NOAUTH": "this Redis wants a password: put it into JQ_REDIS_URL, JQ_REDIS_PASSWORD or JQ_REDIS_PASSWORD_FILE",
    "WRONGPASS": "check user and password in JQ_REDIS_URL, or where JQ_REDIS_PASSWORD and its kin say them",
    "NOPERM": "the ACL of this user lacks a permission; all its keys and channels begin with JQ_PREFIX",
    "DENIED": "protected mode: give this Redis a password, or let it listen on the loopback only",
}
#: Reasons that speak against a connection as a whole, not against one command.
OF_CREDENTIALS = ("NOAUTH", "WRONGPASS")
#: Refusals worded as a plain ERR: what they say, the reason that is, and what to do about it. A password nobody asked
#: for, a database that is not there, what others than Redis cannot do, and a command denied inside a script.
_WORDED = (
    (
        "without any password configured",
        "without any password configured",
        "it has no password: take ours out of JQ_REDIS_URL or JQ_REDIS_PASSWORD",
    ),
    ("DB index is out of range", "database", "it has no database of that number: see the end of the Redis URL"),
    ("not allowed in cluster mode", "cluster", _CLUSTER),
    (
        "unknown command 'EVAL",
        "EVAL",
        f"jqjobs needs EVAL and EVALSHA: no rename-command may take them away; {_SENTINEL}",
    ),
    ("unknown command 'TIME'", "TIME", f"jqjobs needs TIME: no rename-command may take it away; {_SENTINEL}"),
    ("undeclared key", "undeclared key", "this is no Redis, nor Valkey, which jqjobs needs"),
    ("The user executing the script can't", "NOPERM", _REFUSED["NOPERM"]),
    ("ACL failure in script", "NOPERM", _REFUSED["NOPERM"]),
)


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
    if (full := text.partition("QUEUEFULL "))[1]:  # lua/rules/length.lua
        return StoreFull(f"the queue is full: {full[2]}", hint="let workers drain it, or raise its --max-length")
    if "REPARTITIONED " in text:  # lua/rules/arrival/new_in_call.lua
        return Repartitioned("the queue has other partitions by now", hint="enqueue with a jqjobs that knows of them")
    if word in MOVED:
        return StoreBusy(f"Redis does not serve right now: {_less_script(text)}", MOVED[word], reason=word)
    if word in _NOT_NOW:
        return StoreBusy(f"Redis does not serve right now: {_less_script(text)}", _NOT_NOW[word])
    if TOO_MANY_CLIENTS in text:
        return StoreBusy(
            f"Redis does not serve right now: {text}", hint="raise its maxclients; CLIENT LIST says who has so many"
        )
    return _refusal(word, text) or StoreError(text)


def _less_script(text: str) -> str:
    """Return what a server says, without the place in a script where that came up."""
    return text.partition(" script: ")[0]


def _refusal(word: str, text: str) -> StoreRefused | None:
    """Return the error of a reply that says no for good."""
    for said, reason, hint in _WORDED:
        if said in text:
            text = text.partition(", with args")[0]  # which may be arguments of a job
            return StoreRefused(f"Redis refuses: {text}", hint, reason=reason)
    if word in _REFUSED:
        return StoreRefused(f"Redis refuses: {text}", _REFUSED[word], reason=word)
    return None
