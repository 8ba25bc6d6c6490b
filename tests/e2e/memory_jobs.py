"""An app whose jobs use up memory: they keep it, take it and give it back, take too much, or say how much they need."""

from __future__ import annotations

import os
from typing import Any

from jobs import hold, note
from jqjobs import App

app = App()
app.job(name="hold")(hold.function)

MB = 1_000_000
#: What leaks.
_KEPT: list[Any] = []


@app.job
def quick() -> int:
    note("start")
    return os.getpid()


@app.job
def leak(megabytes: int) -> int:
    """Take memory for good, every page of it."""
    note("start")
    _KEPT.append(bytearray(b"x") * (megabytes * MB))
    note("end")
    return os.getpid()


@app.job(max_crashes=1)
def gulp(megabytes: int) -> int:
    """Take memory for as long as it runs."""
    note("start")
    taken = bytearray(b"x") * (megabytes * MB)
    note("end")
    return len(taken)


@app.job
def litter(megabytes: int) -> int:
    """Free all it took but the last bit, so that the allocator keeps the rest; return the size after that."""
    note("start")
    pieces = [bytearray(b"x") * 4000 for _ in range(megabytes * MB // 4000)]
    _KEPT.append(pieces.pop())
    pieces.clear()
    note("end")
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@app.job(memory="300MB")
def large(gate: str) -> int:
    """Say that it needs much, and take none of it: what was promised counts, not only what is used."""
    return hold(gate)


@app.job(memory="100TB")
def enormous() -> None:
    note("start")
