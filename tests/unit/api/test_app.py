"""Registering jobs: names, aliases, settings; nothing connects before something is enqueued."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import ConfigError, DuplicateJobName, InvalidArguments, InvalidName, InvalidOption, UnknownJobName
from jqjobs.jobs.backoff import Exponential, Fixed
from jqjobs.jobs.records import DEFAULT_TIMEOUT_MS

#: A port where nobody listens: whoever connects fails.
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def app() -> App:
    return App(redis_url=NOWHERE)


def test_a_job_is_still_a_function(app: App) -> None:
    @app.job
    def add(a: int, b: int = 1) -> int:
        """Add."""
        return a + b

    assert add(1, b=2) == 3
    assert (add.name, add.queue, add.__doc__, add.__name__) == ("add", "default", "Add.", "add")
    assert app.registry.find("add") is add
    assert repr(add) == "<Job default/add>"


def test_settings_come_from_the_decorator(app: App) -> None:
    @app.job(
        name="mail.send", queue="mails", priority=-3, max_attempts=7, max_crashes=1, timeout="2m", keep="1d", backoff=5
    )
    def send() -> None:
        """Send a mail.

        And more.
        """

    settings = app.registry.find("mail.send").settings
    assert (settings.queue, settings.priority, settings.max_attempts, settings.max_crashes) == ("mails", -3, 7, 1)
    assert (settings.timeout_ms, settings.keep_ms, settings.backoff) == (120_000, 86_400_000, Fixed(5))
    assert app.registry.catalog() == {
        "mail.send": {
            "priority": -3, "max_attempts": 7, "max_crashes": 1, "timeout_ms": 120_000, "keep_ms": 86_400_000,
            "doc": "Send a mail.",
        }
    }  # fmt: skip


def test_defaults(app: App) -> None:
    @app.job
    def plain() -> None: ...

    settings = plain.settings
    assert (settings.timeout_ms, settings.keep_ms, settings.backoff) == (DEFAULT_TIMEOUT_MS, None, Exponential())


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 5000}, {"max_attempts": 0}, {"max_crashes": 0}, {"timeout": "soon"}, {"keep": float("nan")},
        {"backoff": []}, {"backoff": "soon"},
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_refused_at_registration(app: App, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        app.job(**options)(_function())
    assert not app.jobs


@pytest.mark.parametrize("options", [{"name": "a b"}, {"queue": "q:1"}, {"name": "n", "aliases": ["é"]}], ids=str)
def test_a_bad_name_is_refused_at_registration(app: App, options: dict[str, Any]) -> None:
    def job() -> None: ...

    with pytest.raises(InvalidName):
        app.job(**options)(job)
    assert not app.jobs


def test_an_unknown_setting_is_refused(app: App) -> None:
    with pytest.raises(TypeError):
        app.job(retries=5)(lambda: None)  # type: ignore[call-overload]


def test_two_functions_under_one_name_are_an_error_that_names_both_places(app: App) -> None:
    @app.job(name="twice")
    def first() -> None: ...

    with pytest.raises(DuplicateJobName, match=r"twice.*test_app.py:\d+ and .*test_app.py:\d+"):

        @app.job(name="twice")
        def second() -> None: ...

    assert app.registry.find("twice").function is first.function


def test_an_alias_is_a_name_as_well(app: App) -> None:
    @app.job(aliases=["former"])
    def present() -> None: ...

    assert app.registry.find("former") is app.registry.find("present") is present
    assert set(app.registry.catalog()) == {"former", "present"}
    with pytest.raises(DuplicateJobName, match="former"):

        @app.job
        def former() -> None: ...

    with pytest.raises(DuplicateJobName, match="present"):
        app.job(name="other", aliases=["present"])(_function())
    assert "other" not in app.jobs


def test_one_definition_loaded_twice_is_no_duplicate(app: App) -> None:
    source = "def job(): return 1"
    for _ in range(2):  # as when a module is __main__ and is imported as well
        names: dict[str, Any] = {"__name__": "shop"}
        exec(compile(source, "shop.py", "exec"), names)
        app.job(names["job"])
    assert len(app.jobs) == 1


def test_an_unknown_name_is_refused(app: App) -> None:
    with pytest.raises(UnknownJobName, match="nope"):
        app.registry.find("nope")


def test_queues_come_in_the_order_of_registration_without_repeats(app: App) -> None:
    for name, queue in (("a", "late"), ("b", "early"), ("c", "late")):
        app.job(name=name, queue=queue)(_function())
    assert app.registry.queues() == ["late", "early"]


def _function() -> Any:
    def function() -> None: ...

    return function


def test_options_leave_the_job_itself_alone(app: App) -> None:
    @app.job(queue="mails", priority=3)
    def send(a: int) -> None: ...

    urgent = send.options(queue="other", priority=0, key="k", delay="10s", max_attempts=9, id="mine")
    new = urgent._new((1,), {})
    assert (urgent.queue, new.priority, new.key, new.due, new.id) == ("other", 0, "k", "+10000", "mine")
    assert new.fields == ("max_attempts", 9)
    plain = send._new((1,), {})
    assert (send.queue, plain.priority, plain.key, plain.due, plain.fields) == ("mails", 3, "", "", ())
    assert len({send._new((1,), {}).id for _ in range(100)}) == 100


def test_how_a_call_coalesces_comes_from_the_call_else_from_the_job(app: App) -> None:
    @app.job(coalesce="queued", replace=True)
    def index() -> None: ...

    def coalesces(**options: Any) -> tuple[str, bool]:
        new = index.options(**options)._new((), {})
        return new.coalesce, new.replace

    assert coalesces(key="k") == ("queued", True)
    assert coalesces(key="k", coalesce="unfinished", replace=False) == ("unfinished", False)
    assert coalesces(key="k", coalesce="stored") == ("stored", True)
    assert coalesces() == ("unfinished", False), "nothing coalesces without a key"
    entry = index.settings.catalog_entry("")
    assert (entry["coalesce"], entry["replace"]) == ("queued", True)


def test_coalescing_without_a_key_is_refused_where_it_is_said(app: App) -> None:
    @app.job
    def index() -> None: ...

    for options in ({"coalesce": "queued"}, {"replace": True}):
        with pytest.raises(InvalidOption, match="go with a key"):
            index.options(**options)  # type: ignore[arg-type]
        index.options(key="k").options(**options)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="none of queued"):
        app.job(name="other", coalesce="always")(lambda: None)


def test_options_are_checked_where_they_are_given(app: App) -> None:
    @app.job
    def send() -> None: ...

    with pytest.raises(InvalidOption):
        send.options(priority=10_000)
    with pytest.raises(InvalidOption):
        send.options(delay="soon")
    with pytest.raises(InvalidName):
        send.options(queue="a b")
    with pytest.raises(TypeError):
        send.options(unknown=1)  # type: ignore[call-arg]


def test_wrong_arguments_are_refused_before_anything_is_sent(app: App) -> None:
    @app.job
    def send(a: int) -> None: ...

    with pytest.raises(InvalidArguments):
        send.enqueue("one")  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments):
        send.enqueue_many([(1,), (2,), ("three",)])
    with pytest.raises(InvalidOption, match="id"):
        send.options(id="mine").enqueue_many([(1,)])
    assert send.enqueue_many([]) == []


@pytest.mark.parametrize(
    ("item", "call"),
    [
        ((1, 2), ([1, 2], {})),
        ([1, 2], ([1, 2], {})),
        (((1,), {"b": 2}), ([1], {"b": 2})),
        (([], {}), ([], {})),
        ((), ([], {})),
        (({"a": 1}, {"b": 2}), ([{"a": 1}, {"b": 2}], {})),
        ((1, {"b": 2}), ([1, {"b": 2}], {})),
    ],
    ids=str,
)
def test_enqueue_many_takes_arguments_or_pairs_of_arguments_and_keywords(
    app: App, item: Any, call: tuple[list[Any], dict[str, Any]]
) -> None:
    from jqjobs.api.function import _call

    args, kwargs = _call(item)
    assert (list(args), dict(kwargs)) == call


def test_load_checks_every_signature(app: App) -> None:
    @app.job
    def bad(a: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match="Missing"):
        app.load()


def test_load_imports_the_job_modules() -> None:
    app = App(imports=["nowhere_at_all.jobs"])
    with pytest.raises(ImportError):
        app.load()


def test_later_options_add_to_earlier_ones(app: App) -> None:
    @app.job
    def work() -> None: ...

    new = work.options(priority=7, delay="10m").options(keep="1h")._new((), {})
    assert (new.priority, new.due, new.fields) == (7, "+600000", ("keep", 3_600_000))
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    assert work.options(delay="10m").options(due=moment)._new((), {}).due == "1893456000000"


def test_functions_that_a_factory_makes_are_not_one_job(app: App) -> None:
    def register() -> None:
        @app.job
        def made() -> None: ...

    register()
    with pytest.raises(DuplicateJobName):
        register()


def test_a_handle_of_a_job_that_is_there_already(app: App) -> None:
    handle = app.handle("mails/a1")
    assert (handle.queue, handle.id, handle.created, handle.ref) == ("mails", "a1", False, "mails/a1")
    for ref in ("a1", "mails/", "/a1", "a b/c"):
        with pytest.raises(InvalidName):
            app.handle(ref)
