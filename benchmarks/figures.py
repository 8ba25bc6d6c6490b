"""What a benchmark yields: figures, each with all its repeats, and how they are kept in a file."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured quantity. Its value is the median of its samples.

    ``measure``: the module that measured it; ``name``: the line of the table. ``times_get``: the samples divided by the
    rate of plain GETs around each. ``target``: what was asked for; ``subject``: whose it is.
    """

    measure: str
    name: str
    unit: str
    samples: tuple[float, ...]
    times_get: tuple[float, ...] = ()
    target: str = ""
    note: str = ""
    subject: str = "jqjobs"

    @property
    def value(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)

    @property
    def ratio(self) -> float | None:
        """The median of the ratios to plain GETs, None where that says nothing."""
        return statistics.median(self.times_get) if self.times_get else None


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the smallest sample that so many percent do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def save(path: Path, facts: dict[str, Any], figures: Iterable[Figure]) -> None:
    """Write figures and the facts of the run as JSON."""
    rows = [{"value": _short(figure.value), **asdict(figure)} for figure in figures]
    for row in rows:
        row["samples"] = [_short(sample) for sample in row["samples"]]
        row["times_get"] = [_short(ratio) for ratio in row["times_get"]]
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    head = json.dumps(facts, ensure_ascii=False, indent=1)
    path.write_text(f'{{"v": 1,\n"facts": {head},\n"figures": [\n  {lines}\n]}}\n', "utf-8")


def load(path: Path) -> tuple[dict[str, Any], list[Figure]]:
    """Return the facts and figures of a file that `save` wrote."""
    document = json.loads(path.read_text("utf-8"))
    names = Figure.__dataclass_fields__
    figures = []
    for row in document["figures"]:
        known = {name: row[name] for name in names}
        figures.append(Figure(**{**known, "samples": tuple(row["samples"]), "times_get": tuple(row["times_get"])}))
    return document["facts"], figures


def _short(number: float) -> float:
    return float(f"{number:.5g}")
