"""`make failover`: failovers under load, of three kinds; what was accepted and lost, and how long nothing went on.

python -m failover.run [--failovers 50] [--wait all|1|-] [--rate 100] [--seed 1]

Each is followed by a wait until all servers are there again, so that each begins with a primary and two replicas.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from deployments.load import Balance, Load
from failover.deployment import Deployment

_MEMORY = Path("/dev/shm")
#: So long a frozen server stands still: it wakes up as a primary that was replaced.
_FROZEN_S = 6.0
#: Load goes on for so long before a failover, and after it.
_CALM_S = 1.0


class Failover(NamedTuple):
    """One of them. ``went_on_s``: from the first sentinel that named another primary to a job that ran since."""

    kind: str
    chosen_after_s: float
    accepted_again_s: float
    went_on_s: float


def kill(deployment: Deployment, primary: int) -> Callable[[], None]:
    """Kill the primary; return what brings it back."""
    deployment.kill(primary)
    return lambda: deployment.start(primary)


def freeze(deployment: Deployment, primary: int) -> Callable[[], None]:
    """Let it stand still until another one was chosen; it goes on as if nothing had happened."""
    deployment.freeze(primary)
    thaw = threading.Timer(_FROZEN_S, deployment.thaw, [primary])
    thaw.start()
    return thaw.join


def command(deployment: Deployment, primary: int) -> Callable[[], None]:
    """Tell the sentinels to choose another; it lives on."""
    deployment.fail_over()
    return lambda: None


KINDS = {"kill": kill, "freeze": freeze, "command": command}


def fail_over(deployment: Deployment, load: Load, kind: str) -> Failover:
    """Have the primary replaced under load, and wait until all is as before."""
    time.sleep(_CALM_S)
    before, began_s = deployment.primary(), time.monotonic()
    bring_back = KINDS[kind](deployment, before)
    chosen_s = deployment.wait_for_primary_but(before)
    accepted_s = load.wait_for_accepted(chosen_s)
    ran_s = load.wait_for_run(chosen_s)
    bring_back()
    deployment.wait_until_whole()
    return Failover(kind, chosen_s - began_s, accepted_s - chosen_s, ran_s - chosen_s)


def main(words: Sequence[str] | None = None) -> int:
    """Run and report; 1 when `all` lost something."""
    options = _parse(sys.argv[1:] if words is None else words)
    os.environ.pop("JQ_WAIT", None)
    if options.wait != "-":
        os.environ["JQ_WAIT"] = f"{options.wait}:500ms"
    directory = Path(tempfile.mkdtemp(prefix="jq-failover-", dir=_MEMORY if _MEMORY.is_dir() else None))
    deployment = Deployment(directory)
    load = Load(deployment.url, directory, options.rate)
    kinds = random.Random(options.seed)
    done: list[Failover] = []
    until_s = time.monotonic() + options.minutes * 60
    try:
        while len(done) < options.failovers and time.monotonic() < until_s:
            done.append(fail_over(deployment, load, kinds.choice(options.kinds)))
            _say(len(done), done[-1], load)
        balance = load.balance()
    finally:
        load.stop()
        deployment.stop()
        shutil.rmtree(directory, ignore_errors=True)
    _report(options.wait, done, load, balance)
    return int(options.wait == "all" and balance.lost + balance.stuck > 0)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="failover", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--failovers", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no more after so long (60)")
    parser.add_argument("--wait", default="all", help="JQ_WAIT: all, a number of replicas, or - for none (all)")
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second of each of the two producers (100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    return parser.parse_args(words)


def _say(number: int, failover: Failover, load: Load) -> None:
    print(
        f"{number:3} {failover.kind:8} chosen after {failover.chosen_after_s:5.2f} s, "
        f"accepted {failover.accepted_again_s:5.2f} s later, ran {failover.went_on_s:5.2f} s later; "
        f"{load.accepted} accepted, {load.refused} refused, {load.unreplicated} not replicated",
        flush=True,
    )


def _report(wait: str, done: Sequence[Failover], load: Load, balance: Balance) -> None:
    print(
        f"\nJQ_WAIT {wait}: {len(done)} failovers, {load.accepted} accepted, {balance.lost} lost, {balance.stuck} stuck"
    )
    for kind in KINDS:
        ran = sorted(failover.went_on_s for failover in done if failover.kind == kind)
        if ran:
            worst = ran[min(len(ran) - 1, round(0.99 * len(ran)))]
            print(
                f"  {kind:8} {len(ran):3}  goes on after {statistics.median(ran):.2f} s (median), {worst:.2f} s (p99)"
            )


if __name__ == "__main__":
    sys.exit(main())
