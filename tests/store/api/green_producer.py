"""A producer under gevent, for test_timeouts: calls a Redis that stands still, connected and not, and prints how long.

python -m gevent.monkey green_producer.py URL PID_OF_REDIS
"""

import json
import os
import signal
import sys
import time

import gevent

from jqjobs import App
from jqjobs.errors import StoreError

app = App(redis_url=sys.argv[1])
turns = 0


@app.job
def mail() -> None: ...


def turn() -> None:
    global turns
    while True:
        gevent.sleep(0.05)
        turns += 1


def call(what: str) -> None:
    before, began_s = turns, time.monotonic()
    error: StoreError | None = None
    try:
        if what == "result":
            handle.result(timeout=60)
        else:
            mail.enqueue()
    except StoreError as raised:
        error = raised
    told = {"call": what, "took_s": time.monotonic() - began_s, "others_turned": turns > before}
    print(
        json.dumps(told | {"error": str(error), "maybe_stored": error is not None and error.maybe_stored}), flush=True
    )


handle = mail.enqueue()
gevent.spawn(turn)
with gevent.Timeout(50):
    call("works")
    os.kill(int(sys.argv[2]), signal.SIGSTOP)
    call("connected")
    call("connecting")
    call("result")
