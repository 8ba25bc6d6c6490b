"""What /livez and /readyz say: judged from facts, and asked for through a real socket."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jqjobs.daemon.health.probes import (
    AWAY_LIMIT_S,
    LEASE_LOOP_LIMIT_S,
    MAIN_LOOP_LIMIT_S,
    STATES,
    HealthFacts,
    HealthServer,
    judge,
    report,
)
from jqjobs.errors import ConfigError
from unit.docs.pages import PROTOCOL, section

FINE = HealthFacts(
    main_loop_age_s=0.12, lease_loop_age_s=1.0, redis_error="", ready=2, wanted=2, state="running", note=""
)


def verdict(**changes: Any) -> tuple[bool, bool]:
    is_live, is_ready, _ = judge(replace(FINE, **changes))
    return is_live, is_ready


def failed(**changes: Any) -> list[str]:
    return [name for name, check in judge(replace(FINE, **changes))[2].items() if not check["ok"]]


def test_a_daemon_that_works_is_live_and_ready() -> None:
    assert verdict() == (True, True)
    assert failed() == []


@pytest.mark.parametrize("error", ["Redis at redis://db:6379/0 cannot be reached: no answer in time"])
def test_redis_away_fails_readiness_and_never_liveness(error: str) -> None:
    assert verdict(redis_error=error, state="waiting_redis") == (True, False)
    assert failed(redis_error=error) == ["redis"]


def test_a_main_loop_that_hangs_fails_both() -> None:
    assert verdict(main_loop_age_s=MAIN_LOOP_LIMIT_S) == (True, True)
    assert verdict(main_loop_age_s=MAIN_LOOP_LIMIT_S + 1) == (False, False)
    assert failed(main_loop_age_s=MAIN_LOOP_LIMIT_S + 1) == ["main_loop"]


def test_a_lease_loop_that_hangs_fails_both_and_a_long_lease_gives_it_longer() -> None:
    assert verdict(lease_loop_age_s=LEASE_LOOP_LIMIT_S) == (True, True)
    assert verdict(lease_loop_age_s=LEASE_LOOP_LIMIT_S + 1) == (False, False)
    assert failed(lease_loop_age_s=LEASE_LOOP_LIMIT_S + 1) == ["lease_loop"]
    assert verdict(lease_loop_age_s=59.0, lease_s=120.0) == (True, True)
    assert verdict(lease_loop_age_s=61.0, lease_s=120.0) == (False, False)


def test_a_lease_loop_that_stands_in_a_look_up_of_redis_is_not_taken_for_dead() -> None:
    assert verdict(lease_loop_age_s=AWAY_LIMIT_S - 1, redis_error="no such host") == (True, False)
    assert verdict(lease_loop_age_s=AWAY_LIMIT_S + 1, redis_error="no such host") == (False, False)


def test_one_ready_worker_will_do() -> None:
    assert verdict(ready=1, wanted=4) == (True, True)
    assert verdict(ready=0, wanted=4) == (True, False)
    assert failed(ready=0) == ["workers"]


@pytest.mark.parametrize(
    ("state", "is_ready"),
    [
        ("running", True), ("reloading", True), ("starting", False), ("quiet", False), ("waiting_memory", False),
        ("waiting_redis", False), ("draining", False), ("stopping", False), ("a later one", False),
    ],
)  # fmt: skip
def test_only_a_state_in_which_jobs_are_taken_is_ready(state: str, is_ready: bool) -> None:
    assert verdict(state=state) == (True, is_ready)


class Probe:
    """A health server on a port of its own, with facts that a test changes, and a client."""

    def __init__(self) -> None:
        self.facts = FINE
        self.server = HealthServer("127.0.0.1:0", lambda: self.facts)
        self.server.start()

    def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        host, _, port = self.server.address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()


@pytest.fixture
def probe() -> Iterator[Probe]:
    made = Probe()
    yield made
    made.server.close()


def test_the_body_says_what_was_checked(probe: Probe) -> None:
    assert probe.ask("/readyz") == (200, {
        "v": 1, "ok": True, "state": "running", "note": "",
        "checks": {
            "main_loop": {"ok": True, "age_s": 0.1, "limit_s": 10.0},
            "lease_loop": {"ok": True, "age_s": 1.0, "limit_s": 15.0},
            "redis": {"ok": True, "error": ""},
            "workers": {"ok": True, "ready": 2, "wanted": 2},
        },
    })  # fmt: skip


def test_livez_is_200_and_readyz_503_while_redis_is_away(probe: Probe) -> None:
    probe.facts = replace(FINE, redis_error="no answer", state="waiting_redis", note="no answer")
    assert probe.ask("/livez")[0] == 200
    status, body = probe.ask("/readyz")
    assert (status, body["ok"], body["state"], body["note"]) == (503, False, "waiting_redis", "no answer")
    assert body["checks"]["redis"] == {"ok": False, "error": "no answer"}


def test_a_main_loop_that_hangs_is_still_told(probe: Probe) -> None:
    probe.facts = replace(FINE, main_loop_age_s=3600.0)
    status, body = probe.ask("/livez")
    assert (status, body["ok"]) == (503, False)
    assert body["checks"]["main_loop"] == {"ok": False, "age_s": 3600.0, "limit_s": 10.0}


def test_a_quiet_daemon_is_live_not_ready_and_says_why(probe: Probe) -> None:
    probe.facts = replace(FINE, state="quiet")
    assert probe.ask("/livez")[0] == 200
    status, body = probe.ask("/readyz")
    assert (status, body["state"]) == (503, "quiet")


@pytest.mark.parametrize("path", ["/", "/livez/", "/healthz", "/LIVEZ", "//livez"])
def test_there_is_nothing_else(probe: Probe, path: str) -> None:
    assert probe.ask(path)[0] == 404


def test_head_answers_the_status_alone(probe: Probe) -> None:
    assert probe.ask("/livez", "HEAD") == (200, None)
    probe.facts = replace(FINE, ready=0)
    assert probe.ask("/readyz", "HEAD") == (503, None)


def test_text_from_outside_cannot_break_the_body(probe: Probe) -> None:
    note = 'a "quoted"\r\nline \x1b[31m\u202e\ud800'
    probe.facts = replace(FINE, note=note)
    assert probe.ask("/readyz")[1]["note"] == note


def test_an_address_that_is_taken_is_a_configuration_error_that_says_so(probe: Probe) -> None:
    with pytest.raises(ConfigError, match="Address already in use") as raised:
        HealthServer(probe.server.address, lambda: FINE)
    assert probe.server.address in raised.value.in_one_line()
    assert "needs an address of its own" in raised.value.hint


def test_a_closed_server_gives_its_address_free() -> None:
    first = HealthServer("127.0.0.1:0", lambda: FINE)
    first.start()
    first.close()
    second = HealthServer(first.address, lambda: FINE)
    assert second.address == first.address
    second.close()
    second.close()  # twice does no harm


def test_metrics_are_of_this_daemon_and_read_by_prometheus() -> None:
    answer = report("/metrics", replace(FINE, state="quiet", redis_error="no answer", ready=1))
    assert answer is not None
    assert (answer.status, answer.media_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    families = list(text_string_to_metric_families(f"{answer.body}\n"))
    found = {one.name: one.value for family in families for one in family.samples if not one.labels}
    assert found == {
        "jqjobs_daemon_workers_ready": 1, "jqjobs_daemon_workers_wanted": 2, "jqjobs_daemon_redis_up": 0,
        "jqjobs_daemon_main_loop_age_seconds": 0.12, "jqjobs_daemon_lease_loop_age_seconds": 1.0,
    }  # fmt: skip
    [states] = [family for family in families if family.name == "jqjobs_daemon_state"]
    assert [one.labels["state"] for one in states.samples if one.value] == ["quiet"]


def test_the_states_are_those_of_the_registry() -> None:
    assert set(STATES) == set(
        re.findall(r"\w+", section(PROTOCOL, "Registry").partition("`state` (")[2].partition(")")[0])
    )
