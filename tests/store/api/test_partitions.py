"""A queue with partitions: where its jobs go, that they are found, and that none comes twice when there are others."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jqjobs import App, Concurrency, Job, JobHandle, RateLimit
from jqjobs.api.batches import batch_of_running
from jqjobs.errors import Conflict, InvalidOption, NotFound, StoreError, StoreFull, StoreUnavailable
from jqjobs.jobs.flow import BatchState
from jqjobs.jobs.partitions import Partitions
from jqjobs.jobs.records import Kind, NewJob, State
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls import transfers, upkeep
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.calls.partitions import partitions
from jqjobs.store.calls.transfers import Delivered, Transfers
from jqjobs.store.partitioning import repartition, tidy
from jqjobs.store.spreading import CHUNK_JOBS
from jqjobs.store.steps import NotAsked, Steps, run_steps
from store.queue_system import QueueSystem, outcome

AnyJob = Job[..., None]


@pytest.fixture
def app(system: QueueSystem) -> Iterator[App]:
    made = App(redis_url=system.url)
    yield made
    made.client.close()


@pytest.fixture
def job(app: App) -> AnyJob:
    @app.job(queue="q", name="n", keep="1h")
    def n(number: int = 0) -> None: ...

    return n


def split(system: QueueSystem, count: int, queue: str = "q") -> Partitions:
    return run_steps(system.run, repartition(queue, count))


def placed(system: QueueSystem, most: int = 12, state: str = "ready") -> dict[str, list[str]]:
    """Place → the jobs there, of those that have any."""
    places = ["q", *(f"q~{number}" for number in range(most))]
    return {place: sorted(ids) for place in places if (ids := system.ids(state, place))}


def run(system: QueueSystem, place: str) -> None:
    """Take a job of one place and finish it, with a result that is kept."""
    [job] = system.take(f"w-{place}", queues=(place,))
    system.trip(f"w-{place}", 0, [outcome(job, Kind.KEPT, 60_000, line=b'"done"')], queues=(place,))


def test_jobs_are_spread_and_each_is_found(system: QueueSystem, job: AnyJob, app: App) -> None:
    split(system, 3)
    handles = job.enqueue_many([(number,) for number in range(60)])
    assert set(placed(system)) == {"q~0", "q~1", "q~2"}
    assert sum(map(len, placed(system).values())) == 60
    for one in (handles[0], app.handle(handles[0].ref)):
        assert (one.queue, one.info().queue, one.state()) == ("q", "q", State.READY)
        assert one.info().partition in ("q~0", "q~1", "q~2")
    assert app.handle(handles[1].ref).cancel() == "cancelled"
    app.handle(handles[1].ref).retry()
    app.handle(handles[2].ref).delete()
    assert handles[2].state() is None
    with pytest.raises(NotFound):
        app.handle(handles[2].ref).delete()


def test_coroutines_spread_as_threads_do(system: QueueSystem, job: AnyJob, app: App) -> None:
    split(system, 3)

    async def enqueue() -> list[JobHandle]:
        made = [await job.options(id="a").enqueue_async(1), *await job.enqueue_many_async([(2,), (3,)])]
        run(system, place_of(system, "a"))
        assert await app.handle("q/a").result_async(5) == "done"
        return made

    handles = asyncio.run(enqueue())
    assert job.options(id="a").enqueue(1).created is False
    assert [app.handle(handle.ref).info().partition for handle in handles] == [
        place_of(system, "a"), *(place_of(system, handle.id) for handle in handles[1:]),
    ]  # fmt: skip


def place_of(system: QueueSystem, job_id: str) -> str:
    [place] = [
        f"q~{number}" for number in range(12) if system.redis("EXISTS", system.key(f"job:{job_id}", f"q~{number}"))
    ]
    return place


def test_a_result_is_waited_for_where_the_job_is(system: QueueSystem, job: AnyJob, app: App) -> None:
    split(system, 4)
    handle = job.enqueue(1)
    run(system, place_of(system, handle.id))
    assert handle.result(5) == app.handle(handle.ref).result(5) == "done"
    with pytest.raises(NotFound, match="q/none"):
        app.handle("q/none").result(5)


def test_what_has_a_group_or_a_key_stays_together(system: QueueSystem, job: AnyJob) -> None:
    split(system, 4)
    [grouped] = placed_after(system, lambda: [job.options(group="g").enqueue(number) for number in range(8)])
    assert len(grouped) == 8
    made = [job.options(key="k").enqueue(number) for number in range(3)]
    assert len({handle.id for handle in made}) == 1
    with pytest.raises(InvalidOption, match="group does not go with key"):
        job.options(group="g", key="k").enqueue(1)


def placed_after(system: QueueSystem, act: object) -> list[list[str]]:
    assert callable(act)
    before = placed(system)
    act()
    now = placed(system)
    return [sorted({*now[place]} - {*before.get(place, [])}) for place in now if now[place] != before.get(place)]


def test_who_knows_other_partitions_loses_nothing_and_enqueues_nothing_twice(
    system: QueueSystem, job: AnyJob, app: App
) -> None:
    alone = job.options(id="alone").enqueue(0)
    split(system, 2)
    early = [job.options(id=f"i{number}").enqueue(number) for number in range(8)]
    keyed = job.options(key="k").enqueue(1)
    split(system, 5)  # this app has not heard of it

    for job_id in ("alone", *(f"i{number}" for number in range(8))):
        assert job.options(id=job_id).enqueue(9).created is False
    assert job.options(key="k").enqueue(2).id == keyed.id
    again = job.enqueue_many([job.call(1, id="i3"), job.call(2, id="new"), job.call(3, id="i3")])
    assert [handle.created for handle in again] == [False, True, False]
    late = job.enqueue_many([(number,) for number in range(30)])
    assert {app.handle(handle.ref).info().partition for handle in late} <= {f"q~{number}" for number in range(2, 7)}
    assert placed(system)["q"] == ["alone"]
    assert all(handle.state() is State.READY for handle in (alone, *early, keyed, *late))


def test_a_producer_that_comes_between_two_steps_of_a_change_is_not_in_two_places(
    system: QueueSystem, job: AnyJob
) -> None:
    split(system, 2)
    stale = App(redis_url=system.url)
    late = stale.job(queue="q", name="n")(lambda: None)
    late.options(id="first").enqueue()
    steps = repartition("q", 3)
    call = next(steps)
    while call.script.name != "set_partitions":  # its former places are not closed
        call = steps.send(system.run(call))
    system.run(call)

    assert job.options(id="x").enqueue(1).created
    assert late.options(id="x").enqueue().created is False
    stale.client.close()
    steps.close()


def take_all(system: QueueSystem, known: Partitions) -> list[str]:
    """Have workers start all that may start now, each one job."""
    taken: list[str] = []
    for place in known.places:
        while jobs := system.take(f"w-{len(taken)}", queues=(place,)):
            taken += [job.id for job in jobs]
        del system.trips[f"w-{len(taken)}"]  # it joins the next place
    return taken


@pytest.mark.parametrize("limit", [{"concurrency": Concurrency(1)}, {"rate_limit": RateLimit(1, hours=1)}])
def test_a_limit_holds_in_each_partition(system: QueueSystem, app: App, limit: dict[str, Any]) -> None:
    known = split(system, 3)
    app.job(queue="q", name="limited", **limit)(takes_tenant).enqueue_many([(str(n),) for n in range(40)])
    assert len(take_all(system, known)) == 3


@pytest.mark.parametrize("kind", ["concurrency", "rate_limit"])
def test_a_limit_by_group_holds_over_all(system: QueueSystem, app: App, kind: str) -> None:
    known = split(system, 3)
    limit = {"concurrency": Concurrency(1, key="{tenant}"), "rate_limit": RateLimit(1, hours=1, key="{tenant}")}[kind]
    limited = app.job(queue="q", name="limited", group="{tenant}", **{kind: limit})(takes_tenant)
    limited.enqueue_many([(f"t{n % 5}",) for n in range(40)])
    assert len(take_all(system, known)) == 5


def takes_tenant(tenant: str) -> None: ...


DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(params=["web", "flows"])
def limited_app(real_system: QueueSystem, request: pytest.FixtureRequest) -> Iterator[App]:
    """An app whose user may do what docs/protocol.md grants to one that enqueues, and what the how-to adds to that."""
    protocol, how_to = ((DOCS / name).read_text("utf-8") for name in ("protocol.md", "how-to/redis.md"))
    granted = re.search(rf"ACL SETUSER ({request.param} .*)", protocol)
    added = re.search(r"results: `(~jq:\{orders~\*\}:\* &jq:\{orders~\*\}:\*)`", how_to)
    assert granted
    assert added
    rights = [*shlex.split(granted[1].replace("{emails}", "{q}")), *added[1].replace("orders", "q").split()]
    real_system.redis("ACL", "SETUSER", *rights)
    url = real_system.url.replace("unix://", f"unix://{request.param}:secret@")
    made = App(redis_url=url)
    yield made
    made.client.close()
    real_system.redis("ACL", "DELUSER", request.param)


def test_a_producer_with_the_documented_rights_uses_all_partitions(
    real_system: QueueSystem, limited_app: App, request: pytest.FixtureRequest
) -> None:
    system, known = real_system, split(real_system, 2)
    job = limited_app.job(queue="q", name="n", keep="1h")(takes_tenant)
    handles = [job.options(key="k").enqueue("a"), *job.enqueue_many([(str(n),) for n in range(20)])]
    known = split(system, 3)  # its former places are asked, and closed
    assert job.options(key="k").enqueue("b").id == handles[0].id
    handles += job.enqueue_many([(str(n),) for n in range(20)])
    assert set(placed(system)) == {*known.places} - {"q"}
    place = handles[-1].info().partition
    assert place
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(handles[-1].result, 20)
        while system.ids("ready", place):
            run(system, place)
        assert result.result() == "done"
    if request.node.callspec.params["limited_app"] == "flows":
        with limited_app.batch(queue="q", id="b") as batch:
            batch.add_many(job, [(str(n),) for n in range(9)])
        assert (batch.status().state, batch.status().open) == (BatchState.RUNNING, 9)


def test_an_error_says_of_all_partitions_what_is_stored(system: QueueSystem, job: AnyJob) -> None:
    split(system, 2)
    for place in ("q~0", "q~1"):
        system.run(upkeep.settings(place, {"max_length": 3}))
    with pytest.raises(StoreFull, match="for q ") as caught:
        job.enqueue_many([(number,) for number in range(7)])
    there = sum(map(len, placed(system).values()))
    error = caught.value
    assert (len(error.stored), len(error.unsent), len(error.ids)) == (there, 7 - there, 7)


def test_what_was_sent_ahead_and_is_there_already_is_not_taken_for_what_was_refused(
    system: QueueSystem, app: App
) -> None:
    old, new = ([NewJob("n", b"{}", id=f"{word}{number}") for number in range(CHUNK_JOBS)] for word in ("old", "new"))
    late = [NewJob("n", b"{}", id=f"late{number}") for number in range(CHUNK_JOBS)]
    app.client.enqueue("q", old + late)
    split(system, 2)
    made = app.client.enqueue("q", old + new + late)
    assert [each.created for each in made] == [False] * CHUNK_JOBS + [True] * CHUNK_JOBS + [False] * CHUNK_JOBS
    assert [each.id for each in made] == [job.id for job in old + new + late]
    assert sum(len(ids) for place, ids in placed(system).items() if place != "q") == CHUNK_JOBS


def test_an_error_while_it_is_asked_who_has_a_job_says_what_is_stored(
    system: QueueSystem, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = ([NewJob("n", b"{}", id=f"{word}{number}") for number in range(CHUNK_JOBS)] for word in ("old", "new"))
    app.client.enqueue("q", old)
    split(system, 2)
    monkeypatch.setattr("jqjobs.store.spreading.destinations", _is_away)
    with pytest.raises(StoreError) as caught:
        app.client.enqueue("q", old + new)
    assert caught.value.stored == tuple(job.id for job in old)
    assert caught.value.unsent == tuple(job.id for job in new)


def _is_away(*_: object) -> Steps[list[str]]:
    raise StoreUnavailable("Redis is away")
    yield


def test_what_is_refused_among_many_holds_up_nothing_behind_it_and_leaves_no_key(
    system: QueueSystem, job: AnyJob
) -> None:
    split(system, 2)
    job.options(id="there", key="k").enqueue(1)
    system.push({"job": "n", "id": "refused", "key": "k"}, *({"job": "n", "id": f"e{number}"} for number in range(99)))
    system.ingest()
    run_steps(system.run, deliver_flow("q"))
    assert sum(map(len, placed(system).values())) == 100
    assert (system.ids("transfers"), system.redis("HGETALL", system.key("unique"))) == ([], [])


def test_envelopes_come_to_their_partitions_each_once(system: QueueSystem, job: AnyJob, app: App) -> None:
    split(system, 3)
    job.options(id="there").enqueue(1)
    system.push(*({"job": "n", "id": f"e{number}"} for number in range(70)))
    system.push({"job": "n", "id": "there"}, {"job": "n", "key": "k"}, {"job": "n", "key": "k"})
    system.push({"job": "n", "key": "k", "replace": True}, {"job": "n", "key": "k", "group": "g"})
    system.push({"job": "n", "group": "g", "delay_ms": 5000})
    assert system.ingest() == (73, 2, 1, 0)
    assert app.handle("q/e1").state() is State.MOVING
    run_steps(system.run, deliver_flow("q"))

    assert set(placed(system)) == {"q~0", "q~1", "q~2"}
    assert sum(map(len, placed(system).values())) == 72
    assert sum(map(len, placed(system, state="scheduled").values())) == 1
    assert [reason.partition(":")[0] for reason, _ in system.rejected()] == ["bad_field", "bad_field"]
    assert (app.handle("q/e1").info().queue, app.handle("q/e1").state()) == ("q", State.READY)
    assert system.redis("EXISTS", system.key("job:e1")) == 0, "what has gone on leaves nothing"
    system.push({"job": "n", "id": "e1"})
    system.ingest()
    run_steps(system.run, deliver_flow("q"))
    assert sum(map(len, placed(system).values())) == 72
    assert len(system.rejected()) == 2, "what is there already changes nothing"
    assert "spread" not in system.job("e2", place_of(system, "e2"))


def test_envelopes_of_a_group_stay_in_order(system: QueueSystem) -> None:
    place = split(system, 3).place("=g")
    ids = [f"{number * 37 % 80:02}" for number in range(80)]
    system.push(*({"job": "n", "id": job_id, "group": "g"} for job_id in ids))
    system.ingest()
    run_steps(system.run, deliver_flow("q"))
    assert system.ids("ready", place) == ids


def test_an_envelope_may_come_to_the_inbox_of_a_partition(system: QueueSystem, job: AnyJob, app: App) -> None:
    known = split(system, 2)
    system.push({"job": "n", "id": "a", "queue": "q"}, {"job": "n", "queue": "other"}, queue="q~1")
    assert system.ingest("q~1") == (1, 1, 0, 0)
    assert (placed(system), known.names) == ({"q~1": ["a"]}, ["q~0", "q~1"])
    assert app.handle("q/a").state() is State.READY


def run_but(
    system: QueueSystem, *silent: str, why: Callable[[str], StoreError] = StoreUnavailable
) -> Callable[[Call[Any]], Any]:
    """Run calls; the nodes of these places are down."""

    def run(call: Call[Any]) -> Any:
        if any(call.keys[0] == keys.meta(place) for place in silent):
            raise why("it is down")
        return system.run(call)

    return run


def test_envelopes_for_a_node_that_is_down_block_none_behind_them(system: QueueSystem) -> None:
    known = split(system, 3)
    down = [job_id for job_id in map(str, range(400)) if known.place(job_id) == "q~0"][:120]
    others = [job_id for job_id in map(str, range(400, 800)) if known.place(job_id) != "q~0"][:60]
    system.push(*({"job": "n", "id": job_id} for job_id in [*down, *others]))
    while system.ingest()[3]:
        system.clock.advance(1)
    with pytest.raises(StoreUnavailable):  # a turn without time ends with the first place that lets it wait
        run_steps(run_but(system, "q~0"), deliver_flow("q", until_s=0.0))
    assert sum(map(len, placed(system).values())) == 0
    for came in (50, 60):  # a turn of a daemon that has no time left brings one portion of those that can be
        with pytest.raises(StoreUnavailable, match="it is down"):
            run_steps(run_but(system, "q~0", why=NotAsked), deliver_flow("q", until_s=0.0))
        assert sum(map(len, placed(system).values())) == came
    assert len(system.ids("transfers")) == 120
    run_steps(system.run, deliver_flow("q"))
    assert placed(system)["q~0"] == sorted(down)


def test_what_may_be_in_a_place_that_is_down_goes_to_no_other_one(system: QueueSystem, job: AnyJob) -> None:
    place = split(system, 2).place("there")
    job.options(id="there").enqueue(1)
    split(system, 3)
    system.push({"job": "n", "id": "there"})
    system.ingest()
    with pytest.raises(StoreUnavailable):
        run_steps(run_but(system, place), deliver_flow("q"))
    assert system.ids("transfers") == ["there"]
    run_steps(system.run, deliver_flow("q"))
    assert placed(system) == {place: ["there"]}


def bring_envelope(system: QueueSystem, **envelope: object) -> None:
    """An envelope comes to the inbox of the queue itself, and goes on to its partition."""
    system.push({"job": "n", **envelope})
    system.ingest()
    run_steps(system.run, deliver_flow("q"))


def test_an_envelope_counts_in_its_batch_wherever_it_goes(system: QueueSystem, app: App) -> None:
    split(system, 3)
    with app.batch(queue="q", id="b"):
        pass
    with app.batch(queue="q", id="c") as batch:
        bring_envelope(system, id="m", batch="q/c")
        run_steps(system.run, deliver_flow(place_of(system, "m")))
        assert batch.status().open == 1


@pytest.mark.parametrize("state", ["ready", "kept"])
def test_an_envelope_that_comes_twice_is_one_member_of_its_batch(system: QueueSystem, app: App, state: str) -> None:
    known = split(system, 3)
    system.push({"open": "q/c"}, {"close": "q/c", "count": 1})
    for number in range(2):
        bring_envelope(system, id="m", batch="q/c")
        place = place_of(system, "m")
        if number == 0 and state == "kept":
            run(system, place)
    if state == "ready":
        run(system, place)
    for each in ("q", *known.names):
        run_steps(system.run, deliver_flow(each))
    status = app.batch_at("q/c").status()
    assert (status.state, status.total, status.succeeded) == (BatchState.SUCCEEDED, 1, 1)


def test_what_an_envelope_finds_there_is_no_member_of_its_batch(system: QueueSystem, job: AnyJob, app: App) -> None:
    """As in a queue without partitions: who has the id, or the key, stays what it is."""
    split(system, 3)
    job.options(id="there").enqueue(1)
    job.options(key="k").enqueue(1)
    with app.batch(queue="q", id="c") as batch:
        bring_envelope(system, id="there", batch="q/c")
        bring_envelope(system, key="k", batch="q/c")
        run_steps(system.run, deliver_flow("q"))
        assert (batch.status().total, batch.status().open) == (0, 0)
    assert batch.status().state is not BatchState.FAILED


def test_a_step_that_is_in_another_queue_already_fails_no_batch(system: QueueSystem, app: App) -> None:
    """Its first job was enqueued twice: the second time when the step was under way there."""
    then = ['{"job":"n","queue":"other"}']
    system.push({"open": "q/c"}, {"close": "q/c", "count": 1})
    for _ in range(2):
        system.push({"job": "n", "id": "m", "batch": "q/c", "then": then})
        system.ingest()
        [first] = system.take()
        system.settle("w", first)
        for queue in ("q", "other"):
            run_steps(system.run, deliver_flow(queue))
    assert system.ids("ready", "other") == ["m.2"]
    assert [reason for reason, _ in system.rejected()] == []
    run(system, "other")
    run_steps(system.run, deliver_flow("other"))
    status = app.batch_at("q/c").status()
    assert (status.state, status.total, status.succeeded) == (BatchState.SUCCEEDED, 1, 1)


def test_a_batch_hears_of_what_a_member_adds_before_that_member_ends(
    system: QueueSystem, job: AnyJob, app: App
) -> None:
    split(system, 3)
    with app.batch(queue="q", id="b") as batch:
        first = batch.add(job.call(1, id="first"))
    [taken] = system.take(queues=(place_of(system, "first"),))
    added = batch_of_running(job, "+q/b").add_many(job, [job.call(2, id=f"i{number}") for number in range(6)])
    system.settle("w", taken)
    run_steps(system.run, deliver_flow(taken.queue))
    status = batch.status()
    assert (status.state, status.open, status.succeeded) == (BatchState.RUNNING, len(added), 1), first


def test_members_of_a_batch_are_spread_found_and_retried_and_it_ends_with_the_last(
    system: QueueSystem, job: AnyJob, app: App
) -> None:
    known = split(system, 2)
    with app.batch(queue="q", id="b") as batch:
        batch.add_many(job, [(number,) for number in range(8)])
    assert set(placed(system)) == set(known.names)
    for place in known.names:
        for each in system.take(f"w-{place}", 8, queues=(place,)):
            system.trip(f"w-{place}", 0, [outcome(each, Kind.DISCARDED, line=b"{}")], queues=(place,))
        run_steps(system.run, deliver_flow(place))
    assert (batch.status().open, batch.status().dead) == (0, 8)
    split(system, 3)
    assert batch.retry() == 8
    for place in known.names:
        for _ in range(len(system.ids("ready", place))):
            run(system, place)
        run_steps(system.run, deliver_flow(place))
    assert (batch.status().state, batch.status().succeeded) == (BatchState.SUCCEEDED, 8)


def test_a_step_comes_to_a_queue_with_partitions_once_whatever_happens_in_between(system: QueueSystem) -> None:
    split(system, 3)
    system.add("a", queue="other", fields=("flow", "t", "then", '23:{"job":"n","queue":"q"}'))
    [first] = system.take(queues=("other",))
    system.settle("w", first)
    found: Transfers = system.run(transfers.transfers("other"))
    known = split(system, 3)
    place = known.place("a.2")
    assert system.run(transfers.deliver("q", "other", found.now_ms, found.jobs)) == [Delivered.ELSEWHERE]
    assert system.run(transfers.deliver(place, "other", found.now_ms, found.jobs)) == [Delivered.DELIVERED]
    split(system, 7)  # before anybody noted that it is there
    run(system, place)
    system.run(upkeep.delete(place, ["a.2"]))
    run_steps(system.run, deliver_flow("other"))

    assert placed(system) == {}
    assert system.ids("transfers", "other") == []


def test_a_step_may_stay_in_its_partition(system: QueueSystem) -> None:
    split(system, 1)
    then = '46:{"job":"n","queue":"q","tags":["t"],"priority":7}'
    system.add("a", queue="q~0", fields=("flow", "t", "then", then.replace("46", str(len(then) - 3))))
    [first] = system.take(queues=("q~0",))
    system.trip("w", 0, [outcome(first, Kind.DONE)], queues=("q~0",))
    assert system.states("a.2", "q~0") == ["transfers"]
    run_steps(system.run, deliver_flow("q~0"))
    assert system.states("a.2", "q~0") == ["ready"]
    assert system.job("a.2", "q~0")["tags"] == "t"


def test_former_places_are_forgotten_when_nothing_is_there(system: QueueSystem, job: AnyJob) -> None:
    job.options(id="alone").enqueue(0)
    split(system, 1)
    job.options(id="first").enqueue(0)
    split(system, 2)
    assert run_steps(system.run, tidy("q")) == Partitions("q", range(1, 3), (range(1),), is_home_before=True)
    run(system, "q")
    system.run(upkeep.delete("q", ["alone"]))
    run(system, "q~0")
    assert run_steps(system.run, tidy("q")) == Partitions("q", range(1, 3), (range(1),), is_home_before=False)
    system.run(upkeep.delete("q~0", ["first"]))
    assert run_steps(system.run, tidy("q")) == Partitions("q", range(1, 3), (), is_home_before=False)
    job.options(id="first").enqueue(0)
    assert "q~0" not in placed(system)


def test_others_get_what_was_set_for_their_queue_and_its_pause(system: QueueSystem) -> None:
    system.run(upkeep.settings("q", {"max_dead": 7}))
    system.run(upkeep.pause("q", by="me", reason="why"))
    known = split(system, 2)
    for place in known.names:
        assert system.meta("paused", place) is not None
        assert system.redis("HGET", system.key("settings", place), "max_dead") == b"7"
    assert system.run(partitions("q")) == known


def test_a_change_at_the_same_time_is_refused(system: QueueSystem) -> None:
    split(system, 2)
    steps = repartition("q", 3)
    call = next(steps)
    while call.script.name != "set_partitions":
        call = steps.send(system.run(call))
    split(system, 4)
    with pytest.raises(Conflict, match="somebody else"):
        steps.send(system.run(call))


@pytest.mark.parametrize("count", [0, 17, True, 2.0])
def test_a_number_that_is_none_is_refused(system: QueueSystem, count: int) -> None:
    with pytest.raises(InvalidOption, match="1 to 16"):
        split(system, count)


def test_more_places_than_a_worker_can_serve_are_refused(system: QueueSystem) -> None:
    split(system, 16)
    split(system, 15)
    with pytest.raises(InvalidOption, match="at most 32"):
        split(system, 14)
