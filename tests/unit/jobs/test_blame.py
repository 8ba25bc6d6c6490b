"""Who pays for a death: one who can only have been it, or nobody yet."""

from __future__ import annotations

from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.jobs.blame import CRASHED, NEIGHBOUR, Scope, Suspicion, levels, read_suspicion, verdicts

suspicions = st.builds(Suspicion, st.integers(-20, 500), st.sampled_from(Scope))


def suspicion_of(verdict: str) -> Suspicion | None:
    return read_suspicion(verdict.removeprefix("suspect "))


@given(
    ran=st.lists(st.none() | suspicions, min_size=1, max_size=40), scope=st.sampled_from([Scope.WORKER, Scope.DAEMON])
)
def test_at_most_one_job_is_charged_and_only_the_sole_one_that_can_have_been_it(
    ran: list[Suspicion | None], scope: Scope
) -> None:
    found = verdicts(list(enumerate(ran)), scope)
    suspects = [job for job, before in enumerate(ran) if before is not None]
    charged = [job for job, verdict in found.items() if verdict == CRASHED]

    assert found.keys() == set(range(len(ran)))
    if len(suspects) == 1:
        [suspect] = suspects
        is_proven = len(ran) == 1 or (scope is Scope.DAEMON and ran[suspect].alone_ms > 0)
        assert charged == suspects if is_proven else charged == []
    elif suspects or scope is Scope.DAEMON or len(ran) > 1:
        assert charged == []
    else:
        assert charged == [0]


@given(ran=st.lists(st.none() | suspicions, min_size=1, max_size=40))
def test_beside_several_suspects_nobody_else_is_blamed(ran: list[Suspicion | None]) -> None:
    found = verdicts(list(enumerate(ran)), Scope.WORKER)
    innocent = [job for job, before in enumerate(ran) if before is None]
    if len(innocent) < len(ran) - 1:
        assert {found[job] for job in innocent} <= {NEIGHBOUR}


def test_one_suspect_and_newcomers_are_kept_apart_and_it_is_charged_when_it_dies_alone() -> None:
    before = {"a": Suspicion(4, Scope.DAEMON), "b": None, "c": None, "d": None, "e": None}
    found = verdicts(list(before.items()), Scope.WORKER)
    assert found == {"a": "suspect 0 2", **dict.fromkeys("bcde", "suspect 2 1")}
    again = verdicts([("a", suspicion_of(found["a"])), ("f", None)], Scope.WORKER)
    assert again == {"a": "suspect -1 2", "f": "suspect 1 1"}
    assert verdicts([("a", suspicion_of(again["a"]))], Scope.WORKER) == {"a": CRASHED}


def test_what_kills_its_worker_late_is_alone_for_longer_each_time_until_it_is_charged() -> None:
    before, deaths = Suspicion(1, Scope.WORKER), 0
    while before.alone_ms <= 3_600_000:
        found = suspicion_of(verdicts([("pill", before), (f"newcomer {deaths}", None)], Scope.WORKER)["pill"])
        assert found is not None
        assert found.most < before.most
        before, deaths = found, deaths + 1
    assert deaths == 10
    assert verdicts([("pill", before)], Scope.WORKER) == {"pill": CRASHED}


@given(ran=st.lists(suspicions, min_size=2, max_size=40), scope=st.sampled_from([Scope.WORKER, Scope.DAEMON]))
def test_a_suspect_that_dies_again_runs_among_half_as_many_and_never_in_a_smaller_scope(
    ran: list[Suspicion], scope: Scope
) -> None:
    for job, verdict in verdicts(list(enumerate(ran)), scope).items():
        after = suspicion_of(verdict)
        assert after is not None
        assert after.most == max(1, ran[job].most // 2)
        assert after.scope == max(ran[job].scope, scope)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 100, 499])
@pytest.mark.parametrize("scope", [Scope.WORKER, Scope.DAEMON])
def test_a_pill_among_many_is_found_soon_and_nobody_else_is_charged(count: int, scope: Scope) -> None:
    """It is in the group that dies each time; the others of the group are new ones, as suspicious as it is."""
    suspicion, deaths = None, 0
    while True:
        deaths += 1
        size = count if suspicion is None else min(suspicion.most, count)
        found = verdicts([(job, suspicion) for job in range(size)], scope)
        if found[0] == CRASHED:
            break
        suspicion = suspicion_of(found[0])
    assert deaths <= ceil(log2(count)) + 2
    assert list(found) == [0]


@pytest.mark.parametrize("text", [None, "", "1", "x 1", "1 9", "2 1 1"])
def test_what_is_no_suspicion_is_none(text: str | None) -> None:
    assert read_suspicion(text) is None


@given(suspicion=suspicions)
def test_what_is_written_is_read(suspicion: Suspicion) -> None:
    assert read_suspicion(str(suspicion)) == suspicion


def test_half_the_workers_take_suspects_and_one_of_them_those_of_the_daemon() -> None:
    assert levels("", has_daemon=True, has_host=True) == {}
    assert levels("a", has_daemon=True, has_host=True) == {"a": Scope.HOST}
    assert levels("a", has_daemon=True, has_host=False) == {"a": Scope.DAEMON}
    assert levels("abc", has_daemon=True, has_host=False) == {"a": Scope.DAEMON, "b": 0, "c": 0}
    assert levels("abcd", has_daemon=True, has_host=True) == {"a": Scope.HOST, "b": Scope.WORKER, "c": 0, "d": 0}
    assert levels("abcd", has_daemon=False, has_host=True) == {"a": Scope.WORKER, "b": Scope.WORKER, "c": 0, "d": 0}
