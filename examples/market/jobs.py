"""Jobs as shops have them. What they do is pretended, how long it takes and how it fails is not."""

from __future__ import annotations

import random
import time
from datetime import date
from enum import Enum
from typing import Literal

from jqjobs import App, Concurrency, RateLimit, current_job

app = App()


class MailRefused(Exception):
    """The provider of mails did not take one."""


class CardDeclined(Exception):
    """The bank said no."""


class Size(Enum):
    """Of a picture."""

    SMALL = "small"
    LARGE = "large"


@app.job(queue="emails", priority=10, max_attempts=5)
def send_welcome(user_id: int, template: str = "default", language: Literal["en", "de", "fr"] = "en") -> None:
    """Greet a new customer."""
    _work(0.02)


@app.job(queue="emails", max_attempts=2, backoff=2)
def send_receipt(order_id: int, to: str) -> None:
    """Mail what was bought, as a PDF."""
    _work(0.03)
    if order_id % 40 == 0:
        raise MailRefused(f"550 mailbox of {to} is full")


@app.job(queue="payments", max_attempts=1, timeout="30s")
def charge_card(order_id: int, cents: int, token: str, *, is_test: bool = False) -> str:
    """Take the money, once."""
    _work(0.08)
    if order_id % 30 == 0:
        raise CardDeclined(f"card of order {order_id} was declined: insufficient funds")
    return f"ch_{order_id}"


@app.job(queue="reports", timeout="10m", keep="1h")
def monthly_report(month: date, shops: list[int], *, is_draft: bool = False) -> dict[str, int]:
    """Count what all shops sold in a month."""
    job = current_job()
    for step in range(1, 41):
        if job:
            job.progress(step * 2.5, f"shop {step} of 40")
        _work(0.7)
    return {"rows": 40, "shops": len(shops)}


@app.job(queue="images", timeout="2m", concurrency=Concurrency(2))
def resize(path: str, size: Size = Size.SMALL) -> None:
    """Make a picture smaller."""
    _work(0.9)


@app.job(queue="stock", rate_limit=RateLimit(4, seconds=1))
def sync_stock(shop_id: int) -> None:
    """Ask a shop what it has; its API takes four calls a second."""
    _work(0.05)


@app.periodic(cron="0 3 * * *", schedule="nightly-cleanup")
@app.job(queue="reports")
def clean_up() -> None:
    """Remove carts that nobody came back to."""
    _work(0.2)


@app.periodic(every="10m", schedule="carts")
@app.job(queue="reports")
def count_carts() -> None:
    """Count what lies in all carts."""
    _work(0.1)


@app.periodic(cron="30 * * * *", schedule="prices")
@app.job(queue="stock")
def read_prices() -> None:
    """Read the price lists of all suppliers."""
    _work(0.3)


def _work(seconds: float) -> None:
    time.sleep(seconds * random.uniform(0.6, 1.6))
