"""System checks: of the settings with each `manage.py check`, of Redis and the daemons with ``--deploy``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import Error
from django.core.checks import Warning as Caution

from jqjobs.api.app import App
from jqjobs.base.config import Environment
from jqjobs.django.project import BACKENDS, alias_of, backend_options, commit_of, project_app
from jqjobs.embedded import is_embedded
from jqjobs.errors import ConfigError, JqError, OutboxMissing, StoreError, StoreUnavailable
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import check_name
from jqjobs.store.address import parse_url
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.reads.server_info import read_infos
from jqjobs.store.store import Store


def of_backend(alias: str, queues: Collection[str], options: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what is wrong with a backend of TASKS."""
    where = f"TASKS[{alias!r}]"
    common = backend_options()
    try:
        url = Environment().redis_url(options.get("url"), options.get("prefix"))
        if not is_embedded(url):
            parse_url(url)
    except ConfigError as error:
        yield Error(f"{where}: {error.message}", hint=error.hint or None, id="jqjobs.E001")
    if any(options.get(name) != common.get(name) for name in ("url", "prefix")):
        hint = "jqjobs.django:app serves one Redis: say the same url and prefix in all JqBackends"
        yield Error(f"{where} names another Redis than the other JqBackend", hint=hint, id="jqjobs.E002")
    yield from _of_options(where, queues, options)


def _of_options(where: str, queues: Collection[str], options: Mapping[str, Any]) -> Iterator[Any]:
    try:
        for queue in queues:
            check_name(queue, "queue")
        Options(keep=options.get("keep"), on_commit=commit_of(options))
    except JqError as error:
        yield Error(f"{where}: {error.message}", hint=error.hint or None, id="jqjobs.E003")
    alias = commit_of(options)
    if isinstance(alias, str) and alias_of(alias) not in settings.DATABASES:
        yield Error(f"{where}: on_commit {alias!r} is no alias of DATABASES", id="jqjobs.E004")
    if "keep" not in options:
        yield Caution(
            f"{where} does not say how long results are kept: get_result() finds no task that has succeeded",
            hint="OPTIONS: {'keep': '1d'}; or None, where nobody asks for results", id="jqjobs.W001",
        )  # fmt: skip


def of_deployment(app_configs: Any = None, **kwargs: Any) -> list[Any]:
    """Return what is wrong with Redis, and which tasks no daemon runs."""
    if not any(each.get("BACKEND") in BACKENDS for each in getattr(settings, "TASKS", {}).values()):
        return []
    app = project_app().load()
    try:
        with app.client.store() as store:
            policies = _policies(store)
            registry = read_registry(store)
    except JqError as error:
        return [Error(f"Redis: {error.message}", hint=error.hint or None, id="jqjobs.E005")]
    found: list[Any] = []
    for policy in policies - {"noeviction"}:
        hint = "set maxmemory-policy noeviction"
        found.append(Error(f"Redis evicts keys ({policy}): jobs may be lost", hint=hint, id="jqjobs.E006"))
    found += _of_outbox(app)
    if unserved := [queue for queue in app.registry.queues() if not registry.serves(queue)]:
        hint = "jqd --app jqjobs.django:app, with --queues for all of them"
        found.append(Caution(f"no daemon serves {', '.join(unserved)}", hint=hint, id="jqjobs.W002"))
    return found


def _policies(store: Store) -> set[str]:
    """Return what servers do when they are full; nothing where our user may not ask. Raises: StoreUnavailable."""
    try:
        infos = read_infos(store, "memory")
    except StoreUnavailable:
        raise
    except StoreError:
        return set()
    return {info.get("maxmemory_policy", "noeviction").strip() for info in infos.values()}


def _of_outbox(app: App) -> Iterator[Any]:
    if app.registry.outbox is None:
        return
    try:
        app.registry.outbox.status()
    except OutboxMissing as error:
        hint = "a migration with jqjobs.django.create_outbox, or manage.py jqctl outbox migrate"
        yield Error(f"the outbox: {error.message}", hint=hint, id="jqjobs.E007")
