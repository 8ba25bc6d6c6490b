"""`make bench`: jobs/s for enqueue and drain, beside the rate of plain GETs of redis-py in the same run.

Timings on a shared machine are noisy, so compare the ratios of one run, not numbers of two. Every drain is
framed by GETs before and after it; each figure is the median of several repeats.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jqjobs.job import NewJob, new_id
from jqjobs.store import calls
from jqjobs.store.address import parse_url
from jqjobs.store.store import Store
from machine import Server, children, cpu_s, daemon, server

QUEUE = "bench"


@dataclass(frozen=True)
class Drain:
    """One drain: how fast, against plain GETs, and what it cost."""

    jobs_s: float
    get_ratio: float
    worker_us: float
    server_us: float
    commands: float


def rate(n: int, work: Callable[[], object]) -> float:
    """Return n divided by the seconds that ``work`` takes."""
    started = time.perf_counter()
    work()
    return n / (time.perf_counter() - started)


class Bench:
    """Measures one server."""

    def __init__(self, place: Server, jobs: int, repeats: int) -> None:
        self.place, self.jobs, self.repeats = place, jobs, repeats
        self.store = Store(parse_url(place.url), timeout_s=30)
        path = parse_url(place.url).path
        self.plain = redis.Redis(
            unix_socket_path=path, retry=Retry(NoBackoff(), 0), single_connection_client=True, protocol=2
        )

    def get_rate(self, n: int = 5000) -> float:
        """Return plain GETs a second of one redis-py connection."""
        return rate(n, lambda: [self.plain.get("nothing") for _ in range(n)])

    def enqueue_one(self) -> float:
        """Return jobs a second, one call each, through the app with its signature check."""
        from noop import app, noop

        app.client._found = parse_url(self.place.url)
        n = self.jobs // 10
        return rate(n, lambda: [noop.enqueue() for _ in range(n)])

    def enqueue_many(self) -> float:
        """Return jobs a second through enqueue_many."""
        from noop import app, noop

        app.client._found = parse_url(self.place.url)
        return rate(self.jobs, lambda: noop.enqueue_many([()] * self.jobs))

    def drain(self, pid: int) -> Drain:
        """Fill a paused queue, let a running daemon drain it, and measure from resume to empty."""
        self.store.run(calls.pause(QUEUE))
        for _ in range(self.jobs // 200):
            self.store.run(calls.enqueue(QUEUE, [NewJob("noop", b"{}", new_id()) for _ in range(200)]))
        before = self.get_rate()
        goal, workers = self._done() + self.jobs, children(pid)
        costs = self._commands(), sum(map(cpu_s, workers)), cpu_s(self.place.pid)
        started = time.perf_counter()
        self.store.run(calls.pause(QUEUE, resume=True))
        looks = 0
        while self._done() < goal:
            looks += 1
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        used = self._commands() - looks, sum(map(cpu_s, workers)), cpu_s(self.place.pid)
        commands, worker_s, server_s = (after - old for after, old in zip(used, costs, strict=True))
        jobs_s = self.jobs / seconds
        ratio = jobs_s / statistics.mean([before, self.get_rate()])
        return Drain(jobs_s, ratio, worker_s / self.jobs * 1e6, server_s / self.jobs * 1e6, commands / self.jobs)

    def drains(self, processes: int, *options: str) -> list[Drain]:
        """Return the drains of one daemon, the first (a warm-up) left out."""
        with daemon(self.place.url, processes, "--jitter", "0", *options) as pid:
            return [self.drain(pid) for _ in range(self.repeats + 1)][1:]

    def bytes_per_job(self, payload: bytes) -> float:
        """Return what a queued job takes in the memory of the server, all keys included."""
        self.store.wire.call("FLUSHALL")
        self.store.run(calls.enqueue("bytes", [NewJob("noop", payload, new_id())]))
        before, n = self._memory(), 20_000
        for _ in range(n // 200):
            self.store.run(calls.enqueue("bytes", [NewJob("noop", payload, new_id()) for _ in range(200)]))
        used = self._memory() - before
        self.store.wire.call("FLUSHALL")
        return used / n

    def _done(self) -> int:
        return int(self.store.wire.call("HGET", "jq:{bench}:meta", "done") or 0)

    def _commands(self) -> int:
        # Redis counts the commands that scripts call, too.
        return int(self._info("stats")["total_commands_processed"])

    def _memory(self) -> int:
        return int(self._info("memory")["used_memory"])

    def _info(self, section: str) -> dict[str, str]:
        text = self.store.wire.call("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def print_drains(label: str, drains: list[Drain]) -> None:
    """Print the medians of several drains as one line of the table."""
    jobs_s, ratio, worker_us, server_us, commands = (
        statistics.median(getattr(drain, name) for drain in drains)
        for name in ("jobs_s", "get_ratio", "worker_us", "server_us", "commands")
    )
    low, high = min(d.get_ratio for d in drains), max(d.get_ratio for d in drains)
    print(
        f"{label:<30}{jobs_s:>10,.0f} jobs/s {ratio:>6.2f} x GET ({low:.2f}-{high:.2f})"
        f"   CPU µs/job: worker {worker_us:.1f}, server {server_us:.1f}   Redis commands/job {commands:.2f}"
    )


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=40_000, help="jobs per drain")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with server() as place:
        bench = Bench(place, options.jobs, options.repeats)
        gets = statistics.median(bench.get_rate() for _ in range(5))
        print(f"{place.kind}, append-only file on, unix socket; {options.jobs:,} no-op jobs a drain, medians")
        print(f"{'plain GET, redis-py':<30}{gets:>10,.0f} /s")
        for label, measure in (("enqueue", bench.enqueue_one), ("enqueue_many", bench.enqueue_many)):
            framed = [(measure(), bench.get_rate()) for _ in range(options.repeats)]
            ratio = statistics.median(jobs / gets for jobs, gets in framed)
            print(f"{label:<30}{statistics.median(j for j, _ in framed):>10,.0f} jobs/s {ratio:>6.2f} x GET")
        bench.store.wire.call("FLUSHALL")
        print_drains("drain, 1 worker", bench.drains(1))
        print_drains("drain, 2 workers", bench.drains(2))
        print_drains("drain, 1 worker, one a trip", bench.drains(1, "--prefetch-ms", "0"))
        for size in (40, 500):
            payload = b'{"args":["' + b"x" * (size - 13) + b'"]}'
            print(f"{f'{len(payload)}-byte payload':<30}{bench.bytes_per_job(payload):>10,.0f} bytes a queued job")


if __name__ == "__main__":
    main()
