"""What can only be said when a run is over: what producers, jobs and daemons know against what the log says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from chaos.calls import Call, Reply
from chaos.invariants import Violation
from chaos.invariants_of_takes import Ticks
from chaos.kinds import SCHEDULES
from chaos.lives import CLOCK_KEY, Lives

#: Events in a daemon's log that mean a defect of jqjobs, whatever was done to it.
_DEFECTS = ("keeper.error", "monitor.error", "worker.crashed")


def accepted_calls(lives: Lives, calls: Iterable[Call]) -> Iterator[Violation]:
    """What was accepted has become a job and ended as its kind may; what was refused has not become one."""
    for call in calls:
        life = lives.of.get((call.queue, call.id))
        was_born = life is not None and life.births > 0
        if call.reply is Reply.ACCEPTED and not was_born:
            yield Violation("lost", f"{call.queue}/{call.id}", "was accepted, and never became a job", call.at_ms)
        if call.reply is Reply.REFUSED and was_born:
            yield Violation(
                "refused", f"{call.queue}/{call.id}", "was refused as not stored, and was stored", call.at_ms
            )
        if life is not None and life.successes and not call.kind.succeeds:
            yield Violation("outcome", life.ref, f"a job of the kind {call.kind.name} succeeded", call.at_ms)


def stuck(lives: Lives) -> Iterator[Violation]:
    """Everything has ended by now."""
    for life in lives.of.values():
        if life.exists and not life.places & {"dead", "kept"}:
            yield Violation("stuck", life.ref, f"{life.name} is still {sorted(life.places)}")


def executions(lives: Lives, begun: Mapping[tuple[str, str], int]) -> Iterator[Violation]:
    """An attempt begins at most once, and nothing succeeds that did not begin."""
    ran = Counter[str]()
    for (ref, attempt), times in begun.items():
        ran[ref] += times
        if times > 1 and lives.of[_parts(ref)].births < 2:
            yield Violation("attempt", ref, f"attempt {attempt} began {times} times")
    for life in lives.of.values():
        if life.successes and not ran[life.ref]:
            yield Violation("attempt", life.ref, "succeeded, and never began")


def _parts(ref: str) -> tuple[str, str]:
    queue, _, job_id = ref.partition("/")
    return queue, job_id


def missed_ticks(rule: Ticks) -> Iterator[Violation]:
    """No tick is missing between the first and the last one."""
    for name, every_ms in SCHEDULES.items():
        ticks = rule.ticks.get(name, set())
        if name == "alone" or not ticks:
            continue  # overlap=False: its job may still have stood for the next tick
        missing = [tick for tick in range(min(ticks), max(ticks), every_ms) if tick not in ticks]
        if missing:
            yield Violation("ticks", name, f"{len(missing)} ticks made no job, the first at {missing[0]}", missing[0])


def replayed_wrongly(lives: Lives, snapshot: Mapping[str, object]) -> Iterator[Violation]:
    """The replayed keyspace is what Redis has; else the checker, or the log, cannot be trusted."""
    ours = lives.keyspace.values
    for key in ours.keys() | snapshot.keys():
        if key == CLOCK_KEY or (key in lives.keyspace.expires and key not in snapshot):
            continue
        if ours.get(key) != snapshot.get(key):
            yield Violation("replay", key, f"{str(ours.get(key))[:100]} here, {str(snapshot.get(key))[:100]} in Redis")


def defects(logs: Sequence[Path]) -> Iterator[Violation]:
    """No daemon or worker has logged what means a defect."""
    for path in logs:
        for line in path.read_text(errors="replace").splitlines():
            event = _event(line)
            name = str(event.get("event"))
            if name in _DEFECTS or ("exception" in event and not name.startswith("job.")):
                yield Violation("defect", path.stem, line[:400])


def _event(line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}  # what a killed process left unfinished, or what a job printed
    return found if isinstance(found, dict) else {}
