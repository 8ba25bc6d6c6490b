"""What an app registers: names, aliases, queues, and what loading checks."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import ConfigError, DuplicateJobName, UnknownJobName


def _function() -> Any:
    def function() -> None: ...

    return function


def test_two_functions_under_one_name_are_an_error_that_names_both_places(app: App) -> None:
    @app.job(name="twice")
    def first() -> None: ...

    with pytest.raises(DuplicateJobName, match=r"twice.*test_job_registry.py:\d+ and .*test_job_registry.py:\d+"):

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


def test_functions_that_a_factory_makes_are_not_one_job(app: App) -> None:
    def register() -> None:
        @app.job
        def made() -> None: ...

    register()
    with pytest.raises(DuplicateJobName):
        register()


def test_an_unknown_name_is_refused(app: App) -> None:
    with pytest.raises(UnknownJobName, match="nope"):
        app.registry.find("nope")


def test_queues_come_in_the_order_of_registration_without_repeats(app: App) -> None:
    for name, queue in (("a", "late"), ("b", "early"), ("c", "late")):
        app.job(name=name, queue=queue)(_function())
    assert app.registry.queues() == ["late", "early"]


def test_load_checks_every_signature(app: App) -> None:
    @app.job
    def bad(a: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match="Missing"):
        app.load()


def test_load_imports_the_job_modules() -> None:
    app = App(imports=["nowhere_at_all.jobs"])
    with pytest.raises(ImportError):
        app.load()


def test_parameters_are_published_where_the_job_is_at_home(app: App) -> None:
    @app.job(queue="mails", aliases=["former"])
    def send(user_id: int) -> None: ...

    @app.job
    def other() -> None: ...

    assert set(app.registry.parameters("mails")) == {"send", "former"}
    assert app.registry.parameters("mails")["send"] == send.signature.schema()
    assert set(app.registry.parameters("default")) == {"other"}
