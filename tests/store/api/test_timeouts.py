"""How long a call may take: one time for all of it, whatever it is made of and whoever does the waiting."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.ports import free_port
from jqjobs import App
from jqjobs.cli.exit_codes import Exit
from jqjobs.errors import ConfigError, StoreUnavailable
from jqjobs.store.address import parse_url
from jqjobs.store.sockets import open_socket
from proxy import Proxy, Weather
from servers import Server
from store.cli.terminal import Terminal


def enqueue(app: App, queue: str) -> Any:
    return app.registry.find("mail").options(queue=queue).enqueue()


def enqueue_async(app: App, queue: str) -> Any:
    return asyncio.run(app.registry.find("mail").options(queue=queue).enqueue_async())


@pytest.mark.parametrize("send", [enqueue, enqueue_async])
def test_all_of_a_call_has_one_time(
    any_server: Server, monkeypatch: pytest.MonkeyPatch, send: Callable[..., Any]
) -> None:
    """Each step is answered in time: a connection, a queue that is new, a script that Redis does not know."""
    monkeypatch.setenv("JQ_TIMEOUT", "2s")
    proxy = Proxy(parse_url(any_server.url), Weather(delay_s=0.6)).start()
    app = App(redis_url=proxy.url)
    app.job(name="mail")(lambda: None)
    any_server.call("SCRIPT", "FLUSH")
    for queue in ("first", "second"):
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            send(app, queue)
        assert 1.5 < time.monotonic() - began_s < 3
    proxy.weather.delay_s = 0.0
    assert send(app, "first").created, "later calls have their time again"
    app.client.close()
    proxy.close()


def test_under_gevent_a_redis_that_stands_still_is_given_up_in_time(start_server: Callable[..., Server]) -> None:
    pytest.importorskip("gevent", reason="gevent is not installed")
    server = start_server("valkey", tcp=True)
    script, path = Path(__file__).parent / "green_producer.py", os.pathsep.join(sys.path)
    run = subprocess.run(
        [sys.executable, "-m", "gevent.monkey", str(script), server.url, str(server.pid)],
        env={"PYTHONPATH": path, "JQ_TIMEOUT": "2s"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    works, *calls = map(json.loads, run.stdout.splitlines())
    assert works["error"] == "None"
    assert [call["call"] for call in calls] == ["connected", "connecting", "result"]
    for call in calls:
        assert "no answer in time" in call["error"]
        assert 1 < call["took_s"] < 6
        assert call["others_turned"]
    assert calls[0]["maybe_stored"]
    assert "may be stored" in calls[0]["error"]


def test_jqctl_waits_no_longer_either(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_server("valkey")
    monkeypatch.setenv("JQ_TIMEOUT", "1s")
    os.kill(server.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    terminal = Terminal(server.url, capsys)
    assert terminal.run("status") == Exit.UNREACHABLE
    assert "no answer in time" in terminal.err
    assert time.monotonic() - began_s < 4


@pytest.mark.parametrize("said", ["soon", "0", "-1s"])
def test_a_time_that_is_none_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("JQ_TIMEOUT", said)
    app = App()
    app.job(name="mail")(lambda: None)
    with pytest.raises(ConfigError, match="JQ_TIMEOUT"):
        app.registry.find("mail").enqueue()  # type: ignore[union-attr]


def test_all_places_of_a_name_are_tried_and_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports = [free_port(), listener.getsockname()[1]]
        places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        given: list[float | None] = []

        class Noted(socket.socket):
            def connect(self, address: Any) -> None:
                given.append(self.gettimeout())
                super().connect(address)

        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: places)
        monkeypatch.setattr(socket, "socket", Noted)
        open_socket(parse_url("redis://two.places"), 10.0).close()
    assert given == [pytest.approx(5, abs=1), pytest.approx(10, abs=1)]


@pytest.mark.parametrize("send", [enqueue, enqueue_async])
def test_a_place_that_says_nothing_leaves_time_for_the_next(
    any_server: Server, monkeypatch: pytest.MonkeyPatch, send: Callable[..., Any]
) -> None:
    """As of a name with an IPv6 address that leads nowhere, which comes first."""
    monkeypatch.setenv("JQ_TIMEOUT", "2s")
    proxy = Proxy(parse_url(any_server.url), Weather()).start()
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as silent,
        socket.socket() as first,
        socket.socket() as second,
    ):
        for waiting in (first, second):  # who comes after them is not answered, listen(2)
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        ports = [silent.getsockname()[1], parse_url(proxy.url).port]
        places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: places)
        app = App(redis_url="redis://two.places")
        app.job(name="mail")(lambda: None)
        assert send(app, "q").created
        app.client.close()
    proxy.close()


@pytest.mark.parametrize("send", [enqueue, enqueue_async])
def test_a_server_of_names_that_says_nothing_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch, send: Callable[..., Any]
) -> None:
    monkeypatch.setenv("JQ_TIMEOUT", "1s")
    answers = threading.Event()

    def ask(*_: Any, flags: int = 0, **__: Any) -> Any:
        if not flags & socket.AI_NUMERICHOST:
            answers.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    app = App(redis_url="redis://redis.internal")
    app.job(name="mail")(lambda: None)
    began_s = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"too long|no answer in time") as raised:
        send(app, "q")
    assert time.monotonic() - began_s < 10, "an event loop that ends waits for threads of its own"
    assert not raised.value.maybe_stored
    answers.set()
