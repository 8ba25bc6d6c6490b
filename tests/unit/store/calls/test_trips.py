"""What an exchange says of each outcome: its seven words, as lua/rules/trip/outcomes.lua reads them."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.jobs import not_run
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls.trips import exchange


def job(attempt: int = 1, **fields: Any) -> TakenJob:
    return TakenJob("q", "id", attempt, "name", b"{}", **fields)


def said_of(*outcomes: Outcome) -> list[Any]:
    """Everything an exchange says after its own words: plain ids, held, then the others."""
    return exchange(["q"], "w", 1, 0, 1000, outcomes=outcomes).args[6:]


J = job()
ENDED = {"error": "why", "line": b"{}"}


@pytest.mark.parametrize(
    ("outcome", "number", "text", "line"),
    [
        (Outcome.kept(job(keep_ms=5), result=b"7"), 5, "", b"7"),
        (Outcome.kept(job(keep_ms=5), missing="no JSON"), 5, "no JSON", b""),
        (Outcome.failed(J, delay_ms=9, **ENDED), 9, "why", b"{}"),
        (Outcome.failed(J, delay_ms=9, group="f00d", **ENDED), "9 f00d", "why", b"{}"),
        (Outcome.hung(J, delay_ms=9, **ENDED), 9, "why", b"{}"),
        (Outcome.discarded(J, **ENDED), 0, "why", b"{}"),
        (Outcome.discarded(J, group="f00d", **ENDED), "0 f00d", "why", b"{}"),
        (not_run.oversized(J, **ENDED), 0, "why", b"{}"),
        (Outcome.cancelled(J, **ENDED), 0, "why", b"{}"),
        (Outcome.interrupted(J, **ENDED), 0, "why", b"{}"),
        (Outcome.waiting(J, wait_ms=3, delay_ms=9), 3, "9", b""),
        (not_run.malformed(J, error="why"), 0, "why", b""),
        (not_run.throttled(J, limits="c 1 0 a"), 0, "c 1 0 a", b""),
        (not_run.deferred(J, delay_ms=9), 9, "", b""),
        (not_run.unknown(J), 0, "", b""),
        (not_run.misfit(J, park_ms=9, signature="s", is_checked=True, **ENDED), "9 s checked", "why", b"{}"),
        (not_run.misfit(J, park_ms=9, signature="s", is_checked=False, **ENDED), "9 s raw", "why", b"{}"),
        (not_run.released(J), 0, "", b""),
        (Outcome.done(job(attempt=2)), 1, "", b""),
        (Outcome.done(job(attempt=2, limits="c 1 0 a")), 1, "c 1 0 a", b""),
        (Outcome.done(job(key="k")), 0, "k", b""),
        (Outcome.done(job(limits="c 1 0 a", key="k")), 0, "k", b""),
        (Outcome.done(job(limits="c 1 0 a", flow="t"), result=b"7"), 0, "t", b"7"),
    ],
    ids=lambda value: str(value.kind) if isinstance(value, Outcome) else "",
)  # fmt: skip
def test_each_kind_is_said_in_its_words(outcome: Outcome, number: int | str, text: str, line: bytes) -> None:
    outcome.job.taken_ms = 0
    attempt = outcome.job.attempt
    assert said_of(outcome) == [0, "", "", 1, outcome.kind.value, "id", attempt, number, text, line, ""]


def test_there_is_a_constructor_for_each_kind() -> None:
    assert all(hasattr(Outcome, kind.value) != hasattr(not_run, kind.value) for kind in Kind)


def test_a_first_success_is_its_id_and_the_places_it_had_and_no_more() -> None:
    assert said_of(Outcome.done(job())) == [1, "id", "", "", 0]
    assert said_of(Outcome.done(job(limits="-"))) == [1, "id", "", "", 0]
    assert said_of(Outcome.done(job(limits="r 1 1000 a c 1 0 b c 2 0 a"))) == [1, "id", "id b id a", "", 0]


def test_it_is_said_when_the_job_was_taken() -> None:
    assert said_of(not_run.released(job(taken_ms=99)))[-1] == 99
