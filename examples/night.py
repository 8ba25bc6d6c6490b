"""A night at the example shop, made up: what the pictures of the dashboard show.

Nothing runs here. What happened within the last hour is told to the scripts that producers, workers and daemons use,
with the times at which it did; so it takes seconds, and is the same each time:

    the daemon of `emails` went away four minutes ago, the gateway of `payments` does not answer, maria has paused
    `stock`, a report takes longer than usual, `images` waits for its two places, a reload was refused, a batch of
    refunds waits for two that died, a customer's digest comes each morning at eight in Paris
"""

from __future__ import annotations

import json
import math
import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jqjobs.api.calls import limits_text
from jqjobs.jobs.fingerprints import fingerprint
from jqjobs.jobs.flow import OnDead, written
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import ID_LENGTH, NewJob
from jqjobs.jobs.schedule_entry import Entry
from jqjobs.jobs.statistics import Ended, bucket_of, end_line
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.jobs.timetable import Policy, Timetable
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls import enqueueing, job_notes, leases, schedules, trips, upkeep
from jqjobs.store.calls.added import add_schedule
from jqjobs.store.calls.batches import close_batch, open_batch
from jqjobs.store.calls.daemons import register
from jqjobs.store.calls.statistics import add_statistics
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.store import Store
from market.jobs import app

_APP = "market.jobs:app"
_QUEUES = ("emails", "images", "payments", "reports", "stock")
#: What is told of is there until the pictures are made, however long that takes.
_LEASE_MS = 21_600_000
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
#: So long the daemons seem to have been heard of just now, however slowly pages are made.
_FRESH_MS = 30_000
_SHOP_1 = ("shop-1:4021:6fd1", "shop-1:4022:0a9c", "shop-1:4023:b27e", "shop-1:4024:9e03")
_SHOP_2 = ("shop-2:911:c41a", "shop-2:912:77d0", "shop-2:913:18be")
_WORKERS = {"payments": _SHOP_1, "stock": _SHOP_1, "images": _SHOP_2, "reports": _SHOP_2}
_DECLINED = "CardDeclined: card of order {} was declined: insufficient funds"
_SILENT = "GatewayTimeout: pay.example did not answer order {} within 20 s"
_FULL = "MailRefused: 550 mailbox of customer-{}@example.org is full"
_TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/market/jobs.py", line 58, in charge_card
    answer = gateway.charge(order_id, cents, token)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/market/gateway.py", line 31, in charge
    raise {}
"""
#: By job: how many ran in the last minutes, how many failed, how long they usually wait and run, ms.
_USUAL = {
    ("payments", "charge_card"): (1412, 31, 40, 90),
    ("reports", "monthly_report"): (6, 0, 300, 240_000),
    ("images", "resize"): (388, 0, 21_000, 900),
    ("stock", "sync_stock"): (940, 2, 120, 60),
    ("emails", "send_welcome"): (2106, 0, 60, 20),
    ("emails", "send_receipt"): (2051, 9, 60, 30),
}


@dataclass
class Night:
    """The shop's queues, and the moment at which what is told next happens."""

    store: Store
    now_ms: int
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    trips: dict[str, int] = field(default_factory=dict)

    def run(self, call: Call[Any]) -> Any:
        """Run a call at that moment."""
        return self.store.run(call)

    def enqueue(self, queue: str, name: str, many: Sequence[Mapping[str, Any]], **how: Any) -> None:
        """Enqueue jobs of one name. ``how``: further fields of `NewJob`."""
        job = app.registry.find(name)
        limits = limits_text(job, (), dict(many[0])) if queue == job.queue else ""
        fields = ("limits", limits) if limits not in ("", "-") else how.pop("fields", ())
        new = [NewJob(name, json.dumps({"kwargs": each}).encode(), self.new_id(), fields=fields, **how)
               for each in many]  # fmt: skip
        self.run(enqueueing.enqueue(queue, new))

    def new_id(self) -> str:
        """Return an id that is the same in each run."""
        return "".join(self.rng.choices(string.ascii_letters + string.digits, k=ID_LENGTH))

    def trip(self, queue: str, worker: str, want: int = 0, outcomes: Sequence[Outcome] = ()) -> list[TakenJob]:
        """Let a worker report and take."""
        self.trips[worker] = self.trips.get(worker, 0) + 1
        call = trips.exchange([queue], worker, self.trips[worker], want, _LEASE_MS, outcomes=outcomes, free=want)
        taken: list[TakenJob] = self.run(call).jobs
        return taken

    def fail(self, queue: str, name: str, arguments: Mapping[str, Any], error: str, ran_ms: int) -> None:
        """Let a job be enqueued, run and fail for good."""
        worker = _WORKERS.get(queue, _SHOP_1)[0]
        self.enqueue(queue, name, [arguments], fields=("max_attempts", 1))
        for job in self.trip(queue, worker, 1):
            self.now_ms += ran_ms
            group = fingerprint(name, error.partition(":")[0], error)
            line = self.line(job, error, worker, ran_ms)
            self.trip(queue, worker, 0, [Outcome.failed(job, delay_ms=0, error=error, line=line, group=group)])

    def line(self, job: TakenJob, error: str, worker: str, ran_ms: int) -> bytes:
        """Return an attempt that failed now, as its history has it."""
        told = {"attempt": job.attempt, "reason": "failed", "error": error, "worker": worker,
                "traceback": _TRACEBACK.format(error.replace(": ", '("', 1) + '")') + f"market.errors.{error}\n",
                "started_ms": self.now_ms - ran_ms, "ended_ms": self.now_ms}  # fmt: skip
        return json.dumps(told).encode()


