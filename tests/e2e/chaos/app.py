"""The app whose jobs leave traces outside Redis. Loaded by the workers of a test, and by the test as a producer."""

from __future__ import annotations

import hashlib
import random
import time
import zlib

from e2e.chaos.ledger import record
from jqjobs import App

#: Every job of these tests goes here.
QUEUE = "chaos"
#: Crashes are what these tests are about; no job may die of them.
MAX_CRASHES = 100_000


def build(redis_url: str | None = None) -> App:
    """Return the app; a test that produces jobs says where, workers take it from their environment."""
    built = App(redis_url=redis_url)
    built.job(name="press", queue=QUEUE, keep="1h", max_crashes=MAX_CRASHES, timeout="5m")(press)
    built.job(name="linger", queue=QUEUE, keep="1h", max_crashes=MAX_CRASHES, timeout="5m")(linger)
    return built


def press(rounds: int, seed: int) -> str:
    """Compress some text; ``rounds`` of about 2 ms of work each, after as much to make it."""
    record("begin")
    chunk = " ".join(map(str, random.Random(seed).choices(range(10_000), k=4_000))).encode()
    digest = hashlib.sha256()
    for _ in range(rounds):
        digest.update(zlib.compress(chunk, 6))
    return digest.hexdigest()


def linger(seconds: float) -> None:
    """Take a known time."""
    record("begin")
    time.sleep(seconds)
    record("end")


app = build()
