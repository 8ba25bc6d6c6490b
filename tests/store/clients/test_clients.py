"""The producers of clients/, each run by its own language: they send what the vectors say, and refuse what they say.

A runner in each language reads a line of JSON for each call, and writes one with what came of it: `id`, `ids`,
`answered`, `refused` with a code, `not_stored` or `no_answer` with the ids that may be missing; `inexpressible`
where the types of the language rule the call out.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servers import Server, require_program
from store.envelope_vectors import ANSWERS, JOBS, NOW_MS, answered, became, begin_wait
from store.queue_system import QueueSystem
from waiting import eventually

CLIENTS = Path(__file__).parents[3] / "clients"
RUNNERS = Path(__file__).parent
#: Language → the program that runs it, and its file in clients/ and here.
LANGUAGES = {"node": "mjs", "php": "php", "ruby": "rb", "go": "go"}
#: What the worker would find in an envelope, the client finds before it is sent.
_SOONER = {"malformed": "bad_field"}
TRACE = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}

Command = list[str]


class Runner:
    """A process of another language that has one client open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, verb: str, **what: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"verb": verb, **what}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "it ended"
        found: dict[str, Any] = json.loads(line)
        return found


Open = Callable[..., Runner]


@pytest.fixture(scope="module", params=LANGUAGES)
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """What runs the runner of a language in turn."""
    language, suffix = request.param, LANGUAGES[request.param]
    program, client, runner = require_program(language), CLIENTS / f"jqjobs.{suffix}", RUNNERS / f"runner.{suffix}"
    if language != "go":
        return [program, str(runner), str(client)]
    folder = tmp_path_factory.mktemp("go")
    (folder / "jqjobs").mkdir()
    shutil.copy(client, folder / "jqjobs")
    shutil.copy(runner, folder)
    (folder / "go.mod").write_text("module runner\n\ngo 1.19\n")
    subprocess.run([program, "vet", "./..."], cwd=folder, check=True)
    subprocess.run([program, "build", "-o", "runner", "."], cwd=folder, check=True)
    return [str(folder / "runner")]


