"""The examples of docs/protocol.md, done for real: typed into redis-cli, run by Node, sent through ingest.

Commands are run from the top of the page to its end on one empty server. Before each but ZADD the inbox is
ingested, as a worker would have done, at the moment that the examples show.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from jqjobs import App, BatchState, NotReplicated, RateLimit, ResultTimeout
from jqjobs.errors import StoreRefused
from jqjobs.jobs.blame import Scope
from jqjobs.jobs.payload import MalformedPayload, decode_payload
from jqjobs.jobs.records import Kind, State
from jqjobs.link.board import BoardEntry
from jqjobs.store import keys
from jqjobs.store.calls import daemons, job_notes, leases, moves, transfers, upkeep
from jqjobs.store.calls.cancels import cancel, cancels
from jqjobs.store.calls.deaths import deaths
from jqjobs.store.calls.endings import job_end, subscribe
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.calls.schedules import TickAnswer, agenda, plan, suspend, tick
from jqjobs.store.calls.waits import expect, resolve
from jqjobs.store.reads.catalog import offer_in, offers_of, read_offers
from jqjobs.store.reads.jobs import job_info
from jqjobs.store.reads.queues import queues_with
from jqjobs.store.reads.raw import rejected_page
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.steps import run_steps
from servers import REAL_KINDS, Server, program
from store.queue_system import QueueSystem, outcome

PROTOCOL = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text("utf-8")
#: 2026-01-01 00:00 UTC: "now" in the examples.
NOW_MS = 1_767_225_600_000
QUEUE = "emails"

StartServer = Callable[..., Server]


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PROTOCOL, re.MULTILINE | re.DOTALL)


def sessions() -> list[tuple[str, str]]:
    """Every `$ redis-cli …` of the page, with the answer shown below it."""
    found = []
    for block in blocks("console"):
        for command, answer in re.findall(r"^\$ (redis-cli .*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            found.append((command, answer))
    return found


def envelopes() -> Iterator[Any]:
    """Every envelope that an example sends, whatever language it is written in."""
    for block in blocks("json"):
        yield json.loads(block)
    for command, _ in sessions():
        words = shlex.split(command)
        if words[1] == "LPUSH" and "job" in json.loads(words[3]) and "user_id" not in json.loads(words[3]):
            yield json.loads(words[3])
    for block in blocks("js"):
        yield json.loads(_between(block, "JSON.stringify(", ");"))
    for block in blocks("go"):
        plain = _between(block, "json.Marshal(", ")\n\tif").replace("map[string]any", "")
        yield json.loads(re.sub(r",(\s*})", r"\1", plain))
    for block in blocks("php"):
        plain = _between(block, "json_encode(", ");").replace("=>", ":").replace("'", '"')
        yield json.loads(plain.replace("[", "{").replace("]", "}"))


def _between(text: str, before: str, after: str) -> str:
    return text.split(before, 1)[1].split(after, 1)[0]


@pytest.fixture(params=REAL_KINDS)
def own_system(request: pytest.FixtureRequest, start_server: StartServer) -> Iterator[QueueSystem]:
    """A system at the moment of the examples, on a server that may be given users."""
    system = QueueSystem(start_server(request.param).url)
    system.clock.now_ms = NOW_MS
    with closing(system.store):
        yield system


def test_there_is_an_example_in_every_language() -> None:
    assert len(list(envelopes())) == 1 + 4 + 2 + 1 + 1
    assert len(sessions()) == 19


def test_every_redis_cli_example_answers_as_shown(own_system: QueueSystem) -> None:
    for command, answer in sessions():
        words = shlex.split(command)[1:]
        if words[0] != "ZADD":
            for queue in (QUEUE, "web", "rows"):
                own_system.ingest(queue)
        assert _run(own_system, words) in (answer, None), command


def test_the_example_of_an_answer_is_one(real_system: QueueSystem) -> None:
    [command] = [command for command, _ in sessions() if '"resolve"' in command]
    _, verb, key, envelope = shlex.split(command)
    real_system.add("video-7", queue="videos", fields=("keep", 1000))
    [job] = real_system.take("w", queues=("videos",))
    real_system.run(expect("videos", "w", "video-7", 1, json.loads(envelope)["token"]))
    real_system.settle("w", job, Kind.WAITING, 1000, line=b"")
    real_system.redis(verb, key, envelope)

    assert real_system.ingest("videos") == (1, 0, 0, 0)
    assert real_system.job("video-7", "videos")["result"] == '{"url":"https://example.org/7.mp4"}'


def _run(system: QueueSystem, words: list[str]) -> str | None:
    """Run one command in redis-cli and return what a terminal shows; without redis-cli only run it."""
    cli = program("redis-cli")
    if cli is None:
        system.redis(*words)
        return None
    socket_path = system.url.removeprefix("unix://")
    done = subprocess.run([cli, "--no-raw", "-s", socket_path, *words], capture_output=True, text=True, check=True)
    return done.stdout


def test_every_example_envelope_becomes_a_job_that_a_worker_can_read(real_system: QueueSystem) -> None:
    sent = list(envelopes())
    for envelope in sent:
        for name in ("id", "key", "coalesce", "replace", "delay_ms", "due_ms"):  # examples share an id, and a key
            envelope.pop(name, None)
        real_system.push(envelope, queue=QUEUE)

    assert real_system.ingest(QUEUE) == (len(sent), 0, 0, 0)
    taken = real_system.take("w", len(sent), queues=(QUEUE,))
    assert [json.loads(job.payload) for job in taken] == sent
    assert all(decode_payload(job.payload) for job in taken)


def test_the_complete_envelope_uses_every_key_of_the_table(real_system: QueueSystem) -> None:
    [complete] = [json.loads(block) for block in blocks("json")]
    listed = {name for name, *_ in _rows("The envelope")}
    real_system.push(complete)

    assert set(complete) | {"due_ms", "then", "batch", "queue"} == listed
    assert real_system.ingest() == (1, 0, 0, 0)
    assert real_system.states("welcome-42") == ["scheduled"]


def _rows(title: str) -> list[list[str]]:
    text = PROTOCOL.split(f" {title}\n", 1)[1].split("\n#", 1)[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in row] for row in rows]


BOUNDS = [(row[0], *map(int, row[2].split(" … "))) for row in _rows("The envelope") if "…" in row[2]]


@pytest.mark.parametrize(("key", "least", "greatest"), BOUNDS)
def test_the_ranges_in_the_table_are_the_ones_enforced(
    real_system: QueueSystem, key: str, least: int, greatest: int
) -> None:
    real_system.push({"job": "n", key: least}, {"job": "n", key: greatest})
    assert real_system.ingest() == (2, 0, 0, 0)

    # Above 2^53 a double cannot say "one more".
    above = greatest + (1 if greatest < 2**53 - 1 else 2)
    real_system.push({"job": "n", key: least - 1}, {"job": "n", key: above})
    assert real_system.ingest() == (0, 2, 0, 0)
    assert {reason for reason, _ in real_system.rejected()} == {f"bad_field: {key} is out of range"}


REFUSALS = [(row[0], row[2]) for row in _rows("What is refused") if row[2]]


@pytest.mark.parametrize(("code", "envelope"), REFUSALS)
def test_each_example_of_a_refusal_is_refused_with_its_code(real_system: QueueSystem, code: str, envelope: str) -> None:
    real_system.push(envelope)

    assert real_system.ingest() == (0, 1, 0, 0)
    [(reason, kept)] = real_system.rejected()
    assert reason.startswith(f"{code}: ")
    assert kept == envelope.encode()


@pytest.mark.parametrize("kwargs", ["[]", '{"a":NaN}', '{"a":0x10}', '{"a":007}'])
def test_what_is_said_to_be_malformed_passes_ingest_and_not_the_worker(real_system: QueueSystem, kwargs: str) -> None:
    real_system.push(f'{{"job":"n","kwargs":{kwargs}}}')
    assert real_system.ingest() == (1, 0, 0, 0)
    [job] = real_system.take()

    with pytest.raises(MalformedPayload):
        decode_payload(job.payload)
    real_system.settle("w", job, Kind.MALFORMED, text="why")
    assert real_system.rejected()[0][0] == "malformed: why"


def test_every_field_a_job_can_have_is_in_the_table(real_system: QueueSystem) -> None:
    listed = {row[0] for row in _rows("The job hash")}
    seen: set[str] = set()

    def look() -> None:
        seen.update(real_system.job("a"))

    complete = json.loads(blocks("json")[0])
    real_system.push(complete | {"id": "a", "max_attempts": 2, "max_crashes": 9})
    real_system.ingest()
    real_system.clock.advance(60_000)
    real_system.round(Kind.INTERRUPTED)
    look()
    real_system.round(Kind.UNKNOWN)
    look()
    real_system.run(leases.publish("q", 10**6, {"send_welcome": {}}))
    real_system.tend()
    real_system.take()
    real_system.run(leases.leave("q", "w", "cause", [BoardEntry("a", 3, "suspect 1 2")]))
    look()
    real_system.take("w2", suspects=(1, Scope.HOST))
    real_system.run(leases.leave("q", "w2", "cause", [BoardEntry("a", 4, "crashed")]))
    real_system.clock.advance(5_000)
    real_system.tend()
    real_system.take("w0", suspects=(1, Scope.HOST))
    real_system.outlive_leases()
    look()
    [job] = real_system.take("w3", suspects=(1, Scope.HOST))
    real_system.settle("w3", job, Kind.HUNG)
    look()
    real_system.round(Kind.FAILED, worker="w3")
    look()
    real_system.run(upkeep.retry("q", ["a"]))
    look()
    [job] = real_system.take("w3")
    real_system.settle("w3", job, Kind.WAITING, 1000, text="5", line=b"")
    look()
    real_system.run(resolve("q", "a", "", error="no"))
    real_system.clock.advance(5)
    [job] = real_system.take("w3")
    real_system.run(expect("q", "w3", "a", job.attempt, "secret"))
    real_system.run(resolve("q", "a", "secret"))
    real_system.run(cancel("q", ["a"]))
    look()
    real_system.settle("w3", job, Kind.FAILED)
    real_system.run(upkeep.retry("q", ["a"]))
    [job] = real_system.take("w3")
    real_system.run(job_end("q", "a"))
    real_system.run(job_notes.note("q", "w3", "a", job.attempt, b'{"percent":1', [b'{"text":"x"']))
    look()
    real_system.settle("w3", job, Kind.KEPT, 1000, line=b"1")
    look()
    real_system.add_limited("starts", "held", limits="r 1 1000 api/1s")
    real_system.start_all("w3")
    seen |= real_system.job("held").keys()
    real_system.add("misfit")
    real_system.round(Kind.MISFIT, 1000, worker="w3")
    seen |= real_system.job("misfit").keys()
    real_system.add("snoozes")
    real_system.round(Kind.SNOOZED, 1000, worker="w3")
    seen |= real_system.job("snoozes").keys()
    real_system.add("moved")
    real_system.run(moves.move("q", "elsewhere", ["moved"]))
    seen |= real_system.job("moved").keys()
    on_its_way = real_system.run(transfers.transfers("q")).jobs
    real_system.run(transfers.delivered("q", [(job, transfers.Delivered.DELIVERED) for job in on_its_way]))
    seen |= real_system.job("moved").keys()
    real_system.push({"open": "q/b"}, {"job": "n", "id": "chain", "batch": "q/b", "then": ['{"job": "n"}'] * 2})
    real_system.ingest()
    seen |= real_system.job("chain").keys()
    [job] = real_system.take("w3", want=9)
    done = outcome(job, Kind.DONE)
    done.result = b"[1]"
    real_system.trip("w3", 0, [done])
    seen |= real_system.job("chain.2").keys()
    real_system.push({"open": "q/empty", "then": ['{"job": "n"}']}, {"close": "q/empty", "count": 0})
    real_system.ingest()
    seen |= real_system.job("empty.then").keys()

    assert seen - listed == set()
    assert listed - seen == {"result_missing"}


def test_a_producer_with_the_documented_rights_can_enqueue_and_nothing_else(own_system: QueueSystem) -> None:
    with _as_user(own_system, "shop") as shop:
        shop.push({"job": "n", "id": "a"}, queue=QUEUE)
        shop.redis("ZADD", f"jq:{{{QUEUE}}}:wake", 0, 1)

        with pytest.raises(StoreRefused):
            shop.push({"job": "n"}, queue="other")
        with pytest.raises(StoreRefused):
            shop.redis("DEL", f"jq:{{{QUEUE}}}:inbox")


def test_an_app_with_the_documented_rights_can_enqueue_into_its_queue_and_wait_and_nothing_else(
    own_system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_system.store._now_ms = None
    with _as_user(own_system, "web") as web:
        app = App(redis_url=web.url)
        send = app.job(name="n", queue=QUEUE, rate_limit=RateLimit(5, seconds=1), keep="1h")(lambda: None)
        job = send.enqueue()
        assert send.options(key="k", delay="1h", replace=True).enqueue().created
        assert send.options(key="k", delay="1h", replace=True).enqueue().replaced
        assert len(send.enqueue_many([(), ()])) == 2
        grouped = send.options(group="g", priority=3)
        assert (len(grouped.enqueue_many([(), ()])), grouped.enqueue().created) == (2, True)
        with pytest.raises(ResultTimeout):
            job.result(timeout="50ms")
        monkeypatch.setenv("JQ_WAIT", "all:10ms")
        careful = App(redis_url=web.url)
        with pytest.raises(NotReplicated):
            careful.job(name="n", queue=QUEUE)(lambda: None).enqueue()
        careful.client.close()
        with pytest.raises(StoreRefused):
            send.options(queue="other").enqueue()
        with pytest.raises(StoreRefused):
            web.run(leases.join(QUEUE, "w", 1000))
        app.client.close()


def test_an_app_with_the_documented_rights_can_enqueue_chains_and_batches(own_system: QueueSystem) -> None:
    own_system.store._now_ms = None
    with _as_user(own_system, "flows") as flows:
        app = App(redis_url=flows.url)
        send, row = (app.job(name=name, queue=queue)(lambda: None) for name, queue in (("n", QUEUE), ("row", "rows")))
        with app.batch("b", then=send.call(), always=[send.call(), row.call()], on_dead="cancel") as batch:
            batch.add_many(row, [(), ()])
            batch.add(send.call())
            with pytest.raises(StoreRefused):
                batch.add(send.options(queue="other").call())
        assert (batch.status().total, batch.status().open) == (3, 3)
        batch.cancel()
        run_steps(own_system.run, deliver_flow("rows"))  # a daemon does
        assert batch.wait("10s").state is BatchState.CANCELLED
        assert list(batch.results()) == []
        with app.batch("empty", queue=QUEUE, then=row.options(delay="1h").call()) as empty:
            pass
        assert empty.status().state is BatchState.SUCCEEDED
        chain = app.chain(send.call(), [row.call(), send.call()], send.call()).enqueue()
        assert chain.cancel()
        app.client.close()
    assert own_system.states("b.always.1", QUEUE) == ["ready"]


@pytest.mark.parametrize("prefix", ["jq", "eu:shop-2"])
def test_a_worker_with_the_documented_rights_can_work(own_system: QueueSystem, prefix: str) -> None:
    with _as_user(own_system, "jqjobs", prefix) as system:
        system.store.ping()
        system.run(upkeep.add_queues(["q"]))
        system.push({"job": "n", "id": "a", "key": "k"}, {"job": "n", "id": "b"}, "no")
        assert system.ingest() == (2, 1, 0, 0)
        system.run(leases.publish("q", 1000, {"n": {}}))
        first, second = system.take("w", 2)
        assert system.trip("w", 1, [outcome(first, Kind.DONE), outcome(second, Kind.DISCARDED)]).stale == ()
        assert system.run(upkeep.retry("q", ["b"])) == [1]
        [again] = system.take("w")
        assert system.run(job_notes.note("q", "w", "b", again.attempt, b'{"percent":1', [b'{"text":"x"']))
        system.run(job_end("q", "b"))
        with subscribe(system.store.address, keys.over("q", "b")) as subscription:
            system.trip("w", 0, [outcome(again, Kind.KEPT, 1000)])
            assert subscription._wire.poll(10), "whoever settles may publish"
        assert system.run(deaths("q", ["n"], 1)) == []
        assert system.run(plan("q", 1000, "shop:app", {"s": '{"job":"n","payload":"{}","every_ms":1000}'})) == 1
        assert system.run(tick("q", "s", NOW_MS, NOW_MS, [NOW_MS])).answer is TickAnswer.DONE
        assert system.run(suspend("q", "s")) == system.run(suspend("q", "s", resume=True)) == 1
        assert len(system.run(agenda("q")).schedules) == 1
        system.settle("w", *system.take("w"))
        system.add("c", "d")
        c, d = system.take("w", 2)
        assert system.run(expect("q", "w", "c", c.attempt, "secret"))
        assert system.run(cancel("q", ["d"])) == ["cancelling"]
        assert [mark.id for mark in system.run(cancels("q", ["w"])).jobs] == ["d"]
        system.trip("w", 0, [outcome(c, Kind.WAITING, 1000, line=b""), outcome(d, Kind.RELEASED)])
        assert system.run(resolve("q", "c", "secret", result=b"1")) == "resolved"
        assert system.run(leases.renew(["q"], 60_000, ["w"], [system.offer("n")])) == [leases.Renewed([True], set())]
        system.tend()
        assert system.run(leases.leave("q", "w")) == 0
        system.run(daemons.register("d", 60_000, {"name": "x", "workers": "w"}, {"w": {"pid": 1}}))
        system.run(daemons.post_order("d", "{}"))
        assert read_registry(system.store).daemons[0].workers[0].pid == 1
        assert system.run(job_info("q", "b")).state == State.KEPT
        assert queues_with(system.store, "b") == ["q"]
        assert [offer.name for offer in read_offers(system.store)] == ["n"]
        assert offers_of(system.store, "n") == [offer_in(system.store, "q", "n")]
        assert rejected_page(system.store, "q", 0, 9).total == 1


@contextmanager
def _as_user(system: QueueSystem, name: str, prefix: str = "jq") -> Iterator[QueueSystem]:
    """A system that may do what the page grants this user, where keys begin with ``prefix``."""
    for command, _ in sessions():
        if f"ACL SETUSER {name} " in command:
            system.redis(*shlex.split(command.replace("jq:", f"{prefix}:"))[1:])
    url = f"{system.url.replace('unix://', f'unix://{name}:secret@')}?prefix={prefix}"
    user = QueueSystem(url, clock=system.clock)
    with closing(user.store):
        yield user


def test_the_plain_socket_example_runs_in_node(start_server: StartServer) -> None:
    node = program("node")
    if node is None:
        pytest.skip("node is not installed")
    server = start_server("valkey", tcp=True)
    [script] = [block for block in blocks("js") if "node:net" in block]

    script = script.replace("6379", str(server.address[1]))
    subprocess.run([node, "-e", script], check=True, timeout=60, capture_output=True)

    system = QueueSystem(server.url)
    with closing(system.store):
        assert system.wakes(QUEUE)
        assert system.ingest(QUEUE) == (1, 0, 0, 0)
        [job] = system.take(queues=(QUEUE,))
        assert decode_payload(job.payload).kwargs == {"user_id": 42, "greeting": "Grüße"}
