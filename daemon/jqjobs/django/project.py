"""The app of a Django project: `jqjobs.django.app`.

It has the tasks of all JqBackends, and the jobs that are registered with it in `<app>/jobs.py`. Making it reads the
settings and connects to nothing; loading it, as workers do, sets Django up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.utils.module_loading import module_has_submodule

from jqjobs.api.app import App
from jqjobs.django.connections import AroundAsync, around
from jqjobs.jobs.records import OUTBOX
from jqjobs.outbox import Outbox

BACKENDS = ("jqjobs.django.JqBackend", "jqjobs.django.backend.JqBackend")
#: What OPTIONS may say.
OPTIONS = ("url", "prefix", "keep", "on_commit")
_MODULES = ("tasks", "jobs")


@cache
def project_app() -> App:
    """Return the app of this project, the same one each time. Raises: ImproperlyConfigured, JqError."""
    options = backend_options()
    app = App(
        job_modules, redis_url=options.get("url"), prefix=options.get("prefix"),
        defaults={"keep": options.get("keep"), "on_commit": commit_of(options)},
    )  # fmt: skip
    app.middleware(around, around_async=AroundAsync().around)
    if commit_of(options) == OUTBOX:
        Outbox(app, DEFAULT_DB_ALIAS)
    return app


def backend_options() -> Mapping[str, Any]:
    """Return what the settings say of Redis: OPTIONS of the JqBackend, of "default" if there are several."""
    tasks = getattr(settings, "TASKS", {})
    ours = {alias: each for alias, each in tasks.items() if each.get("BACKEND") in BACKENDS}
    chosen: Mapping[str, Any] = ours.get("default") or next(iter(ours.values()), {})
    return checked_options(chosen.get("OPTIONS", {}))


def checked_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return OPTIONS as they are. Raises: ImproperlyConfigured for a name that means nothing."""
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise ImproperlyConfigured(f"JqBackend has no option {unknown[0]!r}: there are {', '.join(OPTIONS)}")
    return options


def commit_of(options: Mapping[str, Any]) -> Any:
    """Return ``on_commit`` of OPTIONS: unless they say otherwise, calls wait for the commit of the default database."""
    alias = options.get("on_commit", DEFAULT_DB_ALIAS)
    return False if alias is None else alias


def alias_of(on_commit: Any) -> Any:
    """Return the database whose commit counts; False: none does."""
    return DEFAULT_DB_ALIAS if on_commit == OUTBOX else on_commit


def job_modules() -> Iterator[str]:
    """Set Django up, and return the modules of its apps that hold tasks and jobs."""
    django.setup()
    for config in apps.get_app_configs():
        for name in _MODULES:
            if module_has_submodule(config.module, name):
                yield f"{config.name}.{name}"