@pytest.fixture
def open_client(command: Command) -> Iterator[Open]:
    """Start runners; they end with the test, and must have nothing to complain of."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str, meta: dict[str, str] | None = None) -> Runner:
        words = [*command, url, *([json.dumps(meta)] if meta else [])]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return Runner(process)

    yield start
    for process in started:
        with process:
            assert process.stdin
            process.stdin.close()
            assert process.wait(20) == 0


@pytest.fixture
def system(any_server: Server) -> Iterator[QueueSystem]:
    made = QueueSystem(any_server.url)
    made.clock.now_ms = NOW_MS
    yield made
    made.store.close()


def test_a_client_sends_and_refuses_what_the_vectors_say(open_client: Open, system: QueueSystem) -> None:
    client = open_client(system.url)
    for vector in JOBS:
        if "envelope" not in vector:
            continue  # only bytes can be so
        queue = vector["name"]
        said = client.ask("enqueue", queue=queue, envelope=vector["envelope"])
        if "job" in vector:
            assert said.keys() == {"id"}, (queue, said)
            assert became(system, queue)["job"] == vector["job"] | said, queue
        else:
            code = _SOONER.get(vector["refused"], vector["refused"])
            assert said in ({"refused": code}, {"inexpressible": True}), (queue, said)
            assert system.redis("EXISTS", system.key("inbox", queue)) == 0


def test_a_client_answers_for_a_job_as_the_vectors_say(open_client: Open, system: QueueSystem) -> None:
    client = open_client(system.url)
    for vector in ANSWERS:
        if "envelope" not in vector:
            continue
        queue = vector["name"]
        begin_wait(system, queue)
        said = client.ask("answer", queue=queue, answer=vector["envelope"])
        expected = {key: vector[key] for key in ("result", "error", "refused") if key in vector}
        assert (said if "refused" in said else answered(system, queue)) == expected, queue


def test_a_client_opens_fills_and_closes_a_batch(open_client: Open, system: QueueSystem) -> None:
    client, then = open_client(system.url), json.dumps({"job": "report"})
    options = {"then": [then], "always": [then], "on_dead": "go", "keep_ms": 5000}
    assert client.ask("open_batch", batch="q/b", options=options) == {"opened": None}
    client.ask("enqueue", queue="q", envelope={"job": "n", "id": "m", "batch": "q/b"})
    assert client.ask("close_batch", batch="q/b", count=1) == {"closed": None}
    assert system.ingest() == (3, 0, 0, 0)
    [member] = system.take("w")
    system.settle("w", member)

    assert system.ids() == ["b.always", "b.then"]
    assert client.ask("open_batch", batch="b", options={}) == {"refused": "bad_name"}
    assert client.ask("open_batch", batch="q/c", options={"on_dead": "so"}) == {"refused": "bad_field"}
    assert client.ask("open_batch", batch="q/c", options={"then": [then] * 17}) == {"refused": "bad_field"}
    assert client.ask("close_batch", batch="q/c", count=-1) == {"refused": "bad_field"}
    assert system.redis("EXISTS", system.key("inbox")) == 0


def test_many_are_stored_in_their_order_with_one_wake_token(open_client: Open, system: QueueSystem) -> None:
    bulk = [{"job": "j", "kwargs": {"n": n, "pad": "x" * 2000}} for n in range(1500)]  # 3 MB: several commands
    said = open_client(system.url).ask("enqueue_many", queue="q", envelopes=bulk)
    stored = [json.loads(raw) for raw in reversed(system.redis("LRANGE", system.key("inbox"), 0, -1))]
    assert [envelope["id"] for envelope in stored] == said["ids"]
    assert [envelope["kwargs"]["n"] for envelope in stored] == list(range(1500))
    assert system.redis("ZRANGE", system.key("wake"), 0, -1, "WITHSCORES") == [b"1", b"0"]


def test_of_many_none_is_sent_when_one_is_wrong(open_client: Open, system: QueueSystem) -> None:
    client = open_client(system.url)
    assert client.ask("enqueue_many", queue="q", envelopes=[{"job": "j"}, {"job": "no name"}]) == {
        "refused": "bad_name"
    }
    assert client.ask("enqueue_many", queue="q", envelopes=[]) == {"ids": []}
    assert system.redis("KEYS", "*") == []


def test_a_queue_that_is_none_and_an_envelope_that_is_too_large_are_refused(
    open_client: Open, system: QueueSystem
) -> None:
    client = open_client(system.url)
    assert client.ask("enqueue", queue="no queue", envelope={"job": "j"}) == {"refused": "bad_name"}
    large = {"job": "j", "args": ["ü" * 524_288]}
    assert client.ask("enqueue", queue="q", envelope=large) == {"refused": "too_large"}
    assert system.redis("KEYS", "*") == []


def test_meta_of_all_jobs_and_that_of_one_travel_together(open_client: Open, system: QueueSystem) -> None:
    client = open_client(system.url, meta=TRACE | {"tenant": "all"})
    client.ask("enqueue", queue="q", envelope={"job": "j", "meta": {"tenant": "one"}})
    assert became(system, "q")["job"]["meta"] == TRACE | {"tenant": "one"}


def test_a_queue_by_pattern_is_found_since_its_name_is_said(open_client: Open, system: QueueSystem) -> None:
    open_client(system.url).ask("enqueue", queue="tenant-42", envelope={"job": "j"})
    assert system.redis("SISMEMBER", "jq:{~}:queues", "tenant-42") == 1


def test_user_password_database_and_prefix_are_those_of_the_url(
    open_client: Open, start_server: Callable[..., Server]
) -> None:
    server = start_server("valkey", tcp=True)
    server.call("ACL", "SETUSER", "shop", "on", ">a:b/c?", "~staging:{emails}:inbox", "~staging:{emails}:wake", "-@all",
                "+lpush", "+zadd", "+select")  # fmt: skip
    url = server.url.replace("redis://", "redis://shop:a%3Ab%2Fc%3F@") + "/3?prefix=staging"
    client = open_client(url)
    assert client.ask("enqueue", queue="emails", envelope={"job": "j"}).keys() == {"id"}
    assert server.pipeline([("SELECT", "3"), ("LLEN", "staging:{emails}:inbox")])[1] == 1
    said = client.ask("enqueue", queue="others", envelope={"job": "j", "id": "a"})
    assert said["ids"] == ["a"]
    assert "NOPERM" in said["not_stored"]
    wrong = open_client(url.replace("a%3Ab", "wrong")).ask("enqueue", queue="emails", envelope={"job": "j"})
    assert "WRONGPASS" in wrong["not_stored"]


def test_tls_is_spoken_with_a_server_whose_certificate_is_known(
    open_client: Open, tls_url: str, start_server: Callable[..., Server]
) -> None:
    client = open_client(tls_url)
    for _ in range(3):  # the tickets of TLS 1.3, which come unasked, are no end
        assert client.ask("enqueue", queue="q", envelope={"job": "j"}).keys() == {"id"}
    unknown = open_client(tls_url.partition("?")[0]).ask("enqueue", queue="q", envelope={"job": "j"})
    assert "cannot be reached" in unknown["not_stored"]


def test_a_full_redis_stores_nothing_and_says_so(open_client: Open, start_server: Callable[..., Server]) -> None:
    server = start_server("valkey")
    client = open_client(server.url)
    server.call("CONFIG", "SET", "maxmemory", "1")
    said = client.ask("enqueue_many", queue="q", envelopes=[{"job": "j", "id": "a"}, {"job": "j", "id": "b"}])
    assert said["ids"] == ["a", "b"]
    assert "OOM" in said["not_stored"]


def test_a_server_that_comes_back_is_found_by_the_next_call(
    open_client: Open, start_server: Callable[..., Server]
) -> None:
    server = start_server("valkey")
    client = open_client(server.url)
    assert client.ask("enqueue", queue="q", envelope={"job": "j"}).keys() == {"id"}
    server.kill()
    said = client.ask("enqueue", queue="q", envelope={"job": "j"})
    # Who has not heard yet that the connection is broken sends over it, and gets no answer.
    assert "no_answer" in said or "cannot be reached" in said["not_stored"]
    server.restart()
    assert client.ask("enqueue", queue="q", envelope={"job": "j"}).keys() == {"id"}
    server.restart()  # and nobody asked meanwhile
    assert client.ask("enqueue", queue="q", envelope={"job": "j"}).keys() == {"id"}
    assert client.ask("close") == {"closed": None}
    assert client.ask("enqueue", queue="q", envelope={"job": "j"}).keys() == {"id"}


@contextmanager
def listening(*, hangs_up: bool) -> Iterator[int]:
    """A server that takes what it is told, and hangs up or says nothing."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            peer, _ = listener.accept()
            held.append(peer)
            peer.recv(65536)
            if hangs_up:
                peer.close()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
    for peer in held:
        peer.close()


