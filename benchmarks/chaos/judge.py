"""Judges a run: replays the log of Redis and holds it against the rules and against what was seen outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos import closing
from chaos.aof import Transaction, read_log
from chaos.calls import Call
from chaos.invariants import Bystanders, Evidence, NothingVanishes, OneState, OneSuccess, Rule, Violation
from chaos.invariants_of_takes import Coalescing, Concurrency, Rate, Ticks
from chaos.jobs import LIMITED, QUICK, SLOW
from chaos.lives import Lives
from chaos.nemesis import Deed
from chaos.owners import Registry, unowned
from chaos.recovery import Recovery
from chaos.waits import Waits


@dataclass(frozen=True)
class Testimony:
    """All that is known of a run besides the log of Redis."""

    calls: Sequence[Call]
    deeds: Sequence[Deed]
    cancelled: Collection[str]
    begun: Mapping[tuple[str, str], int]
    snapshot: Mapping[str, object]
    logs: Sequence[Path]
    #: How long it took until all had ended that was there when the storm did.
    drained_s: float = 0.0
    #: What the run itself has seen go wrong.
    complaints: Sequence[Violation] = ()

    def evidence(self) -> Evidence:
        """Return what the rules must know."""
        killed = {worker for deed in self.deeds if deed.harm.is_proof for worker in deed.harm.killed}
        jumps = tuple(deed.at_ms for deed in self.deeds if deed.blow.startswith("jump"))
        return Evidence(killed, self.cancelled, jumps)


@dataclass
class Verdict:
    """What the judge found."""

    lives: Lives
    recovery: Recovery
    waits: Waits
    violations: list[Violation] = field(default_factory=list)
    transactions: int = 0

    @property
    def by_tag(self) -> Counter[str]:
        """How many violations of each rule."""
        return Counter(violation.tag for violation in self.violations)


def rules(lives: Lives, evidence: Evidence, without: Collection[str] = ()) -> list[Rule]:
    """Return the rules of each step but those whose tag is in ``without``."""
    every: list[Rule] = [
        OneState(), NothingVanishes(), OneSuccess(evidence), Concurrency(lives), Rate(lives, evidence),
        Coalescing(lives), Ticks(evidence), Bystanders(lives, evidence), Registry(lives),
    ]  # fmt: skip
    return [rule for rule in every if rule.tag not in without]


def replay(
    log: Iterable[Transaction], lives: Lives, every: Sequence[Rule | Recovery | Waits]
) -> tuple[int, list[Violation]]:
    """Do all transactions; return how many there were, and what they broke."""
    found: list[Violation] = []
    number = 0
    for transaction in log:
        step = lives.replay(transaction)
        number = step.number
        for rule in every:
            found += rule.see(step)
    return number, found


def judge(log: Path, testimony: Testimony, without: Collection[str] = (), patience: float = 1.0) -> Verdict:
    """Replay the log in a directory and judge; ``without``: tags to leave out."""
    lives, evidence = Lives(), testimony.evidence()
    step_rules = rules(lives, evidence, without)
    recovery = Recovery(lives, (QUICK, SLOW, LIMITED), testimony.deeds, patience)
    verdict = Verdict(lives, recovery, Waits())
    verdict.transactions, verdict.violations = replay(read_log(log), lives, [*step_rules, recovery, verdict.waits])
    verdict.violations += testimony.complaints
    verdict.violations += _at_the_end(lives, testimony)
    if not evidence.jumps_ms:
        verdict.violations += [v for rule in step_rules if isinstance(rule, Ticks) for v in closing.missed_ticks(rule)]
    verdict.violations = [violation for violation in verdict.violations if violation.tag not in without]
    return verdict


def _at_the_end(lives: Lives, testimony: Testimony) -> list[Violation]:
    return [
        *closing.accepted_calls(lives, testimony.calls),
        *closing.stuck(lives),
        *closing.executions(lives, testimony.begun),
        *closing.replayed_wrongly(lives, testimony.snapshot),
        *closing.defects(testimony.logs),
        *unowned(lives),
    ]
