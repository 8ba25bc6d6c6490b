"""`jqctl daemon` without Redis: what it refuses to do, whom a word means, what people read. And who is able to ping."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jqjobs.cli import jqctl
from jqjobs.cli.daemon.daemons import _parts, _told
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.output import WIDTH
from jqjobs.cli.tables import lay_out
from jqjobs.errors import Conflict, NotFound
from jqjobs.operations.daemons import why_unable
from jqjobs.operations.remote import Reply, find_daemons
from jqjobs.store.calls.orders import Verb
from jqjobs.store.reads.registry import DaemonInfo, Registry, WorkerInfo

READY = WorkerInfo("h:8:a", 8, "ready", (), 41_000_000, 3700.0)
WEB = DaemonInfo(
    id="h1:7:aa", name="web", host="h1", pid=7, state="running", version="0.1.0", queues=("emails",),
    workers=(READY, READY._replace(state="busy"), READY._replace(state="joining")), slots=3, note="", age_s=90.0,
    seen_s=1.0,
)  # fmt: skip
TWIN = WEB._replace(id="h2:7:bb", host="h2")
MAIL = WEB._replace(id="h1:8:cc", name="mail", pid=8)
REGISTRY = Registry(0, (MAIL, WEB, TWIN))

ORDERS = sorted(verb for verb in Verb if verb is not Verb.PING)
NEEDED = {Verb.SCALE: ["--workers", "2"]}

pytestmark = pytest.mark.usefixtures("nowhere")


def lines_of(*daemons: DaemonInfo) -> list[str]:
    """What `jqctl daemon list` writes into a pipe."""
    return list(lay_out(_parts(Registry(0, daemons)), WIDTH))


# The command line


def test_there_is_a_command_for_every_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run(["daemon", "--help"]) == 0
    shown = capsys.readouterr().out.partition("Commands:")[2]
    assert [line.split()[0] for line in shown.strip().splitlines()] == sorted(["list", *ORDERS])


@pytest.mark.parametrize("verb", ORDERS)
def test_every_order_explains_itself_with_an_example(verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run(["daemon", verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: jqctl daemon {verb} [OPTIONS] [NAME]...")
    assert f"jqctl daemon {verb} " in shown.split("Example", 1)[1]
    for option in ("--all", "--timeout", "--json", "--redis"):
        assert option in shown


@pytest.mark.parametrize("verb", [Verb.DRAIN, Verb.STOP])
def test_who_ends_a_daemon_is_told_that_a_supervisor_starts_it_anew(
    verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    jqctl.run(["daemon", verb, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "STARTS" in shown
    assert "ANEW" in shown
    assert "supervisorctl stop" in shown
    assert "systemctl stop" in shown


@pytest.mark.parametrize("verb", ORDERS)
@pytest.mark.parametrize("words", [[], ["web", "--all"]])
def test_nobody_is_meant_by_accident(verb: Verb, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run(["daemon", verb, *NEEDED.get(verb, []), *words]) == Exit.USAGE
    assert "either names of daemons or --all" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["scale web", "scale web --workers 0", "scale web --workers 257", "scale web --workers +2", "scale web --workers x",
     "scale web --workers 8..1",
     "scale web --workers=", "quiet web --timeout soon", "quiet web --timeout 0", "quiet web --timeout 2m",
     "quiet web --timeout -1", "bogus web", "ping --name a/b", "ping --name ="],
)  # fmt: skip
def test_what_is_typed_wrong_is_a_usage_error_in_one_line(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ping", *line.split(" ")[1:]] if line.startswith("ping") else ["daemon", *line.split(" ")]
    assert jqctl.run(words) == Exit.USAGE
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert jqctl.run([*words, "--json"]) == Exit.USAGE
    assert set(json.loads(capsys.readouterr().err)["error"]) == {"code", "message", "hint"}


@pytest.mark.parametrize("line", ["list", "quiet web", "scale --all --workers -1", "dump web"])
def test_an_unreachable_redis_is_named(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run(["daemon", *line.split()]) == Exit.UNREACHABLE
    assert "nothing.sock cannot be reached" in capsys.readouterr().err


# Whom a word means


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ((), ["h1:8:cc", "h1:7:aa", "h2:7:bb"]),
        (("web",), ["h1:7:aa", "h2:7:bb"]),
        (("h2:7:bb",), ["h2:7:bb"]),
        (("h2",), ["h2:7:bb"]),
        (("h1:7",), ["h1:7:aa"]),
        (("h2", "mail", "web", "h1:7:aa"), ["h2:7:bb", "h1:8:cc", "h1:7:aa"]),
    ],
)
def test_a_word_is_a_name_an_id_or_the_beginning_of_one_id(words: tuple[str, ...], ids: list[str]) -> None:
    assert [one.id for one in find_daemons(REGISTRY, words)] == ids


def test_a_name_goes_before_the_beginning_of_an_id_and_an_id_before_the_beginning_of_another() -> None:
    named = MAIL._replace(name="h2")
    longer = MAIL._replace(id="h1:7:aaa")

    assert find_daemons(Registry(0, (TWIN, named)), ["h2"]) == [named]
    assert find_daemons(Registry(0, (WEB, longer)), ["h1:7:aa"]) == [WEB]


def test_the_beginning_of_several_ids_means_none_of_them() -> None:
    with pytest.raises(Conflict) as raised:
        find_daemons(REGISTRY, ["mail", "h1"])
    assert "2 daemon ids begin with 'h1'" in raised.value.message
    assert raised.value.hint == "h1:8:cc, h1:7:aa"


@pytest.mark.parametrize("word", ["", "we", "WEB", "h3", "7", "h1:7:aa:"])
def test_an_unknown_word_is_not_found_and_the_known_names_are_said(word: str) -> None:
    with pytest.raises(NotFound) as raised:
        find_daemons(REGISTRY, ["web", word])
    assert raised.value.hint.removeprefix("did you mean 'web'? ") == "known daemons: mail, web"


def test_many_known_names_are_cut() -> None:
    crowd = Registry(0, tuple(WEB._replace(name=f"d{number}") for number in range(9)))
    with pytest.raises(NotFound) as raised:
        find_daemons(crowd, ["x"])
    assert raised.value.hint.endswith("d7, …")


@pytest.mark.parametrize("words", [(), ("web",)])
def test_when_nobody_is_there_it_is_said_how_to_start_one(words: tuple[str, ...]) -> None:
    with pytest.raises(NotFound) as raised:
        find_daemons(Registry(0, ()), words)
    assert "jqd --app" in raised.value.hint


# What people read


def reply(daemon: DaemonInfo, message: str = "done", *, ok: bool = True, answered: bool = True, **facts: Any) -> Reply:
    return Reply(daemon, answered, ok, message, facts)


def test_each_daemon_has_a_line_and_what_went_wrong_begins_with_a_mark() -> None:
    replies = [reply(WEB), reply(TWIN, "it ends", ok=False), reply(MAIL, "no answer", ok=False, answered=False)]

    assert list(_told(["web", "mail"], replies)) == [
        "2 daemons have the name web",
        "web on h1 (pid 7): done",
        "! web on h2 (pid 7): refused: it ends",
        "! mail on h1 (pid 8): no answer",
    ]


def test_stacks_are_told_worker_by_worker_and_nonsense_among_them_is_left_out() -> None:
    stacks = [
        {"worker": "h1:9:dd", "pid": 9, "jobs": ["emails/a", "emails/b"], "text": "Thread 0x1:\n  File x"},
        "nonsense", None, {"pid": 10}, {"worker": "w", "pid": 11, "jobs": 7, "text": ""},
    ]  # fmt: skip
    lines = list(_told([], [reply(WEB, "here", stacks=stacks), reply(MAIL, "here", stacks="x")]))

    assert lines == [
        "web on h1 (pid 7): here",
        "  worker h1:9:dd (pid 9): emails/a, emails/b",
        "    Thread 0x1:",
        "      File x",
        "  worker None (pid 10): no job",
        "    (no stacks)",
        "  worker w (pid 11): no job",
        "    (no stacks)",
        "mail on h1 (pid 8): here",
    ]


def test_the_list_has_a_line_for_each_daemon_that_fits_and_says_who_is_silent() -> None:
    title, web, wordy = lines_of(WEB, WEB._replace(name="n" * 90, note="reload refused: " + "x" * 90, seen_s=7.0))

    assert title.split() == ["NAME", "HOST:PID", "STATE", "WORKERS", "QUEUES", "VERSION", "AGE", "NOTE"]
    assert web.split() == ["web", "h1:7", "running", "2/3", "emails", "0.1.0", "1m30s", "-"]
    assert "SILENT for" in wordy.replace("SILENT…", "SILENT for")
    assert max(map(len, (title, web, wordy))) <= WIDTH


def test_the_list_says_how_far_a_daemon_may_go_that_follows_its_jobs() -> None:
    assert "2/3 of 1..8" in lines_of(WEB._replace(processes="1..8"))[1]


def test_the_list_makes_do_with_a_daemon_of_which_nothing_is_known() -> None:
    blank = DaemonInfo("d1", "", "", None, "", "", (), (), None, "", None, 0)

    assert lines_of(blank)[1].split() == ["d1", "?:?", "?", "0/?", "-", "?", "-", "-"]
    assert "jqd --app" in lines_of()[0]


# Who is able to take jobs


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"state": "reloading"}, ""),
        ({"state": "a state of a later version"}, ""),
        ({"seen_s": 9.9}, ""),
        ({"workers": (READY._replace(state="busy"),)}, ""),
        ({"seen_s": 10.1}, "it was last heard of 10s ago"),
        ({"state": "quiet"}, "it is quiet (jqctl daemon resume)"),
        ({"state": "draining"}, "it is draining and ends"),
        ({"state": "stopping"}, "it is stopping"),
        ({"state": "waiting_redis", "note": "timeout"}, "it waits for Redis: timeout"),
        ({"state": "waiting_memory", "note": "12 MiB left"}, "it waits for memory: 12 MiB left"),
        ({"workers": ()}, "none of its 3 workers is ready"),
        ({"workers": (), "slots": None, "note": "no module"}, "no worker is ready: no module"),
        ({"state": "starting", "workers": (READY._replace(state="joining"),)}, "none of its 3 workers is ready"),
        ({"workers": (READY._replace(state="stopping"),)}, "none of its 3 workers is ready"),
    ],
)
def test_who_is_able_to_take_jobs_and_why_not(change: dict[str, Any], why: str) -> None:
    assert why_unable(WEB._replace(**change)) == why
