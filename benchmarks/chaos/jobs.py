"""The app of a campaign: one job for each feature. Loaded by workers, and by the run as a producer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time

from chaos.kinds import SCHEDULES
from chaos.traces import record_begin, record_token
from jqjobs import App, Concurrency, Discard, RateLimit, current_job, wait_async

QUICK, SLOW, LIMITED = "quick", "slow", "limited"
#: A success that is kept: longer than a producer goes on sending it again, short enough that retention is seen.
KEEP = "20s"
_PATIENT = 10_000


def build(redis_url: str | None = None) -> App:
    """Return the app; a producer says where, workers take that from their environment."""
    app = App(redis_url=redis_url)
    for function in (plain, coroutine, discarded, pill, keyed, keyed_queued, expiring):
        app.job(queue=QUICK)(function)
    app.job(queue=QUICK, keep=KEEP)(answer)
    app.job(queue=QUICK, max_attempts=_PATIENT, backoff="200ms")(flaky)
    app.job(queue=QUICK, max_attempts=3, backoff="200ms")(failing)
    app.job(queue=QUICK, max_attempts=1)(keyed_stored)
    app.job(queue=SLOW)(long)
    app.job(queue=SLOW)(doomed)
    app.job(queue=SLOW, max_attempts=2, backoff="200ms", timeout="1s")(stubborn)
    app.job(queue=SLOW, max_attempts=_PATIENT, backoff="200ms")(handed_over)
    app.job(queue=LIMITED, rate_limit=RateLimit(5, seconds=1))(paced)
    app.job(queue=LIMITED, concurrency=Concurrency(3))(guarded)
    of_tenant, at_tenant = RateLimit(3, seconds=2, key="of:{number}"), Concurrency(2, key="at:{number}")
    app.job(queue=LIMITED, rate_limit=of_tenant, concurrency=at_tenant)(tenant)
    app.job(queue=LIMITED, rate_limit=RateLimit(1, seconds=1), max_throttles=5)(impatient)
    for function, overlap in ((ticking, True), (alone, False)):
        every = SCHEDULES[function.__name__] / 1000
        app.periodic(every=every, missed="all", catch_up="1h", overlap=overlap, queue=QUICK)(function)
    return app


def _chance() -> random.Random:
    """Return what makes this attempt do the same whenever and wherever it runs."""
    job = current_job()
    assert job is not None
    return random.Random(f"{job.id} {job.failures}")


def plain() -> None:
    """Take a few ms."""
    record_begin()
    time.sleep(0.005)


def answer(number: int) -> int:
    """Return what it was given."""
    record_begin()
    return number


async def coroutine() -> None:
    """Wait on the event loop."""
    record_begin()
    await asyncio.sleep(_chance().uniform(0.01, 2))


def long() -> None:
    """Run for seconds."""
    record_begin()
    time.sleep(_chance().uniform(3, 12))


def flaky() -> None:
    """Fail half of the time."""
    record_begin()
    if _chance().random() < 0.5:
        raise RuntimeError("half of the time")


def failing() -> None:
    """Fail."""
    record_begin()
    raise RuntimeError("always")


def discarded() -> None:
    """Give itself up."""
    record_begin()
    raise Discard("not worth it")


def expiring() -> None:
    """Be worth something for a while only."""
    record_begin()


def paced() -> None:
    """Start some times a second."""
    record_begin()


def guarded() -> None:
    """Run beside two others."""
    record_begin()
    time.sleep(_chance().uniform(0.05, 0.4))


def tenant(number: int) -> None:
    """Have a rate and a concurrency of its own number."""
    record_begin()
    time.sleep(0.05 * number)


def impatient() -> None:
    """Be held back a few times only."""
    record_begin()


def keyed() -> None:
    """Be alone with its key while unfinished."""
    record_begin()
    time.sleep(0.2)


def keyed_queued() -> None:
    """Be alone with its key until it starts."""
    record_begin()
    time.sleep(0.2)


def keyed_stored() -> None:
    """Keep its key when it is dead."""
    record_begin()
    if _chance().random() < 0.3:
        raise RuntimeError("some of them")


def handed_over() -> object:
    """Wait for an answer from outside."""
    record_begin()
    record_token()
    return wait_async(timeout="8s")


def doomed() -> None:
    """Be cancelled, sooner or later."""
    record_begin()
    time.sleep(_chance().uniform(0.5, 4))


def stubborn() -> None:
    """Swallow its time limit, so that it has to be killed."""
    record_begin()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(BaseException):
            time.sleep(0.05)


def pill() -> None:
    """Take its worker down."""
    record_begin()
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def ticking() -> None:
    """Be a tick."""
    record_begin()


def alone() -> None:
    """Be a tick that overlaps no other one."""
    record_begin()
    time.sleep(0.5)
