"""What can only be said at the end: calls, executions, ticks, the snapshot and the logs against the log of Redis."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chaos import closing
from chaos.calls import Call, Reply
from chaos.invariants import Evidence
from chaos.invariants_of_takes import Ticks
from chaos.kinds import KINDS, SCHEDULES
from unit.chaos.history import START_MS, History, key

KIND = {kind.name: kind for kind in KINDS}


def call(job_id: str, reply: Reply, kind: str = "plain") -> Call:
    return Call(job_id, KIND[kind], "q", START_MS, reply)


@pytest.mark.parametrize("reply", [Reply.ACCEPTED, Reply.COALESCED, Reply.UNKNOWN])
def test_a_call_that_became_a_job_and_ended_is_fine(reply: Reply) -> None:
    lives = History().enqueue("a").take("a").succeed("a").replayed()
    assert list(closing.accepted_calls(lives, [call("a", reply)])) == []


@pytest.mark.parametrize(("reply", "tags"), [(Reply.ACCEPTED, ["lost"]), (Reply.UNKNOWN, []), (Reply.REFUSED, [])])
def test_a_call_that_was_accepted_and_never_became_a_job_is_lost(reply: Reply, tags: list[str]) -> None:
    found = closing.accepted_calls(History().replayed(), [call("a", reply)])
    assert [violation.tag for violation in found] == tags


def test_a_call_that_was_refused_and_became_a_job_is_seen() -> None:
    [violation] = closing.accepted_calls(History().enqueue("a").replayed(), [call("a", Reply.REFUSED)])
    assert violation.tag == "refused"


def test_a_poison_pill_that_succeeds_is_seen() -> None:
    lives = History().enqueue("a", "pill").take("a").succeed("a").replayed()
    [violation] = closing.accepted_calls(lives, [call("a", Reply.ACCEPTED, "pill")])
    assert violation.tag == "outcome"


def test_what_has_not_ended_is_stuck() -> None:
    history = History().enqueue("a").enqueue("b").take("b").succeed("b").enqueue("c", "failing").take("c")
    [violation] = closing.stuck(history.die("c", "failed").replayed())
    assert (violation.tag, violation.about) == ("stuck", "q/a")
    assert "['ready']" in violation.text


def test_an_attempt_that_begins_twice_is_seen() -> None:
    lives = History().enqueue("a").take("a").succeed("a").replayed()
    assert list(closing.executions(lives, Counter({("q/a", "1"): 1}))) == []
    [violation] = closing.executions(lives, Counter({("q/a", "1"): 2}))
    assert (violation.tag, violation.about) == ("attempt", "q/a")


def test_a_success_of_what_never_began_is_seen() -> None:
    lives = History().enqueue("a").take("a").succeed("a").replayed()
    [violation] = closing.executions(lives, Counter())
    assert violation.text == "succeeded, and never began"


def ticks_of(*numbers: int) -> Ticks:
    rule = Ticks(Evidence())
    rule.ticks["ticking"] = {START_MS + number * SCHEDULES["ticking"] for number in numbers}
    return rule


def test_a_tick_that_made_no_job_is_seen() -> None:
    assert list(closing.missed_ticks(ticks_of(0, 1, 2))) == []
    [violation] = closing.missed_ticks(ticks_of(0, 1, 4))
    assert violation.tag == "ticks"
    assert "2 ticks made no job" in violation.text


def test_a_replay_that_is_not_what_redis_has_is_seen() -> None:
    lives = History().enqueue("a").replayed()
    snapshot = dict(lives.keyspace.values)
    assert list(closing.replayed_wrongly(lives, snapshot)) == []
    [violation] = closing.replayed_wrongly(lives, snapshot | {key("ready"): {}})
    assert (violation.tag, violation.about) == ("replay", key("ready"))


def test_what_has_expired_in_redis_meanwhile_is_no_difference() -> None:
    lives = History().do(("SET", "a", "1", "PXAT", "5")).replayed()
    assert list(closing.replayed_wrongly(lives, {})) == []


def test_a_line_of_a_log_that_means_a_defect_is_seen(tmp_path: Path) -> None:
    log = tmp_path / "a1.log"
    log.write_text('{"event": "worker.ready"}\nnot json\n{"event": "job.failed", "error": "x"}\n')
    assert list(closing.defects([log])) == []
    log.write_text('{"event": "keeper.error", "exception": "Traceback"}\n{"event": "half')
    [violation] = closing.defects([log])
    assert (violation.tag, violation.about) == ("defect", "a1")
