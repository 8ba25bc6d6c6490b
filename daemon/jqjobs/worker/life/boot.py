"""Loads the app with all its jobs, says in one line why it cannot be, keeps the garbage collector off what was loaded,
and lets go of the threads it has started.

For workers, and for `jqd --check`.
"""

from __future__ import annotations

import gc
import os
import select
import threading
import traceback
from collections.abc import Sequence

from jqjobs.api.app import App
from jqjobs.base import log
from jqjobs.base.imports import load_app
from jqjobs.errors import ConfigError, JqError
from jqjobs.jobs.records import MAX_QUEUES
from jqjobs.worker.attempts.classifier import describe

#: Threads that the app has left running may take so long, once everything else is done.
_THREADS_S = 5.0


def describe_failure(error: BaseException) -> str:
    """Return what loading the app raised, and where, unless the error says so itself."""
    if isinstance(error, JqError):
        return f"{type(error).__name__}: {error.in_one_line()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen ")]
    if isinstance(error, SyntaxError) or not frames:
        return describe(error)
    return f"{describe(error)} (at {frames[-1].filename}:{frames[-1].lineno})"


def load_registered(reference: str, queues: Sequence[str] = ()) -> App:
    """Return the app with all its job modules loaded. ``queues``: those to be served; none: all that the app has.

    Raises: ConfigError, and what its modules raise.
    """
    app = load_app(reference)
    if not isinstance(app, App):
        raise ConfigError(f"--app {reference!r} is a {type(app).__name__}, not a jqjobs.App")
    app.load()
    if not app.jobs:
        raise ConfigError(f"--app {reference!r} registers no job", hint="name its job modules in App(imports=[…])")
    if not queues and (count := len(app.registry.queues())) > MAX_QUEUES:
        hint = "share them out among daemons: jqd --queues a,b,…"
        raise ConfigError(f"--app {reference!r} has {count} queues, a worker serves at most {MAX_QUEUES}", hint=hint)
    return app


def refuse_green_threads(concurrency: int) -> None:
    """Raise ConfigError when the app has had gevent or eventlet put theirs in place of what its worker needs."""
    if concurrency > 1 and type(threading.Lock()).__module__ != "_thread":
        hint = "use --concurrency 1, with more --processes; or patch in the web server only"
        raise ConfigError("the app is monkey-patched: its slots would wait for each other", hint=hint)
    if not hasattr(select, "poll"):
        raise ConfigError("the app is monkey-patched by eventlet, under which no worker runs", hint="patch elsewhere")


def keep_what_is_loaded() -> None:
    """Have the garbage collector look once at all that is there, and never again.

    Else one of the first jobs pays for the first look, some ms for jqjobs alone, and later ones for looks in which
    nothing is found. What has been loaded and becomes garbage is freed all the same, unless it is in a circle.
    """
    gc.collect()
    gc.freeze()


def limit_threads(code: int) -> None:
    """Have this process end with ``code`` even if threads of the app go on for ever: Python would wait for them."""
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if all(thread.daemon for thread in others):
        return
    patience = threading.Timer(_THREADS_S, _end_now, [code])
    patience.daemon = True
    patience.start()


def _end_now(code: int) -> None:
    names = ", ".join(thread.name for thread in threading.enumerate() if not thread.daemon)
    log.event("threads.left", level=log.WARNING, threads=names, hint="make them daemon threads, or end them at exit")
    os._exit(code)
