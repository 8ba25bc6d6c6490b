"""Which engine the calls of an app go to: the client for Redis, or what JQ_ENGINE says in its place; and when.

The others run or drop jobs in this process. They need what workers need, so they live in `inprocess`, a higher room, as
does what knows of Django's transactions: this is the one place that reaches up, by name and when it is asked to.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from jqjobs.api.engine import Engine
from jqjobs.errors import ConfigError

#: Value of JQ_ENGINE → module and class of the engine, which is made for an app.
_IN_PROCESS = {"sync": ("jqjobs.inprocess.engines", "SyncEngine"), "null": ("jqjobs.inprocess.engines", "NullEngine")}


def after_commit(engine: Callable[[], Engine], alias: str) -> Callable[[], Engine]:
    """Return an engine that stores calls when the transaction of a database of Django is committed."""

    def choose() -> Engine:
        made: Engine = import_module("jqjobs.django.on_commit").OnCommit(engine(), alias)
        return made

    return choose


def choose_engine(name: str | None, app: object, client: Engine) -> Engine:
    """Return the engine that JQ_ENGINE names, None or "redis" for ``client``. Raises: ConfigError."""
    if name in (None, "redis"):
        return client
    if name not in _IN_PROCESS:
        raise ConfigError(f"JQ_ENGINE {name!r} is none of redis, {', '.join(_IN_PROCESS)}")
    module, kind = _IN_PROCESS[name]
    engine: Engine = getattr(import_module(module), kind)(app)
    return engine