def live_through(store: Store) -> None:
    """Fill an empty server with that night, which ends now."""
    end_ms = server_now_ms(store)
    night = Night(Store(store.address), end_ms - _HOUR_MS)
    night.store = Store(store.address, now_ms=lambda: night.now_ms)
    _open(night)
    _refund(night, end_ms)
    _sell(night, end_ms)
    _trouble(night, end_ms)
    _count(night, end_ms)
    night.now_ms = end_ms
    night.run(leases.leave("emails", _SHOP_1[0]))  # with its daemon, four minutes ago
    night.store.close()


def _open(night: Night) -> None:
    """Workers come and publish what they know."""
    for queue in _QUEUES:
        night.run(upkeep.add_queues([queue]))
        night.run(leases.publish(queue, _LEASE_MS, app.registry.catalog(), app.registry.parameters(queue)))
        for worker in _WORKERS.get(queue, _SHOP_1[:1]):
            night.run(leases.join(queue, worker, _LEASE_MS))
    for queue, plan in app.registry.schedules.entries(_QUEUES).items():
        night.run(schedules.plan(queue, _LEASE_MS, _APP, plan))
    night.run(schedules.suspend("stock", "prices"))


def _come(night: Night, queue: str, name: str, begun_ms: int) -> None:
    """Let a schedule come once, and its job succeed."""
    night.run(schedules.tick(queue, name, begun_ms, night.now_ms, [night.now_ms]))
    worker = _WORKERS[queue][0]
    night.trip(queue, worker, 0, [Outcome.done(job) for job in night.trip(queue, worker, 1)])


def _refund(night: Night, end_ms: int) -> None:
    """Batches of refunds: one is over, one waits for two that died, one goes on."""
    then, always = written([_step("monthly_report", "reports")]), written([_step("clean_up", "reports")])
    for minutes, shop, size, dead, later in ((52, "north", 8, 0, 0), (49, "south", 14, 2, 0), (47, "west", 9, 0, 3)):
        night.now_ms = end_ms - minutes * _MINUTE_MS
        name = f"payments/refunds-{shop}"
        night.run(open_batch("payments", f"refunds-{shop}", night.new_id(), OnDead.WAIT, 168 * _HOUR_MS, then, always))
        member, orders = ("flow", "b", "batch", name, "max_attempts", 1), range(47_000 + minutes, 48_000)
        charges = [_charge(order) for order in orders[: size - later]]
        night.enqueue("payments", "charge_card", charges, fields=member)
        if later:
            due = f"+{3 * _HOUR_MS}"
            night.enqueue(
                "payments", "charge_card", [_charge(order) for order in orders[-later:]], fields=member, due=due
            )
        night.run(close_batch("payments", f"refunds-{shop}", size))
        taken = night.trip("payments", _SHOP_1[0], size)
        failed = [_declined(night, job, order) for job, order in zip(taken[:dead], orders, strict=False)]
        night.trip("payments", _SHOP_1[0], 0, failed + [Outcome.done(job) for job in taken[dead:]])
    digest = Entry("monthly_report", b'{"kwargs": {"month": "2026-10-01", "shops": [42]}}',
                   Timetable(cron="0 8 * * *", tz="Europe/Paris"), Policy())  # fmt: skip
    night.run(add_schedule("reports", "digest:42", digest.added_as("digest:42", None)))


