"""What travels with a call beside its arguments, and who may add to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jqjobs import App, InvalidArguments, InvalidOption, NewCall, current_job
from jqjobs.testing import in_memory


def test_what_the_call_and_the_app_say_reaches_the_job(app: App) -> None:
    seen = []

    @app.on_enqueue
    def with_trace(call: NewCall) -> None:
        seen.append((call.name, call.queue, call.args, call.kwargs))
        call.meta["trace"] = call.id

    @app.job(keep="1h")
    def send(user_id: int, *, template: str = "") -> dict[str, Any]:
        job = current_job()
        assert job is not None
        return {"id": job.id, **job.meta}

    with in_memory(app) as jobs:
        handles = [
            send.options(meta={"user": "ann"}, queue="mails").enqueue(1, template="short"), *send.enqueue_many([(2,)])
        ]  # fmt: skip
        jobs.drain(raise_errors=True)
        first, second = (handle.result() for handle in handles)
    assert seen == [("send", "mails", (1,), {"template": "short"}), ("send", "default", (2,), {})]
    assert first == {"id": handles[0].id, "trace": handles[0].id, "user": "ann"}
    assert second == {"id": handles[1].id, "trace": handles[1].id}


def test_a_job_without_meta_carries_none(app: App) -> None:
    @app.job
    def send(user_id: int) -> None: ...

    assert send.options(meta={})._new((1,), {}).payload == send._new((1,), {}).payload == b'{"args":[1]}'


def test_what_one_call_is_given_the_next_one_is_not(app: App) -> None:
    @app.on_enqueue
    def count(call: NewCall) -> None:
        call.meta["n"] = call.meta.get("n", 0) + 1

    @app.job
    def send() -> None: ...

    job = send.options(meta={"n": 1})
    assert {job._new((), {}).payload for _ in range(2)} == {b'{"meta":{"n":2}}'}


def test_what_is_raised_there_comes_through_and_nothing_is_stored(app: App) -> None:
    app.on_enqueue(lambda call: 1 / 0)  # type: ignore[arg-type, return-value]

    @app.job
    def send() -> None: ...

    with in_memory(app) as jobs:
        with pytest.raises(ZeroDivisionError):
            send.enqueue()
        jobs.assert_not_enqueued(send)


@pytest.mark.parametrize("meta", [["trace"], "trace", {1: "trace"}])
def test_what_is_no_json_object_is_refused(app: App, meta: Any) -> None:
    with pytest.raises(InvalidOption, match="meta"):
        app.job(name="send")(lambda: None).options(meta=meta)


def test_what_json_does_not_carry_is_refused_at_the_call(app: App) -> None:
    with pytest.raises(InvalidArguments):
        app.job(name="send")(lambda: None).options(meta={"when": object()}).enqueue()


async def _coroutine(call: NewCall) -> None: ...


@pytest.mark.parametrize("function", [_coroutine, lambda: None, lambda call, more: None])
def test_what_cannot_be_called_so_is_refused(app: App, function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidOption, match="on_enqueue"):
        app.on_enqueue(function)
