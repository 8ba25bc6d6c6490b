"""Errors and performance for Sentry: ``pip install 'jqjobs[sentry]'``, and where the app is made

    sentry_sdk.init(dsn=…, integrations=[jqjobs.sentry.JqIntegration()])

A call is a span ``queue.publish``. An attempt is a transaction ``queue.process`` in the same trace, with an isolation
scope of its own that is tagged with its job. One event a dead job is sent. A worker flushes at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import sentry_sdk
from sentry_sdk.consts import OP, SPANDATA, SPANSTATUS
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.scope import should_send_default_pii
from sentry_sdk.tracing import BAGGAGE_HEADER_NAME, SENTRY_TRACE_HEADER_NAME, Span
from sentry_sdk.utils import event_from_exception

from jqjobs.api.job_registry import observe_all
from jqjobs.base import log
from jqjobs.jobs.app_hooks import NewCall
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.observers import Ending, add_baggage, carried_by, is_error, is_final
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.worker.attempts.classifier import frames_of

#: What of ``meta`` is ours.
_HEADERS = (SENTRY_TRACE_HEADER_NAME, BAGGAGE_HEADER_NAME)
#: `on_worker_stop` has 10 s.
_FLUSH_S = 8.0


class JqIntegration(Integration):
    """Watches all apps of the process; for ``sentry_sdk.init(integrations=[…])``."""

    identifier = "jqjobs"
    origin = f"auto.queue.{identifier}"

    def __init__(self, *, only_last_attempt: bool = True) -> None:
        """``only_last_attempt`` False: an attempt that is to be tried again sends an event too."""
        self.only_last_attempt = only_last_attempt

    @staticmethod
    def setup_once() -> None:
        """Begin to watch; the SDK calls this once a process."""
        observe_all(_Watch())
        ignore_logger(log.JOBS.name)  # which has one line a dead job, but not the scope of its attempt


class _Watch:
    """An `Observer`; idle while the SDK is not set up with the integration."""

    @contextmanager
    def sending(self, job: str, queue: str, count: int) -> Iterator[None]:
        """Put a span around it."""
        if _integration() is None:
            yield
            return
        with sentry_sdk.start_span(op=OP.QUEUE_PUBLISH, name=job, origin=JqIntegration.origin) as span:
            _describe(span, queue)
            yield

    def label(self, call: NewCall) -> None:
        """Have the trace travel with a call, unless that carries one of its own."""
        if _integration() is None or SENTRY_TRACE_HEADER_NAME in call.meta:
            return
        if (span := sentry_sdk.get_current_span()) is not None and span.op == OP.QUEUE_PUBLISH:
            span.set_data(SPANDATA.MESSAGING_MESSAGE_ID, call.id)
        headers = {
            SENTRY_TRACE_HEADER_NAME: sentry_sdk.get_traceparent(),
            BAGGAGE_HEADER_NAME: sentry_sdk.get_baggage(),
        }
        add_baggage(call.meta, {name: value for name, value in headers.items() if value})

    def running(self, job: JobContext, waited_ms: int | None) -> Ending:
        """Begin scope and transaction of an attempt."""
        integration = _integration()
        if integration is None:
            return _ignore
        with ExitStack() as opened:
            _tag(opened.enter_context(sentry_sdk.isolation_scope()), job)
            span = opened.enter_context(_transaction(job))
            _describe(span, job.queue, job.id)
            span.set_data(SPANDATA.MESSAGING_MESSAGE_RETRY_COUNT, job.failures)
            if waited_ms is not None:
                span.set_data(SPANDATA.MESSAGING_MESSAGE_RECEIVE_LATENCY, waited_ms)
            attempt = opened.pop_all()

        def end(outcome: Outcome | None, error: BaseException | None) -> None:
            with attempt:
                span.set_status(_status(outcome, error))
                if outcome is None or error is None or not is_error(outcome, error):
                    return
                if is_final(outcome) or not integration.only_last_attempt:
                    _capture(error)

        return end

    def flush(self) -> None:
        """Send what is still held back: a worker that has ended sends nothing."""
        if _integration() is not None:
            sentry_sdk.flush(timeout=_FLUSH_S)


def _integration() -> JqIntegration | None:
    found: JqIntegration | None = sentry_sdk.get_client().get_integration(JqIntegration)
    return found


def _ignore(outcome: Outcome | None, error: BaseException | None) -> None:
    """Nobody wants to hear of the end."""


def _transaction(job: JobContext) -> Span:
    transaction = sentry_sdk.continue_trace(
        carried_by(job.meta, _HEADERS), op=OP.QUEUE_PROCESS, name=job.name, source="task", origin=JqIntegration.origin
    )
    return sentry_sdk.start_transaction(transaction, custom_sampling_context={"jqjobs": {"job": job.name}})


def _describe(span: Span, queue: str, job_id: str = "") -> None:
    span.set_data(SPANDATA.MESSAGING_SYSTEM, "jqjobs")
    span.set_data(SPANDATA.MESSAGING_DESTINATION_NAME, queue)
    if job_id:
        span.set_data(SPANDATA.MESSAGING_MESSAGE_ID, job_id)


def _tag(scope: sentry_sdk.Scope, job: JobContext) -> None:
    """Say which job it is; with its arguments only where personal data may be sent."""
    scope.clear_breadcrumbs()
    scope.set_tag("job", job.name)
    scope.set_tag("queue", job.queue)
    said: dict[str, object] = {"id": job.id, "attempt": job.attempt, "failures": job.failures, "worker": job.worker}
    if _may_send_arguments():
        said |= {"args": job.args, "kwargs": job.kwargs}
    scope.set_context("jqjobs", said)


def _may_send_arguments() -> bool:
    """What ``data_collection`` says of queues; where nobody said that, or the SDK is older, ``send_default_pii``."""
    chosen = sentry_sdk.get_client().options.get("data_collection") or {}
    return bool(chosen.get("queues")) if chosen.get("provided_by_user") else should_send_default_pii()


def _status(outcome: Outcome | None, error: BaseException | None) -> str:
    status: str = SPANSTATUS.OK if error is None else SPANSTATUS.ABORTED
    if is_error(outcome, error):
        status = SPANSTATUS.DEADLINE_EXCEEDED if outcome and outcome.kind is Kind.HUNG else SPANSTATUS.INTERNAL_ERROR
    return status


def _capture(error: BaseException) -> None:
    event, hint = event_from_exception(
        (type(error), error, frames_of(error)), client_options=sentry_sdk.get_client().options,
        mechanism={"type": JqIntegration.identifier, "handled": False},
    )  # fmt: skip
    sentry_sdk.capture_event(event, hint=hint)
