"""Says how a run went: what was done to the fleet, what the jobs made of it, and what must not have been."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from chaos.calls import Call
from chaos.judge import Testimony, Verdict
from chaos.lives import Lives
from chaos.recovery import percentile

#: Violations of one rule that are shown.
_SHOWN = 5


def report(verdict: Verdict, testimony: Testimony) -> Iterator[str]:
    """Yield the lines of the report."""
    yield from _deeds(testimony)
    yield from _jobs(verdict.lives, testimony.calls, sum(testimony.begun.values()))
    for blow, times in verdict.recovery.times_ms.items():
        yield _times(blow, times)
    for blow, times in verdict.recovery.troubled_ms.items():
        yield _times(f"{blow}, with other trouble", times)
    if verdict.waits.times_ms:
        yield f"{_shares('in ready', verdict.waits.times_ms)}, the longest of {verdict.waits.longest[1]}"
    yield f"drained     {testimony.drained_s:.1f} s after the storm"
    yield from _violations(verdict)


def _deeds(testimony: Testimony) -> Iterator[str]:
    counts = Counter(deed.blow for deed in testimony.deeds)
    yield f"blows       {sum(counts.values())}"
    for blow, times in sorted(counts.items()):
        yield f"{times:>10}  {blow}"


def _jobs(lives: Lives, calls: Sequence[Call], begun: int) -> Iterator[str]:
    replies = Counter(call.reply.value for call in calls)
    every = list(lives.of.values())
    successes = sum(life.successes for life in every)
    deaths = Counter(f"{life.name} {reason}" for life in every for reason in life.deaths)
    taken = [life for life in every if life.takes]
    yield f"calls       {len(calls)}: " + ", ".join(f"{count} {reply}" for reply, count in sorted(replies.items()))
    yield f"jobs        {sum(life.births for life in every)} made, {successes} succeeded, {sum(deaths.values())} died"
    for what, times in sorted(deaths.items()):
        yield f"{times:>10}  {what}"
    if taken:
        average, most = sum(life.takes for life in taken) / len(taken), max(taken, key=lambda life: life.takes)
        yield f"takes a job {average:.2f} on average, {most.takes} at most ({most.ref}); {begun} executions began"


def _times(what: str, times: Sequence[int]) -> str:
    return f"{_shares('recovery', times, what)}, of {len(times)} jobs"


def _shares(head: str, times: Sequence[int], what: str = "") -> str:
    shares = ", ".join(f"{name} {percentile(times, share) / 1000:.1f}" for name, share in
                       (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1)))  # fmt: skip
    return f"{head:<12}{what}{what and ': '}{shares} s"


def _violations(verdict: Verdict) -> Iterator[str]:
    yield f"replayed    {verdict.transactions} transactions"
    yield f"violations  {len(verdict.violations)}"
    for tag, times in sorted(verdict.by_tag.items()):
        yield f"{times:>10}  {tag}"
        for violation in [violation for violation in verdict.violations if violation.tag == tag][:_SHOWN]:
            yield f"            {violation.at_ms or 'at the end'}: {violation.about}: {violation.text}"
