"""Kills relays of an outbox and takes Redis away, while transactions are committed and rolled back; then counts.

    make outbox-chaos ARGS="--kills 20 --outages 2 --transactions 1000 --databases sqlite"

On each database: threads write calls into transactions, every other one is rolled back; of the others half are of a
Session, which brings its rows itself, half of a DB-API connection, which leaves them to relays. Two relays run, and are
killed again and again; Redis, which syncs each write, is killed or stands still for a second. A real daemon runs the
jobs. In the end each job of a commit has run, none of a rollback has, and none came twice: no attempt ran twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from jqjobs import App
from jqjobs.base import log
from jqjobs.link.relay_config import VARIABLE, RelayConfig
from jqjobs.outbox import Outbox
from jqjobs.outbox.dialects import TABLE
from servers import Server, start
from store.outbox.databases_here import KINDS, Place, Places

_HERE = Path(__file__).parent
_WRITERS, _RELAYS = 3, 2
#: What is left is brought and run within this time, once nobody is killed any more.
_PATIENCE_S = 90.0


@dataclass
class Trial:
    """One database. ``committed``, ``rolled_back``: ids of calls."""

    place: Place
    redis: Server
    directory: Path
    transactions: int
    kills: int
    outages: int
    rng: random.Random
    committed: list[str] = field(default_factory=list)
    rolled_back: list[str] = field(default_factory=list)
    relay_deaths: int = 0
    outages_done: int = 0

    def __post_init__(self) -> None:
        self.engine = self.place.engine()
        self.app = App(redis_url=self.redis.url)
        self.outbox = Outbox(self.app, self.engine)
        self.outbox.database.run(f"DROP TABLE IF EXISTS {TABLE}")
        self.outbox.migrate()
        self.note = self.app.job(name="note")(lambda: None)
        self.journal = self.directory / "journal"
        self.ending = threading.Event()

    def environment(self, **more: str) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("JQ_")}
        path = os.pathsep.join([str(_HERE), *sys.path])
        return own | {"PYTHONPATH": path, "CAMPAIGN_JOURNAL": str(self.journal), **more}

    # What goes on at the same time

    def write(self, share: int) -> None:
        """Commit and roll back by turns."""
        with closing(self.place.connect()) as connection:
            for n in range(share):
                job_id = f"{threading.get_ident()}-{n}"
                is_committed = n % 2 == 0
                (self._by_session if n % 4 < 2 else self._by_connection)(connection, job_id, is_committed=is_committed)
                (self.committed if is_committed else self.rolled_back).append(job_id)
                self.ending.wait(0.02)  # they go on for as long as relays are killed

    def _by_session(self, _: Any, job_id: str, *, is_committed: bool) -> None:
        with Session(self.engine) as session:
            self.note.options(outbox=session, id=job_id).enqueue()
            session.commit() if is_committed else session.rollback()

    def _by_connection(self, connection: Any, job_id: str, *, is_committed: bool) -> None:
        self.note.options(outbox=connection, id=job_id).enqueue()
        connection.commit() if is_committed else connection.rollback()

    def kill_relays(self, kills: int) -> None:
        """Have a relay, and kill it, so often; then leave one alone until the end."""
        rng = random.Random(self.rng.random())
        for _ in range(kills):
            relay = self._start_relay()
            _wait_for_line(relay)
            time.sleep(rng.uniform(0.0, 0.6))
            relay.kill()
            relay.wait()
            self.relay_deaths += 1
        relay = self._start_relay()
        _wait_for_line(relay)
        self.ending.wait()
        relay.terminate()
        relay.wait()

    def _start_relay(self) -> subprocess.Popen[bytes]:
        ours, theirs = socket.socketpair()
        with ours, theirs:  # nobody listens to how it is
            config = RelayConfig(
                app="shop:app", redis_url=self.redis.url, daemon_pid=os.getpid(), channel_fd=theirs.fileno(),
                poll_s=0.05,
            )  # fmt: skip
            environment = self.environment(CAMPAIGN_OUTBOX=self.place.url, **{VARIABLE: config.to_json()})
            return subprocess.Popen(
                [sys.executable, "-m", "jqjobs.outbox"], env=environment, stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
            )  # fmt: skip

    def take_redis_away(self) -> None:
        """Kill Redis, or have it stand still, by turns."""
        rng = random.Random(self.rng.random())
        for n in range(self.outages):
            time.sleep(rng.uniform(1.0, 3.0))
            if n % 2:
                self.redis.kill()
                time.sleep(rng.uniform(0.2, 1.0))
                self.redis.restart()
            else:
                os.kill(self.redis.pid, signal.SIGSTOP)
                time.sleep(rng.uniform(0.2, 1.5))
                os.kill(self.redis.pid, signal.SIGCONT)
            self.outages_done += 1
        self.ending.wait()  # the server dies with the thread that has started it

    def run(self) -> dict[str, Any]:
        """Let all of it happen; return what was counted."""
        daemon = self._start_daemon()
        blows = [threading.Thread(target=self.kill_relays, args=(self.kills // _RELAYS,)) for _ in range(_RELAYS)]
        blows.append(threading.Thread(target=self.take_redis_away))
        writers = [threading.Thread(target=self.write, args=(self.transactions // _WRITERS,)) for _ in range(_WRITERS)]
        began_s = time.monotonic()
        threading.Thread(target=self.tell_progress, daemon=True).start()
        for thread in (*blows, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        while all(thread.is_alive() for thread in blows) and not self.is_hit_enough():
            time.sleep(0.1)
        self._wait_for_rest()
        self.ending.set()
        for thread in blows:
            thread.join()
        daemon.terminate()
        daemon.wait()
        return self._judge(round(time.monotonic() - began_s))

    def is_hit_enough(self) -> bool:
        """Whether as many relays were killed, and Redis was taken away as often, as was asked for."""
        return self.relay_deaths >= self.kills // _RELAYS * _RELAYS and self.outages_done >= self.outages

    def tell_progress(self) -> None:
        """Say twice a minute how far it is."""
        while not self.ending.wait(30):
            print(
                f"{self.place.kind}: {len(self.committed)} committed, {self.relay_deaths} relays killed,"
                f" {self.outages_done} outages", file=sys.stderr, flush=True,
            )  # fmt: skip

    def _start_daemon(self) -> subprocess.Popen[bytes]:
        flags = ["--app", "shop:app", "--processes", "1", "--watch", "off", "--log-level", "error"]
        flags += ["--runtime-dir", str(self.directory / "boards"), "--redis", self.redis.url]
        with (self.directory / "daemon.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "jqjobs.cli.jqd", *flags], env=self.environment(), cwd=_HERE, stdout=output,
                stderr=output,
            )  # fmt: skip

    def _wait_for_rest(self) -> None:
        until_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until_s:
            if self.outbox.status().rows == 0 and len({job_id for job_id, _ in self.runs()}) >= len(self.committed):
                break
            time.sleep(0.5)
        time.sleep(2)  # a double would come now

    def runs(self) -> list[tuple[str, str]]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [(line.split()[0], line.split()[1]) for line in lines]

    def _judge(self, took_s: int) -> dict[str, Any]:
        runs = self.runs()
        ran = {job_id for job_id, _ in runs}
        return {
            "database": self.place.kind, "took_s": took_s, "committed": len(self.committed),
            "rolled_back": len(self.rolled_back), "relays_killed": self.relay_deaths, "outages": self.outages_done,
            "lost": len(set(self.committed) - ran), "of_the_rolled_back": len(ran & set(self.rolled_back)),
            "double": sum(1 for times in Counter(runs).values() if times > 1), "rows_left": self.outbox.status().rows,
        }  # fmt: skip

    def close(self) -> None:
        """Close what is open."""
        self.app.client.close()
        self.engine.dispose()


def _wait_for_line(relay: subprocess.Popen[bytes]) -> None:
    """Wait until a relay says that it begins, and read on so that it never waits for us."""
    assert relay.stderr is not None
    while b"outbox.ready" not in (line := relay.stderr.readline()):
        if not line:
            raise RuntimeError(f"a relay has ended with {relay.wait()} before it began")
    threading.Thread(target=relay.stderr.read, daemon=True).start()


def main() -> int:
    """Run the campaign; 0 when all of it was done and nothing was lost, came of a rollback, or came twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", default=",".join(KINDS))
    parser.add_argument("--transactions", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--outages", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    log.configure("campaign", level="critical")  # producers would tell of each outage
    bad = 0
    with closing(Places()) as places:
        for kind in chosen.databases.split(","):
            with ExitStack() as ends, tempfile.TemporaryDirectory() as directory:
                redis = start("valkey", "--appendonly", "yes", "--appendfsync", "always")
                ends.callback(redis.stop)
                trial = Trial(
                    places.place(kind), redis, Path(directory), chosen.transactions, chosen.kills, chosen.outages,
                    random.Random(chosen.seed),
                )  # fmt: skip
                ends.callback(trial.close)
                found = trial.run()
                print(json.dumps(found), flush=True)
                bad += not trial.is_hit_enough()
                bad += found["lost"] + found["of_the_rolled_back"] + found["double"]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
