"""Numbers for Prometheus, as text: its exposition format 0.0.4, which every agent of its kind reads.

Written here, not by prometheus_client, so that neither daemon nor `jqctl` needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram(NamedTuple):
    """How many observations are in each bucket, one more than there are bounds (s), and their sum (s)."""

    bounds_s: Sequence[float]
    counts: Sequence[int]
    sum_s: float

    def up_to(self) -> list[tuple[str, int]]:
        """Return each bound, as text, the last one ``+Inf``, and how many observations are up to there."""
        return list(zip(_bounds(tuple(self.bounds_s)), accumulate(self.counts), strict=True))


class Metric(NamedTuple):
    """One family. ``kind``: gauge, counter or histogram. ``samples``: the values of its labels, and the number."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    samples: Sequence[tuple[tuple[str, ...], float | Histogram]]


class Family(NamedTuple):
    """What is known of a metric before there is anything to tell."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()

    def of(self, samples: Sequence[tuple[tuple[str, ...], float | Histogram]]) -> Metric:
        """Return it with what there is to tell."""
        return Metric(*self, samples)

    def alone(self, number: float) -> Metric:
        """Return it with one number, where it has no labels."""
        return self.of([((), number)])


def metrics_json(metrics: Iterable[Metric]) -> list[dict[str, Any]]:
    """Return the families as a JSON value, what `exposition` tells; of histograms each bucket has its upper bound."""
    return [
        {
            "name": metric.name, "kind": metric.kind, "help": metric.help,
            "samples": [
                {"labels": dict(zip(metric.labels, values, strict=True)), **_number_json(number)}
                for values, number in metric.samples
            ],
        }
        for metric in metrics
    ]  # fmt: skip


def _number_json(number: float | Histogram) -> dict[str, Any]:
    if isinstance(number, Histogram):
        return {"buckets": dict(number.up_to()), "sum": number.sum_s, "count": sum(number.counts)}
    return {"value": number}


def exposition(metrics: Iterable[Metric]) -> str:
    """Return the families as text."""
    return "".join(f"{line}\n" for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterable[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for values, number in metric.samples:
        labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(metric.labels, values, strict=True))
        if isinstance(number, Histogram):
            yield from _histogram(metric.name, labels, number)
        else:
            yield _sample(metric.name, labels, number)


def _histogram(name: str, labels: str, histogram: Histogram) -> Iterable[str]:
    begin = f"{name}_bucket{{{labels},le=" if labels else f"{name}_bucket{{le="
    for bound, count in histogram.up_to():
        yield f'{begin}"{bound}"}} {count}'
    yield _sample(f"{name}_sum", labels, histogram.sum_s)
    yield _sample(f"{name}_count", labels, sum(histogram.counts))


def _sample(name: str, labels: str, number: float) -> str:
    return f"{name}{{{labels}}} {_number(number)}" if labels else f"{name} {_number(number)}"


@cache
def _bounds(bounds_s: tuple[float, ...]) -> list[str]:
    return [*map(_number, bounds_s), "+Inf"]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 6))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
