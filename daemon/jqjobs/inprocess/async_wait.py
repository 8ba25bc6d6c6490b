"""Async wait in memory: what lua/rules/waiting/ does, for jobs that hand their work to a third party in a test."""

from __future__ import annotations

import secrets

import msgspec

from jqjobs.inprocess.memory_store import Record, Records
from jqjobs.inprocess.settling import fail, succeed
from jqjobs.jobs.outcome import Outcome
from jqjobs.store.calls import waits
from jqjobs.store.calls.trips import Settled


def token_of(record: Record) -> str:
    """Return the token of the running attempt; the same one when asked again."""
    record.token = record.token or secrets.token_urlsafe(18)
    return record.token


def suspend(records: Records, record: Record, outcome: Outcome) -> Settled:
    """Let a job wait whose attempt has just ended so, unless its answer was quicker."""
    record.wait_backoff_ms = outcome.delay_ms
    record.due_ms = records.clock() + outcome.wait_ms
    record.state = "waiting"
    return _end(records, record, *record.answer) if record.answer else ("waiting", "")


def resolve(records: Records, record: Record | None, token: str, kind: str, payload: bytes) -> str:
    """Return what lua/resolve.lua answers."""
    if record is None:
        return waits.UNKNOWN
    if record.state == "waiting":
        if token not in ("", record.token):
            return waits.WRONG_TOKEN
        if record.due_ms <= records.clock():
            pass_deadline(records, record)
            return waits.LATE
        _end(records, record, kind, payload)
        return waits.RESOLVED
    if record.state != "active" or not record.token or not token:
        return record.state
    if token != record.token:
        return waits.WRONG_TOKEN
    if record.answer:
        return waits.ANSWERED
    record.answer = (kind, payload)
    return waits.EARLY


def overdue(records: Records) -> list[Record]:
    """Return the jobs that wait for an answer, and whose deadline has passed."""
    return [record for record in records if record.state == "waiting" and record.due_ms <= records.clock()]


def pass_deadline(records: Records, record: Record) -> None:
    """Let a job fail that nobody has answered in time."""
    _end(records, record, "deadline", b"nobody answered in time")


def _end(records: Records, record: Record, kind: str, payload: bytes) -> Settled:
    record.token, record.answer = "", None
    if kind == "result":
        return succeed(records, record, payload, "")
    record.error = payload.decode()
    line = {"attempt": record.attempt, "reason": kind, "error": record.error, "ended_ms": records.clock()}
    record.history.append(msgspec.json.encode(line))
    return fail(records, record, kind, record.wait_backoff_ms)
