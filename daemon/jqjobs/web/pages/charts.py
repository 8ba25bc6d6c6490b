"""Rates of the last hour, minute by minute, as the bars of a chart, and the deploys between them: where they stand.

The template draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.base.words import plural
from jqjobs.store.reads.deploys import Deploy
from jqjobs.store.reads.rates import MinuteRate

WIDTH, HEIGHT = 600, 72
_GAP = 2
_MINUTE_MS = 60_000


class Bar(NamedTuple):
    """A minute: what succeeded stands on the ground, what failed on top of that. In units of the picture."""

    x: float
    width: float
    done_y: float
    done_height: float
    failed_y: float
    failed_height: float
    words: str


class Mark(NamedTuple):
    """A deploy: a line across the chart."""

    x: float
    words: str


class Chart(NamedTuple):
    """``words``: what it shows, for who does not see it. ``most``: jobs of the highest bar."""

    bars: Sequence[Bar]
    marks: Sequence[Mark]
    most: int
    words: str
    width: int = WIDTH
    height: int = HEIGHT


def rate_chart(rates: Sequence[MinuteRate], deploys: Sequence[Deploy] = (), now_ms: int = 0) -> Chart:
    """Return the chart of these minutes, oldest first, of which the last goes on."""
    most = max((rate.done + rate.failed for rate in rates), default=0)
    done, failed = sum(rate.done for rate in rates), sum(rate.failed for rate in rates)
    bars = [_bar(number, rate, len(rates), max(1, most)) for number, rate in enumerate(rates)]
    words = f"{done:,} done and {failed:,} failed in the last hour, at most {most:,} a minute"
    marks = [mark for deploy in deploys if (mark := _mark(deploy, len(rates), now_ms))]
    return Chart(bars, marks, most, "; ".join([words, *(mark.words for mark in marks)]))


def _mark(deploy: Deploy, minutes: int, now_ms: int) -> Mark | None:
    """Return where a deploy stands; None when it was before the first of these minutes."""
    first_ms = (now_ms // _MINUTE_MS - minutes + 1) * _MINUTE_MS
    share = (deploy.at_ms - first_ms) / (minutes * _MINUTE_MS)
    ago = plural(max(0, now_ms - deploy.at_ms) // _MINUTE_MS, "minute")
    return Mark(round(share * WIDTH, 1), f"{deploy.release[:12]} deployed {ago} ago") if 0 <= share <= 1 else None


def _bar(number: int, rate: MinuteRate, bars: int, most: int) -> Bar:
    step = WIDTH / bars
    done, failed = (count / most * HEIGHT for count in (rate.done, rate.failed))
    minutes = bars - 1 - number
    when = "this minute" if minutes == 0 else f"{plural(minutes, 'minute')} ago"
    return Bar(
        round(number * step, 1), round(step - _GAP, 1), round(HEIGHT - done, 1), round(done, 1),
        round(HEIGHT - done - failed, 1), round(failed, 1), f"{when}: {rate.done:,} done, {rate.failed:,} failed",
    )  # fmt: skip
