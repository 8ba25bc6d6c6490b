"""Which engine the calls of an app go to: the client for Redis, or what JQ_ENGINE says in its place; and when.

The others run or drop jobs in this process, or leave them in a database. They live in higher rooms, as does what knows
of transactions: this is the one place that reaches up, by name and when it is asked to.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from jqjobs.api.engine import Engine
from jqjobs.errors import ConfigError

#: Value of JQ_ENGINE → module, and what makes the engine there, for an app.
_OTHERS = {
    "sync": ("jqjobs.inprocess.engines", "SyncEngine"), "null": ("jqjobs.inprocess.engines", "NullEngine"),
    "database": ("jqjobs.outbox.engine", "database_engine"),
}  # fmt: skip


def after_commit(engine: Callable[[], Engine], alias: str) -> Callable[[], Engine]:
    """Return an engine that stores calls when the transaction of a database of Django is committed."""

    def choose() -> Engine:
        made: Engine = import_module("jqjobs.django.on_commit").OnCommit(engine(), alias)
        return made

    return choose


def in_outbox(engine: Callable[[], Engine], transaction: Any) -> Callable[[], Engine]:
    """Return an engine that writes calls into the outbox, in a transaction that is open."""

    def choose() -> Engine:
        made: Engine = import_module("jqjobs.outbox.engine").transactional(engine(), transaction)
        return made

    return choose


def choose_engine(name: str | None, app: object, client: Engine) -> Engine:
    """Return the engine that JQ_ENGINE names, None or "redis" for ``client``. Raises: ConfigError."""
    if name in (None, "redis"):
        return client
    if name not in _OTHERS:
        raise ConfigError(f"JQ_ENGINE {name!r} is none of redis, {', '.join(_OTHERS)}")
    module, make = _OTHERS[name]
    engine: Engine = getattr(import_module(module), make)(app)
    return engine
