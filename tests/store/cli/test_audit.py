"""`jqctl audit`, and what is noted of each act; `jqctl queue set`."""

from __future__ import annotations

import pytest

from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.person import who
from jqjobs.jobs.records import Kind
from jqjobs.store import keys
from jqjobs.store.calls import upkeep
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem


@pytest.fixture(autouse=True)
def dead_jobs(system: QueueSystem) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.add("a", "b")
    for job in system.take("w", 2):
        system.settle("w", job, Kind.DISCARDED)


def acts(terminal: Terminal) -> list[tuple[str, object]]:
    found = terminal.json("audit")["acts"]
    assert {each["who"] for each in found} <= {who()}
    assert all(each["at_ms"] > 1_600_000_000_000 for each in found)
    return [(each["act"], each["given"]) for each in found]


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("queue pause q --reason why", {"name": "q", "reason": "why"}),
        ("queue resume q", {"name": "q"}),
        ("queue set q --max-dead 5", {"name": "q", "max_dead": 5}),
        ("job retry q/a q/b", {"jobs": ["q/a", "q/b"]}),
        ("job delete q/a --yes", {"jobs": ["q/a"]}),
        ("job move q/a --to later", {"jobs": ["q/a"], "target": "later"}),
    ],
)  # fmt: skip
def test_what_acts_is_noted_with_who_and_what(terminal: Terminal, line: str, given: dict[str, object]) -> None:
    terminal.run(*line.split())
    assert acts(terminal) == [(" ".join(line.split()[:2]), given)]


@pytest.mark.parametrize("line", ["job retry q/ghost", "job cancel q/a", "job promote q/a", "schedule pause nightly"])
def test_so_is_what_came_to_nothing(terminal: Terminal, line: str) -> None:
    assert terminal.run(*line.split()) != Exit.OK
    assert [act for act, _ in acts(terminal)] == [" ".join(line.split()[:2])]


@pytest.mark.parametrize(
    "line", ["status", "queue list", "job show q/a", "job retry --queue q --all-dead --dry-run", "audit"]
)
def test_what_only_looks_is_not_noted(terminal: Terminal, line: str) -> None:
    terminal.run(*line.split())
    assert acts(terminal) == []


def test_the_token_of_an_answer_is_not_noted(terminal: Terminal) -> None:
    terminal.run("job", "resolve", "q/a", "--token", "secret", "--result", '"mine"')
    assert acts(terminal) == [("job resolve", {"job": "q/a"})]
    terminal.run("audit")
    assert "failed: conflict" in terminal.out
    assert "secret" not in terminal.out


def test_the_list_is_bounded(system: QueueSystem, terminal: Terminal) -> None:
    key = f"jq:{keys.AUDIT}"
    system.redis("EVAL", f"for i = 1, 1200 do redis.call('LPUSH', '{key}', '{{}}') end", 0)
    terminal.run("queue", "pause", "q")
    assert system.redis("LLEN", key) == 1000


def test_an_act_is_done_though_it_cannot_be_noted(system: QueueSystem, terminal: Terminal) -> None:
    system.redis("SET", f"jq:{keys.AUDIT}:damaged", "x")
    system.redis("SET", f"jq:{keys.AUDIT}", "x")
    assert terminal.run("queue", "pause", "q") == Exit.OK
    assert terminal.run("audit") == Exit.OK


def test_what_was_set_is_told(terminal: Terminal) -> None:
    answer = terminal.json("queue", "set", "q", "--dead", "7d", "--max-dead", "1000", "--max-length", "50")
    assert answer == {"queue": "q", "dead_ms": 604_800_000, "max_dead": 1000, "max_kept": None, "max_length": 50}
    terminal.run("queue", "set", "q", "--max-dead", "default")
    assert terminal.out == "queue q: --dead 1w --max-length 50\n"
    terminal.run("queue", "list")
    assert "of its own: --dead 1w --max-length 50" in terminal.out
    for line in ("queue set q", "queue set q --max-dead many", "queue set q --dead soon"):
        assert terminal.run(*line.split()) == Exit.USAGE


def test_a_bound_of_nothing_is_noted(terminal: Terminal) -> None:
    terminal.run("queue", "set", "q", "--max-length", "0")
    terminal.run("queue", "set", "q", "--max-length", "default")
    assert acts(terminal) == [
        ("queue set", {"name": "q", "max_length": ""}), ("queue set", {"name": "q", "max_length": 0})
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["job delete q/a --yes", "job delete --queue q --state dead --yes"])
def test_an_act_that_is_cut_short_is_noted(
    system: QueueSystem, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    delete = upkeep.delete

    def interrupted(queue: str, ids: list[str]) -> None:
        system.run(delete(queue, ids))
        raise KeyboardInterrupt

    monkeypatch.setattr(upkeep, "delete", interrupted)
    assert terminal.run(*line.split()) == Exit.INTERRUPTED
    assert [act for act, _ in acts(terminal)] == ["job delete"]


def test_what_cannot_be_noted_is_not_done(system: QueueSystem, terminal: Terminal) -> None:
    system.redis("ACL", "SETUSER", "default", "-ltrim")
    try:
        assert terminal.run("queue", "pause", "q") == Exit.ERROR
    finally:
        system.redis("ACL", "SETUSER", "default", "+ltrim")
    assert system.redis("HGET", system.key("meta"), "paused") is None


def test_an_answer_of_no_is_no_act(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.answers(monkeypatch, "n")
    assert terminal.run("job", "delete", "--queue", "q", "--state", "dead") == Exit.INTERRUPTED
    assert terminal.asked == ["Delete 2 jobs of queue q?"]
    assert acts(terminal) == []
