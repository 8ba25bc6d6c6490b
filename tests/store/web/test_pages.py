"""The pages of the dashboard, asked as a browser without JavaScript asks them, on a real server."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from jqjobs.jobs.flow import written
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.added import add_schedule
from jqjobs.store.calls.daemons import register
from jqjobs.store.calls.schedules import plan
from jqjobs.store.partitioning import repartition
from jqjobs.store.reads import server_info
from jqjobs.store.steps import run_steps
from jqjobs.web import Access, Dashboard
from jqjobs.web.access import VIEW
from jqjobs.web.table import PAGES
from store.queue_system import QueueSystem
from store.web.conftest import Browser

_PAGES = (
    "/", "/queues/q", "/jobs", "/jobs?queue=q", "/jobs?queue=q&state=dead", "/jobs?queue=q&state=ready&name=n",
    "/jobs?queue=q&state=inbox", "/jobs?queue=q&state=rejected", "/errors", "/errors?queue=q", "/running", "/schedules",
    "/batches", "/batches?queue=q", "/limits", "/daemons", "/new", "/find?q=q",
    "/jobs/bulk?queue=q&state=dead&act=retry",
)  # fmt: skip


def dead(system: QueueSystem, *ids: str) -> None:
    system.run(upkeep.add_queues(["q"]))
    for job_id in ids:
        system.add(job_id, fields=("max_attempts", "1"))
        system.round(Kind.FAILED, worker="w")


@pytest.mark.parametrize(
    "url", ["/", "/jobs", "/errors", "/running", "/schedules", "/batches", "/limits", "/daemons", "/new"]
)
def test_where_there_is_nothing_a_page_says_what_to_do(browser: Browser, url: str) -> None:
    assert 'class="empty"' in browser.see(url)


@pytest.mark.parametrize("url", ["/running", "/daemons"])
def test_where_redis_cannot_save_it_is_not_said_that_no_daemon_runs(
    browser: Browser, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_info, "read_infos", lambda *_: {("h", 1): {"rdb_last_bgsave_status": "err"}})
    page = browser.see(url)
    assert "No daemon is heard of: Redis cannot save to its disk" in page
    assert "No daemon is running" not in page


@pytest.mark.parametrize("url", _PAGES)
def test_each_page_shows_a_queue_with_jobs(system: QueueSystem, browser: Browser, url: str) -> None:
    dead(system, "d")
    system.add("r")

    page = browser.see(url)

    assert page.count("<html") == 1
    assert "None" not in re.sub(r"<[^>]*>", "", page)


def test_many_queues_come_a_hundred_at_a_time(system: QueueSystem, browser: Browser) -> None:
    names = [f"q{n:03}" for n in range(150)]
    system.run(upkeep.add_queues(names))
    system.add("waits", queue=names[-1])

    overview, first = browser.see("/"), browser.see("/jobs")
    further = re.search(r'href="([^"]*)" rel="next"', first)
    assert further
    second = browser.see(further[1])

    assert "50 queues that do less" in overview
    assert [page.count('class="row"') for page in (overview, first, second)] == [100, 100, 50]
    assert names[0] not in second


def test_a_dead_job_is_looked_at_and_sent_back(system: QueueSystem, browser: Browser) -> None:
    dead(system, "d")

    assert "Dead" in browser.see("/jobs/q/d")
    assert "q/d is ready again" in browser.press("/jobs/q/d/retry")
    assert "q/d is cancelled" in browser.press("/jobs/q/d/cancel")
    assert "q/d is deleted" in browser.press("/jobs/q/d/delete")
    assert browser.ask("/jobs/q/d").status == 404


def test_many_are_counted_first_and_only_what_was_there_then_is_touched(system: QueueSystem, browser: Browser) -> None:
    dead(system, "a", "b")

    page = browser.see("/jobs/bulk?queue=q&state=dead&act=delete")
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    dead(system, "late")
    told = browser.press("/jobs/bulk", **form)

    assert "Delete 2 jobs?" in page
    assert "2 jobs deleted" in told
    assert browser.ask("/jobs/q/late").status == 200


def test_chosen_jobs_are_acted_on(system: QueueSystem, browser: Browser) -> None:
    dead(system, "a", "b")

    page = browser.press("/jobs/chosen", queue="q", act="retry", id="b", back="/jobs?queue=q&state=dead")

    assert "1 job sent back to ready" in page
    assert "/jobs/q/a" in page
    assert "/jobs/q/b" not in page


def test_a_queue_with_partitions_is_one_queue_in_the_dashboard(system: QueueSystem, browser: Browser) -> None:
    known = run_steps(system.run, repartition("q", 3))
    for place in known.names:
        system.add(f"job-{place[-1]}", queue=place)
    for words in ("job-2", "q/job-2", "q~2/job-2"):
        assert "/jobs/q/job-2" in str(browser.ask(f"/find?q={words}").headers), words
    assert "q~1" in browser.see("/jobs/q/job-1")
    listed = browser.see("/jobs?queue=q&state=ready")
    assert all(f"/jobs/q/job-{place[-1]}" in listed for place in known.names)
    assert "q/job-0 is cancelled" in browser.press("/jobs/q/job-0/cancel")
    browser.press("/queues/q/pause", reason="mend the mails")
    assert all(system.meta("paused", place) for place in known.places)


def test_the_dead_of_several_partitions_are_not_turned_round(system: QueueSystem, browser: Browser) -> None:
    """A number of them says no place: each partition has an order of its own."""
    dead(system, "home")
    for place in run_steps(system.run, repartition("q", 2)).names:
        system.add(f"dead-{place[-1]}", queue=place, fields=("max_attempts", "1"))
        [job] = system.take(place[-1], queues=(place,))
        system.settle(place[-1], job, Kind.FAILED)

    for url in ("/jobs?queue=q&state=dead", "/jobs?queue=q&state=dead&order=latest"):
        page = browser.see(url)
        assert (sorted(re.findall(r'id="job-([\w-]+)"', page)), "turn round" in page) == (
            ["dead-0", "dead-1", "home"],
            False,
        )


def test_a_queue_is_paused_with_a_reason(system: QueueSystem, browser: Browser) -> None:
    system.run(upkeep.add_queues(["q"]))

    page = browser.press("/queues/q/pause", reason="mend the mails", until="in 2h")

    assert "mend the mails" in page
    assert "by maria" in page
    assert "q is resumed" in browser.press("/queues/q/resume")


def test_a_schedule_added_at_run_time_is_shown_paused_and_removed(system: QueueSystem, browser: Browser) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.run(add_schedule("q", "digest:42", '{"job":"n","payload":"{}","cron":"0 8 * * *"}'))
    system.run(plan("q", 60_000, "shop:app", {"nightly": '{"job":"n","payload":"{}","cron":"0 3 * * *"}'}))

    page = browser.see("/schedules")
    assert ("digest:42" in page, page.count(">added<"), page.count("/remove")) == (True, 1, 1)
    assert "q/digest:42 is paused" in browser.press("/schedules/q/digest%3A42/pause")
    assert "q/digest:42 is removed" in browser.press("/schedules/q/digest%3A42/remove")
    assert "digest:42" not in browser.see("/schedules")


def test_who_may_only_look_is_refused_each_act(system: QueueSystem) -> None:
    dead(system, "d")
    dashboard = Dashboard(system.url, auth=lambda _: Access("guest", VIEW))
    acts = {
        "/queues/q/pause": {}, "/queues/q/resume": {}, "/jobs/chosen": {"queue": "q", "act": "retry", "id": "d"},
        "/jobs/bulk": {"queue": "q", "act": "delete", "state": "dead", "until_ms": "9999999999999"},
        **{f"/jobs/q/d/{act}": {} for act in ("retry", "promote", "cancel", "delete", "resolve")},
        **{f"/schedules/q/s/{act}": {} for act in ("pause", "resume", "run", "remove")},
        **{f"/daemons/d/{act}": {} for act in ("quiet", "resume", "reload", "scale", "drain", "stop", "dump")},
        "/batches/q/b/cancel": {}, "/new/q/n": {}, "/new/q/n/schedule": {},
    }  # fmt: skip
    patterns = {route.pattern for route in PAGES if route.method == "POST"}
    covered = {re.sub(r"^/(queues|jobs|schedules|batches|daemons|new)/.*", r"\1", url) for url in acts}

    for url, form in acts.items():
        response = Browser(dashboard).ask(url, form)
        assert response.status in ({403, 404} if url.startswith("/new") else {403}), (url, response.body)
    assert {pattern.split("/")[1] for pattern in patterns} == covered
    dashboard.close()


#: What would act in HTML, in an attribute, in an address, or to the eye.
_HOSTILE = (
    "<script>boom()</script>", "</script><script>boom()</script>", '"><img src=x onerror=boom()>',
    "' onmouseover='boom()", "javascript:boom()", "</pre><svg onload=boom()>", "</textarea><script>boom()</script>",
    "{{ 7 * 7 }}", "{% if x %}",
    "\u202egnp.exe", "\x1b[31mred", "\x00nul", "&lt;b&gt;", "<!--", "]]>", "%3Cscript%3E",
    "</title><script>boom()</script>",
    "<math><mtext><table><mglyph><style><img src=x onerror=boom()>", "<a href=javascript:boom()>x</a>", "\u2028boom()",
)  # fmt: skip
_PLACES = (
    "{}", "a{}", "{}z", " {}", "x\n{}", "{0}{0}", "'{}'", '"{}"', "<{}>", "&{};", "={}", "`{}`", "({})", "[{}]",
    "${{{}}}",
    "data:text/html,{}", "//{}", "\\{}", "\t{}", "#{}", "?{}", "é{}", "{}{{", "}}{}", "<p>{}", "{}\r\n", "0{}",
)  # fmt: skip


def hostile_strings() -> list[str]:
    """Return more than 500 of them."""
    return [place.replace("{0}", text).replace("{}", text) for text in _HOSTILE for place in _PLACES]


class Tags(HTMLParser):
    """Notes what of a page could run: scripts, handlers, addresses that are code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.scripts += tag == "script"
        self.found += [f"<{tag} {name}>" for name in given if name.startswith("on") or name == "style"]
        self.found += [value for name in ("href", "src", "action") if (value := given.get(name) or "")
                       and not value.startswith(("/", "#"))]  # fmt: skip
        self.found += [tag] * (tag in ("img", "math", "iframe", "object", "base"))


