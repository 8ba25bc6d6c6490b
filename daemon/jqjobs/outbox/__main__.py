"""``python -m jqjobs.outbox``: the relay of an app's outbox. Started by `jqd` only.

Boot: die with the daemon · load the app, for its outbox · bring what is due until TERM.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing

from jqjobs.base import log
from jqjobs.base.config import Environment, use_redis
from jqjobs.base.wakeup import Wakeup
from jqjobs.link.channel import Channel
from jqjobs.link.exits import WorkerExit
from jqjobs.link.relay_config import VARIABLE, RelayConfig
from jqjobs.link.relay_report import EVENT, RelayReport
from jqjobs.outbox.outbox import Outbox, outbox_of
from jqjobs.outbox.relay import Relay
from jqjobs.store.address import Address
from jqjobs.store.login import address_of
from jqjobs.store.store import Store
from jqjobs.worker.life.boot import describe_failure, limit_threads, load_registered
from jqjobs.worker.life.parent import die_with

#: Longer than a step of Redis takes, shorter than the pause of a person.
_TIMEOUT_S = 3.0


def main() -> int:
    """Run one relay as its daemon configured it."""
    config = RelayConfig.from_json(os.environ.pop(VARIABLE))
    wakeup = Wakeup()
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ending.append(number))
    wakeup.ring_at_signals()
    use_redis(config.redis_url)
    os.environ["JQ_ENGINE"] = "redis"
    log.configure(f"relay:{os.getpid()}", form=config.log_format, level=config.log_level)
    if not die_with(config.daemon_pid):
        return WorkerExit.ORPHANED
    found = _load(config)
    if found is None:
        return WorkerExit.BAD_APP

    def wait(timeout_s: float) -> bool:
        if not ending:
            select.select([wakeup], [], [], timeout_s)
            wakeup.clear()
        return bool(ending) or os.getppid() != config.daemon_pid

    log.event("outbox.ready")
    rng = random.Random()
    with closing(Store(found[1], timeout_s=_TIMEOUT_S, name="jqjobs-relay")) as store:
        relay = Relay(found[0], store, rng, wait, _teller(config.channel_fd))
        relay.run(lambda: config.poll_s * (1 + rng.uniform(-config.jitter, config.jitter)))
    return WorkerExit.DRAINED


def _teller(channel_fd: int) -> Callable[[RelayReport], None]:
    channel = Channel(socket.socket(fileno=channel_fd))
    return lambda report: channel.send(EVENT, **report.as_message())


def _load(config: RelayConfig) -> tuple[Outbox, Address] | None:
    """Return the outbox of the app, and Redis; None once it was said why not."""
    environment = Environment()
    try:
        app = load_registered(config.app)
        return outbox_of(app), address_of(config.redis_url, environment, app.credentials)
    except BaseException as error:  # anything may come out of user modules, SystemExit included
        log.event("app.failed", level=log.ERROR, app=config.app, error=describe_failure(error))
        return None


if __name__ == "__main__":
    try:
        code = main()
    except Exception:
        log.event("outbox.crashed", level=log.CRITICAL, exc_info=True)
        code = WorkerExit.INTERNAL
    limit_threads(code)
    sys.exit(code)
