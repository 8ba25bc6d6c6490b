"""What a command that makes jobs may say of each: names of `Options`, and their help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--priority", type=int, metavar="N", help="-4096 to 4095, higher first. Default: the job's own."),
    click.option("--max-attempts", type=int, metavar="N", help="Give up after so many failures."),
    click.option("--max-crashes", type=int, metavar="N", help="Give up after so many crashes."),
    click.option("--timeout", metavar="TIME", help="Time limit of one attempt: 90s, 10m."),
    click.option("--expires", metavar="TIME", help="Dead when it has not started so long after it was enqueued: 1h."),
    click.option("--keep", metavar="TIME", help="For so long its result is kept when it has succeeded: 7d."),
    click.option(
        "--tag", "tags", multiple=True, metavar="TAG", help="A word to find it by; may be given several times."
    ),
    click.option("--group", metavar="GROUP", help="Takes turns with the other groups of the queue."),
)


def job_options(function: F) -> F:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