@pytest.mark.parametrize("hangs_up", [True, False], ids=["hangs up", "is silent"])
def test_a_lost_answer_leaves_open_what_is_stored(open_client: Open, hangs_up: bool) -> None:
    with listening(hangs_up=hangs_up) as port:
        said = open_client(f"redis://127.0.0.1:{port}").ask("enqueue", queue="q", envelope={"job": "j", "id": "a"})
    assert said.keys() == {"no_answer", "ids"}
    assert said["ids"] == ["a"]


def test_what_was_not_stored_because_of_a_silent_server_can_be_sent_again(
    open_client: Open, start_server: Callable[..., Server]
) -> None:
    server = start_server("valkey")
    client = open_client(server.url)
    first = client.ask("enqueue", queue="q", envelope={"job": "j", "id": "a"})
    assert first == {"id": "a"} == client.ask("enqueue", queue="q", envelope={"job": "j", "id": "a"})
    system = QueueSystem(server.url)
    eventually(lambda: system.redis("LLEN", system.key("inbox")) == 2)
    assert system.ingest() == (1, 0, 1, 0)
    system.store.close()


def test_a_url_that_is_none_is_refused_without_repeating_its_password(command: Command) -> None:
    for url in ("redis://user:sec@ret@host", "http://user:secret@host", "redis://:se#cret@host/0", "redis://host/0?x"):
        ended = subprocess.run([*command, url], input="", capture_output=True, text=True, check=False)
        assert ended.returncode != 0, url
        assert "sec" not in ended.stderr.replace(str(RUNNERS), "")
