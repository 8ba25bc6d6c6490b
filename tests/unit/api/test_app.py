"""The decorators of an app, and its handles; nothing connects before something is enqueued."""

from __future__ import annotations

from inspect import signature
from typing import Any, get_overloads

import pytest

from jqjobs import App
from jqjobs.errors import InvalidName, InvalidOption
from jqjobs.jobs.backoff import Delays, Exponential, Fixed
from jqjobs.jobs.hooks import EVENTS
from jqjobs.jobs.registration import APP_WIDE


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
            "queue": "mails", "priority": -3, "max_attempts": 7, "max_crashes": 1, "timeout_ms": 120_000,
            "keep_ms": 86_400_000, "doc": "Send a mail.", "backoff_ms": [5000],
            "signature": send.signature.digest,
        }
    }  # fmt: skip


def test_defaults(app: App) -> None:
    @app.job
    def plain() -> None: ...

    settings = plain.settings
    assert (settings.timeout_ms, settings.keep_ms, settings.backoff) == (3_600_000, None, Exponential())


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 5000}, {"max_attempts": 0}, {"max_crashes": 0}, {"timeout": "soon"}, {"keep": float("nan")},
        {"backoff": []}, {"backoff": "soon"},
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_refused_at_registration(app: App, options: dict[str, Any]) -> None:
    def job() -> None: ...

    with pytest.raises(InvalidOption):
        app.job(**options)(job)
    assert not app.jobs


@pytest.mark.parametrize("options", [{"name": "a b"}, {"queue": "q:1"}, {"name": "n", "aliases": ["é"]}], ids=str)
def test_a_bad_name_is_refused_at_registration(app: App, options: dict[str, Any]) -> None:
    def job() -> None: ...

    with pytest.raises(InvalidName):
        app.job(**options)(job)
    assert not app.jobs


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [("max_attemps", "max_attempts"), ("timout", "timeout"), ("retries", "max_attempts"), ("time_limit", "timeout")],
)
def test_an_unknown_setting_is_refused_with_the_one_that_is_meant(app: App, unknown: str, meant: str) -> None:
    with pytest.raises(InvalidOption, match=f"'{unknown}'") as refused:
        app.job(**{unknown: 5})(lambda: None)  # type: ignore[call-overload]
    assert refused.value.hint == f"did you mean {meant!r}?"


def test_the_app_says_what_holds_for_all_jobs_that_do_not_say_otherwise() -> None:
    app = App(defaults={"queue": "mails", "max_attempts": 4, "backoff": [1, 2], "timeout": None, "priority": 5})
    plain = app.job(name="plain")(lambda: None)
    other = app.job(name="other", queue="reports", timeout="1m")(lambda: None)
    ticked = app.periodic(every="1m", priority=1, name="ticked")(lambda: None)

    assert [job.queue for job in (plain, other, ticked)] == ["mails", "reports", "mails"]
    assert [job.settings.timeout_ms for job in (plain, other)] == [None, 60_000]
    assert [job.settings.priority for job in (plain, other, ticked)] == [5, 5, 1]
    assert {(job.settings.max_attempts, job.settings.backoff) for job in (plain, other)} == {(4, Delays((1, 2)))}
    assert app.registry.catalog()["other"]["max_attempts"] == 4, "and workers publish it"


@pytest.mark.parametrize(
    ("defaults", "complaint"),
    [
        ({"max_attemps": 5}, "knows no option 'max_attemps' (did you mean 'max_attempts'?)"),
        ({"name": "x"}, "'name' belongs to one job"),
        ({"on_failure": print}, "write @app.on_failure above a function"),
        ({"max_attempts": 0}, "max_attempts 0"),
        ({"timeout": "soon"}, "timeout 'soon'"),
    ],
    ids=str,
)
def test_a_wrong_default_is_refused_where_it_is_written(defaults: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        App(defaults=defaults)
    assert complaint in refused.value.in_one_line()


def test_every_option_of_a_job_can_be_a_default_or_belongs_to_one_job() -> None:
    overload = get_overloads(App.job)[1]

    assert {*APP_WIDE, "name", "aliases", "delay", *EVENTS} == set(signature(overload).parameters) - {"self"}


def test_a_handle_of_a_job_that_is_there_already(app: App) -> None:
    handle = app.handle("mails/a1")
    assert (handle.queue, handle.id, handle.created, handle.ref) == ("mails", "a1", False, "mails/a1")
    for ref in ("a1", "mails/", "/a1", "a b/c"):
        with pytest.raises(InvalidName):
            app.handle(ref)
