"""What may become of a job: a good history passes, and of each violation the checker says what it is."""

from __future__ import annotations

from copy import deepcopy

import pytest

from chaos.invariants import Evidence
from unit.chaos.history import START_MS, W1, W2, History, key


def test_a_good_history_breaks_nothing() -> None:
    history = History().enqueue("a").take("a").succeed("a")
    history.enqueue("b", "answer").take("b").keep("b")
    history.do(("DEL", key("job:b"), key("job:b:history")), ("ZREM", key("kept"), "b"))
    history.enqueue("c", "failing").take("c").die("c", "failed")
    history.enqueue("d").take("d").crash("d").take("d", W2, 2).succeed("d", W2, 2)
    history.enqueue("e", "handed_over").take("e")
    history.do(history.leaving("e", W1, 1), ("ZADD", key("waiting"), "1", "e"))
    history.do(("ZREM", key("waiting"), "e"), history.counting(), ("DEL", key("job:e")))
    history.do(("ZADD", key("scheduled"), "1", "~a-limit"), ("ZADD", key("held:a-limit"), "1", "zz"))
    assert history.violations(Evidence(killed={W1})) == []


def test_a_job_in_two_states_is_seen() -> None:
    history = History().enqueue("a").do(("ZADD", key("scheduled"), "1", "a"))
    [violation] = history.violations()
    assert (violation.tag, violation.about) == ("one-state", "q/a")
    assert violation.at_ms == history.now_ms
    assert "ready, scheduled" in violation.text


def test_a_job_in_the_hands_of_two_workers_is_seen() -> None:
    assert History().enqueue("a").take("a").take("a", W2, 2).tags() == {"one-state"}


def test_a_job_in_no_state_is_seen() -> None:
    assert History().enqueue("a").do(("ZREM", key("ready"), "a")).tags() == {"one-state"}


def test_a_member_without_a_record_is_seen() -> None:
    assert History().do(("ZADD", key("ready"), "1", "a")).tags() == {"one-state"}


def test_a_job_that_vanishes_is_seen() -> None:
    history = History().enqueue("a").do(("ZREM", key("ready"), "a"), ("DEL", key("job:a")))
    assert history.tags() == {"vanished"}


def test_an_envelope_that_a_worker_could_not_read_may_go() -> None:
    history = History().enqueue("a").take("a")
    history.do(history.leaving("a", W1, 1), ("LPUSH", key("rejected"), "1 malformed: …\n{}"), ("DEL", key("job:a")))
    assert history.tags() == set()


def test_a_second_success_of_a_call_is_seen() -> None:
    history = History().enqueue("a").take("a").succeed("a").enqueue("a").take("a").succeed("a")
    [violation] = history.violations()
    assert violation.tag == "one-success"
    assert "created 2 times" in violation.text


def test_a_success_that_is_not_counted_is_seen() -> None:
    history = History().enqueue("a").take("a")
    history.do(history.leaving("a", W1, 1), ("DEL", key("job:a")))
    assert history.tags() == {"one-success"}


def test_a_success_that_is_counted_twice_is_seen() -> None:
    history = History().enqueue("a").take("a").succeed("a").do(history_counting())
    assert history.tags() == {"one-success"}


@pytest.mark.parametrize(("count", "tags"), [(1, set()), (0, {"one-success"}), (2, {"one-success"})])
def test_what_fast_trips_have_counted_is_added_up_later(count: int, tags: set[str]) -> None:
    history = History().enqueue("a").take("a").succeed_fast("a").enqueue("b").take("b").succeed("b")
    assert history.count_apart(count).tags() == tags


def history_counting() -> tuple[str, ...]:
    return ("HINCRBY", key("meta"), "done", "1")


def test_a_bystander_that_is_dead_is_seen_with_the_reason() -> None:
    [violation] = History().enqueue("a").take("a").die("a", "interrupted").violations()
    assert violation.tag == "bystander"
    assert "plain is dead: interrupted" in violation.text


def test_who_is_made_to_fail_may_die_of_that_only() -> None:
    assert History().enqueue("a", "pill").take("a").die("a", "crashed").tags() == set()
    assert History().enqueue("a", "pill").take("a").die("a", "failed").tags() == {"bystander"}


def test_only_what_somebody_has_cancelled_is_dead_for_that() -> None:
    history = History().enqueue("a").take("a").die("a", "cancelled")
    assert history.tags(Evidence(cancelled={"a"})) == set()
    assert history.tags() == {"bystander"}


def test_a_crash_needs_a_death_that_somebody_saw() -> None:
    history = History().enqueue("a").take("a").crash("a").take("a", W2, 2).die("a", "crashed", W2, 2)
    assert history.tags(Evidence(killed={W1})) == set()
    assert history.tags() == {"charge", "bystander"}


def test_the_only_suspect_beside_what_kills_its_worker_may_be_charged_and_does_not_die_of_it() -> None:
    history = History().enqueue("a").enqueue("b", "pill").take("a").take("b")
    assert deepcopy(history).crash("a").tags() == {"charge"}, "it was no suspect"
    history.do(("HSET", key("job:a"), "suspect", "1 1")).crash("a")
    assert history.tags() == set()
    assert history.take("a", W2, 2).die("a", "crashed", W2, 2).tags() == {"bystander"}


def test_a_rule_can_be_left_out() -> None:
    history = History().enqueue("a").do(("ZREM", key("ready"), "a"), ("DEL", key("job:a")))
    assert history.violations(without={"vanished"}) == []


def test_the_time_of_a_step_is_that_of_the_last_tick() -> None:
    history = History().enqueue("a")
    history.log.insert(0, [("SET", "chaos:clock", f"{START_MS} {START_MS}")])
    assert history.replayed().at_ms == history.now_ms