def test_nothing_that_comes_out_of_redis_can_act_in_a_page(system: QueueSystem, browser: Browser) -> None:
    strings = hostile_strings()
    assert len(strings) >= 500
    for number, text in enumerate(strings):
        plant(system, number, text)
    addresses = [
        "/", "/errors", "/running", "/queues/q", "/find?q=" + quote(strings[0]), "/new", "/new/q/n",
        "/jobs?queue=q&state=rejected", "/jobs?queue=q&state=inbox", "/batches", "/batches/q/b",
        *(f"/jobs?queue=q&state={state}&name=&error={quote(strings[n])}" for n, state in enumerate(("ready", "dead"))),
        *(f"/jobs/q/j{number}" for number in range(len(strings))),
    ]  # fmt: skip
    page = browser.see("/jobs?queue=q&state=dead")
    while page:
        check(page)
        further = re.search(r'href="([^"]*)" rel="next"', page)
        page = browser.see(further[1].replace("&amp;", "&")) if further else ""

    for address in addresses:
        check(browser.ask(address).body.decode())


def check(page: str) -> None:
    """Fail when a page has anything that could run but its own two scripts."""
    tags = Tags()
    tags.feed(page)
    assert tags.found == []
    assert tags.scripts == 2
    assert "49" not in re.findall(r">\s*(49)\s*<", page)
    assert not set(re.sub("<[^>]*>", "", page)) & {"\u202e", "\x1b", "\x00", "\u2028"}


