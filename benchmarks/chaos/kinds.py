"""The kinds of calls that a campaign makes, and what may become of each. Producers make them, rules judge by them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of call. ``job``: the name it is registered under. ``weight``: its share among the others.

    ``deaths``: reasons it may be dead for by its own doing. ``succeeds``: whether it can.
    """

    name: str
    job: str
    weight: int
    deaths: frozenset[str] = frozenset()
    succeeds: bool = True


def _kind(name: str, weight: int, deaths: str = "", *, job: str = "", succeeds: bool = True) -> Kind:
    return Kind(name, job or name, weight, frozenset(deaths.split()), succeeds)


KINDS = (
    _kind("plain", 40),
    _kind("answer", 10),
    _kind("delayed", 8, job="plain"),
    _kind("urgent", 8, job="plain"),
    _kind("raw", 10, job="plain"),
    _kind("raw_kept", 4, job="answer"),
    _kind("coroutine", 10),
    _kind("long", 3),
    _kind("flaky", 8),
    _kind("failing", 2, "failed", succeeds=False),
    _kind("discarded", 1, "discarded", succeeds=False),
    _kind("expiring", 3, "expired", job="expiring"),
    _kind("paced", 8),
    _kind("guarded", 8),
    _kind("tenant", 6),
    _kind("impatient", 3, "throttled"),
    _kind("keyed", 6),
    _kind("keyed_queued", 4),
    _kind("keyed_stored", 3, "failed"),
    _kind("debounced", 4, job="keyed_queued"),
    _kind("handed_over", 5),
    _kind("doomed", 3, "cancelled"),
    _kind("stubborn", 1, "hung", succeeds=False),
    _kind("pill", 1, "crashed", succeeds=False),
)
#: Name of a schedule → ms between its ticks. All are to be made up for (`missed="all"`).
SCHEDULES = {"ticking": 5000, "alone": 7000}

#: Name of a job → the reasons its calls may be dead for.
ALLOWED_DEATHS = {
    job: frozenset(reason for kind in KINDS if kind.job == job for reason in kind.deaths)
    for job in (*(kind.job for kind in KINDS), *SCHEDULES)
}
