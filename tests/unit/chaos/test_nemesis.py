"""What the nemesis does comes from its seed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from chaos import nemesis
from chaos.blows import Harm
from chaos.nemesis import Nemesis


class NoFleet:
    daemons: tuple[()] = ()
    started = 0

    def start(self) -> None:
        self.started += 1


def raging(seed: str, log: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Nemesis, list[str]]:
    """A nemesis that hits 30 times, at once."""
    monkeypatch.setattr(nemesis, "_BETWEEN_S", (0.0, 0.0))
    monkeypatch.setattr(nemesis, "_LOOK_S", 0.0)
    undone: list[str] = []

    def hit(rng: random.Random) -> Harm:
        name = f"a{rng.randrange(100)}"
        return Harm(name, rng.uniform(5, 10), lambda: undone.append(name))

    def miss(rng: random.Random) -> Harm:
        return Harm()

    one = Nemesis(NoFleet(), {"hit": (3, hit), "miss": (1, miss)}, seed, log)  # type: ignore[arg-type]
    while len(one.deeds) < 30:
        one.rage(0.001)
    return one, undone


def test_a_seed_gives_the_same_blows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [raging(seed, tmp_path / "log", monkeypatch)[0] for seed in ("7", "7", "8")]
    targets = [[deed.harm.target for deed in run.deeds[:30]] for run in runs]
    assert targets[0] == targets[1]
    assert targets[0] != targets[2]


def test_what_hit_nobody_is_no_deed_and_each_deed_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = raging("7", tmp_path / "log", monkeypatch)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert set(one.counts) == {"hit"}
    assert [line["target"] for line in lines] == [deed.harm.target for deed in one.deeds]


def test_healing_undoes_all_that_is_not_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, undone = raging("7", tmp_path / "log", monkeypatch)
    assert undone == []
    one.heal()
    assert sorted(undone) == sorted(deed.harm.target for deed in one.deeds)
