"""`make bench-acts`: retry, move and delete 10^5 dead jobs and more of a queue among 10^6, print what that costs.

python -m looks.acts [--jobs 1000000] [--dead 300000]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.jobs.selector import Selector
from jqjobs.store.address import parse_url
from jqjobs.store.bulk import Act, act_on_all
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from looks.meter import cpu_ms
from looks.run import parse
from looks.world import HUGE, Size, fill
from stage import server

#: Each takes a third of the dead: those of one name.
ACTS = {Act.RETRY: "send_mail", Act.MOVE: "charge_card", Act.DELETE: "make_report"}


class Cost(NamedTuple):
    """``counted_ms``, ``redis_ms``: CPU of the server, of the dry run and of the act; ``seconds``: of the act."""

    done: int
    counted_ms: float
    redis_ms: float
    seconds: float


def main(words: Sequence[str] | None = None) -> int:
    """Fill, act, print; return 1 when a job was missed."""
    options = parse(words)
    missed = False
    with server() as place:
        store = Store(parse_url(place.url), timeout_s=60)
        fill(store, Size(options.jobs, options.dead, options.queues))
        print(f"{place.kind}\n\n| | jobs | counting them, Redis, ms | Redis, ms | s |\n|---|--:|--:|--:|--:|")
        for act, name in ACTS.items():
            matched, cost = measure(store, act, Selector("dead", name=name))
            missed |= cost.done != matched
            print(f"| {act} by name | {cost.done:,} | {cost.counted_ms:,.0f} | {cost.redis_ms:,.0f} "
                  f"| {cost.seconds:.1f} |", flush=True)  # fmt: skip
    return int(missed)


def measure(store: Store, act: Act, selector: Selector) -> tuple[int, Cost]:
    """Count, then act; return how many were counted, and what it took."""

    def run(*, dry_run: bool) -> tuple[int, int, float]:
        before_ms = cpu_ms(store)
        answer = run_steps(store.run, act_on_all(HUGE, selector, act, to="elsewhere", dry_run=dry_run))
        return answer.matched, answer.done, cpu_ms(store) - before_ms

    matched, _, counted_ms = run(dry_run=True)
    started_s = time.monotonic()
    _, done, redis_ms = run(dry_run=False)
    return matched, Cost(done, counted_ms, redis_ms, time.monotonic() - started_s)


if __name__ == "__main__":
    sys.exit(main())
