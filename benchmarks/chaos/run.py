"""`make chaos`: one campaign, its report, and an exit code: 0 nothing is wrong, 1 something is, 2 it could not be run.

python -m chaos.run [--minutes 10] [--seed 1] [--blows WORD] [--without TAG] [--keep]
"""

from __future__ import annotations

import argparse
import pickle
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from chaos.campaign import Campaign, Plan
from chaos.judge import Testimony, Verdict, judge
from chaos.report import report

_MEMORY = Path("/dev/shm")
#: The file of a run's folder that has what is known of it besides the log of Redis.
_TESTIMONY = "testimony"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the storm (10)")
    parser.add_argument("--seed", type=int, default=1, help="decides what is done, when, and to whom (1)")
    parser.add_argument("--rate", type=float, default=15.0, help="calls a second (15)")
    parser.add_argument(
        "--drain", type=float, default=180.0, help="seconds that all may take to end after the storm (180)"
    )
    parser.add_argument("--patience", type=float, default=1.0, help="how many times slower this machine may be (1)")
    parser.add_argument(
        "--blows", action="append", default=[], metavar="WORD", help="only blows whose name has this word; repeatable"
    )
    parser.add_argument("--without", action="append", default=[], metavar="TAG", help="leave a rule out; repeatable")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs also when nothing is wrong")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="run nothing: judge an earlier run that was kept")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run, judge, report; return the exit code."""
    options = parse(sys.argv[1:] if words is None else words)
    if options.judge:
        return 1 if _judge(options.judge, options).violations else 0
    for number in (signal.SIGINT, signal.SIGTERM):  # INT too: a shell's background jobs begin with it ignored
        signal.signal(number, _interrupt)
    blows = tuple(options.blows)
    plan = Plan(options.minutes, options.seed, options.rate, options.drain, options.patience, blows)
    # In memory: on a slow disk Redis puts writes off (everysec), and a kill -9 of it loses what it has acknowledged.
    directory = Path(tempfile.mkdtemp(prefix="jq-chaos-", dir=_MEMORY if _MEMORY.is_dir() else None))
    print(f"chaos: {plan.minutes:g} minutes, seed {plan.seed}, in {directory}", flush=True)
    is_to_stay = True
    try:
        testimony = run(plan, directory)
        (directory / _TESTIMONY).write_bytes(pickle.dumps(testimony))
        verdict = _judge(directory, options)
        is_to_stay = bool(verdict.violations) or options.keep
        return 1 if verdict.violations else 0
    except KeyboardInterrupt:
        print("broken off", flush=True)
        is_to_stay = options.keep
        return 128 + signal.SIGINT
    finally:
        if is_to_stay:
            print(f"kept        {directory}", flush=True)
        else:
            shutil.rmtree(directory)


def run(plan: Plan, directory: Path) -> Testimony:
    """Run a campaign; return what is known of it."""
    campaign = Campaign(plan, directory)
    try:
        campaign.storm()
        campaign.calm()
        return campaign.end()
    finally:
        campaign.close()


def _judge(directory: Path, options: argparse.Namespace) -> Verdict:
    """Judge the run whose folder that is, and say what came out."""
    testimony: Testimony = pickle.loads((directory / _TESTIMONY).read_bytes())
    verdict = judge(directory / "appendonlydir", testimony, options.without, options.patience)
    for line in report(verdict, testimony):
        print(line)
    return verdict


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
