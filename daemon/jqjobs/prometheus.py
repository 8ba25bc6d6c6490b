"""A collector for prometheus_client, for who has an endpoint already: ``pip install 'jqjobs[prometheus]'``.

    from prometheus_client import REGISTRY
    REGISTRY.register(Collector(app))

In one process of all, or the numbers of queues are told many times. `jqctl metrics --listen` is such a process.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric as Family
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector as _Collector

from jqjobs.api.app import App
from jqjobs.base.exposition import Histogram, Metric
from jqjobs.store.reads.metrics import queue_metrics
from jqjobs.store.store import Store

_TIMEOUT_S = 5.0


class Collector(_Collector):
    """Tells what `jqctl metrics` tells, read from Redis at each scrape, over a connection of its own each time."""

    def __init__(self, app: App) -> None:
        self._app = app

    def describe(self) -> list[Family]:
        """Return nothing: so registering asks nothing of Redis."""
        return []

    def collect(self) -> Iterator[Family]:
        """Return the families. Raises: StoreError."""
        store = Store(self._app.client.address, timeout_s=_TIMEOUT_S, name="jqjobs-metrics")
        try:
            yield from map(_family, queue_metrics(store))
        finally:
            store.close()


def _family(metric: Metric) -> Family:
    if metric.kind == "histogram":
        histograms = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, number in metric.samples:
            assert isinstance(number, Histogram)
            histograms.add_metric(labels, number.up_to(), number.sum_s)
        return histograms
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = kind(metric.name, metric.help, labels=metric.labels)
    for labels, number in metric.samples:
        assert not isinstance(number, Histogram)
        family.add_metric(labels, number)
    return family
