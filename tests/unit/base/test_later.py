"""Calls put off: until the script, the request, or the batch of a worker is over; in order, whatever one raises."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.handlers import SimpleHandler
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from jqjobs import App
from jqjobs.worker.attempts.hook_calls import HookQueue

# Scripts


def script(text: str, *, code: int = 0) -> tuple[list[str], str]:
    """Run a script that has `app` and `say`; return what it printed."""
    head = "import os, sys, threading\nfrom jqjobs import App\napp = App()\ndef say(*what): print(*what, flush=True)\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", head + text],
        env={"PYTHONPATH": str(Path(sys.modules["jqjobs"].__file__ or "").parents[1])},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout.split(), done.stderr


def test_at_the_end_of_a_script_in_order() -> None:
    said, errors = script("app.later(say, 1)\napp.later(lambda: say(2))\napp.later(print, 3, flush=True)\nsay(0)")
    assert said == ["0", "1", "2", "3"]
    assert errors == ""


def test_what_is_put_off_by_what_was_put_off_comes_last() -> None:
    said, _ = script("app.later(lambda: (say(1), app.later(say, 3)))\napp.later(say, 2)")
    assert said == ["1", "2", "3"]


def test_what_raises_is_logged_and_the_rest_runs() -> None:
    said, errors = script("app.later(lambda: 1 / 0)\napp.later(sys.exit, 3)\napp.later(say, 1)")
    assert said == ["1"]
    assert "ZeroDivisionError" in errors
    assert "SystemExit" in errors
    assert errors.count("later.failed") == 2


def test_a_script_that_ends_by_an_error_runs_them_too() -> None:
    said, _ = script("app.later(say, 1)\nraise ValueError('boom')", code=1)
    assert said == ["1"]


def test_coroutine_functions_are_run_to_their_end() -> None:
    said, _ = script(
        "import asyncio\nasync def f(n):\n  await asyncio.sleep(0)\n  say(n)\napp.later(f, 1)\napp.later(say, 2)"
    )
    assert said == ["1", "2"]


def test_a_forked_child_leaves_the_calls_to_its_parent_and_has_its_own() -> None:
    said, _ = script(
        "app.later(say, 'parent')\n"
        "if os.fork() == 0:\n"
        "  app.later(say, 'child')\n"
        "  sys.exit()\n"
        "os.wait()\n"
    )  # fmt: skip
    assert said == ["child", "parent"]


def test_nothing_is_registered_with_the_process_before_a_call_is_put_off() -> None:
    said, _ = script("import atexit\nbefore = atexit._ncallbacks()\nApp()\nsay(atexit._ncallbacks() - before)")
    assert said == ["0"]


# WSGI


class Server:
    """Serves one WSGI request as a server does; notes what happens."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.events: list[Any] = []

    def note(self, *what: Any) -> None:
        self.events.append(what[0] if len(what) == 1 else what)

    def serve(self, application: Callable[..., Any]) -> str:
        environ: dict[str, Any] = {"QUERY_STRING": ""}
        setup_testing_defaults(environ)
        environ["wsgi.input"] = BytesIO()
        sent = BytesIO()
        errors = Errors()
        handler = SimpleHandler(BytesIO(), sent, errors, environ)  # type: ignore[arg-type]
        handler.http_version = "1.1"
        close = handler.close
        handler.close = lambda: (self.note("sent", sent.getvalue().count(b"body")), close())  # type: ignore[method-assign]
        handler.run(validator(self.app.wsgi(validator(application))))  # both sides of the wrapper keep to the letter
        self.note("over")
        return errors.text

    def view(self, environ: Any, start_response: Any) -> Any:
        self.app.later(self.note, "late")
        self.note("view")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"body"]


class Errors:
    """A stream for errors, as wsgiref wants it."""

    text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None: ...

    def writelines(self, lines: Any) -> None:
        self.text += "".join(lines)


@pytest.fixture
def server(app: App) -> Server:
    return Server(app)


def test_a_wsgi_request_runs_them_once_its_response_is_sent(server: Server) -> None:
    assert server.serve(server.view) == ""
    assert server.events == ["view", ("sent", 1), "late", "over"]
    assert not server.app.put_off.pending


def test_each_request_has_its_own(server: Server) -> None:
    server.serve(server.view)
    server.serve(server.view)
    assert server.events.count("late") == 2


