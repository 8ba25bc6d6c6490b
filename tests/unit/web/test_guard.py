"""Which requests pass: from this site and no other, under a name of this host, by who may."""

from __future__ import annotations

import pytest

from jqjobs.errors import ConfigError
from jqjobs.web import Access, Dashboard, Request, Right, everybody
from jqjobs.web.guard import HEADERS, is_our_own

NOWHERE = "redis://127.0.0.1:1/0"


def post(**headers: str) -> Request:
    return Request(
        "POST", "/api/v1/queues/q/pause", headers={name.replace("_", "-"): value for name, value in headers.items()},
        host="ops.example.org:8390",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({"sec_fetch_site": "cross-site", "origin": "http://ops.example.org:8390"}, False),
        ({"sec_fetch_site": "cross-site", "authorization": "Bearer x"}, False),
        ({"origin": "http://ops.example.org:8390"}, True),
        ({"origin": "https://ops.example.org:8390"}, False),
        ({"origin": "http://ops.example.org"}, False),
        ({"origin": "http://ops.example.org:8390.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://evil.example", "authorization": "Bearer x"}, False),
        ({"referer": "http://ops.example.org:8390/queues/q?said=x"}, True),
        ({"referer": "http://evil.example/?http://ops.example.org:8390/"}, False),
        ({"origin": "http://evil.example", "referer": "http://ops.example.org:8390/"}, False),
        ({"authorization": "Bearer x"}, True),
        ({"authorization": "Basic eDp5"}, False),
        ({}, False),
    ],
)
def test_a_request_that_changes_something_comes_from_here(headers: dict[str, str], passes: bool) -> None:
    assert is_our_own(post(**headers)) is passes


def test_behind_a_proxy_the_site_is_what_browsers_see() -> None:
    request = post(origin="https://ops.example.org")

    assert not is_our_own(request)
    assert is_our_own(request, ["https://ops.example.org"])


def test_whoever_only_looks_may_come_from_anywhere() -> None:
    assert is_our_own(Request("GET", "/", headers={"sec-fetch-site": "cross-site"}))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8390", 404), ("127.0.0.1", 404), ("[::1]:8390", 404), ("jobs.localhost", 404),
        ("ops.internal:8390", 404), ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("", 421), ("[", 421),
    ],
)  # fmt: skip
def test_on_the_loopback_another_name_is_somebody_elses_trick(host: str, status: int) -> None:
    dashboard = Dashboard(NOWHERE, auth=everybody, hosts=["ops.internal"])

    assert dashboard.handle(Request("GET", "/no-such-page", host=host)).status == status


def test_without_anybody_who_says_who_may_come_in_there_is_no_dashboard() -> None:
    with pytest.raises(ConfigError, match="nobody says who may use"):
        Dashboard(NOWHERE)


def test_who_is_nobody_sees_nothing() -> None:
    dashboard = Dashboard(NOWHERE, auth=lambda _: None)

    assert {dashboard.handle(Request("GET", path)).status for path in ("/", "/api/v1/status", "/metrics")} == {403}


def test_a_check_that_breaks_lets_nobody_in() -> None:
    def broken(request: Request) -> Access:
        raise RuntimeError("the directory of users is away")

    response = Dashboard(NOWHERE, auth=broken).handle(Request("GET", "/"))

    assert response.status == 500
    assert b"directory" not in response.body


ACTS = (
    "/api/v1/jobs", "/api/v1/bulk", "/api/v1/queues/q/pause", "/api/v1/queues/q/resume", "/api/v1/schedules/q/s/run",
    "/api/v1/schedules/q/s/pause", "/api/v1/daemons/d/stop", "/api/v1/jobs/q/1/retry", "/api/v1/jobs/q/1/cancel",
    "/api/v1/jobs/q/1/promote", "/api/v1/jobs/q/1/delete", "/api/v1/jobs/q/1/resolve",
    "/api/v1/batches", "/api/v1/batches/q/b/close", "/api/v1/batches/q/b/cancel",
)  # fmt: skip


@pytest.mark.parametrize("path", ACTS)
@pytest.mark.parametrize("read_only", [True, False])
def test_who_may_only_look_can_do_nothing(path: str, read_only: bool) -> None:
    rights = frozenset(Right) if read_only else frozenset({Right.READ})
    dashboard = Dashboard(NOWHERE, auth=lambda _: Access("ann", rights), read_only=read_only)
    body = b'{"queue": "q", "act": "delete", "state": "dead"}' if path.endswith("bulk") else b'{"name": "n"}'

    response = dashboard.handle(Request("POST", path, headers={"sec-fetch-site": "same-origin"}, body=body))

    assert (response.status, b"not_allowed" in response.body) == (403, True)


@pytest.mark.parametrize("path", ["/", "/no-such-page", "/api/v1/status", "/static/no.css"])
def test_every_response_says_what_a_browser_may_do_with_it(path: str) -> None:
    response = Dashboard(NOWHERE, auth=everybody).handle(Request("GET", path))

    assert HEADERS.items() <= dict(response.headers).items()


def test_where_redis_is_away_a_page_says_what_to_do() -> None:
    response = Dashboard(NOWHERE, auth=everybody).handle(Request("GET", "/"))

    assert response.status == 503
    assert b"as soon as Redis does" in response.body
    assert ("Retry-After", "5") in response.headers


def test_what_a_link_says_that_we_did_is_not_shown() -> None:
    dashboard = Dashboard(NOWHERE, auth=everybody)
    made_up = {"said": ["all is deleted, call 555"], "seal": ["0" * 16]}

    assert b"call 555" not in dashboard.handle(Request("GET", "/no-such-page", made_up)).body


def test_another_method_is_refused_with_those_that_there_are() -> None:
    response = Dashboard(NOWHERE, auth=everybody).handle(
        Request("DELETE", "/api/v1/jobs", headers={"sec-fetch-site": "same-origin"})
    )

    assert (response.status, dict(response.headers)["Allow"]) == (405, "GET, POST")
