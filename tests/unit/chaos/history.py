"""Histories made by hand: transactions as the scripts of jqjobs write them, for the checker to judge."""

from __future__ import annotations

import json
from collections.abc import Collection

from chaos.aof import Command, Transaction
from chaos.invariants import Evidence, Violation
from chaos.judge import replay, rules
from chaos.lives import Lives

START_MS = 1_767_225_600_000
W1, W2 = "host:1:aa", "host:2:bb"


def key(rest: str) -> str:
    return f"jq:{{q}}:{rest}"


class History:
    """One queue, `q`, and what happens in it, one transaction a call; a moment lasts 10 ms."""

    def __init__(self) -> None:
        self.log: list[Transaction] = []
        self.now_ms = START_MS
        self.done = 0

    def do(self, *commands: Command) -> History:
        """Add one transaction, after the time has been written into the log."""
        self.now_ms += 10
        self.log += [[("SET", "chaos:clock", f"{self.now_ms} {self.now_ms}")], list(commands)]
        return self

    def wait(self, ms: int) -> History:
        self.now_ms += ms
        return self

    def enqueue(self, job_id: str, name: str = "plain", *fields: str) -> History:
        record = ("HSET", key(f"job:{job_id}"), "name", name, "payload", "{}", "enqueued", str(self.now_ms), *fields)
        return self.do(record, ("ZADD", key("ready"), str(len(self.log)), job_id))

    def take(self, job_id: str, worker: str = W1, attempt: int = 1, place: str = "ready") -> History:
        return self.do(
            ("SET", key(f"trip:{worker}"), f"{len(self.log)} {self.now_ms + 10}", "KEEPTTL"),
            ("ZADD", key(f"active:{worker}"), "1", f"{job_id} {attempt}"),
            ("ZREM", key(place), job_id),
        )

    def succeed(self, job_id: str, worker: str = W1, attempt: int = 1) -> History:
        self.done += 1
        return self.do(self.leaving(job_id, worker, attempt), self.counting(), ("DEL", key(f"job:{job_id}")))

    def keep(self, job_id: str, worker: str = W1, attempt: int = 1) -> History:
        self.done += 1
        return self.do(
            self.leaving(job_id, worker, attempt),
            self.counting(),
            ("HSET", key(f"job:{job_id}"), "finished", "1", "result", "1"),
            ("ZADD", key("kept"), str(self.now_ms + 1000), job_id),
        )

    def die(self, job_id: str, reason: str, worker: str = W1, attempt: int = 1) -> History:
        return self.do(
            self.leaving(job_id, worker, attempt),
            ("HSET", key(f"job:{job_id}"), "reason", reason, "finished", "1"),
            ("ZADD", key("dead"), str(self.now_ms), job_id),
        )

    def crash(self, job_id: str, worker: str = W1, attempt: int = 1) -> History:
        line = json.dumps({"reason": "crashed", "worker": worker, "error": "killed"})
        return self.do(
            self.leaving(job_id, worker, attempt),
            ("HINCRBY", key(f"job:{job_id}"), "crashes", "1"),
            ("RPUSH", key(f"job:{job_id}:history"), line),
            ("ZADD", key("ready"), "1", job_id),
        )

    def leaving(self, job_id: str, worker: str, attempt: int) -> Command:
        return ("ZREM", key(f"active:{worker}"), f"{job_id} {attempt}")

    def counting(self) -> Command:
        return ("HINCRBY", key("meta"), "done", "1")

    def succeed_fast(self, job_id: str) -> History:
        """As in a fast trip: it is counted apart."""
        self.do(self.leaving(job_id, W1, 1), ("HINCRBY", key("meta"), "uncounted", "1"), ("DEL", key(f"job:{job_id}")))
        return self

    def count_apart(self, count: int) -> History:
        """What was counted apart is, so they say, so many."""
        return self.do(("HDEL", key("meta"), "uncounted"), ("HINCRBY", key("meta"), "done", str(count)))

    def violations(self, evidence: Evidence | None = None, without: Collection[str] = ()) -> list[Violation]:
        """Replay it and return what the rules say."""
        lives = Lives()
        return replay(self.log, lives, rules(lives, evidence or Evidence(), without))[1]

    def tags(self, evidence: Evidence | None = None) -> set[str]:
        return {violation.tag for violation in self.violations(evidence)}

    def replayed(self) -> Lives:
        """Return what is left of it at its end."""
        lives = Lives()
        replay(self.log, lives, [])
        return lives