def _declined(night: Night, job: TakenJob, order: int) -> Outcome:
    error = _DECLINED.format(order)
    group = fingerprint(job.name, error.partition(":")[0], error)
    line = night.line(job, error, _SHOP_1[0], 310)
    return Outcome.failed(job, delay_ms=0, error=error, line=line, group=group)


def _step(name: str, queue: str) -> bytes:
    return json.dumps({"job": name, "queue": queue}).encode()


def _sell(night: Night, end_ms: int) -> None:
    """An hour in which cards are declined now and then, and the gateway is silent for the last minutes of it."""
    order = 48_211
    for minutes in _minutes(night, end_ms, range(55, 1, -1)):
        order += 17
        if minutes % 4 == 0:
            night.fail("payments", "charge_card", _charge(order), _DECLINED.format(order), 310)
        if minutes < 12:
            for late in range(3):
                order += 3
                night.fail("payments", "charge_card", _charge(order + late), _SILENT.format(order + late), 20_004)
        if minutes % 9 == 0:
            night.fail("emails", "send_receipt", {"order_id": order, "to": f"customer-{order}@example.org"},
                       _FULL.format(order), 1200)  # fmt: skip
        if minutes % 20 == 1:
            night.fail("payments", "charge_card", _charge(order + 9), _SILENT.format(order + 9), 20_004)


def _trouble(night: Night, end_ms: int) -> None:
    """What there is to see when somebody looks."""
    night.now_ms = end_ms - 14 * _MINUTE_MS
    night.enqueue("reports", "monthly_report", [{"month": "2026-10-01", "shops": list(range(1, 41))}])
    [report] = night.trip("reports", _SHOP_2[0], 1)
    for hours in (3, 9):
        night.enqueue("reports", "monthly_report", [{"month": "2026-09-01", "shops": [hours]}], due=f"+{hours}000000")
    night.now_ms = end_ms - 11 * _MINUTE_MS
    night.run(upkeep.pause("stock", str(end_ms + 95 * _MINUTE_MS), "maria", "their API is down until 4:00"))
    for minutes in _minutes(night, end_ms, range(10, 0, -1)):
        night.enqueue("stock", "sync_stock", [{"shop_id": minutes * 12 + n} for n in range(12)])
    for seconds in range(252, 0, -4):
        night.now_ms = end_ms - seconds * 1000
        users = range(90_000 - seconds * 10, 90_000 - seconds * 10 + 20)
        night.enqueue("emails", "send_welcome", [{"user_id": user} for user in users], priority=10)
    night.now_ms = end_ms - 21_000
    _come(night, "reports", "carts", end_ms - _HOUR_MS)
    pictures = [{"path": f"/pictures/{n}.png"} for n in range(7300, 7337)]
    night.enqueue("images", "resize", pictures)
    resizing = [job for worker in _SHOP_2[1:] for job in night.trip("images", worker, 1)]
    night.trip("images", _SHOP_2[0], 1)  # gets none: there are two places
    night.now_ms = end_ms - 4000
    lines = [_said(text=f"read shop {shop}: {rows:,} rows") for shop, rows in ((23, 1812), (24, 902), (25, 14_233))]
    progress = _said(percent=62.5, text="shop 25 of 40")
    night.run(job_notes.note("reports", _SHOP_2[0], report.id, report.attempt, progress, lines))
    night.enqueue("payments", "charge_card", [_charge(order) for order in range(49_620, 49_641)])
    charging = [job for worker in _SHOP_1[:3] for job in night.trip("payments", worker, 1)]
    night.now_ms = end_ms + _FRESH_MS
    _show_running(night, report, resizing, charging)


