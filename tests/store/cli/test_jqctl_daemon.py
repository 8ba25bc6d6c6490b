"""`jqctl daemon` against daemons that answer, refuse, or say nothing; and `jqctl ping`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import jqjobs
from jqjobs.cli.exit_codes import Exit
from jqjobs.daemon.control.listener import ControlListener
from jqjobs.operations import remote
from jqjobs.store import keys
from jqjobs.store.address import parse_url
from jqjobs.store.calls import daemons
from jqjobs.store.calls.orders import Order, Verb
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

#: What `jqctl ping` has no time for. It imports no app, of course.
HEAVY = {
    "redis", "msgspec", "psutil", "rich", "asyncio", "dotenv", "watchdog", "logging",
    "jqjobs.api.app", "jqjobs.embedded",
    "jqjobs.base.log", "jqjobs.daemon.control.listener", "jqjobs.worker",
}  # fmt: skip
EVIL = "\x1b[31m\u202e\r"


class Daemon:
    """A daemon that is registered and answers orders by ``does``; without that it says nothing."""

    def __init__(
        self, system: QueueSystem, name: str, number: int, does: Callable[[Order], dict[str, Any]] | None
    ) -> None:
        self.id = f"host{number}:{number}:abcd"
        self.orders: list[Order] = []
        self._does = does
        about = {"name": name, "host": f"host{number}", "pid": number, "state": "running", "slots": 1, "workers": "w"}
        system.run(daemons.register(self.id, 60_000, about, {"w": {"state": "ready"}}))
        self._listener = ControlListener(self.id, parse_url(system.url), self._obey)
        if does is not None:
            self._listener.start()

    def _obey(self) -> None:
        order = self._listener.orders.get()
        self.orders.append(order)
        assert self._does is not None
        answer = {"ok": True, "message": f"{order.verb} it is"} | self._does(order)
        self._listener.answer(order, **answer)

    def end(self) -> None:
        self._listener.end(20)


@pytest.fixture
def daemon(system: QueueSystem) -> Iterator[Callable[..., Daemon]]:
    """Have a daemon running: ``daemon(name, does)``; it does as it is told unless ``does`` says otherwise."""
    made: list[Daemon] = []

    def one(name: str = "web", does: Callable[[Order], dict[str, Any]] | None = lambda _: {}) -> Daemon:
        made.append(Daemon(system, name, len(made) + 1, does))
        return made[-1]

    yield one
    for running in made:
        running.end()


def refusing(order: Order) -> dict[str, Any]:
    return {"ok": False, "message": "it is draining"}


#: Long enough for any daemon that means to answer; a command that has all answers does not wait so long.
PATIENTLY = ("--timeout", "30s")
BRIEFLY = ("--timeout", "200ms")


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in (Verb.SCALE, Verb.PING)])
def test_every_order_reaches_the_daemon_and_its_answer_comes_back(
    verb: Verb, daemon: Callable[..., Daemon], terminal: Terminal
) -> None:
    web = daemon()

    assert terminal.run("daemon", verb, "web", *PATIENTLY) == 0
    assert terminal.out == f"web on host1 (pid 1): {verb} it is\n"
    assert [(order.verb, order.argument) for order in web.orders] == [(verb, "")]


@pytest.mark.parametrize("workers", ["3", "+1", "-1", "1..8"])
def test_scale_says_how_many(workers: str, daemon: Callable[..., Daemon], terminal: Terminal) -> None:
    web = daemon()

    assert terminal.run("daemon", "scale", "web", "--workers", workers, *PATIENTLY) == 0
    assert [(order.verb, order.argument) for order in web.orders] == [(Verb.SCALE, workers)]


def test_a_name_means_all_who_have_it_and_that_is_said(daemon: Callable[..., Daemon], terminal: Terminal) -> None:
    first, mail, second = daemon(), daemon("mail"), daemon()

    assert terminal.run("daemon", "quiet", "web", *PATIENTLY) == 0
    assert terminal.out.splitlines()[0] == "2 daemons have the name web"
    assert [len(one.orders) for one in (first, mail, second)] == [1, 0, 1]
    assert terminal.run("daemon", "quiet", "host3", *PATIENTLY) == 0
    assert [len(one.orders) for one in (first, mail, second)] == [1, 0, 2]
    assert terminal.run("daemon", "resume", "--all", *PATIENTLY) == 0
    assert [len(one.orders) for one in (first, mail, second)] == [2, 1, 3]


def test_one_that_refuses_makes_it_1_and_the_others_still_do_it(
    daemon: Callable[..., Daemon], terminal: Terminal
) -> None:
    daemon()
    daemon("mail", refusing)

    answer = terminal.json("daemon", "reload", "--all", *PATIENTLY)
    assert terminal.code == Exit.ERROR
    assert [(one["name"], one["answered"], one["ok"], one["message"]) for one in answer["daemons"]] == [
        ("mail", True, False, "it is draining"),
        ("web", True, True, "reload it is"),
    ]
    assert set(answer["daemons"][0]) >= {"id", "name", "host", "pid", "ok", "answered", "message", "state", "facts"}
    assert terminal.run("daemon", "reload", "--all", *PATIENTLY) == Exit.ERROR
    assert "! mail on host2 (pid 2): refused: it is draining" in terminal.out


def test_one_that_does_not_answer_is_said_to_be_silent_and_since_when(
    daemon: Callable[..., Daemon], terminal: Terminal
) -> None:
    daemon()
    daemon("mute", None)

    answer = terminal.json("daemon", "quiet", "mute", *BRIEFLY)
    assert terminal.code == Exit.ERROR
    [mute] = answer["daemons"]
    assert (mute["answered"], mute["ok"]) == (False, False)
    assert mute["message"].startswith("no answer within 0.2 s (last heard of ")
    assert mute["message"].endswith(" s ago; state running)")
    assert terminal.run("daemon", "quiet", "mute", *BRIEFLY) == Exit.ERROR
    assert terminal.out.startswith("! mute on host2 (pid 2): no answer")


def test_one_that_went_away_meanwhile_is_said_to_be_gone(
    system: QueueSystem, daemon: Callable[..., Daemon], terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = daemon("mute", None)
    post = daemons.post_order

    def post_and_leave(*words: str) -> Any:
        system.run(daemons.register(mute.id, 0, {}, {}))
        return post(*words)

    monkeypatch.setattr(remote, "post_order", post_and_leave)
    [reply] = terminal.json("daemon", "stop", "mute", *BRIEFLY)["daemons"]
    assert (reply["name"], reply["message"]) == ("mute", "no answer within 0.2 s (it is gone by now)")


def test_all_are_told_before_any_is_waited_for(daemon: Callable[..., Daemon], terminal: Terminal) -> None:
    """Eight silent ones take as long as one does."""
    for _ in range(8):
        daemon("mute", None)
    start = time.monotonic()
    assert terminal.run("daemon", "quiet", "--all", "--timeout", "1s") == Exit.ERROR
    assert time.monotonic() - start < 5
    assert terminal.out.count("no answer") == 8


def test_who_answers_at_once_is_not_kept_waiting_for(daemon: Callable[..., Daemon], terminal: Terminal) -> None:
    daemon()
    start = time.monotonic()
    assert terminal.run("daemon", "quiet", "web", *PATIENTLY) == 0
    assert time.monotonic() - start < 20


def test_answers_of_strangers_and_junk_count_for_nothing(
    system: QueueSystem, daemon: Callable[..., Daemon], terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = daemon("mute", None)
    monkeypatch.setattr("jqjobs.cli.daemon.daemons.new_id", lambda: "abcd2345")
    for junk in ("junk", '{"v":1,"daemon":"other","ok":true,"message":"m"}', '{"v":1,"ok":true}'):
        system.redis("RPUSH", system.store.address.key(keys.answer("abcd2345")), junk)
    assert terminal.run("daemon", "quiet", "mute", *BRIEFLY) == Exit.ERROR
    system.run(daemons.post_answer("abcd2345", f'{{"v":1,"daemon":"{mute.id}","ok":true,"message":"first"}}'))
    system.run(daemons.post_answer("abcd2345", f'{{"v":1,"daemon":"{mute.id}","ok":false,"message":"second"}}'))

    assert terminal.run("daemon", "quiet", "mute", *PATIENTLY) == 0
    assert "first" in terminal.out


def test_an_order_that_cannot_be_posted_is_said_and_the_others_get_theirs(
    daemon: Callable[..., Daemon], terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, web = daemon("odd", None), daemon()
    post = daemons.post_order
    without_life = replace(post(odd.id, "{}"), args=["", 2, "no number", "{}"])
    monkeypatch.setattr(remote, "post_order", lambda to, order: without_life if to == odd.id else post(to, order))

    assert terminal.run("daemon", "quiet", "--all", *PATIENTLY) == Exit.ERROR
    assert "! odd on host1 (pid 1): the order cannot be posted: " in terminal.out
    assert len(web.orders) == 1


def test_a_mistyped_name_is_found_before_anybody_is_told_anything(
    daemon: Callable[..., Daemon], terminal: Terminal
) -> None:
    web = daemon()
    daemon("mail")

    error = terminal.error("daemon", "stop", "web", "maill")
    assert (terminal.code, error["code"], error["hint"]) == (
        Exit.NOT_FOUND,
        "not_found",
        "did you mean 'mail'? known daemons: mail, web",
    )
    assert web.orders == []


def test_without_any_daemon_nothing_is_found(terminal: Terminal) -> None:
    assert terminal.run("daemon", "reload", "--all") == Exit.NOT_FOUND
    assert "no daemon is running" in terminal.err


def test_a_dump_is_shown_worker_by_worker_and_nothing_in_it_reaches_the_terminal_raw(
    daemon: Callable[..., Daemon], terminal: Terminal
) -> None:
    stacks = [{"worker": EVIL, "pid": 9, "jobs": [EVIL], "text": f'Thread 0x1:\n  File "{EVIL}"'}]
    daemon(does=lambda _: {"message": EVIL, "stacks": stacks})

    assert terminal.run("daemon", "dump", "web", *PATIENTLY) == 0
    assert not set(terminal.out) & set(EVIL) - set("[31m")
    assert terminal.out.splitlines()[2:] == ["    Thread 0x1:", '      File "\\x1b[31m\\u202e\\r"']
    [answer] = terminal.json("daemon", "dump", "web", *PATIENTLY)["daemons"]
    assert answer["facts"]["stacks"] == stacks


def test_the_list_tells_the_same_as_status(daemon: Callable[..., Daemon], terminal: Terminal) -> None:
    daemon()
    daemon("mail", None)
    answer = terminal.json("daemon", "list")["daemons"]
    known = terminal.json("status")["daemons"]
    for one in (*answer, *known):
        del one["seen_s"]
    assert answer == known
    assert terminal.run("daemon", "list") == 0
    assert [line.split()[:4] for line in terminal.out.splitlines()[1:]] == [
        ["mail", "host2:2", "running", "1/1"],
        ["web", "host1:1", "running", "1/1"],
    ]


def test_the_list_of_nobody_says_how_to_start_one(terminal: Terminal) -> None:
    assert terminal.run("daemon", "list") == 0
    assert "jqd --app" in terminal.out
    assert terminal.json("daemon", "list") == {"daemons": []}


# ping


def serve(system: QueueSystem, number: int = 1, **about: Any) -> None:
    """Register a daemon that is able to take jobs, unless told otherwise."""
    fields = {"name": "web", "host": f"host{number}", "pid": number, "state": "running", "slots": 1,
              "workers": f"w{number}"} | about  # fmt: skip
    system.run(daemons.register(f"d{number}", 600_000, fields, {f"w{number}": {"state": "ready"}}))


def test_ping_asks_for_redis_and_for_a_daemon_that_is_able_to_take_jobs(
    system: QueueSystem, terminal: Terminal
) -> None:
    assert terminal.run("ping") == Exit.ERROR
    assert "! no daemon is running; start one: jqd --app" in terminal.out
    serve(system)
    answer = terminal.json("ping")
    assert (terminal.code, answer["ok"], answer["daemons"], answer["able"]) == (0, True, 1, 1)
    assert set(answer) == {"redis", "ms", "ok", "daemons", "able", "problems"}
    assert terminal.run("ping") == 0
    assert terminal.out.splitlines()[1:] == ["1 of 1 daemon can take jobs"]


def test_ping_says_what_is_wrong_with_each_daemon_and_one_that_is_able_is_enough(
    system: QueueSystem, terminal: Terminal
) -> None:
    serve(system, 1, state="quiet")
    serve(system, 2, workers="")
    assert terminal.run("ping") == Exit.ERROR
    assert terminal.out.splitlines()[1:] == [
        "! no daemon is able to take jobs",
        "  ! web on host1 (pid 1): it is quiet (jqctl daemon resume)",
        "  ! web on host2 (pid 2): none of its 1 worker is ready",
    ]
    serve(system, 3)
    answer = terminal.json("ping")
    assert (terminal.code, answer["able"], [why["id"] for why in answer["problems"]]) == (0, 1, ["d1", "d2"])


def test_ping_counts_only_who_was_heard_of_lately(system: QueueSystem, terminal: Terminal) -> None:
    serve(system)
    system.redis("ZINCRBY", system.store.address.key(keys.DAEMONS), -11_000, "d1")
    assert terminal.run("ping") == Exit.ERROR
    assert "it was last heard of 11s ago" in terminal.out


def test_ping_of_a_name_looks_at_the_daemons_of_that_name_only(system: QueueSystem, terminal: Terminal) -> None:
    serve(system, 1)
    serve(system, 2, name="mail", state="draining")
    assert terminal.run("ping", "--name", "web") == 0
    assert terminal.run("ping", "--name", "mail") == Exit.ERROR
    assert "! no daemon of the name mail is able to take jobs" in terminal.out
    assert terminal.run("ping", "--name", "ghost") == Exit.ERROR
    assert "! no daemon of the name ghost is running" in terminal.out


def in_process(system: QueueSystem, code: str, *words: str, directory: Path | None = None) -> str:
    environment = os.environ | {"JQ_REDIS_URL": system.url, "PYTHONPATH": str(Path(jqjobs.__file__).parents[1])}
    if directory:  # as installed: with byte code beside the source
        environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(directory)}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


def test_a_ping_imports_nothing_heavy_from_start_to_end(system: QueueSystem) -> None:
    serve(system)
    code = f"""
import sys
from jqjobs.cli import jqctl
assert jqctl.run(["ping", "--name", "web"]) == 0
print(*sorted(set(sys.modules) & {HEAVY!r}))
"""
    assert in_process(system, code).splitlines()[-1] == ""


def test_ping_is_quick_as_a_whole_process(system: QueueSystem, tmp_path: Path) -> None:
    """0.2 s on a quiet machine; here in multiples of what importing click costs, which load slows down alike."""

    def seconds(*words: str) -> float:
        for number in range(20):  # so that they were heard of just now
            serve(system, number)
        start = time.perf_counter()
        in_process(system, *words, directory=tmp_path)
        return time.perf_counter() - start

    ping = ("import jqjobs.cli.jqctl as jqctl; jqctl.main()", "ping")
    seconds(*ping)
    pairs = [(seconds(*ping), seconds("import click")) for _ in range(7)]
    assert statistics.median(whole / start for whole, start in pairs) < 4
    assert min(whole for whole, _ in pairs) < 1.0
