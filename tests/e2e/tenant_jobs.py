"""The app of test_turns_limits.py: jobs with limits, which customers have in queues of their own."""

from __future__ import annotations

from jqjobs import App, Concurrency, RateLimit

app = App()


@app.job(concurrency=Concurrency(1), keep="1h")
def alone(gate: str) -> None:
    _hold(gate)


@app.job(concurrency=Concurrency(1, key="user:{user}"), keep="1h")
def alone_by_user(gate: str, user: int) -> None:
    _hold(gate)


@app.job(rate_limit=RateLimit(1, seconds=3), keep="1h")
def paced() -> None:
    from jobs import note  # in workers only: for the tests that import this it is another module

    note("start")


def _hold(gate: str) -> None:
    from jobs import hold

    hold.function(gate)
