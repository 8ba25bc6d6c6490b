"""What is measured against each other, and with which settings: what each project recommends for speed.

Where more than one setting is plausible all are tried, and the best one counts. In a command `{url}` is the server's,
and `{bin}` the folder of programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mode:
    """One way to run workers. ``command``: a program of the environment and its arguments; ``copies`` of it run."""

    label: str
    command: str
    environment: Mapping[str, str] = field(default_factory=dict)
    copies: int = 1
    job: str = "noop"
    #: Jobs of the first look; how many a run has follows from how fast that was.
    first: int = 1000


@dataclass(frozen=True)
class Subject:
    """A queue: what to install, and its modes for each measure. ``on_kill``: what kill -9 of a worker does to jobs.

    ``each``: modes in which a worker goes to Redis for each job. ``comes_by``: pip, npm, or a package of Debian.
    ``producer``: its program and arguments.
    """

    name: str
    requirements: tuple[str, ...]
    one: tuple[Mode, ...]
    cores: tuple[Mode, ...]
    naps: tuple[Mode, ...]
    idle: tuple[Mode, ...]
    on_kill: str
    settings: str
    has_many: bool = False
    each: tuple[Mode, ...] = ()
    comes_by: str = "pip"
    producer: str = "python -m peers.produce {name}"


_JQD = "python -m jqjobs.cli.jqd --app peers.jqjobs:app --jitter 0"
_RQ = "rq worker -q -u {url} bench"
_RQ_SIMPLE = "rq worker -q -w rq.SimpleWorker -u {url} bench"
_RQ_POOL = "rq worker-pool -q -w rq.SimpleWorker -u {url} bench"
_CELERY = "celery -A peers.celery worker -l ERROR --without-gossip --without-mingle --without-heartbeat"
_PREFETCH = {"BENCH_PREFETCH": "128"}
_DRAMATIQ = "dramatiq peers.dramatiq"
_DRAMATIQ_GEVENT = "dramatiq-gevent peers.dramatiq"
_DRAMATIQ_64 = {"dramatiq_queue_prefetch": "64"}
_DRAMATIQ_256 = {"dramatiq_queue_prefetch": "256"}
_HUEY = "huey_consumer peers.huey.huey -n -q"
_ARQ = "arq peers.arq.WorkerSettings --custom-log-dict peers.arq.QUIET"
_SAQ = "saq peers.saq.settings -q"
_TASKIQ = "taskiq worker peers.taskiq:broker --log-level ERROR --no-parse --ack-type when_executed"
_LIST = {"BENCH_BROKER": "list"}
_SIDEKIQ = "sidekiq -r ./peers/sidekiq.rb -q bench -t 2"
_BULLMQ = "node peers/bullmq.cjs work"
_WAKAQ = "wakaq-worker --app peers.wakaq.wakaq"


def _at_a_time(jobs: int, **more: str) -> dict[str, str]:
    return {"BENCH_CONCURRENCY": str(jobs), **more}


JQJOBS = Subject(
    "jqjobs", (),
    one=(Mode("defaults", f"{_JQD} --queues bench --processes 1", first=20_000),),
    cores=(Mode("2 processes", f"{_JQD} --queues bench --processes 2", first=20_000),),
    naps=(
        Mode("100 async", f"{_JQD} --queues naps --processes 1 --concurrency 100", job="nap"),
        Mode("2 × 100 async", f"{_JQD} --queues naps --processes 2 --concurrency 100", job="nap"),
        Mode("100 threads", f"{_JQD} --queues sync-naps --processes 1 --concurrency 100", job="nap_sync"),
    ),
    idle=(Mode("defaults", f"{_JQD} --queues bench --processes 1"),),
    on_kill="nothing lost: runs again within 1 s",
    settings="defaults", has_many=True,
    each=(Mode("--prefetch-ms 0", f"{_JQD} --queues bench --processes 1 --prefetch-ms 0", first=5000),),
)  # fmt: skip

PEERS = (
    Subject(
        "rq", ("rq", "redis[hiredis]"),
        one=(Mode("SimpleWorker", _RQ_SIMPLE, first=300), Mode("Worker, forks", _RQ, first=60)),
        cores=(Mode("worker-pool of 2 SimpleWorkers", f"{_RQ_POOL} -n 2", first=300),),
        naps=(Mode("worker-pool of 32 SimpleWorkers", f"{_RQ_POOL} -n 32", job="nap", first=500),),
        idle=(Mode("SimpleWorker", _RQ_SIMPLE), Mode("Worker, forks", _RQ)),
        on_kill="the running job counts as failed (abandoned) when its heartbeat has expired, after minutes",
        settings="result_ttl=0; SimpleWorker runs jobs in the worker itself, the default one forks for each",
        has_many=True,
    ),
    Subject(
        "celery", ("celery[redis]", "redis[hiredis]", "gevent"),
        one=(
            Mode("prefork, prefetch 128", f"{_CELERY} -P prefork -c 1", _PREFETCH),
            Mode("solo, prefetch 128", f"{_CELERY} -P solo", _PREFETCH),
        ),
        cores=(
            Mode("prefork -c 2, prefetch 128", f"{_CELERY} -P prefork -c 2", _PREFETCH),
            Mode("2 × solo, prefetch 128", f"{_CELERY} -P solo", _PREFETCH, copies=2),
        ),
        naps=(
            Mode("gevent, 200", f"{_CELERY} -P gevent -c 200", job="nap"),
            Mode("threads, 100", f"{_CELERY} -P threads -c 100", job="nap"),
        ),
        idle=(Mode("prefork", f"{_CELERY} -P prefork -c 1"), Mode("solo", f"{_CELERY} -P solo")),
        on_kill="running jobs lost (acknowledged early); prefetched ones come back after the visibility timeout, 1 h",
        settings="ignore_result, prefetch multiplier 128 (waits, latency: 4), no gossip, mingle, heartbeats",
    ),
    Subject(
        "dramatiq", ("dramatiq[redis]", "redis[hiredis]", "gevent"),
        one=(
            Mode("1 thread, prefetch 64", f"{_DRAMATIQ} -p 1 -t 1", _DRAMATIQ_64),
            Mode("8 threads, prefetch 64", f"{_DRAMATIQ} -p 1 -t 8", _DRAMATIQ_64),
        ),
        cores=(
            Mode("2 × 1 thread, prefetch 64", f"{_DRAMATIQ} -p 2 -t 1", _DRAMATIQ_64),
            Mode("2 × 8 threads, prefetch 64", f"{_DRAMATIQ} -p 2 -t 8", _DRAMATIQ_64),
        ),
        naps=(
            Mode("2 × 64 threads, prefetch 256", f"{_DRAMATIQ} -p 2 -t 64", _DRAMATIQ_256, job="nap"),
            Mode("gevent, 2 × 100, prefetch 256", f"{_DRAMATIQ_GEVENT} -p 2 -t 100", _DRAMATIQ_256, job="nap"),
        ),
        idle=(Mode("8 threads, default prefetch", f"{_DRAMATIQ} -p 1 -t 8"),),
        on_kill="nothing lost: comes back when the worker's heartbeat has expired, 60 s",
        settings="dramatiq_queue_prefetch as shown, default middleware, no results",
    ),
    Subject(
        "huey", ("huey", "redis[hiredis]", "gevent"),
        one=(
            Mode("1 process", f"{_HUEY} -k process -w 1"),
            Mode("1 thread", f"{_HUEY} -k thread -w 1"),
        ),
        cores=(
            Mode("2 processes", f"{_HUEY} -k process -w 2"),
            Mode("4 processes", f"{_HUEY} -k process -w 4"),
        ),
        naps=(
            Mode("100 threads", f"{_HUEY} -k thread -w 100", job="nap"),
            Mode("100 greenlets", f"python -m gevent.monkey {{bin}}/{_HUEY} -k greenlet -w 100", job="nap"),
        ),
        idle=(Mode("1 process", f"{_HUEY} -k process -w 1"),),
        on_kill="running jobs lost: taken by BRPOP, acknowledged never",
        settings="results=False, blocking reads, no periodic tasks",
        each=(Mode("1 process", f"{_HUEY} -k process -w 1"), Mode("1 thread", f"{_HUEY} -k thread -w 1")),
    ),
    Subject(
        "arq", ("arq", "redis[hiredis]", "uvloop"),
        one=(
            Mode("max_jobs 10, poll 10 ms", _ARQ, _at_a_time(10, BENCH_POLL_S="0.01")),
            Mode("max_jobs 100, poll 10 ms", _ARQ, _at_a_time(100, BENCH_POLL_S="0.01")),
        ),
        cores=(Mode("2 × max_jobs 100, poll 10 ms", _ARQ, _at_a_time(100, BENCH_POLL_S="0.01"), copies=2),),
        naps=(
            Mode("max_jobs 100, poll 10 ms", _ARQ, _at_a_time(100, BENCH_POLL_S="0.01"), job="nap"),
            Mode("2 × max_jobs 100, poll 10 ms", _ARQ, _at_a_time(100, BENCH_POLL_S="0.01"), copies=2, job="nap"),
        ),
        idle=(Mode("poll 10 ms", _ARQ, {"BENCH_POLL_S": "0.01"}), Mode("default poll, 500 ms", _ARQ)),
        on_kill="nothing lost: runs again after its job timeout and 10 s (default: 310 s)",
        settings="keep_result=0, poll_delay 10 ms (default 500), logging off; many: gather of 100",
        has_many=True,
    ),
    Subject(
        "saq", ("saq[redis,hiredis]", "typing_extensions", "uvloop"),
        one=(Mode("concurrency 10", _SAQ, _at_a_time(10)), Mode("concurrency 100", _SAQ, _at_a_time(100))),
        cores=(
            Mode("2 × concurrency 10", f"{_SAQ} --workers 2", _at_a_time(10)),
            Mode("2 × concurrency 100", f"{_SAQ} --workers 2", _at_a_time(100)),
        ),
        naps=(
            Mode("concurrency 100", _SAQ, _at_a_time(100), job="nap"),
            Mode("2 × concurrency 100", f"{_SAQ} --workers 2", _at_a_time(100), job="nap"),
        ),
        idle=(Mode("concurrency 10", _SAQ, _at_a_time(10)),),
        on_kill="nothing lost, but swept only after the job's timeout or heartbeat, and retried only if it asks",
        settings="ttl=-1 (finished jobs are removed); many: gather of 100",
        has_many=True,
    ),
    Subject(
        "taskiq", ("taskiq[uv]", "taskiq-redis", "redis[hiredis]"),
        one=(
            Mode("stream, 100 at a time", f"{_TASKIQ} -w 1 --max-async-tasks 100 --max-prefetch 100"),
            Mode("list, 100 at a time", f"{_TASKIQ} -w 1 --max-async-tasks 100 --max-prefetch 100", _LIST),
        ),
        cores=(
            Mode("stream, 2 × 100", f"{_TASKIQ} -w 2 --max-async-tasks 100 --max-prefetch 100"),
            Mode("list, 2 × 100", f"{_TASKIQ} -w 2 --max-async-tasks 100 --max-prefetch 100", _LIST),
        ),
        naps=(
            Mode("stream, 200", f"{_TASKIQ} -w 1 --max-async-tasks 200 --max-prefetch 200", job="nap"),
            Mode("stream, 2 × 100", f"{_TASKIQ} -w 2 --max-async-tasks 100 --max-prefetch 100", job="nap"),
        ),
        idle=(Mode("stream", f"{_TASKIQ} -w 1"), Mode("list", f"{_TASKIQ} -w 1", _LIST)),
        on_kill="stream: nothing lost, claimed after 10 min; list: running and prefetched jobs lost",
        settings="no result backend, acknowledged when executed, uvloop; many: gather of 100",
        has_many=True,
    ),
    Subject(
        "sidekiq", ("ruby-sidekiq",),
        one=tuple(Mode(f"concurrency {n}", f"{_SIDEKIQ} -c {n}") for n in (1, 5, 10)),
        cores=tuple(Mode(f"2 × concurrency {n}", f"{_SIDEKIQ} -c {n}", copies=2) for n in (1, 5, 10)),
        naps=(
            Mode("concurrency 100", f"{_SIDEKIQ} -c 100", job="nap"),
            Mode("2 × concurrency 100", f"{_SIDEKIQ} -c 100", copies=2, job="nap"),
        ),
        idle=(Mode("concurrency 10", f"{_SIDEKIQ} -c 10"), Mode("concurrency 1", f"{_SIDEKIQ} -c 1")),
        on_kill="running jobs lost: taken by BRPOP, acknowledged never (its paid version keeps them)",
        settings="defaults, quiet; many: push_bulk of 1,000; a job says that it ran by a pwrite, some 1 µs",
        has_many=True,
        each=(Mode("concurrency 1", f"{_SIDEKIQ} -c 1"),),
        comes_by="apt", producer="ruby peers/sidekiq.rb",
    ),
    Subject(
        "bullmq", ("bullmq", "ioredis"),
        one=tuple(Mode(f"concurrency {n}", f"{_BULLMQ} {n}") for n in (1, 50, 200)),
        cores=tuple(Mode(f"2 × concurrency {n}", f"{_BULLMQ} {n}", copies=2) for n in (1, 50, 200)),
        naps=(
            Mode("concurrency 200", f"{_BULLMQ} 200", job="nap"),
            Mode("2 × concurrency 100", f"{_BULLMQ} 100", copies=2, job="nap"),
        ),
        idle=(Mode("concurrency 1", f"{_BULLMQ} 1"),),
        on_kill="nothing lost: found stalled after 30 s, and runs again",
        settings="removeOnComplete, all else by default; many: addBulk of 200; a job says that it ran by a write",
        has_many=True,
        each=(Mode("concurrency 1", f"{_BULLMQ} 1"),),
        comes_by="npm", producer="node peers/bullmq.cjs produce",
    ),
    Subject(
        "wakaq", ("wakaq", "redis[hiredis]"),
        one=(Mode("1 process", _WAKAQ),),
        cores=(Mode("2 processes", _WAKAQ, _at_a_time(2)), Mode("4 processes", _WAKAQ, _at_a_time(4))),
        naps=(
            Mode("async, 1 process", _WAKAQ, job="nap"),
            Mode("async, 2 processes", _WAKAQ, _at_a_time(2), job="nap"),
        ),
        idle=(Mode("1 process", _WAKAQ),),
        on_kill="running jobs lost: taken by BLPOP, acknowledged never",
        settings="no limits, no retries, no bound on async tasks, quiet",
        each=(Mode("1 process", _WAKAQ),),
    ),
)  # fmt: skip

BY_NAME = {subject.name: subject for subject in (JQJOBS, *PEERS)}
