"""The dashboard with live work: a real Valkey, a daemon, an example shop that enqueues, and `jqctl web`, until Ctrl-C.

Everything lives in a temporary directory and is gone afterwards. Run it with `make demo-web`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from demo import DemoFailed, command, end_of, end_server, running_daemon, stop, wait_for_server

LISTEN = "127.0.0.1:8390"
#: All queues but one, so that there is something to see.
FLAGS = ("--app", "market.jobs:app", "--processes", "4", "--queues", "emails,payments,reports,images,stock")
_TIME_LIMIT_S = 60
#: Seconds between two customers.
_CUSTOMER_S = 0.4


def main() -> int:
    """Run until somebody ends it; return the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # told to end, or its terminal closed: as with Ctrl-C
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="jqjobs-web-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        os.environ["JQ_REDIS_URL"] = f"embedded:{place / 'redis'}"
        try:
            with running_daemon(place / "jqd.log", *FLAGS) as daemon, running_dashboard():
                wait_for_server(daemon, time.monotonic() + _TIME_LIMIT_S)
                print(f"The dashboard is at http://{LISTEN}/, with live work; Ctrl-C ends it.", flush=True)
                try:
                    shop_goes_on(daemon)
                finally:
                    stop(daemon)
        except DemoFailed as failure:
            print(f"\ndemo failed: {failure}\n{end_of(place / 'jqd.log')}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 0
        finally:
            end_server(place / "redis")
    return 0


@contextmanager
def running_dashboard() -> Iterator[None]:
    """Start `jqctl web`."""
    web = subprocess.Popen([command("jqctl"), "web", "--listen", LISTEN])
    try:
        yield
    finally:
        web.terminate()
        web.wait()


def shop_goes_on(daemon: subprocess.Popen[bytes]) -> None:
    """Have customers come until the daemon ends."""
    from market import jobs

    rng, order = random.Random(7), 1000
    jobs.monthly_report.enqueue(date(2026, 10, 1), [1, 2, 3])
    while daemon.poll() is None:
        order += 1
        customer_comes(rng, order)
        time.sleep(rng.uniform(0.2, 1.8) * _CUSTOMER_S)
    raise DemoFailed(f"the daemon ended with code {daemon.returncode}")


def customer_comes(rng: random.Random, order: int) -> None:
    """Enqueue what one customer makes the shop do."""
    from market import jobs

    jobs.send_welcome.enqueue(order, language=rng.choice(["en", "de", "fr"]))
    jobs.charge_card.enqueue(order, rng.randint(500, 90_000), f"tok_{order}")
    jobs.send_receipt.options(delay=rng.choice([0, 5, 60])).enqueue(order, f"customer-{order}@example.org")
    if order % 3 == 0:
        jobs.resize.enqueue(f"/pictures/{order}.png")
    if order % 2 == 0:
        jobs.sync_stock.enqueue(order % 12)


if __name__ == "__main__":
    sys.exit(main())
