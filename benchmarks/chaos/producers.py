"""Who enqueues during the storm, beside Redis and behind a proxy; who answers for jobs, and who waits for results."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chaos import calls, jobs
from chaos.calls import Call, Reply
from chaos.clock import now_ms
from chaos.kinds import KINDS, Kind
from chaos.traces import Traces
from jqjobs import App
from jqjobs.errors import JobFailed, JqError, ResultTimeout

_NAP_S = 0.1


class Repeater:
    """Calls ``step`` again and again in a thread of its own, until `close`."""

    def __init__(self, name: str, step: Callable[[], None]) -> None:
        self._is_over = threading.Event()
        self._step = step
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._step()
        except BaseException as error:  # told by `close`: a campaign whose producers died proves nothing
            self.error = error

    def stop(self) -> None:
        """Stop, and wait for the present step."""
        self._is_over.set()
        self._thread.join()

    def close(self) -> None:
        """Stop. Raises: what ended the thread."""
        self.stop()
        if self.error is not None:
            raise self.error


class Producer:
    """Makes calls of all kinds, so many a second, chosen by its seed; cancels some of them later."""

    def __init__(self, name: str, url: str, rate: float, seed: str) -> None:
        self.calls: list[Call] = []
        self.cancelled: set[str] = set()
        self.answers: list[tuple[Call, int]] = []
        self._name = name
        self._app = jobs.build(url)
        self._plain = redis.Redis.from_url(url, socket_timeout=3, retry=Retry(NoBackoff(), 0))
        self._rng = random.Random(seed)
        self._kinds = self._choices()
        self._rate = rate
        self._due_s = time.monotonic()
        self._later: list[tuple[float, int, Call]] = []

    def _choices(self) -> Iterator[Kind]:
        weights = [kind.weight for kind in KINDS]
        while True:
            yield self._rng.choices(KINDS, weights)[0]

    def step(self) -> None:
        """Make the next call when it is due."""
        wait_s = self._due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, _NAP_S))
            return
        self._due_s = max(self._due_s, time.monotonic() - 1) + self._rng.expovariate(self._rate)
        self._make(next(self._kinds))
        while self._later and self._later[0][0] < time.monotonic():
            self._cancel(heapq.heappop(self._later)[2])

    def _make(self, kind: Kind) -> None:
        call = Call(f"{kind.name}-{self._name}{len(self.calls)}", kind, jobs.QUICK, now_ms())
        self.calls.append(call)
        args = calls.arguments(kind, self._rng)
        if kind.name.startswith("raw"):
            self._push(call, args)
        else:
            calls.enqueue(self._app, call, args, self._rng)
        if kind.name == "answer" and call.reply is Reply.ACCEPTED:
            self.answers.append((call, args[0]))
        if kind.name == "doomed":
            heapq.heappush(self._later, (time.monotonic() + self._rng.uniform(0, 5), len(self.calls), call))

    def _push(self, call: Call, args: tuple[int, ...]) -> None:
        calls.push(self._plain, call, args)
        for _ in range(2):
            if call.reply is Reply.UNKNOWN and call.kind.name == "raw_kept":  # safe to send again, says the protocol
                calls.push(self._plain, call, args)

    def _cancel(self, call: Call) -> None:
        self.cancelled.add(call.id)
        with suppress(JqError):
            self._app.cancel(f"{call.queue}/{call.id}")

    def close(self) -> None:
        """Drop the connections."""
        self._app.client.close()
        self._plain.close()


class Answerer:
    """The third party: answers for jobs that were handed over, in either way, and sometimes not."""

    def __init__(self, url: str, traces: Traces, seed: str) -> None:
        self._app = App(redis_url=url)
        self._traces = traces
        self._rng = random.Random(seed)

    def step(self) -> None:
        """Answer for what was handed over since."""
        for ref, token in self._traces.new_tokens():
            with suppress(JqError):
                self._answer(ref, token, self._rng.random())
        time.sleep(_NAP_S)

    def _answer(self, ref: str, token: str, chance: float) -> None:
        if chance < 0.8:
            self._app.resolve(ref, token, result={"chance": chance})
        elif chance < 0.9:
            self._app.resolve(ref, token, error="the third party failed")

    def close(self) -> None:
        """Drop the connection."""
        self._app.client.close()


class Waiter:
    """Waits for results of the jobs that return what they were given, one after the other; ``wrong``: other results."""

    def __init__(self, url: str, producer: Producer) -> None:
        self.wrong: list[str] = []
        self.seen = 0
        self._app = App(redis_url=url)
        self._producer = producer
        self._next = 0

    def step(self) -> None:
        """Wait for the latest one."""
        if len(self._producer.answers) == self._next:
            time.sleep(_NAP_S)
            return
        self._next = len(self._producer.answers)
        call, number = self._producer.answers[-1]
        try:
            result = self._app.handle(f"{call.queue}/{call.id}").result(timeout="3s")
        except (ResultTimeout, JobFailed, JqError):
            return  # late, dead, or forgotten: the log says whether that is right
        self.seen += 1
        if result != number:
            self.wrong.append(f"{call.queue}/{call.id} returned {number}, and {result!r} was heard")

    def close(self) -> None:
        """Drop the connection."""
        self._app.client.close()
