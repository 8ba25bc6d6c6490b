"""Figures as Markdown tables, which are legible in a terminal, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import versus
from figures import Figure
from subjects import BY_NAME


def line(figure: Figure) -> str:
    """Return a figure on one line, as it is printed while the run goes on."""
    return f"{figure.subject:<9} {figure.measure:<10} {figure.name}: " + ", ".join(filter(None, _cells(figure)[1:]))


def own(figures: Iterable[Figure]) -> str:
    """Return the table of our own figures, one part for each measure."""
    rows = [["", "median", "lowest – highest", "× GET", "target", ""]]
    measure = ""
    for figure in figures:
        if figure.measure != measure:
            measure = figure.measure
            rows.append([f"**{measure}**", "", "", "", "", ""])
        rows.append(_cells(figure))
    return _table(rows)


def side_by_side(figures: Sequence[Figure]) -> str:
    """Return the table of all subjects, and below it which settings gave those figures."""
    figures = [figure for figure in figures if figure.measure == versus.NAME]
    subjects = list(dict.fromkeys(figure.subject for figure in figures))
    names = list(dict.fromkeys(figure.name for figure in figures))
    found = {(figure.subject, figure.name): figure for figure in figures}
    rows = [["", *subjects]]
    for name in names:
        rows.append([name, *(_value(found.get((subject, name))) for subject in subjects)])
    return _table(rows) + "\n" + "".join(_about(subject, figures) for subject in subjects)


def _about(subject: str, figures: Sequence[Figure]) -> str:
    known = BY_NAME[subject]
    notes = dict.fromkeys((figure.name, figure.note) for figure in figures if figure.subject == subject and figure.note)
    modes = "; ".join(f"{name}: {note}" for name, note in notes if name != versus.P99 and "p95" not in name)
    return f"\n- **{subject}**: {known.settings}. kill -9: {known.on_kill}. {modes}"


def _cells(figure: Figure) -> list[str]:
    spread = ""
    if len(figure.samples) > 1:
        spread = f"{_number(min(figure.samples))} – {_number(max(figure.samples))}"
    times = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
    return [figure.name, _value(figure), spread, times and f"{times} × GET", figure.target, figure.note]


def _value(figure: Figure | None) -> str:
    if figure is None:
        return ""
    is_good = figure.value or figure.target == "0"
    return f"{_number(figure.value)} {figure.unit}" if is_good else "failed"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths = [min(width, 60) for width in widths]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
