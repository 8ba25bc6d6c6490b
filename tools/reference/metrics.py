"""The metrics: families as the code declares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jqjobs.base.exposition import Family
from jqjobs.daemon.health import probes
from jqjobs.jobs.statistics import Ended
from jqjobs.store.reads import metrics as queues
from reference.markdown import code, table


def lines() -> Iterator[str]:
    """Yield the page."""
    yield from ["## Of all queues and workers", ""]
    yield "Told by one process: `jqctl metrics --listen`, or `jqjobs.prometheus.Collector(app)`. Several add up."
    yield ""
    yield from _families(queues.FAMILIES)
    yield f"Values of `state`: {_list(queues.STATES)}. Values of `outcome`: {_list(each.value for each in Ended)}."
    yield ""
    yield from ["## Of one daemon", "", "Told by each `jqd --health` under `/metrics`, about itself only.", ""]
    yield from _families(probes.FAMILIES)
    yield f"Values of `state`: {_list(probes.STATES)}."


def _families(families: tuple[Family, ...]) -> Iterator[str]:
    rows = [(code(each.name), each.kind, ", ".join(each.labels), each.help) for each in families]
    yield from table(("metric", "kind", "labels", "meaning"), rows)


def _list(words: Iterable[str]) -> str:
    return ", ".join(map(code, words))
