"""What a blow is: harm that is done at once, and how it is undone. The blows themselves: against processes in
process_blows, as deploys in deploy_blows, against Redis and the network in outage_blows.

Each takes a source of chance; targets are chosen among what is alive just then.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


def nothing() -> None:
    """Undo what needs no undoing."""


@dataclass(frozen=True, slots=True)
class Harm:
    """What a blow did. ``target``: to whom, "" when there was nobody; ``lasts_s``: until ``undo`` is due.

    ``killed``: ids of workers that kill -9 ended; ``is_proof``: a living daemon saw that, or a later one can prove it.
    ``is_outage``: Redis is out of reach for somebody meanwhile.
    """

    target: str = ""
    lasts_s: float = 0.0
    undo: Callable[[], object] = nothing
    killed: tuple[str, ...] = ()
    is_proof: bool = False
    is_outage: bool = False


Blow = Callable[[random.Random], Harm]
#: Name of a blow → its share among the others, the blow.
Arsenal = dict[str, tuple[int, Blow]]


def one_of(things: Sequence[T], rng: random.Random) -> T | None:
    """Choose; the draw is the same whatever there is to choose from."""
    chance = rng.random()
    return things[int(chance * len(things))] if things else None