def plant(system: QueueSystem, number: int, text: str) -> None:
    """Have a dead job whose id is harmless and all else hostile, one with a hostile id, and hostile envelopes."""
    key, raw = system.store.address.key, text.encode()
    wire = system.store.wire
    job = key(f"{{q}}:job:j{number}")
    payload = b'{"kwargs": {"x": "' + raw.replace(b"\\", b"").replace(b'"', b"") + b'"}}'
    history = b'{"attempt": 1, "reason": "failed", "error": "boom", "traceback": "' + raw.replace(b"\\", b"").replace(
        b'"', b"") + b'"}'  # fmt: skip
    fields = (b"name", raw, b"payload", payload, b"error", raw, b"reason", raw, b"key", raw, b"log", raw, b"held", raw,
              b"result", raw, b"progress", raw, b"group", raw, b"suspect", raw,
              b"batch", b"q/" + raw, b"step", 2, b"then", _steps(text))  # fmt: skip
    wire.pipeline([
        ("SADD", key("{~}:queues"), "q", raw), ("HSET", job, *fields), ("RPUSH", f"{job}:history", history, raw),
        ("ZADD", key("{q}:dead"), number + 1, f"j{number}", number + 1, raw), ("HSET", key("{q}:job:") + text, *fields),
        ("LPUSH", key("{q}:inbox"), raw), ("LPUSH", key("{q}:rejected"), b"1 " + raw + b"\n" + raw),
        ("HSET", key("{q}:catalog"), raw, raw, "n", b'{"doc": "' + raw.replace(b'"', b"") + b'"}'),
        ("HSET", key("{q}:errors"), f"f{number}", b"1 1 1 j0 n " + raw),
        ("HSET", key("{q}:meta"), "paused_reason", raw), ("ZADD", key("{q}:batches"), "+inf", "b", "+inf", raw),
        ("HSET", key("{q}:batch:b"), "opened", raw, "on_dead", raw, "then", _steps(text)),
        ("HSET", key("{q}:batch:") + text, "opened", raw), ("SADD", key("{q}:batch:b:dead"), raw, f"q/j{number}"),
    ])  # fmt: skip