def _show_running(night: Night, report: TakenJob, resizing: Sequence[TakenJob], charging: Sequence[TakenJob]) -> None:
    """Two daemons say what their workers do; one of them was told to reload and found a mistake in the new code."""
    workers = {worker: [(job, 3200 - 700 * n)] for n, (worker, job) in enumerate(zip(_SHOP_1, charging, strict=False))}
    relay = {"state": "running", "pid": 4020, "age_ms": 30 * _HOUR_MS, "rows": 2, "oldest_ms": 1200}
    _register(night, "shop-1", 4019, ("payments", "stock"), {**{worker: [] for worker in _SHOP_1}, **workers},
              {"outbox": json.dumps(relay)})  # fmt: skip
    refused = "4 refused SyntaxError: '(' was never closed (reports.py, line 12)"
    _register(night, "shop-2", 908, ("images", "reports"),
              {_SHOP_2[0]: [(report, 14 * _MINUTE_MS)], _SHOP_2[1]: [(resizing[0], 800)],
               _SHOP_2[2]: [(resizing[1], 420)]}, {"reload": refused, "deaths": 1})  # fmt: skip


def _register(
    night: Night, host: str, pid: int, queues: Sequence[str],
    runs: Mapping[str, Sequence[tuple[TakenJob, int]]], further: Mapping[str, Any],
) -> None:  # fmt: skip
    from jqjobs.version import __version__

    started_ms = night.now_ms - 31 * _HOUR_MS
    about = {
        "name": "jqd", "host": host, "pid": pid, "version": __version__, "app": _APP, "queues": " ".join(queues),
        "lease_ms": _LEASE_MS, "started_ms": started_ms, "state": "running", "slots": len(runs),
        "workers": " ".join(runs), **further,
    }  # fmt: skip
    described = {}
    for number, (worker, jobs) in enumerate(runs.items()):
        told = [{"id": job.id, "name": job.name, "queue": job.queue, "attempt": job.attempt, "running_ms": for_ms}
                for job, for_ms in jobs]  # fmt: skip
        described[worker] = {
            "pid": worker.split(":")[1], "state": "busy" if jobs else "ready", "jobs": json.dumps(told),
            "rss_bytes": 41_300_000 + 6_100_000 * number, "started_ms": started_ms + 1200, "release": "2026-11-28-3",
        }  # fmt: skip
    night.run(register(f"{host}-{pid}", _LEASE_MS, about, described))


def _count(night: Night, end_ms: int) -> None:
    """What workers have counted, and the rates of the hour: `emails` stops four minutes before its end."""
    night.now_ms = end_ms
    for (queue, name), (started, failed, wait_ms, run_ms) in _USUAL.items():
        counted = {"started": started, "done": started - failed, "failed": failed, "run_ms": run_ms * started,
                   "wait_ms": wait_ms * started, f"run:{bucket_of(run_ms)}": started,
                   f"wait:{bucket_of(wait_ms)}": started}  # fmt: skip
        ends = [(end_ms - n * 1700 - 900, end_line(night.new_id(), name, Ended.DONE, run_ms + 7 * n, wait_ms))
                for n in range(8)]  # fmt: skip
        night.run(add_statistics(queue, {name: counted}, ends))
        _rates(night, queue, end_ms, started)


def _rates(night: Night, queue: str, end_ms: int, usual: int) -> None:
    minute, rows = end_ms // _MINUTE_MS, []
    for back in range(60, -1, -1):
        done = usual / 20 * (1 + 0.4 * math.sin(back / 9) + night.rng.uniform(-0.1, 0.1))
        is_silent = (queue == "emails" and back < 5) or (queue == "stock" and back < 11)
        failed = night.rng.randint(2, 5) if queue == "payments" and back < 12 else 0
        key = night.store.address.key(keys.queue(queue, f"minute:{minute - back}"))
        rows += [("HSET", key, "done", 0 if is_silent else int(done), "failed", failed), ("EXPIRE", key, 7200)]
    night.store.wire.pipeline(rows)
    night.store.wire.call("HSET", night.store.address.key(keys.meta(queue)), "done", usual * 310)


def _minutes(night: Night, end_ms: int, minutes: Sequence[int] | range) -> Iterator[int]:
    """Go through the minutes before the end, as time does."""
    for back in minutes:
        night.now_ms = max(night.now_ms, end_ms - back * _MINUTE_MS)
        yield back


def _charge(order: int) -> dict[str, Any]:
    return {"order_id": order, "cents": order * 7 % 90_000, "token": f"tok_{order}"}


def _said(**words: Any) -> bytes:
    """Return what a job says of itself, as lua/note.lua takes it."""
    return json.dumps(words)[:-1].encode()
