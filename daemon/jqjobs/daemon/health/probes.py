"""Whether this daemon lives, and whether it can take jobs: for probes, by HTTP (``--health HOST:PORT``).

Owns the judgement and its JSON. The facts come from the main loop and the lease thread, which only leave them
for this one: so a main loop that hangs is still said to hang. Wired by `daemon.main` where ``--health`` is given.

    /livez    our loops turn; says nothing of Redis, since a restart would not mend that
    /readyz   the same, and Redis answers, a worker is ready, and the daemon's state lets it take jobs
    /metrics  the same facts for Prometheus, see `own_metrics`
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from jqjobs.base import log
from jqjobs.base.exposition import MEDIA_TYPE, Family, exposition
from jqjobs.base.listening import listen, name_of, remove_path
from jqjobs.daemon.health.http_server import Answer, Endpoint

#: The main loop turns four times a second; what it waits for at most is Redis, at its end, 3 s.
MAIN_LOOP_LIMIT_S = 10.0
#: The lease thread turns at least every few seconds; half a lease is lost beyond this, whichever is longer.
LEASE_LOOP_LIMIT_S = 15.0
#: While Redis is away it is waited for at more than one step of a turn, and a restart would not mend that.
AWAY_LIMIT_S = 60.0
#: States in which jobs are taken. While a reload goes on the old workers do.
_TAKING = ("running", "reloading")
STATES = (
    "starting", "running", "quiet", "reloading", "waiting_memory", "waiting_redis", "draining", "stopping"
)  # fmt: skip

_READY = Family("jqjobs_daemon_workers_ready", "gauge", "Workers that take jobs.")
_WANTED = Family("jqjobs_daemon_workers_wanted", "gauge", "Workers that this daemon wants.")
_REDIS_UP = Family("jqjobs_daemon_redis_up", "gauge", "1 while Redis answers.")
_MAIN_LOOP_AGE = Family("jqjobs_daemon_main_loop_age_seconds", "gauge", "Since the main loop last turned.")
_LEASE_LOOP_AGE = Family("jqjobs_daemon_lease_loop_age_seconds", "gauge", "Since the lease thread last turned.")
_STATE = Family("jqjobs_daemon_state", "gauge", "1 for the state that the daemon is in.", ("state",))
#: All of them, in the order in which they are told.
FAMILIES = (_READY, _WANTED, _REDIS_UP, _MAIN_LOOP_AGE, _LEASE_LOOP_AGE, _STATE)

Checks = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """What is known at a moment. Ages: seconds since a loop last turned. ``redis_error`` empty: it answers."""

    main_loop_age_s: float
    lease_loop_age_s: float
    redis_error: str
    ready: int
    wanted: int
    state: str
    note: str
    lease_s: float = 30.0


def judge(facts: HealthFacts) -> tuple[bool, bool, Checks]:
    """Return whether the daemon lives, whether it can take jobs, and each check by name.

    One ready worker will do: while another is being replaced jobs are taken all the same.
    """
    lease_limit_s = max(AWAY_LIMIT_S if facts.redis_error else LEASE_LOOP_LIMIT_S, facts.lease_s / 2)
    checks: Checks = {
        "main_loop": _loop(facts.main_loop_age_s, MAIN_LOOP_LIMIT_S),
        "lease_loop": _loop(facts.lease_loop_age_s, lease_limit_s),
        "redis": {"ok": not facts.redis_error, "error": facts.redis_error},
        "workers": {"ok": facts.ready > 0, "ready": facts.ready, "wanted": facts.wanted},
    }
    is_live = bool(checks["main_loop"]["ok"] and checks["lease_loop"]["ok"])
    is_ready = all(check["ok"] for check in checks.values()) and facts.state in _TAKING
    return is_live, is_ready, checks


def _loop(age_s: float, limit_s: float) -> dict[str, object]:
    return {"ok": age_s <= limit_s, "age_s": round(age_s, 1), "limit_s": limit_s}


def report(path: str, facts: HealthFacts) -> Answer | None:
    """Return what is said of ``/livez``, ``/readyz`` or ``/metrics``, None for any other path."""
    if path == "/metrics":
        return Answer(200, own_metrics(facts), MEDIA_TYPE)
    is_live, is_ready, checks = judge(facts)
    verdicts = {"/livez": is_live, "/readyz": is_ready}
    if path not in verdicts:
        return None
    body = {"v": 1, "ok": verdicts[path], "checks": checks, "state": facts.state, "note": facts.note}
    return Answer(200 if verdicts[path] else 503, json.dumps(body))


def own_metrics(facts: HealthFacts) -> str:
    """Return the facts for Prometheus: of this daemon only, under names of their own, so they can be added up."""
    return exposition([
        _READY.alone(facts.ready), _WANTED.alone(facts.wanted), _REDIS_UP.alone(int(not facts.redis_error)),
        _MAIN_LOOP_AGE.alone(facts.main_loop_age_s), _LEASE_LOOP_AGE.alone(facts.lease_loop_age_s),
        _STATE.of([((state,), int(state == facts.state)) for state in STATES]),
    ]).rstrip("\n")  # fmt: skip


class HealthServer:
    """Listens from its making on, answers from `start` to `close`."""

    def __init__(self, address: str, facts: Callable[[], HealthFacts]) -> None:
        """``address``: as `listen` has it. ``facts`` is called by another thread, and must not wait for anything.

        Raises: ConfigError when nobody can listen there.
        """
        listener = listen(address)
        self.address = name_of(listener)
        self._endpoint = Endpoint(listener, lambda path: report(path, facts()))

    def start(self) -> None:
        """Begin to answer."""
        log.event("health.listening", address=self.address)
        self._endpoint.start()

    def close(self) -> None:
        """Stop answering and listening."""
        remove_path(self.address)
        self._endpoint.close()
