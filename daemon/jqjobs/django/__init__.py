"""jqjobs in a Django project: tasks, transactions, connections, commands, and the dashboard beside the admin.

Needs the extra ``jqjobs[django]``. The public names are loaded on first use: Django imports this package before its
apps are ready.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jqjobs.api.app import App
    from jqjobs.django.backend import JqBackend
    from jqjobs.django.dashboard import dashboard_urls
    from jqjobs.django.outbox_table import create_outbox, drop_outbox
    from jqjobs.django.task_options import options

    #: The app of the project: its tasks, and the jobs of `<app>/jobs.py`. For `jqd --app jqjobs.django:app`.
    app: App

#: Public name → its module, and its name there.
_HOMES = {
    "JqBackend": ("backend", "JqBackend"), "dashboard_urls": ("dashboard", "dashboard_urls"),
    "options": ("task_options", "options"), "create_outbox": ("outbox_table", "create_outbox"),
    "drop_outbox": ("outbox_table", "drop_outbox"),
}  # fmt: skip

__all__ = ["JqBackend", "app", "create_outbox", "dashboard_urls", "drop_outbox", "options"]


def __getattr__(name: str) -> Any:
    if name == "app":
        found = import_module("jqjobs.django.project").project_app()
    elif name in _HOMES:
        module, there = _HOMES[name]
        found = getattr(import_module(f"jqjobs.django.{module}"), there)
    else:
        raise AttributeError(f"module 'jqjobs.django' has no attribute {name!r}")
    globals()[name] = found
    return found
