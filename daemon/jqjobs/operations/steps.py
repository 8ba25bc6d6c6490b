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


def step_in_words(step: Step) -> str:
    """Return a step for people: ``publish``, ``resize in images``, ``3 × resize, publish side by side``."""
    if not step.is_list:
        return step.names[0] + (f" in {step.queue}" if step.queue else "")
    counted = (f"{count} × {name}" if count > 1 else name for name, count in Counter(step.names).items())
    return f"{', '.join(counted)} side by side"
