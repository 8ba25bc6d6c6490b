"""The guides for those who come from other queues: our side of each runs, and names only what there is."""

from __future__ import annotations

import asyncio
import re
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest

from jqjobs.testing import in_memory
from unit.docs.pages import ROOT

GUIDES = sorted((ROOT / "docs" / "how-to").glob("from-*.md"))
#: Guide → the function of ours that hands work over, and what it is called with.
PRODUCERS: dict[str, tuple[str, Any]] = {
    "from-celery": ("order", 42), "from-rq": ("sign_up", 42), "from-huey": ("upload", "a.png"),
    "from-arq": ("visit", "https://example.com"), "from-dramatiq": ("sign_up", 42),
}  # fmt: skip


def shop_of(guide: Path) -> dict[str, Any]:
    """What our side of a guide defines."""
    [source] = re.findall(r'^```python title="shop.py"\n(.*?)^```', guide.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "shop"}
    exec(source, names)
    return names


def test_there_is_a_guide_for_each_of_them() -> None:
    assert {guide.stem for guide in GUIDES} == PRODUCERS.keys()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_our_side_hands_over_one_job_for_now_and_one_for_later_and_runs_both(guide: Path) -> None:
    shop = shop_of(guide)
    name, argument = PRODUCERS[guide.stem]
    with in_memory(shop["app"]) as jobs:
        handed_over = shop[name](argument)
        if iscoroutinefunction(shop[name]):
            asyncio.run(handed_over)
        assert jobs.drain(raise_errors=True) == 1
        jobs.clock.advance("10m")
        jobs.drain(raise_errors=True)
        assert jobs.dead == []
        assert jobs.enqueued() == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_flags_of_ours_are_those_that_there_are(guide: Path) -> None:
    reference = "".join((ROOT / "docs" / "reference" / f"{page}.md").read_text("utf-8") for page in ("jqd", "jqctl"))
    ours = re.findall(r"^\|.*\| (.*) \|$", guide.read_text("utf-8"), re.MULTILINE)
    flags = set(re.findall(r"(--[a-z-]+)", " ".join(ours)))
    assert {flag for flag in flags if f"{flag} " not in reference and f"{flag}`" not in reference} == set()
