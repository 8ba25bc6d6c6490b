"""Draws figures as horizontal bars: SVG by hand, in greys and one colour that are legible on light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape

import versus
from figures import Figure

_WIDTH, _LABEL, _BAR, _ROW, _GAP = 760, 150, 470, 20, 34
_TEXT, _FAINT, _OURS, _OTHERS = "#7d8590", "#7d8590", "#2f81f7", "#8b949e"
_STYLE = "font-family='-apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
#: Panels beside peers: the figure, its heading, whether small is good.
_PANELS = (
    (versus.ONE, "No-op jobs a second, 1 worker", False),
    (versus.CORES, "No-op jobs a second, best on 2 cores", False),
    (versus.NAPS, "Jobs that wait 10 ms, a second, best of concurrency ≥ 100", False),
    (versus.P50, "Latency of an idle worker, median, ms (short is good)", True),
    (versus.P99, "Latency of an idle worker, 99th percentile, ms (short is good)", True),
)


def draw(facts: dict[str, Any], figures: Sequence[Figure]) -> str:
    """Return the chart as SVG: all subjects beside each other, or our own drains where there is only one."""
    panels = list(_versus_panels(figures)) or [_own_panel(figures)]
    parts: list[str] = []
    top = 10
    for heading, bars in panels:
        parts += _panel(top, heading, bars)
        top += _GAP + _ROW * len(bars) + 14
    versions = {name: found.get(name, "") for name, found in facts.get("versions", {}).items()}
    lines = [
        f"{facts.get('cpu')}, {facts.get('cores')} cores, {facts.get('kernel')}, Python {facts.get('python')}, "
        f"{facts.get('date')}",
        f"{facts.get('server')}; {facts.get('settings')}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    for line in lines:
        parts.append(_text(10, top + 6, line, _FAINT, 11))
        top += 16
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{top + 6}' {_STYLE}>"
    return head + "\n" + "\n".join(parts) + "\n</svg>\n"


_Bars = list[tuple[str, float, bool]]


def _versus_panels(figures: Sequence[Figure]) -> Iterator[tuple[str, _Bars]]:
    for name, heading, is_small_good in _PANELS:
        found = [figure for figure in figures if figure.measure == versus.NAME and figure.name == name and figure.value]
        found.sort(key=lambda figure: figure.value if is_small_good else -figure.value)
        if found:
            yield heading, [(figure.subject, figure.value, figure.subject == "jqjobs") for figure in found]


def _own_panel(figures: Sequence[Figure]) -> tuple[str, _Bars]:
    found = [
        figure
        for figure in figures
        if figure.unit in ("jobs/s", "/s") and figure.measure in ("get", "drain", "enqueue")
    ]
    bars = [(f"{figure.measure}: {figure.name}", figure.value, figure.measure == "drain") for figure in found]
    return "A second, beside plain GETs of redis-py", bars


def _panel(top: int, heading: str, bars: _Bars) -> Iterator[str]:
    yield _text(10, top + 16, heading, _TEXT, 14, bold=True)
    longest = max((value for _, value, _ in bars), default=1.0)
    label = _LABEL if max((len(name) for name, _, _ in bars), default=0) < 20 else _LABEL * 2
    scale = (_BAR + _LABEL - label) / longest
    for row, (name, value, is_ours) in enumerate(bars):
        y = top + _GAP - 8 + row * _ROW
        colour = _OURS if is_ours else _OTHERS
        yield _text(label - 6, y + 13, name, _TEXT, 12, anchor="end", bold=is_ours)
        yield f"<rect x='{label}' y='{y}' width='{max(1.0, value * scale):.1f}' height='{_ROW - 5}' fill='{colour}'/>"
        yield _text(label + max(1.0, value * scale) + 6, y + 13, _number(value), _TEXT, 12, bold=is_ours)


def _number(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, text: str, colour: str, size: int, *, anchor: str = "start", bold: bool = False) -> str:
    weight = " font-weight='600'" if bold else ""
    place = f"x='{x:.0f}' y='{y:.0f}' text-anchor='{anchor}'"
    return f"<text {place} font-size='{size}' fill='{colour}'{weight}>{escape(text)}</text>"
