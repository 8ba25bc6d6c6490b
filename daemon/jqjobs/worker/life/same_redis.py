"""Has an app enqueue where its worker works: what went to another Redis, database or prefix nobody here would run.

For workers at their boot, and for `jqd --check`.
"""

from __future__ import annotations

from contextlib import closing

from jqjobs.api.app import App
from jqjobs.base import log
from jqjobs.errors import ConfigError, StoreError
from jqjobs.store.address import Address
from jqjobs.store.wire import Wire

#: So long each of two servers has to say which one it is.
_PATIENCE_S = 2.0
_SAY_ONE = "say the same in App(…) as in --redis and --prefix, or JQ_REDIS_URL and JQ_PREFIX; or leave it out of App(…)"


def enqueue_where_we_work(app: App, ours: Address) -> None:
    """Have the app's calls go to our Redis. Raises: ConfigError when that is not where it says that they go.

    Two names of a server that does not answer now are only warned of.
    """
    theirs = app.client.address
    if str(theirs) == str(ours):
        return
    same = (theirs.db, theirs.prefix) == (ours.db, ours.prefix) and _are_one(theirs, ours)
    if same is False:
        raise ConfigError(f"the app enqueues to {theirs}, its workers would take from {ours}", hint=_SAY_ONE)
    if same is None:
        log.event("app.elsewhere", level=log.WARNING, app_redis=str(theirs), redis=str(ours), hint=_SAY_ONE)
    app.client.move_to(ours)


def _are_one(theirs: Address, ours: Address) -> bool | None:
    """Return whether two addresses lead to one server; None when not both say."""
    ids = [_run_id(ours), _run_id(theirs)]
    return ids[0] == ids[1] if all(ids) else None


def _run_id(address: Address) -> str:
    """Return what a server has called itself since its start; "" when it does not say."""
    with closing(Wire(address, timeout_s=_PATIENCE_S, name="jqjobs-check")) as wire:
        try:
            info = wire.call("INFO", "server").decode("utf-8", "replace")
        except StoreError:
            return ""
    return next((line.partition(":")[2] for line in info.splitlines() if line.startswith("run_id:")), "")
