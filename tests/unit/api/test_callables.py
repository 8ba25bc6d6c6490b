"""What can be a job besides a plain function, what is refused by name, and that jobs travel between processes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import InvalidArguments, InvalidOption, StoreUnavailable

module_app = App(redis_url="redis://127.0.0.1:1/0")


@module_app.job
def double(number: int) -> int:
    return 2 * number


def _triple(number: int) -> int:
    return 3 * number


triple = module_app.job(name="triple")(_triple)


class Mailer:
    """Sends."""

    settings = "attributes of its own"

    def __init__(self, queue: str) -> None:
        self.queue = self.signature = queue

    def __call__(self, to: str, at: datetime) -> str:
        return f"{self.queue} {to}"

    def send(self, to: str) -> str:
        return f"{self.queue}: {to}"

    async def send_async(self, to: str) -> str:
        return to

    send_all = functools.partialmethod(send, "all")


class AsyncMailer:
    async def __call__(self, to: str) -> str:
        return to


def test_partials_and_callable_objects_are_jobs_under_a_given_name(app: App) -> None:
    part = app.job(name="part")(functools.partial(double.function, number=4))
    mail = app.job(name="mail", queue="q")(Mailer("x"))
    method = app.job(Mailer("y").send)
    assert (part(), mail("a", at=datetime.now(UTC)), method("b")) == (8, "x a", "y: b")
    assert (mail.queue, mail.settings.name, method.name) == ("q", "mail", "send")
    assert json.loads(mail._new(("a", datetime(2026, 1, 1)), {}).payload) == {"args": ["a", "2026-01-01T00:00:00"]}
    for job, args in ((part, ("x", "y")), (mail, (5, 5)), (method, ())):
        with pytest.raises(InvalidArguments, match=r"^(double|Mailer|send)"):
            job._new(args, {})
    app.load()
    assert [entry.get("doc") for entry in app.registry.catalog().values()] == [None, "Sends.", None]


def test_an_object_that_is_called_asynchronously_is_an_async_job(app: App) -> None:
    for job in (app.job(name="object")(AsyncMailer()), app.job(Mailer("x").send_async)):
        assert inspect.iscoroutinefunction(job.function)
        with pytest.raises(InvalidArguments, match="to"):
            job._new((5,), {})


@pytest.mark.parametrize(
    "nameless", [functools.partial(print), Mailer("x"), lambda: 5], ids=["partial", "object", "lambda"]
)
def test_what_has_no_name_asks_for_one(app: App, nameless: Any) -> None:
    with pytest.raises(InvalidOption, match="no name") as refused:
        app.job(nameless)
    assert "name=" in refused.value.hint


@pytest.mark.parametrize("built_in", [int, dict])
def test_what_does_not_say_which_arguments_it_takes_is_refused(app: App, built_in: Any) -> None:
    with pytest.raises(InvalidOption, match="does not say what arguments it takes"):
        app.job(name="job")(built_in)


def test_a_method_without_its_instance_is_refused_by_name(app: App) -> None:
    wrapped = functools.wraps(Mailer.send)(lambda *args: None)
    for method in (Mailer.send, Mailer.send_async, wrapped):
        with pytest.raises(InvalidOption, match=r"Mailer\.send(_async)? is a method"):
            app.job(method)
    with pytest.raises(InvalidOption, match=r"Mailer\.send is a method"):
        app.job(Mailer.send_all)
    for other in (classmethod(Mailer.send), 5, "send"):
        with pytest.raises(InvalidOption, match="cannot be called"):
            app.job(other)  # type: ignore[call-overload]
    assert not app.jobs


def test_a_class_whose_instances_are_to_be_called_is_refused(app: App) -> None:
    with pytest.raises(InvalidOption, match="Mailer makes an instance") as refused:
        app.job(Mailer)
    assert "register an instance" in refused.value.hint


def test_arguments_may_be_named_self(app: App) -> None:
    @app.job
    def compare(self: int, other: int) -> int:
        return self - other

    assert compare(self=3, other=1) == 2
    with pytest.raises(StoreUnavailable):  # so far they come
        compare.enqueue(self=3, other=1)
    with pytest.raises(StoreUnavailable):
        asyncio.run(compare.enqueue_async(self=3, other=1))


def with_connection(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(number: int, *, times: int = 1) -> Any:
        return times * function("connection", number)

    return call


def with_anything(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function("connection", *args, **kwargs)

    return call


def test_a_decorator_that_names_its_arguments_says_what_a_call_takes(app: App) -> None:
    @app.job
    @with_connection
    def store(connection: str, number: int) -> str:
        return f"{connection} {number}"

    assert json.loads(store._new((5,), {"times": 2}).payload) == {"args": [5], "kwargs": {"times": 2}}
    with pytest.raises(InvalidArguments, match="number"):
        store._new(("five",), {})
    app.load()


def test_a_decorator_that_hides_its_arguments_is_told_how_to_show_them(app: App) -> None:
    @app.job
    @with_anything
    def store(connection: str, number: int) -> None: ...

    with pytest.raises(InvalidArguments, match=r"store\(connection") as refused:
        store._new((5,), {})
    assert "__signature__" in refused.value.hint


def test_jobs_their_functions_and_their_methods_pickle_by_reference() -> None:
    urgent = double.options(priority=7, key="k")
    for job in (double, triple):
        assert pickle.loads(pickle.dumps(job)) is not None
        assert pickle.loads(pickle.dumps(job.function)) is job.function
        assert pickle.loads(pickle.dumps(job.enqueue)).__self__.signature is job.signature
    came = pickle.loads(pickle.dumps(urgent))
    assert (came.signature, came.chosen) == (double.signature, urgent.chosen)
    assert len(pickle.dumps(double)) < 1000, "nothing of the app goes along"


def test_a_job_that_no_name_leads_to_cannot_be_pickled(app: App) -> None:
    @app.job
    def hidden() -> None: ...

    with pytest.raises(pickle.PicklingError, match="no name"):
        pickle.dumps(hidden)
    assert hidden.options(priority=3).name == "hidden", "and is copied all the same"
