"""The dashboard in a real browser, beside a real daemon: one of each for all tests, since they take long to start."""

from __future__ import annotations

import gzip
import json
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from e2e.daemon import Site
from jqjobs.jobs.records import State
from jqjobs.web import Dashboard, everybody
from servers import must_not_skip, start

AXE = Path(__file__).parent / "vendor/axe-core-4.14.1.min.js"
APP = """
import enum
import time

from jqjobs import App

app = App()

class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"

@app.job(queue="shop", keep="1h")
def resize(path: str, width: int, size: Size = Size.SMALL, exact: bool = False) -> str:
    return f"{path} {width} {size.value} {exact}"

@app.job(queue="shop", max_attempts=1)
def fail(words: str) -> None:
    raise ValueError(words)

@app.job(queue="shop", keep="1h")
def linger() -> None:
    for _ in range(600):
        time.sleep(0.1)
"""
pytestmark = pytest.mark.xdist_group("dashboard")
#: In the dark nothing is different but colours. Only what is wrong is looked into: the rest takes three times as long.
LOOKS = {
    "light": "axe.run({resultTypes: ['violations']})",
    "dark": "axe.run({resultTypes: ['violations'], runOnly: ['color-contrast']})",
}
PAGES = ("/", "/queues/shop", "/jobs", "/jobs?queue=shop&state=dead", "/errors", "/running", "/schedules", "/batches",
         "/batches/shop/axe", "/limits", "/daemons", "/new", "/new/shop/resize",
         "/new/shop/resize/schedule", "/find?q=nothing")  # fmt: skip


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; its pages may take a while on a busy machine."""
    found = shutil.which("chromium")
    if not found and not must_not_skip():
        pytest.skip("there is no chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a daemon that serves `shop`."""
    server = start("valkey")
    made = Site(server, tmp_path_factory.mktemp("shop"))
    made.start_daemon("--app", made.write_app("shop_jobs", APP), "--queues", "shop")
    yield made
    made.close()
    server.stop()
    assert not made.defects()


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    """Where the dashboard of the site is."""
    dashboard = Dashboard(site.server.url, auth=everybody)
    server = make_server("127.0.0.1", 0, dashboard.wsgi, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    dashboard.close()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_job_is_dispatched_by_a_form_and_seen_to_finish(chromium: Any, address: str, javascript: bool) -> None:
    page = chromium.new_page(java_script_enabled=javascript)
    page.set_default_timeout(30_000)

    page.goto(f"{address}/new")
    page.get_by_role("link", name="resize").click()
    page.get_by_label("path").fill("a.png")
    page.get_by_label("width").fill("300")
    page.get_by_label("size").select_option("large")
    page.get_by_label("Priority").fill("7")
    page.get_by_label("Delay").fill("1s")
    page.get_by_role("button", name="Enqueue").click()

    assert "resize is enqueued" in page.get_by_role("status").inner_text()
    looks = 0
    while "a.png 300 large False" not in page.content():
        looks += 1
        assert looks < 60
        page.wait_for_timeout(500)
        if not javascript:  # with it, the page keeps itself up to date
            page.reload()
    page.close()


def test_what_a_job_says_of_itself_never_runs(chromium: Any, address: str, site: Site) -> None:
    said: list[str] = []
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    job = site.send("fail", "<img src=x onerror=alert(1)><script>alert(2)</script>", queue="shop")
    while "onerror" not in page.content():
        page.goto(f"{address}/jobs?queue=shop&state=dead")
        page.wait_for_timeout(300)
    for url in ("/", "/errors", f"/jobs/shop/{job.id}"):
        page.goto(f"{address}{url}")
        page.wait_for_timeout(100)

    assert said == []
    assert page.locator("main img, main script").count() == 0
    page.close()


def test_a_list_that_keeps_itself_up_to_date_keeps_the_box_of_its_job(chromium: Any, address: str, site: Site) -> None:
    jobs = [site.send("fail", "x", queue="shop") for _ in range(3)]
    for job in jobs:
        site.wait_for(job, State.DEAD)
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{address}/jobs?queue=shop&state=dead")
    page.locator(f"#choose-{jobs[1].id}").check()
    for job in (jobs[0], jobs[2]):
        job.delete()
        page.wait_for_selector(f"#job-{job.id}", state="detached")

    chosen = page.locator("input[name=id]:checked").evaluate_all("boxes => boxes.map(box => box.value)")
    assert chosen == [jobs[1].id]
    assert page.locator("[data-live] [data-live]").count() == 0
    page.close()


def open_batch(site: Site, batch_id: str, *jobs: dict[str, Any]) -> None:
    """Open a batch of these jobs and close it, as a program in any language does."""
    ref = f"shop/{batch_id}"
    then = [json.dumps({"job": "resize", "args": [batch_id, 1]})]
    members = [{**job, "batch": ref} for job in jobs]
    for envelope in ({"open": ref, "then": then}, *members, {"close": ref, "count": len(jobs)}):
        site.server.call("LPUSH", "jq:{shop}:inbox", json.dumps(envelope))


def test_a_batch_is_watched_and_cancelled_in_the_browser(chromium: Any, address: str, site: Site) -> None:
    open_batch(site, "night", {"job": "fail", "args": ["no"]}, {"job": "linger"}, {"job": "linger"})
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{address}/batches")
    page.wait_for_selector("tr:has-text('night') >> text=waits for 2 members")  # it keeps itself up to date
    page.get_by_role("link", name="night").click()
    page.wait_for_selector("text=no")
    assert page.get_by_role("button", name="Retry", exact=True).count() == 1
    page.get_by_role("button", name="Cancel").click()

    assert "batch shop/night is cancelled" in page.get_by_role("status").inner_text()
    page.wait_for_selector("h2:has-text('Dead') >> text=3")
    assert "cancelled" in page.locator("dl.facts").inner_text()
    page.close()


def test_no_page_is_hard_to_use(chromium: Any, address: str, site: Site) -> None:
    site.wait_for(site.send("fail", "x" * 300, queue="shop"), State.DEAD)
    open_batch(site, "axe", {"job": "fail", "args": ["x" * 300]}, {"job": "resize", "args": ["a.png", 3]})
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    for url in PAGES:
        page.goto(f"{address}{url}")
        page.evaluate(AXE.read_text())
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (url, width)
            for scheme, look in LOOKS.items():
                page.emulate_media(color_scheme=scheme)
                found = page.evaluate(look)["violations"]
                serious = [(each["id"], each["nodes"][0]["html"]) for each in found
                           if each["impact"] in ("serious", "critical")]  # fmt: skip
                assert serious == [], (url, scheme, width)
    page.close()


def test_the_first_page_is_small_and_asks_nobody_else(chromium: Any, address: str) -> None:
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(address)
    page.wait_for_selector("label:has([data-refresh]):visible")

    assert {answer.url.rpartition(".")[2] for answer in answers} >= {"css", "js"}
    assert all(answer.url.startswith(address) for answer in answers)
    assert sum(len(gzip.compress(answer.body())) for answer in answers) <= 60_000
    page.close()


def test_on_a_phone_the_page_that_is_open_is_seen_among_the_others(chromium: Any, address: str) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(30_000)
    page.goto(f"{address}/daemons")
    page.wait_for_selector("label:has([data-refresh]):visible")

    place = page.locator("nav [aria-current]").bounding_box()
    assert 0 <= place["x"] <= 391 - place["width"]  # scrolling goes by whole pixels
    page.close()


def test_keys_lead_to_search_rows_and_help(chromium: Any, address: str, site: Site) -> None:
    jobs = [site.send("fail", "x", queue="shop") for _ in range(2)]
    for job in jobs:
        site.wait_for(job, State.DEAD)
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{address}/jobs?queue=shop&state=dead")
    rows = page.locator("main tbody a.row")

    page.keyboard.press("j")
    page.keyboard.press("j")
    assert rows.nth(1).evaluate("row => row === document.activeElement")
    page.keyboard.press("k")
    assert rows.nth(0).evaluate("row => row === document.activeElement")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("?")
    assert not page.get_by_role("dialog").is_visible()
    page.keyboard.press("/")
    page.keyboard.type("j/k?")
    assert page.get_by_role("searchbox").input_value() == "j/k?"
    page.get_by_role("searchbox").fill(jobs[0].id)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/shop/{jobs[0].id}")
    page.close()


def test_a_queue_is_run_from_the_browser_alone(chromium: Any, address: str, site: Site) -> None:
    later = site.send_many([("fail", n) for n in range(60)], queue="shop", delay="1h")
    page = chromium.new_page()
    page.set_default_timeout(30_000)

    page.goto(f"{address}/jobs?queue=shop&state=scheduled")
    first_page = page.locator("main tbody a.row").count()
    page.get_by_role("link", name="Next page").click()
    page.wait_for_selector("text=From the start")
    assert (first_page, page.locator("main tbody a.row").count()) == (50, 10)

    page.locator("main tbody a.row").last.click()
    page.get_by_role("button", name="Cancel").click()
    assert "is cancelled" in page.get_by_role("status").inner_text()

    page.goto(f"{address}/new/shop/linger")
    page.get_by_role("button", name="Enqueue").click()
    running = page.url.partition("?")[0].rpartition("/")[2]
    page.goto(f"{address}/running")
    page.locator("tr", has_text="linger").get_by_role("button", name="Cancel").click()
    assert "is being cancelled" in page.get_by_role("status").inner_text()
    page.goto(f"{address}/jobs/shop/{running}")
    page.wait_for_selector(".wrong >> text=Dead")

    told = json.loads(urllib.request.urlopen(f"{address}/api/v1/jobs/shop/{running}", timeout=30).read())["job"]
    assert (told["state"], told["reason"]) == ("dead", "cancelled")
    for job in later:
        job.delete()
    page.close()
