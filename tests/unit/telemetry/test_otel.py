"""Spans and metrics of calls and attempts, as the SDK's own exporters in memory get them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv._incubating.metrics import messaging_metrics
from opentelemetry.trace import SpanKind, StatusCode

from jqjobs import App, Discard, InvalidArguments, Retry, Snooze, current_job
from jqjobs.jobs.payload import decode_payload
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.otel import instrument
from jqjobs.testing import in_memory
from jqjobs.worker.attempts.async_work import AsyncWork
from unit.telemetry.attempts import runner_of, taken

#: A call from elsewhere, as a program in any language writes it into `meta`.
TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
CALLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Telescope:
    """An app that is watched, and what the SDK has exported of it."""

    def __init__(self, **options: Any) -> None:
        self.app = App(redis_url="redis://127.0.0.1:1")
        self._spans, self._metrics = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self._metrics])
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        instrument(self.app, tracer_provider=self.tracers, meter_provider=self.meters, **options)
        self.tracer = self.tracers.get_tracer("web")

    def spans(self) -> dict[str, ReadableSpan]:
        """The spans by name; there is one of each."""
        finished = self._spans.get_finished_spans()
        assert len({span.name for span in finished}) == len(finished)
        return {span.name: span for span in finished}

    def points(self) -> dict[str, list[Any]]:
        """The data points by the name of their metric."""
        data = self._metrics.get_metrics_data()
        assert data is not None
        found = [metric for each in data.resource_metrics for scope in each.scope_metrics for metric in scope.metrics]
        return {metric.name: list(metric.data.data_points) for metric in found}

    def close(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown()


@pytest.fixture
def telescope() -> Iterator[Telescope]:
    made = Telescope()
    yield made
    made.close()


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent and span.parent.span_id


def test_one_trace_leads_from_a_request_to_a_job_and_to_the_job_that_this_sends(telescope: Telescope) -> None:
    app, said = telescope.app, {}

    @app.job(queue="mails")
    def child() -> None:
        said["tenant"] = baggage.get_baggage("tenant")

    @app.job(queue="reports")
    async def report() -> None:
        await asyncio.sleep(0)
        await child.enqueue_async()

    async def request() -> None:
        token = context.attach(baggage.set_baggage("tenant", "ann"))
        with telescope.tracer.start_as_current_span("GET /"):
            await report.enqueue_async()
        context.detach(token)

    with in_memory(app) as jobs:
        asyncio.run(request())
        jobs.drain(raise_errors=True)
    spans = telescope.spans()
    chain = ["GET /", "send reports", "process report", "send mails", "process child"]
    for before, after in pairwise(chain):
        assert parent_of(spans[after]) == spans[before].context.span_id, after
    assert len({spans[name].context.trace_id for name in chain}) == 1
    assert said == {"tenant": "ann"}


def test_names_are_those_of_the_conventions(telescope: Telescope) -> None:
    @telescope.app.job(queue="mails")
    def send(user_id: int) -> None: ...

    with in_memory(telescope.app) as jobs:
        handle = send.enqueue(1)
        jobs.drain()
    spans = telescope.spans()
    common = {"messaging.system": "jqjobs", "messaging.destination.name": "mails", "messaging.jqjobs.job": "send",
              "messaging.message.id": handle.id}  # fmt: skip
    own = {"send mails": ("send", {}), "process send": ("process", {"messaging.jqjobs.attempt": 1})}
    for name, (operation, more) in own.items():
        kinds = {"messaging.operation.name": operation, "messaging.operation.type": operation}
        assert spans[name].attributes == common | kinds | more
        assert spans[name].status.status_code is StatusCode.UNSET
    assert (spans["send mails"].kind, spans["process send"].kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    modules = (messaging_attributes, messaging_metrics)
    declared = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    said = {*common, *kinds, "messaging.batch.message_count", *telescope.points()}
    assert {name for name in said - declared if not name.startswith("messaging.jqjobs.")} == set()


def test_many_calls_are_one_span_which_all_their_jobs_continue(telescope: Telescope) -> None:
    @telescope.app.job
    def send(user_id: int) -> None: ...

    with in_memory(telescope.app) as jobs:
        send.enqueue_many([(1,), (2,)])
        metas = [decode_payload(record.payload).meta for record in jobs.all]
    [span] = telescope.spans().values()
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == 2
    assert "messaging.message.id" not in span.attributes
    assert [meta["traceparent"].split("-")[2] for meta in metas] == [format(span.context.span_id, "016x")] * 2
    assert [point.value for point in telescope.points()["messaging.client.sent.messages"]] == [2]


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (ValueError("no"), "ValueError"), (Retry(), None), (Discard("gone"), None),
        (Snooze("1h"), None),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)  # fmt: skip
def test_an_error_is_said_and_what_is_none_is_not(
    telescope: Telescope, raised: BaseException, said: str | None
) -> None:
    @telescope.app.job(name="job")
    async def job() -> None:
        raise raised

    asyncio.run(runner_of(telescope.app).run_as_task(taken(), AsyncWork()))
    span = telescope.spans()["process job"]
    assert span.attributes is not None
    assert span.attributes.get("error.type") == said
    assert (span.status.status_code is StatusCode.ERROR) == (said is not None)
    assert [event.name for event in span.events] == ["exception"] * (said is not None)
    [point] = telescope.points()["messaging.process.duration"]
    assert point.attributes.get("error.type") == said


def test_a_call_that_is_not_stored_says_why(telescope: Telescope) -> None:
    @telescope.app.job
    def send(user_id: int) -> None: ...

    with in_memory(telescope.app), pytest.raises(InvalidArguments):
        send.enqueue()  # type: ignore[call-arg]
    [span] = telescope.spans().values()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "jqjobs.errors.InvalidArguments"
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(
    ("link", "job", "is_parent"),
    [
        (False, taken(meta={"traceparent": CALLED}, waited_s=3500), True),
        (False, taken(meta={"traceparent": CALLED}, waited_s=3700), False),
        (False, taken(meta={"traceparent": CALLED}, attempt=2, failures=1), False),
        (False, taken(meta={"traceparent": CALLED}, attempt=2, waited_s=3500), False),
        (False, taken(meta={"traceparent": CALLED}, attempt=2), True),
        (True, taken(meta={"traceparent": CALLED}), False),
    ],
    ids=["at once", "after an hour", "after a failure", "due again", "given back unrun", "link"],
)
def test_an_attempt_continues_the_trace_of_its_call_or_is_linked_to_it(
    link: bool, job: TakenJob, is_parent: bool
) -> None:
    telescope = Telescope(link=link)
    telescope.app.job(name="job")(lambda: None)
    runner_of(telescope.app).run(job)
    span = telescope.spans()["process job"]
    assert (span.context.trace_id == TRACE_ID) is is_parent
    assert [link.context.trace_id for link in span.links] == [TRACE_ID] * (not is_parent)
    waits = [point.sum for point in telescope.points().get("messaging.jqjobs.wait.duration", [])]
    assert waits == ([pytest.approx(3600, abs=105)] if job.ready_ms else [])
    telescope.close()


@pytest.mark.parametrize("header", [7, None, ["00"], "00-0-0-0", {"a": 1}])
def test_what_is_no_trace_is_none(telescope: Telescope, header: Any) -> None:
    telescope.app.job(name="job")(lambda: None)
    runner_of(telescope.app).run(taken(meta={"traceparent": header, "tracestate": header, "baggage": header}))
    span = telescope.spans()["process job"]
    assert (span.parent, span.links) == (None, ())


def test_attempts_beside_each_other_are_in_their_own_traces(telescope: Telescope) -> None:
    app, inside = telescope.app, {}

    @app.job(name="job")
    async def job() -> None:
        await asyncio.sleep(0)
        note()

    @app.job
    def plain() -> None:
        note()

    def note() -> None:
        running = current_job()
        assert running is not None
        inside[running.id] = trace.get_current_span().get_span_context().trace_id

    def a_call(number: int, name: str) -> TakenJob:
        return taken(name, f"{name}{number}", {"traceparent": f"00-{number:032x}-00f067aa0ba902b7-01"})

    async def side_by_side() -> None:
        runner = runner_of(app)
        await asyncio.gather(*(runner.run_as_task(a_call(number, "job"), AsyncWork()) for number in (1, 2, 3)))

    asyncio.run(side_by_side())
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(runner_of(app).run, [a_call(number, "plain") for number in (1, 2, 3)]))
    assert inside == {f"{name}{number}": number for name in ("job", "plain") for number in (1, 2, 3)}
    assert not trace.get_current_span().get_span_context().is_valid


def test_an_app_is_watched_once_and_flushed_last(telescope: Telescope, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    telescope.app.on_worker_stop(lambda: said.append("the app's own"))
    for provider in (telescope.tracers, telescope.meters):
        monkeypatch.setattr(provider, "force_flush", lambda timeout_millis: said.append("flush"))
    instrument(telescope.app)
    for function in reversed(telescope.app.registry.app_hooks.on_worker_stop):
        function()
    assert said == ["the app's own", "flush", "flush"]


def test_without_an_sdk_nothing_travels_and_nothing_fails() -> None:
    app = App(redis_url="redis://127.0.0.1:1")
    instrument(app)

    @app.job
    def send() -> None: ...

    with in_memory(app) as jobs:
        send.enqueue()
        assert [record.payload for record in jobs.all] == [b"{}"]
        assert jobs.drain(raise_errors=True) == 1
    for function in app.registry.app_hooks.on_worker_stop:
        function()
