"""`make bench`: what jqjobs does on this machine, also beside other queues.

python benchmarks/run.py                                # all of our own measures, some minutes
python benchmarks/run.py --only drain,latency --quick   # a first look
python benchmarks/run.py --vs rq,taskiq                 # the same measures for peers, each in an environment of its own
python benchmarks/run.py --vs sidekiq --rows each,long  # one trip a job, jobs of 30 ms
python benchmarks/run.py --read FILE --chart FILE       # the tables and the chart of an earlier run

Timings on a shared machine are noisy, so compare the ratios of one run, not numbers of two: GETs of redis-py frame the
drains, and each figure is the median of several repeats.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import calls
import chart
import drain
import enqueue
import envs
import footprint
import groups
import growth
import inbox
import io_bound
import latency
import report
import schedules
import slow_link
import startup
import tenants
import trips
import turns
import versus
from figures import Figure, load, save
from machine import describe
from stage import Stage, server
from subjects import BY_NAME, JQJOBS, PEERS

MEASURES: dict[str, Callable[[Stage], Iterator[Figure]]] = {
    enqueue.NAME: enqueue.measure,
    drain.NAME: drain.measure,
    trips.NAME: trips.measure,
    tenants.NAME: tenants.measure,
    io_bound.NAME: io_bound.measure,
    latency.NAME: latency.measure,
    footprint.NAME: footprint.measure,
    startup.NAME: startup.measure,
    slow_link.NAME: slow_link.measure,
    growth.NAME: growth.measure,
    groups.NAME: groups.measure,
    inbox.NAME: inbox.measure,
    turns.NAME: turns.measure,
    calls.NAME: calls.measure,
}
#: Only by name: they take long.
EXTRA: dict[str, Callable[[Stage], Iterator[Figure]]] = {
    "files": footprint.files,
    "crowd": footprint.crowd,
    schedules.NAME: schedules.measure,
}


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=_names(MEASURES | EXTRA), help=f"of {', '.join(MEASURES | EXTRA)}")
    peers = [peer.name for peer in PEERS]
    parser.add_argument("--vs", type=_names(dict.fromkeys(["all", *peers])), default=[], help="of " + ", ".join(peers)
                        + "; or all; then our own measures run only if --only names them")  # fmt: skip
    parser.add_argument("--rows", type=_names(versus.ROWS), default=list(versus.ROWS), help="of --vs: "
                        + ", ".join(versus.ROWS))  # fmt: skip
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="small numbers, two repeats: shows only that it works")
    parser.add_argument("--envs", type=Path, default=envs.DEFAULT, help="where the peers are installed (%(default)s)")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--chart", type=Path, help="draw a chart there (SVG)")
    parser.add_argument("--read", type=Path, help="measure nothing, show the figures of this file")
    return parser.parse_args()


def _names(known: dict[str, Any]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"there is no {sorted(unknown)[0]!r}; there are {', '.join(known)}")
        return names

    return parse


def main() -> int:
    """Measure, or read, then print and write. Returns 1 when a measure failed."""
    args = options()
    facts, figures, failed = (*load(args.read), 0) if args.read else _measure(args)
    print("\n" + "\n".join(f"{name}: {value}" for name, value in facts.items() if isinstance(value, str)) + "\n")
    if mine := [figure for figure in figures if figure.measure != versus.NAME]:
        print(report.own(mine))
    if len(mine) < len(figures):
        print(report.side_by_side(figures))
    if args.json:
        save(args.json, facts, figures)
    if args.chart:
        args.chart.write_text(chart.draw(facts, figures), "utf-8")
    return 1 if failed else 0


def _measure(args: argparse.Namespace) -> tuple[dict[str, Any], list[Figure], int]:
    figures: list[Figure] = []
    failed = 0
    peers = [peer.name for peer in PEERS] if "all" in args.vs else args.vs
    only = args.only if args.only is not None or peers else list(MEASURES)
    facts: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), **describe()}
    with server() as place:
        stage = Stage(place, repeats=2 if args.quick else args.repeats, quick=args.quick)
        facts["server"] = f"{place.kind}, append-only file on (everysec), unix socket"
        facts["settings"] = f"{stage.repeats} repeats" + (", quick: no figures to quote" if args.quick else "")
        gets = tuple(stage.get_rate() for _ in range(stage.repeats))
        figures.append(Figure("get", "plain GET of redis-py", "/s", gets))
        for name in only or []:
            failed += _collect(figures, name, (MEASURES | EXTRA)[name](stage))
        for name in [JQJOBS.name, *peers] if peers else []:
            failed += _collect(figures, name, _versus(stage, name, args, facts.setdefault("versions", {})))
    return facts, figures, failed


def _versus(stage: Stage, name: str, args: argparse.Namespace, versions: dict[str, Any]) -> Iterator[Figure]:
    subject = BY_NAME[name]
    try:
        environment = envs.prepare(subject, args.envs)
    except envs.Missing as why:
        print(f"{name} is left out: {why}", file=sys.stderr, flush=True)
        return
    versions[name] = environment.versions
    yield from versus.measure(stage, subject, environment, args.rows)


def _collect(figures: list[Figure], name: str, measured: Iterator[Figure]) -> int:
    """Add the figures of a measure as they come; one that fails is said, and the others go on. Returns 1 then."""
    try:
        for figure in measured:
            figures.append(figure)
            print(report.line(figure), file=sys.stderr, flush=True)
    except Exception as error:
        print(f"{name} failed: {error!r}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