def test_a_streamed_response_may_put_off_while_it_is_sent(server: Server) -> None:
    def view(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        for n in range(3):
            server.app.later(server.note, n)
            yield b"body"
        server.note("end of the body")

    assert server.serve(view) == ""
    assert server.events == ["end of the body", ("sent", 3), 0, 1, 2, "over"]


def test_the_close_of_the_body_comes_first_and_nothing_runs_twice(server: Server) -> None:
    class Body(list[bytes]):
        def close(self) -> None:
            server.note("closed")

    def view(environ: Any, start_response: Any) -> Any:
        server.app.later(server.note, "late")
        return Body([b"body"])

    body: Any = server.app.wsgi(view)({}, lambda *_: None)
    assert list(body) == [b"body"]
    body.close()
    body.close()
    assert server.events == ["closed", "late", "closed"]


def test_a_view_that_raises_has_ended_too(server: Server) -> None:
    def view(environ: Any, start_response: Any) -> Any:
        server.app.later(server.note, "late")
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        server.app.wsgi(view)({}, lambda *_: None)
    assert server.events == ["late"]


def test_what_raises_harms_neither_the_response_nor_the_rest(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def view(environ: Any, start_response: Any) -> Any:
        server.app.later(lambda: 1 / 0)
        return server.view(environ, start_response)

    assert server.serve(view) == ""
    assert server.events == ["view", ("sent", 1), "late", "over"]
    [record] = caplog.records
    assert record.getMessage() == "later.failed"
    assert record.exc_info


def test_a_call_that_comes_after_the_end_of_its_request_waits_for_that_of_the_process(server: Server) -> None:
    begun, over = threading.Event(), threading.Event()

    def view(environ: Any, start_response: Any) -> Any:
        import contextvars

        def work() -> None:
            begun.set()
            over.wait(10)
            server.app.later(server.note, "later still")

        context = contextvars.copy_context()
        server.thread = threading.Thread(target=context.run, args=(work,))  # type: ignore[attr-defined]
        server.thread.start()  # type: ignore[attr-defined]
        return server.view(environ, start_response)

    server.serve(view)
    begun.wait(10)
    over.set()
    server.thread.join()  # type: ignore[attr-defined]
    assert "later still" not in server.events
    assert server.app.put_off.pending
    server.app.put_off.run_next()
    assert server.events[-1] == "later still"


# ASGI


async def request(app: App, application: Callable[..., Any], events: list[Any], kind: str = "http") -> None:
    async def send(message: Any) -> None:
        events.append(message)

    async def receive() -> Any: ...

    await app.asgi(application)({"type": kind}, receive, send)
    events.append("over")


def test_an_asgi_request_runs_them_once_its_response_is_sent_in_order(app: App) -> None:
    events: list[Any] = []

    async def late(n: int) -> None:
        await asyncio.sleep(0)
        events.append(n)

    async def view(scope: Any, receive: Any, send: Any) -> None:
        app.later(late, 1)
        app.later(events.append, 2)
        app.later(lambda: app.later(late, 4))
        app.later(late, 3)
        await send("body")

    asyncio.run(request(app, view, events))
    assert events == ["body", 1, 2, 3, 4, "over"]


def test_two_requests_at_a_time_do_not_mix(app: App) -> None:
    first: list[Any] = []
    second: list[Any] = []

    def view(events: list[Any], n: int) -> Callable[..., Any]:
        async def view(scope: Any, receive: Any, send: Any) -> None:
            app.later(events.append, n)
            await asyncio.sleep(0)
            await asyncio.create_task(deeper(events, n))
            await send("body")

        return view

    async def deeper(events: list[Any], n: int) -> None:
        await asyncio.sleep(0)
        app.later(events.append, n + 1)

    async def both() -> None:
        await asyncio.gather(request(app, view(first, 10), first), request(app, view(second, 20), second))

    asyncio.run(both())
    assert first == ["body", 10, 11, "over"]
    assert second == ["body", 20, 21, "over"]


def test_an_asgi_view_that_raises_has_ended_too_and_what_raises_is_logged(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Any] = []

    async def view(scope: Any, receive: Any, send: Any) -> None:
        app.later(lambda: 1 / 0)
        app.later(events.append, "late")
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        asyncio.run(request(app, view, events))
    assert events == ["late"]
    assert [record.getMessage() for record in caplog.records] == ["later.failed"]


def test_the_life_of_an_asgi_server_is_no_request(app: App) -> None:
    events: list[Any] = []

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        app.later(events.append, "late")

    asyncio.run(request(app, lifespan, events, "lifespan"))
    assert events == ["over"]
    assert app.put_off.pending
    app.put_off.run_next()


# Workers


def test_a_worker_runs_them_between_two_batches(app: App, caplog: pytest.LogCaptureFixture) -> None:
    class Idle:
        reports = SimpleNamespace(has_hooked=False)
        recorded: tuple[Any, ...] = ()

        def tick(self) -> None: ...

    from jqjobs.worker.attempts.interrupt import Interrupter

    events: list[Any] = []
    idle: Any = Idle()
    after = HookQueue(app, idle, Interrupter(), idle, random.Random(1))
    assert not after.pending
    app.later(lambda: 1 / 0)
    app.later(events.append, 1)
    assert after.pending
    assert after.run()
    assert events == [1]
    assert not after.pending
    assert [record.getMessage() for record in caplog.records] == ["later.failed"]
