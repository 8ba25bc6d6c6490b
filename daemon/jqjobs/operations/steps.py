"""What comes after a job or a batch, as JSON and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jqjobs.jobs.flow import Step


def steps_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return steps as JSON: each with its job, or with those of a list."""
    return [{"all": list(step.names)} if step.is_list else {"job": step.names[0], "queue": step.queue}
            for step in steps]  # fmt: skip


def steps_in_words(steps: Sequence[Step], queue: str) -> list[str]:
    """Return steps for people: ``publish``, ``resize in images``, ``3 × resize, publish side by side``.

    ``queue``: of what comes before them; said is where they run elsewhere than that which they follow.
    """
    told = list[str]()
    for step in steps:
        moves = step.queue is not None and step.queue != queue
        queue = step.queue or queue
        told.append(_side_by_side(step) if step.is_list else step.names[0] + (f" in {queue}" if moves else ""))
    return told


def _side_by_side(step: Step) -> str:
    counted = (f"{count} × {name}" if count > 1 else name for name, count in Counter(step.names).items())
    return f"{', '.join(counted)} side by side"
