"""What a loop does once one of several things that it wants of Redis could not be done: the others, if they may work.

Called by the steps of the lease thread, which are made of many calls. They raise what went wrong at their end.
"""

from __future__ import annotations

from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store.store import Store

#: How long each call may take once a node has been silent: it is milliseconds, as a rule.
MOMENT_S = 1.0


def go_on_after(error: StoreError, store: Store) -> None:
    """Be brief with what comes next, which may concern another node of a cluster, or another key.

    Until somebody gives the calls their time again (`Waits.shorten`).
    Raises: the error, where nothing else can work: a single server is away.
    """
    if not isinstance(error, StoreUnavailable):
        return
    if not store.address.cluster:
        raise error
    be_brief(store)


def be_brief(store: Store) -> None:
    """Wait no longer than moments for a node of a cluster, and for one that is silent then, not again."""
    if store.address.cluster:
        store.wire.waits.shorten(MOMENT_S)
