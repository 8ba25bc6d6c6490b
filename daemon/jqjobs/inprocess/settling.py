"""What becomes of a job in memory whose attempt has ended: what lua/rules/trip/outcomes.lua does."""

from __future__ import annotations

from jqjobs.inprocess.memory_store import Record, Records
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import MOST_HUNG, Kind
from jqjobs.store.calls.trips import Settled


def settle(records: Records, record: Record, outcome: Outcome) -> Settled:
    """Record how an attempt ended that did not begin to wait, and return what became of the job."""
    record.token, record.answer = "", None
    if outcome.line:
        record.history.append(outcome.line)
        record.error = outcome.error
    if outcome.kind in (Kind.DONE, Kind.KEPT):
        return succeed(records, record, outcome.result, outcome.missing)
    if outcome.kind is Kind.MALFORMED:
        return records.end(record, "gone")
    if outcome.kind in (Kind.FAILED, Kind.HUNG):
        return fail(records, record, outcome.kind.value, outcome.delay_ms)
    record.executions += 1
    if outcome.kind is Kind.INTERRUPTED:
        record.interrupts += 1
        record.state = "ready"
        return "ready", ""
    if outcome.kind is Kind.SNOOZED:
        record.snoozes, record.is_snoozing = record.snoozes + 1, True
        record.due_ms, record.state = records.clock() + outcome.delay_ms, "scheduled"
        return "scheduled", ""
    record.failures += 1
    reason = Kind.DISCARDED if outcome.kind is Kind.MISFIT else outcome.kind  # no other worker will have other code
    return records.end(record, "dead", reason.value)


def succeed(records: Records, record: Record, result: bytes, missing: str) -> Settled:
    """Let a job be over, and keep what it asked to be kept."""
    record.executions += 1
    if record.keep_ms is None:
        record.result = result if record.fields.get("then") else None
        return records.end(record, "gone")
    record.result, record.result_missing = None if missing else result, missing
    return records.end(record, "kept")


def fail(records: Records, record: Record, reason: str, delay_ms: int) -> Settled:
    """Count a failure: the job is tried again, or that was the last attempt."""
    record.executions += 1
    record.failures += 1
    record.hung += reason == Kind.HUNG
    if record.failures - record.forgiven >= record.max_attempts or record.hung >= MOST_HUNG:
        return records.end(record, "dead", reason)
    record.due_ms, record.state = records.clock() + delay_ms, "scheduled"
    if delay_ms <= 0:
        records.make_ready(record)
    return record.state, ""
