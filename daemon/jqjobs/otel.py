"""Traces and metrics for OpenTelemetry: ``pip install 'jqjobs[otel]'``, and where the app is made

    jqjobs.otel.instrument(app)

A call is a span ``send <queue>``, an attempt a span ``process <job>`` in the same trace, whichever process and language
the call came from: the context travels in ``meta`` as W3C headers. Names are those of the semantic conventions for
messaging; where exporters send to is said to the SDK, which this module does not need. A worker flushes at its end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jqjobs.api.app import App
from jqjobs.jobs.app_hooks import NewCall
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.fingerprints import class_path
from jqjobs.jobs.observers import Ending, add_baggage, carried_by, is_error
from jqjobs.jobs.outcome import Outcome
from jqjobs.version import __version__

#: What of ``meta`` is ours: https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/
_HEADERS = ("traceparent", "tracestate", "baggage")
_TRACE, _BAGGAGE = TraceContextTextMapPropagator(), W3CBaggagePropagator()
#: After so long a wait an attempt begins a trace of its own: those that last for hours are cut or lost elsewhere.
_LONG_WAIT_MS = 3_600_000
#: `on_worker_stop` has 10 s for traces and metrics together.
_FLUSH_MS = 4000
#: As the conventions have them for durations.
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_WAIT_BUCKETS_S = (*_BUCKETS_S, 30, 60, 300, 1800, 3600, 21600, 86400)

_Attributes = dict[str, Any]


def instrument(app: App, link: bool = False, *, tracer_provider: Any = None, meter_provider: Any = None) -> None:
    """Trace and count the calls and the attempts of an app. To be called once, in producers and in workers.

    ``link``: attempts begin traces of their own, linked to the call; otherwise only later attempts do, and those that
    have waited for an hour. The providers are the global ones unless they are given.
    """
    if not any(isinstance(observer, Telemetry) for observer in app.registry.observers):
        app.registry.observe(Telemetry(link, tracer_provider, meter_provider))


class Telemetry:
    """Watches one app; an `Observer`."""

    def __init__(self, link: bool, tracer_provider: Any, meter_provider: Any) -> None:
        self._link = link
        self._tracer_provider, self._meter_provider = tracer_provider, meter_provider
        self._tracer = trace.get_tracer("jqjobs", __version__, tracer_provider)
        self._meters = _Meters(metrics.get_meter("jqjobs", __version__, meter_provider))
        #: The span of the one call that is being sent here, which does not know its id yet.
        self._sending: ContextVar[trace.Span | None] = ContextVar("jqjobs_sending", default=None)

    @contextmanager
    def sending(self, job: str, queue: str, count: int) -> Iterator[None]:
        """Put a span around it; of several calls a single one."""
        said = _said("send", job, queue)
        batch = {} if count == 1 else {"messaging.batch.message_count": count}
        began_s = time.monotonic()
        with self._tracer.start_as_current_span(f"send {queue}", kind=trace.SpanKind.PRODUCER,
                                                attributes=said | batch) as span:  # fmt: skip
            one = self._sending.set(None if batch else span)
            try:
                yield
            except BaseException as error:
                said["error.type"] = class_path(error)
                span.set_attribute("error.type", said["error.type"])
                raise
            finally:
                self._sending.reset(one)
                self._meters.sent(time.monotonic() - began_s, count, said)

    def label(self, call: NewCall) -> None:
        """Have the context travel with a call, unless that carries one of its own."""
        if (span := self._sending.get()) is not None:
            span.set_attribute("messaging.message.id", call.id)
        carrier: dict[str, str] = {}
        if "traceparent" not in call.meta:
            _TRACE.inject(carrier)
        _BAGGAGE.inject(carrier)
        add_baggage(call.meta, carrier)

    def running(self, job: JobContext, waited_ms: int | None) -> Ending:
        """Begin the span of an attempt, in the trace of its call or linked to that."""
        carrier = carried_by(job.meta, _HEADERS)
        context, links = _BAGGAGE.extract(carrier, contexts.Context()), []
        called = trace.get_current_span(_TRACE.extract(carrier, contexts.Context()))
        if called.get_span_context().is_valid:
            if self._link or _is_later(job, waited_ms) or (waited_ms or 0) > _LONG_WAIT_MS:
                links.append(trace.Link(called.get_span_context()))
            else:
                context = trace.set_span_in_context(called, context)
        said = _said("process", job.name, job.queue)
        own = {"messaging.message.id": job.id, "messaging.jqjobs.attempt": job.attempt}
        span = self._tracer.start_span(
            f"process {job.name}", context, trace.SpanKind.CONSUMER, attributes=said | own, links=links
        )
        token, began_s = contexts.attach(trace.set_span_in_context(span, context)), time.monotonic()

        def end(outcome: Outcome | None, error: BaseException | None) -> None:
            if error is not None and is_error(outcome, error):
                said["error.type"] = class_path(error)
                _record(span, error, said["error.type"])
            self._meters.processed(time.monotonic() - began_s, waited_ms, said)
            span.end()
            contexts.detach(token)

        return end

    def flush(self) -> None:
        """Export what is still held back: a worker that has ended exports nothing."""
        for provider in (
            self._tracer_provider or trace.get_tracer_provider(), self._meter_provider or metrics.get_meter_provider()
        ):  # fmt: skip
            if (flush := getattr(provider, "force_flush", None)) is not None:  # the API alone has none
                flush(timeout_millis=_FLUSH_MS)


class _Meters:
    """What is counted and measured."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._sent = meter.create_counter("messaging.client.sent.messages", "{message}", "Calls that were sent.")
        self._sending = meter.create_histogram(
            "messaging.client.operation.duration", "s", "How long it took to send calls.",
            explicit_bucket_boundaries_advisory=_BUCKETS_S,
        )  # fmt: skip
        self._consumed = meter.create_counter("messaging.client.consumed.messages", "{message}", "Attempts.")
        self._processing = meter.create_histogram(
            "messaging.process.duration", "s", "How long attempts took.",
            explicit_bucket_boundaries_advisory=_BUCKETS_S,
        )  # fmt: skip
        self._waiting = meter.create_histogram(
            "messaging.jqjobs.wait.duration", "s", "How long jobs waited for their first attempt, since they were due.",
            explicit_bucket_boundaries_advisory=_WAIT_BUCKETS_S,
        )  # fmt: skip

    def sent(self, took_s: float, count: int, said: Mapping[str, Any]) -> None:
        self._sent.add(count, said)
        self._sending.record(took_s, said)

    def processed(self, took_s: float, waited_ms: int | None, said: Mapping[str, Any]) -> None:
        self._consumed.add(1, said)
        self._processing.record(took_s, said)
        if waited_ms is not None:
            self._waiting.record(waited_ms / 1000, {name: said[name] for name in said if name != "error.type"})


def _said(operation: str, job: str, queue: str) -> _Attributes:
    """Return the attributes that spans and metrics have in common; few values each."""
    return {
        "messaging.system": "jqjobs", "messaging.operation.name": operation, "messaging.operation.type": operation,
        "messaging.destination.name": queue, "messaging.jqjobs.job": job,
    }  # fmt: skip


def _is_later(job: JobContext, waited_ms: int | None) -> bool:
    """Whether an earlier attempt has run and this one was due again: not when the job was given back and goes on."""
    return job.failures > 0 or (job.attempt > 1 and waited_ms is not None)


def _record(span: trace.Span, error: BaseException, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.record_exception(error)
    span.set_status(trace.Status(trace.StatusCode.ERROR, error_type))