def _steps(text: str) -> bytes:
    return written([json.dumps({"job": text, "queue": text}).encode(), json.dumps({"all": [text]}).encode()])


def test_the_dead_are_turned_round_page_by_page_also_while_others_die(system: QueueSystem, browser: Browser) -> None:
    dead(system, *(f"d{n:02}" for n in range(60)))
    address, seen = "/jobs?queue=q&state=dead", []
    [turned] = re.findall(r'href="([^"]+)">turn round<', browser.see(address))
    page = browser.see(turned.replace("&amp;", "&"))
    assert "the last first" in page
    seen += re.findall(r'id="job-(d\d\d)"', page)
    dead(system, "d99")
    [further] = re.findall(r'href="([^"]*)" rel="next"', page)
    page = browser.see(further.replace("&amp;", "&"))
    seen += re.findall(r'id="job-(d\d\d)"', page)

    assert seen == [f"d{n:02}" for n in reversed(range(60))]
    assert 'rel="next"' not in page


def test_the_relay_of_an_outbox_is_shown_with_its_daemon(system: QueueSystem, browser: Browser) -> None:
    said = {"state": "running", "pid": 7, "age_ms": 60_000, "rows": 3, "oldest_ms": 90_000}
    system.run(register("d", 30_000, {"name": "jqd-0", "host": "h", "outbox": json.dumps(said)}, {}))

    page = browser.words("/daemons")

    assert "outbox: relay running, pid 7, up 1m00s, 3 rows waiting, the oldest for 1m30s" in page
    assert "3 rows of the outbox wait, the oldest for 1m30s: the log says why" in page
