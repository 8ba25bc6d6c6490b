"""`make cluster`: twelve queues of a cluster under load, while primaries die or stand still and slots move.

python -m cluster.run [--each 10] [--binary redis-server|valkey] [--kinds kill freeze move move_at_once] [--rate 20]

Of what was accepted with JQ_WAIT=all nothing may be lost or stuck, and each queue keeps its order: one worker takes
from all. Each blow is followed by a wait until all nodes are there again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from cluster.deployment import Cluster
from deployments.load import Balance, Load
from jqjobs.embedded.valkey import server_binary

_MEMORY = Path("/dev/shm")
QUEUES = tuple(f"q{i}" for i in range(12))
#: Also moved, as a queue is: what all daemons share.
_SHARED = "~"
_CALM_S = 1.0


class Blow(NamedTuple):
    """One of them, and the queue that it hit. ``took_s``: until another node had it. ``went_on_s``: from then on to a
    job that was stored since. ``accepted_s``: from the return of the node, whose replica the other one needs.
    """

    kind: str
    queue: str
    took_s: float
    went_on_s: float
    accepted_s: float


def kill(cluster: Cluster, queue: str) -> tuple[float, Callable[[], None]]:
    """Kill the primary that has a queue; return when its replica has it, and what brings the primary back."""
    port = cluster.owner(queue)
    cluster.kill(port)
    return cluster.wait_for_owner_but(queue, port), lambda: cluster.start(port)


def freeze(cluster: Cluster, queue: str) -> tuple[float, Callable[[], None]]:
    """Let it stand still; when it goes on, it takes itself for the primary for a moment."""
    port = cluster.owner(queue)
    cluster.freeze(port)
    return cluster.wait_for_owner_but(queue, port), lambda: cluster.thaw(port)


def move(cluster: Cluster, queue: str) -> tuple[float, Callable[[], None]]:
    """Move its slot key after key."""
    cluster.move(queue, _another(cluster, queue))
    return time.monotonic(), lambda: None


def move_at_once(cluster: Cluster, queue: str) -> tuple[float, Callable[[], None]]:
    """Move its slot as Valkey 9 can."""
    cluster.move_at_once(queue, _another(cluster, queue))
    return time.monotonic(), lambda: None


KINDS = {"kill": kill, "freeze": freeze, "move": move, "move_at_once": move_at_once}


def _another(cluster: Cluster, queue: str) -> int:
    return next(port for port in cluster.primaries() if port != cluster.owner(queue))


def strike(cluster: Cluster, load: Load, kind: str, queue: str) -> Blow:
    """Do it under load, and wait until all is as before."""
    time.sleep(_CALM_S)
    watched, began_s = queue if queue != _SHARED else "", time.monotonic()
    done_s, bring_back = KINDS[kind](cluster, queue)
    ran_s = load.wait_for_run(done_s, watched)
    bring_back()
    back_s = time.monotonic()
    accepted_s = load.wait_for_accepted(back_s, watched)
    cluster.wait_until_whole()
    return Blow(kind, queue, done_s - began_s, ran_s - done_s, accepted_s - back_s)


def main(words: Sequence[str] | None = None) -> int:
    """Run and report; 1 when anything was lost, stuck or out of order."""
    options = _parse(sys.argv[1:] if words is None else words)
    os.environ["JQ_WAIT"] = "all:500ms"
    directory = Path(tempfile.mkdtemp(prefix="jq-cluster-", dir=_MEMORY if _MEMORY.is_dir() else None))
    cluster = Cluster(directory, server_binary() if options.binary == "valkey" else options.binary)
    load = Load(cluster.url, directory, options.rate, QUEUES, processes=1)
    chance = random.Random(options.seed)
    kinds = options.kinds * options.each
    chance.shuffle(kinds)
    done: list[Blow] = []
    try:
        for kind in kinds:
            done.append(strike(cluster, load, kind, chance.choice((*QUEUES, _SHARED))))
            _say(len(done), done[-1], load)
        balance = load.balance()
    finally:
        load.stop()
        cluster.stop()
        if options.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    _report(done, load, balance)
    return int(sum(balance) > 0)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cluster", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=10, help="blows of each kind (10)")
    parser.add_argument(
        "--binary", default="redis-server", help='the server; "valkey": the embedded one (redis-server)'
    )
    parser.add_argument("--rate", type=float, default=20.0, help="calls a second of each of the two producers (20)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=["kill", "freeze", "move"])
    parser.add_argument("--keep", action="store_true", help="keep the directory of the run: logs of all")
    return parser.parse_args(words)


def _say(number: int, blow: Blow, load: Load) -> None:
    print(
        f"{number:3} {blow.kind:12} {blow.queue:4} took {blow.took_s:5.2f} s, "
        f"ran {blow.went_on_s:5.2f} s later, all back: accepted {blow.accepted_s:5.2f} s later; "
        f"{load.accepted} accepted, {load.refused} refused, {load.unreplicated} not replicated",
        flush=True,
    )


def _report(done: Sequence[Blow], load: Load, balance: Balance) -> None:
    print(
        f"\n{len(done)} blows, {load.accepted} accepted: "
        f"{balance.lost} lost, {balance.stuck} stuck, {balance.disordered} out of order"
    )
    for kind in KINDS:
        ran = sorted(blow.went_on_s for blow in done if blow.kind == kind)
        if ran:
            middle = statistics.median(ran)
            print(f"  {kind:12} {len(ran):3}  goes on after {middle:.2f} s (median), {ran[-1]:.2f} s (most)")


if __name__ == "__main__":
    sys.exit(main())
