"""`jqctl daemon reload --wait`: what a registered daemon says decides when its reload has ended, and how."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.cli.daemon.reloading import judge, present
from jqjobs.operations.remote import Reply
from jqjobs.store.reads.registry import DaemonInfo, Registry, ReloadInfo, WorkerInfo

READY = WorkerInfo("h:8:a", 8, "ready", (), 41_000_000, 3700.0, "v2")
DAEMON = DaemonInfo(
    id="h:7:aa", name="web", host="h", pid=7, state="running", version="0.1.0", queues=("emails",),
    workers=(READY, READY), slots=2, note="", age_s=90.0, seen_s=1.0, reload=ReloadInfo(3, "done"),
)  # fmt: skip
HEIR = DAEMON._replace(id="h:7:bb", age_s=2.0, reload=ReloadInfo(0, "done"))
TOLD = Reply(DAEMON, True, True, "replaces its workers one by one", {"reload": 3})


def judged(absent_s: float = 0.0, **change: Any) -> tuple[bool, str] | None:
    found = judge(TOLD, DAEMON._replace(**change), absent_s)
    return found and (found.ok, found.message)


def test_it_has_reloaded_when_its_reload_is_done_and_a_worker_is_ready() -> None:
    assert judged() == (True, "reloaded: 2 workers of release v2")
    assert judged(state="quiet") == (True, "reloaded: 2 workers of release v2")
    assert judged(workers=()) is None
    assert judged(state="waiting_redis") is None


def test_an_earlier_reload_and_one_that_goes_on_are_waited_for() -> None:
    assert judged(reload=ReloadInfo(2, "done")) is None
    assert judged(reload=ReloadInfo(2, "refused", "of yesterday")) is None
    assert judged(reload=ReloadInfo(3, "going")) is None
    assert judged(reload=ReloadInfo(4, "going")) is None, "something changed once more"
    assert judged(reload=ReloadInfo(4, "done")) is not None


def test_a_refusal_says_why() -> None:
    assert judged(reload=ReloadInfo(3, "refused", "SyntaxError: x")) == (
        False,
        "SyntaxError: x (the old workers go on)",
    )


def test_a_new_image_is_awaited_until_all_its_workers_are_ready() -> None:
    assert judge(TOLD, HEIR._replace(state="starting"), 0) is None
    assert judge(TOLD, HEIR._replace(workers=(READY,)), 0) is None
    found = judge(TOLD, HEIR, 0)
    assert found is not None
    assert (found.daemon, found.ok) == (HEIR, True)


def test_a_daemon_that_is_gone_is_waited_for_a_while() -> None:
    assert judge(TOLD, None, 29) is None
    found = judge(TOLD, None, 31)
    assert found is not None
    assert (found.ok, found.answered) == (False, False)


def test_an_heir_has_the_process_of_the_one_before() -> None:
    other = HEIR._replace(pid=8)
    assert present(DAEMON, Registry(0, (other, HEIR, DAEMON))) == DAEMON
    assert present(DAEMON, Registry(0, (other, HEIR))) == HEIR
    assert present(DAEMON, Registry(0, (other,))) is None
    assert present(DAEMON._replace(pid=None), Registry(0, (other._replace(pid=None),))) is None


@pytest.mark.parametrize("facts", [{}, {"reload": "x"}, {"reload": None}])
def test_a_daemon_that_does_not_say_which_reload_it_is_is_judged_by_its_last(facts: dict[str, Any]) -> None:
    found = judge(TOLD._replace(facts=facts), DAEMON, 0)
    assert found is not None
    assert found.ok
