"""``manage.py jqd`` and ``manage.py jqctl`` become these commands, with what the settings say of Redis.

The same process goes on under another name: no Django is in the daemon, and signals reach it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from jqjobs.base.config import Environment
from jqjobs.django.project import backend_options

APP = "jqjobs.django:app"


def become(module: str, argv: Sequence[str]) -> NoReturn:
    """Execute a command of jqjobs with these arguments, but for those of manage.py."""
    os.execve(sys.executable, [sys.executable, "-m", module, *own_arguments(argv)], environment(backend_options()))


def own_arguments(argv: Sequence[str]) -> list[str]:
    """Return the arguments without those that Django has read by now."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("--settings", "--pythonpath"):
        parser.add_argument(name)
    return parser.parse_known_args(argv)[1]


def environment(options: Mapping[str, Any]) -> dict[str, str]:
    """Return what the command finds: Redis and app of this project, and modules where manage.py finds them."""
    ours = dict(os.environ)
    ours["JQ_REDIS_URL"] = Environment().redis_url(options.get("url"), options.get("prefix"))
    ours.pop("JQ_PREFIX", None)  # it is in the URL
    ours["JQ_APP"] = Environment().get("app") or APP
    ours["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], ours.get("PYTHONPATH", "")]))
    return ours
