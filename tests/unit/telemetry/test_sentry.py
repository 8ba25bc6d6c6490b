"""Events and transactions of calls and attempts, as the SDK hands them to its transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk import integrations
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from jqjobs import App, Discard, Retry, Snooze
from jqjobs.api import job_registry
from jqjobs.base import log
from jqjobs.errors import JobInterrupted
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.sentry import JqIntegration
from jqjobs.testing import in_memory
from jqjobs.worker.attempts.async_work import AsyncWork
from unit.telemetry.attempts import runner_of, taken

DSN = "http://key@127.0.0.1:1/1"


class Post(Transport):
    """Keeps what is to be sent."""

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        super().__init__(options)
        self.items: list[tuple[str, dict[str, Any]]] = []
        self.flushed = 0

    def capture_envelope(self, envelope: Envelope) -> None:
        self.items += [(item.type or "", item.payload.json) for item in envelope.items if item.payload.json]

    def flush(self, timeout: float, callback: Any = None) -> None:
        self.flushed += 1

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [item for kind, item in self.items if kind == "event"]

    @property
    def transactions(self) -> list[dict[str, Any]]:
        return [item for kind, item in self.items if kind == "transaction"]


Init = Callable[..., Post]


@pytest.fixture(autouse=True, scope="module")
def nobody_stays() -> Iterator[None]:
    """Later tests are not watched."""
    yield
    job_registry._OF_ALL.clear()
    integrations._processed_integrations.discard("jqjobs")
    integrations._installed_integrations.discard("jqjobs")


@pytest.fixture
def init() -> Iterator[Init]:
    """Set the SDK up; its options over those of the tests."""

    def set_up(integration: JqIntegration | None = None, **options: Any) -> Post:
        post = Post()
        chosen: dict[str, Any] = {
            "dsn": DSN,
            "transport": post,
            "traces_sample_rate": 1.0,
            "default_integrations": False,
        }
        sentry_sdk.init(integrations=[integration or JqIntegration()], **{**chosen, **options})
        return post

    yield set_up
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def app() -> App:
    return App(redis_url="redis://127.0.0.1:1")


def raising(app: App, error: BaseException, **options: Any) -> None:
    def job(*args: str) -> None:
        raise type(error)(*error.args)

    app.job(name="job", **options)(job)


def test_a_trace_leads_from_a_request_to_a_job_and_to_the_job_that_this_sends(app: App, init: Init) -> None:
    post = init()

    @app.job(queue="mails")
    def child() -> None: ...

    @app.job(queue="reports")
    async def report() -> None:
        await child.enqueue_async()

    with in_memory(app) as jobs:
        with sentry_sdk.start_transaction(name="GET /"):
            handle = report.enqueue()
        jobs.drain(raise_errors=True)
    request, first, second = post.transactions
    assert [each["transaction"] for each in post.transactions] == ["GET /", "report", "child"]
    for sender, process in ((request, first), (first, second)):
        [publish] = sender["spans"]
        assert publish["op"] == "queue.publish"
        own = process["contexts"]["trace"]
        assert (own["op"], own["parent_span_id"], own["trace_id"]) == (
            "queue.process", publish["span_id"], publish["trace_id"]
        )  # fmt: skip
    sent = {"messaging.system": "jqjobs", "messaging.destination.name": "reports", "messaging.message.id": handle.id}
    assert request["spans"][0]["data"].items() >= sent.items()
    assert first["contexts"]["trace"]["data"].items() >= sent.items()
    assert first["contexts"]["jqjobs"]["id"] == handle.id


def test_one_event_a_dead_job_with_its_latency_and_its_failures(app: App, init: Init) -> None:
    post = init()
    raising(app, ValueError("no"), max_attempts=2)
    runner = runner_of(app)
    runner.run(taken(waited_s=5))
    assert post.errors == []
    outcome = runner.run(taken(attempt=2, failures=1, waited_s=7))
    assert outcome is not None
    assert outcome.is_last
    [event] = post.errors
    assert (event["tags"], event["transaction"]) == ({"job": "job", "queue": "q"}, "job")
    [exception] = event["exception"]["values"]
    assert (exception["type"], exception["mechanism"]["type"], exception["mechanism"]["handled"]) == (
        "ValueError", "jqjobs", False
    )  # fmt: skip
    assert [frame["function"] for frame in exception["stacktrace"]["frames"]] == ["job"]
    data = [each["contexts"]["trace"]["data"] for each in post.transactions]
    assert [each["messaging.message.retry.count"] for each in data] == [0, 1]
    assert [each["messaging.message.receive.latency"] // 1000 for each in data] == [5, 7]
    assert [each["contexts"]["trace"]["status"] for each in post.transactions] == ["internal_error"] * 2
    assert event["contexts"]["trace"]["trace_id"] == post.transactions[1]["contexts"]["trace"]["trace_id"]


def test_each_attempt_sends_one_where_that_is_wanted(app: App, init: Init) -> None:
    post = init(JqIntegration(only_last_attempt=False))
    raising(app, ValueError("no"))
    runner_of(app).run(taken())
    assert len(post.errors) == 1


@pytest.mark.parametrize("error", [Retry(), Snooze("1h"), Discard("gone"), JobInterrupted("the worker must stop now")])
def test_what_is_no_error_sends_none(app: App, init: Init, error: BaseException) -> None:
    post = init(JqIntegration(only_last_attempt=False))
    raising(app, error)
    runner_of(app).run(taken())
    assert post.errors == []
    assert [each["contexts"]["trace"]["status"] for each in post.transactions] == ["aborted"]


@pytest.mark.parametrize(
    ("error", "options"),
    [(Retry(), {"max_attempts": 1}), (Snooze("1h"), {"max_snoozes": 1}), (ValueError(), {"retry_on": OSError})],
)
def test_what_the_job_is_dead_of_at_once_is_an_error(
    app: App, init: Init, error: BaseException, options: dict[str, Any]
) -> None:
    post = init()
    raising(app, error, **options)
    job = taken()
    job.snoozes = 1
    runner_of(app).run(job)
    assert len(post.errors) == 1


@pytest.mark.filterwarnings("ignore:The send_default_pii option:DeprecationWarning")
@pytest.mark.parametrize(
    ("said", "may_send"),
    [
        ({}, False),
        ({"send_default_pii": True}, True),
        ({"data_collection": {"queues": True}}, True),
        ({"data_collection": {"queues": False, "stack_frame_variables": False}}, False),
    ],
)
def test_arguments_are_sent_only_where_personal_data_may_be(
    app: App, init: Init, said: dict[str, Any], may_send: bool
) -> None:
    post = init(include_local_variables=False, **said)
    raising(app, ValueError("no"), max_attempts=1)
    runner_of(app).run(taken(args=("ann@example.com",)))
    assert ("ann@example.com" in str(post.items)) is may_send


def test_attempts_beside_each_other_have_scopes_of_their_own(app: App, init: Init) -> None:
    post = init()

    @app.job(name="job", max_attempts=1)
    async def job(own: str) -> None:
        sentry_sdk.set_tag("own", own)
        await asyncio.sleep(0)
        raise ValueError(own)

    @app.job(max_attempts=1)
    def plain(own: str) -> None:
        sentry_sdk.set_tag("own", own)
        raise ValueError(own)

    def a_call(name: str, own: str) -> TakenJob:
        return taken(name, args=(own,))

    async def side_by_side() -> None:
        runner = runner_of(app)
        await asyncio.gather(*(runner.run_as_task(a_call("job", own), AsyncWork()) for own in "ab"))

    asyncio.run(side_by_side())
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(runner_of(app).run, [a_call("plain", own) for own in "cd"]))
    said = {(event["tags"]["own"], event["exception"]["values"][0]["value"]) for event in post.errors}
    assert said == {(own, own) for own in "abcd"}
    sentry_sdk.capture_message("outside")
    assert not {"own", "job"} & post.errors[-1].get("tags", {}).keys()


def test_the_line_about_a_dead_job_is_no_second_event(app: App, init: Init) -> None:
    post = init(default_integrations=True)
    log.event("job.failed", level=log.ERROR, logger=log.JOBS, job="q/a", name="job", attempt=1, ms=0, error="no")
    assert post.errors == []


def test_a_worker_sends_what_is_left_at_its_end(app: App, init: Init) -> None:
    post = init()
    for function in app.registry.app_hooks.on_worker_stop:
        function()
    assert post.flushed == 1


def test_without_the_integration_nothing_is_done_for_it(app: App, init: Init) -> None:
    init()  # who has watched once, is asked for ever
    sentry_sdk.init(integrations=[], default_integrations=False)

    @app.job
    def send() -> None: ...

    with in_memory(app) as jobs:
        send.enqueue()
        assert [record.payload for record in jobs.all] == [b"{}"]
        assert jobs.drain(raise_errors=True) == 1
