"""Kills workers and daemons while batches and chains go through three queues; then counts.

    make flow-chaos ARGS="--kills 500 --seed 7"

Batches have ten members, some of which fail once or die; what is to come when one is dead is waiting, cancelling or
going on by turns. Chains have four steps, one of them a list. Between them jobs that belong to nothing, the bystanders.
All are made evenly over the time of the kills. At the end the dead are retried where their batch waits for them, and
what waits in a back-off is made due, since after five crashes it waits for minutes. Then what was promised is looked
for: `then` at most once and after all members, `always` exactly once, steps in their order, nothing stuck, no bystander
lost, no attempt twice. What is left is told with its state.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flow_chaos.fleet import Fleet
from flow_chaos.judge import Journal, MadeBatch, wrong_with_batch, wrong_with_chain
from flow_chaos.rest import BackOffs, jobs_left, open_members
from flow_chaos.shop import QUEUES, app, call, work
from jqjobs import BatchState, JobHandle
from jqjobs.api.batches import Batch
from jqjobs.base import log
from servers import start

_MEMBERS = 10
_COURSES = ("", "", "", "", "", "", "", "fails")
_ON_DEAD = ("wait", "wait", "cancel", "go")
_TELL_EVERY = 50
_IDLE_S = 5.0


@dataclass
class Trial:
    """What was made, and what is to be seen of it in the end."""

    fleet: Fleet
    rng: random.Random
    kills: int
    most_s: float
    patience_s: float
    batches: list[MadeBatch] = field(default_factory=list)
    chains: list[list[list[str]]] = field(default_factory=list)
    bystanders: list[str] = field(default_factory=list)
    back_offs: BackOffs = field(default_factory=BackOffs)
    _handles: dict[str, Batch] = field(default_factory=dict)
    _fallen: list[JobHandle] = field(default_factory=list)

    def run(self, makers: list[Any]) -> dict[str, Any]:
        """Make all of it while the fleet is struck; return what was counted."""
        began_s = time.monotonic()
        self.fleet.start()
        striking = threading.Thread(target=self._strike, daemon=True)
        striking.start()
        for number, make in enumerate(makers):
            self._await_kills(striking, number * self.kills // len(makers))
            make()
        striking.join()
        self._wait_for_rest()
        self.fleet.stop()
        return self._judge(round(time.monotonic() - began_s))

    def _await_kills(self, striking: threading.Thread, kills: int) -> None:
        """Return once so many were killed, or nothing has run for a while: all that there is waits in a back-off."""
        begun, until_s = -1, 0.0
        while striking.is_alive() and sum(self.fleet.killed.values()) < kills:
            before, begun = begun, len(self.journal().began)
            if begun > before:
                until_s = time.monotonic() + _IDLE_S
            if time.monotonic() > until_s:
                break
            time.sleep(0.1)

    def _strike(self) -> None:
        began_s = time.monotonic()
        while (done := sum(self.fleet.killed.values())) < self.kills and time.monotonic() < began_s + self.most_s:
            self.fleet.strike()
            if done % _TELL_EVERY == 0:
                so_far = f"{done:,} of {self.kills:,} kills, {len(self.batches)} batches, {len(self.chains)} chains"
                print(f"{time.monotonic() - began_s:.0f} s: {so_far}", file=sys.stderr, flush=True)

    def make_batch(self, number: int) -> None:
        """Open, fill and close one; a member of it dies, for good or until it is retried."""
        on_dead = _ON_DEAD[number % len(_ON_DEAD)]
        home = self.rng.choice(QUEUES)
        courses = [self.rng.choice(_COURSES) for _ in range(_MEMBERS)]
        courses[self.rng.randrange(_MEMBERS)] = "falls" if on_dead == "wait" else "dies"
        then, always = call(self.rng.choice(QUEUES)), call(self.rng.choice(QUEUES))
        with app.batch(f"b{number}", queue=home, then=then, always=always, on_dead=on_dead) as batch:
            handles = {batch.add(call(self.rng.choice(QUEUES), course)): course for course in courses}
        self._fallen += [handle for handle, course in handles.items() if course == "falls"]
        survivors = [handle.id for handle, course in handles.items() if course != "dies"]
        self.batches.append(MadeBatch(batch.id, on_dead, survivors))
        self._handles[batch.id] = batch

    def make_chain(self, _: int) -> None:
        """Begin one: a call, a list of two, a call, a call, each in a queue of its own choice."""
        a, b, c, d, e = (call(self.rng.choice(QUEUES), self.rng.choice(_COURSES)) for _ in range(5))
        root = app.chain(a, [b, c], d, e).enqueue().id
        self.chains.append([[root], [f"{root}.2.1", f"{root}.2.2"], [f"{root}.2.then"], [f"{root}.2.then.2"]])

    def make_bystander(self, _: int) -> None:
        """Enqueue a job that belongs to nothing."""
        self.bystanders.append(work.options(queue=self.rng.choice(QUEUES)).enqueue().id)

    def _wait_for_rest(self) -> None:
        ended, until_s = -1, 0.0
        while self._is_anything_left():
            now_s, before, ended = time.monotonic(), ended, len(self.journal().ended)
            if ended > before:  # a slow machine is not stuck
                until_s = now_s + self.patience_s
            if now_s >= until_s:
                break
            time.sleep(0.5)
        time.sleep(2)  # a double would come now

    def _is_anything_left(self) -> bool:
        journal = self.journal()
        for handle in self._fallen:
            if handle.id not in journal.ended and handle.state() == "dead":
                handle.retry()
        self.back_offs.end()
        states = {made.id: self._handles[made.id].status().state for made in self.batches}
        calls = [f"{made.id}.always" for made in self.batches]
        calls += [f"{batch_id}.then" for batch_id, state in states.items() if state is BatchState.SUCCEEDED]
        wanted = [*self.bystanders, *calls, *(each for chain in self.chains for each in chain[-1])]
        is_over = set(states.values()) <= {BatchState.SUCCEEDED, BatchState.FAILED}
        return not is_over or any(each not in journal.ended for each in wanted)

    def journal(self) -> Journal:
        """Return what the jobs have noted so far."""
        path = self.fleet.journal
        return Journal.of(path.read_text().splitlines() if path.exists() else [])

    def _judge(self, took_s: int) -> dict[str, Any]:
        journal = self.journal()
        wrong = journal.doubles()
        for made in self.batches:
            wrong += wrong_with_batch(journal, made, self._handles[made.id].status().state)
        for chain in self.chains:
            wrong += wrong_with_chain(journal, chain)
        wrong += [f"bystander {each} is lost" for each in self.bystanders if each not in journal.ended]
        return {
            "took_s": took_s, "killed": self.fleet.killed, "batches": len(self.batches), "chains": len(self.chains),
            "bystanders": len(self.bystanders), "jobs": len(journal.began), "attempts": sum(journal.attempts.values()),
            "then": sum(f"{made.id}.then" in journal.ended for made in self.batches),
            "always": sum(f"{made.id}.always" in journal.ended for made in self.batches),
            "back_offs": asdict(self.back_offs), "wrong": len(wrong), "what": wrong[:20],
            "left": [*open_members(self._handles), *jobs_left()][:100],
        }  # fmt: skip


def main() -> int:
    """Run the campaign; 0 when no promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in {"kills": 2000, "batches": 100, "chains": 200, "bystanders": 300, "daemons": 2, "workers": 3,
                         "seed": 1}.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=number, help=f"default: {number}")
    parser.add_argument("--minutes", type=float, default=60.0, help="no kill after so long; default: 60")
    parser.add_argument(
        "--patience", type=float, default=300.0, help="seconds without the end of a job, after the kills"
    )
    chosen = parser.parse_args()
    log.configure("campaign", level="critical")
    rng = random.Random(chosen.seed)
    with ExitStack() as ends:
        directory = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        redis = start("valkey")
        ends.callback(redis.stop)
        os.environ["JQ_REDIS_URL"] = redis.url
        fleet = Fleet(redis.url, directory, chosen.daemons, chosen.workers, random.Random(rng.random()))
        ends.callback(fleet.stop)
        ends.callback(app.client.close)
        trial = Trial(fleet, rng, chosen.kills, 60 * chosen.minutes, chosen.patience)
        makers = [lambda n=n: trial.make_batch(n) for n in range(chosen.batches)]
        makers += [lambda n=n: trial.make_chain(n) for n in range(chosen.chains)]
        makers += [lambda n=n: trial.make_bystander(n) for n in range(chosen.bystanders)]
        rng.shuffle(makers)
        found = trial.run(makers)
    print(json.dumps(found), flush=True)
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
