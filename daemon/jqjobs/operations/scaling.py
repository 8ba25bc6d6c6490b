"""How many workers the jobs call for, as JSON; and by which rules, as somebody writes them in a URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jqjobs.base.clock import duration_ms
from jqjobs.errors import InvalidOption
from jqjobs.jobs.scaling import LEAD_S, Decision, Load, Policy, Rules

_USUAL = Rules()


def scale_json(load: Load, found: Decision) -> dict[str, Any]:
    """Return a decision as `jqctl scale` and the API tell it."""
    return {
        "wanted": found.wanted, "busy": load.busy, "ready": load.ready, "due_soon": load.due_soon,
        "oldest_s": int(load.oldest_s), "why": found.why,
    }  # fmt: skip


def checked_rules(policy: str, target_s: float, least: int, most: int, at_once: int) -> Rules:
    """Return rules that can be followed. Raises: InvalidOption."""
    if policy not in list(Policy):
        raise InvalidOption(f"policy {policy!r} is none of {', '.join(Policy)}")
    if not target_s:
        raise InvalidOption("--target leaves no time", hint="write a duration such as 30s")
    if least > most:
        raise InvalidOption(f"--min is {least}, --max is {most}", hint="the first must not be the larger one")
    return Rules(Policy(policy), target_s, least, most, at_once)


def read_rules(said: Mapping[str, str]) -> tuple[Rules, float]:
    """Return rules, and for how many seconds ahead jobs count; "" is the usual. Raises: InvalidOption.

    ``said``: policy, target, min, max, lead, concurrency.
    """

    def number(word: str, usual: int) -> int:
        text = said.get(word) or str(usual)
        if not (text.isascii() and text.isdigit() and len(text) <= 6):
            raise InvalidOption(f"{word} {text!r} is no number")
        return int(text)

    target_s = duration_ms(said["target"], "target") / 1000 if said.get("target") else _USUAL.target_s
    lead_s = duration_ms(said["lead"], "lead") / 1000 if said.get("lead") else LEAD_S
    rules = checked_rules(
        said.get("policy") or _USUAL.policy, target_s, number("min", _USUAL.least), number("max", _USUAL.most),
        max(1, number("concurrency", _USUAL.at_once)),
    )  # fmt: skip
    return rules, lead_s
