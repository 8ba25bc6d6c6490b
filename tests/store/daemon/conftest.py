"""What tests of the daemon's ticker share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from jqjobs.daemon.leases.ticker import Ticker
from jqjobs.store.address import parse_url
from jqjobs.store.store import Store
from store.queue_system import QueueSystem


@pytest.fixture
def tickers(system: QueueSystem) -> Iterator[Callable[[int], list[Ticker]]]:
    """Make tickers, each on a connection of its own, by the clock of the system."""
    stores: list[Store] = []

    def make(count: int) -> list[Ticker]:
        stores.extend(Store(parse_url(system.url), now_ms=system.clock) for _ in range(count))
        return [Ticker(store, f"d{id(store)}") for store in stores[-count:]]

    yield make
    for store in stores:
        store.close()
