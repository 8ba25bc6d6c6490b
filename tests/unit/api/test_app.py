"""The decorators of an app, and its handles; nothing connects before something is enqueued."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import InvalidName, InvalidOption
from jqjobs.jobs.backoff import Exponential, Fixed


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


def test_an_unknown_setting_is_refused(app: App) -> None:
    with pytest.raises(TypeError):
        app.job(retries=5)(lambda: None)  # type: ignore[call-overload]


def test_a_handle_of_a_job_that_is_there_already(app: App) -> None:
    handle = app.handle("mails/a1")
    assert (handle.queue, handle.id, handle.created, handle.ref) == ("mails", "a1", False, "mails/a1")
    for ref in ("a1", "mails/", "/a1", "a b/c"):
        with pytest.raises(InvalidName):
            app.handle(ref)
