"""`jqctl web` as a process: it says where it is, asks who comes, and ends when it is told to."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from jqjobs.store.address import parse_url
from jqjobs.store.calls import upkeep
from jqjobs.store.store import Store
from servers import Server

_KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
#: What KEDA is told to ask.
SCALED = next(yaml.safe_load_all((_KUBERNETES / "scaledobject.yaml").read_text("utf-8")))
_JQCTL = [sys.executable, "-m", "jqjobs.cli.jqctl", "web"]


@pytest.fixture
def serve(any_server: Server, tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start `jqctl web` with options; return the process and the first line it says."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> tuple[subprocess.Popen[str], str]:
        environment = {**os.environ, "JQ_REDIS_URL": any_server.url}
        process = subprocess.Popen(
            [*_JQCTL, *options], stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
        )
        started.append(process)
        assert process.stderr is not None
        return process, process.stderr.readline()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=named), timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def place(line: str) -> str:
    found = re.search(r"http://\S+/", line)
    assert found, line
    return found[0]


def test_it_serves_this_host_until_it_is_told_to_end(
    any_server: Server, serve: Callable[..., tuple[subprocess.Popen[str], str]]
) -> None:
    store = Store(parse_url(any_server.url))
    store.run(upkeep.add_queues(["q"]))
    store.close()
    process, said = serve("--listen", "127.0.0.1:0", "--mount", "/jobs")
    url = place(said)

    assert ask(url)[0] == 200
    assert json.loads(ask(f"{url}api/v1/status")[1])["queues"][0]["name"] == "q"
    assert b"jqjobs_jobs" in ask(f"{url}metrics")[1]
    assert ask(url, Host="evil.example")[0] == 421
    assert ask(f"{url}api/v1/queues/q/pause", "POST")[0] == 403
    assert ask(f"{url}api/v1/queues/q/pause", "POST", Origin=url.removesuffix("/jobs/"))[0] == 200

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_it_finds_nothing_wrong_and_no_socket_left(
    serve: Callable[..., tuple[subprocess.Popen[str], str]], tmp_path: Path, number: signal.Signals
) -> None:
    process, said = serve("--listen", f"unix:{tmp_path}/web.sock")
    assert "unix:" in said
    assert (tmp_path / "web.sock").exists()
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert (process.returncode, rest, (tmp_path / "web.sock").exists()) == (0, "", False)


def test_who_has_a_password_or_a_token_comes_in(
    serve: Callable[..., tuple[subprocess.Popen[str], str]], tmp_path: Path
) -> None:
    person = subprocess.run([*_JQCTL, "passwd", "ann"], input="secret\n", text=True, capture_output=True, check=True)
    program = subprocess.run(
        [*_JQCTL, "passwd", "keda", "--token", "--rights", "view"], text=True, capture_output=True, check=True
    )
    token = program.stderr.partition("token: ")[2].strip()
    (tmp_path / "users").write_text(person.stdout + program.stdout, "utf-8")
    _, said = serve("--listen", "127.0.0.1:0", "--auth-file", "users")
    url = place(said)

    assert ask(url)[0] == 401
    assert ask(url, Authorization=f"Basic {b64encode(b'ann:secret').decode()}")[0] == 200
    assert ask(url, Authorization=f"Basic {b64encode(b'ann:guess').decode()}")[0] == 401
    asked = SCALED["spec"]["triggers"][0]["metadata"]
    code, answer = ask(f"{url}{asked['url'].partition('8390/')[2]}", Authorization=f"Bearer {token}")
    assert (code, isinstance(json.loads(answer)[asked["valueLocation"]], int)) == (200, True)
    assert ask(f"{url}api/v1/jobs", "POST", Authorization=f"Bearer {token}")[0] == 403


def test_it_does_not_listen_to_the_world_without_knowing_who_asks(
    serve: Callable[..., tuple[subprocess.Popen[str], str]],
) -> None:
    process, said = serve("--listen", "0.0.0.0:0")

    assert "could do anything" in said
    assert process.wait(timeout=60) == 1
