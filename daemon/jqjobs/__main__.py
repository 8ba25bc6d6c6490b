"""``python -m jqjobs jqd …`` and ``python -m jqjobs jqctl …``: both, where their scripts are not on the PATH."""

from __future__ import annotations

import sys
from importlib import import_module

_COMMANDS = ("jqd", "jqctl")
_HELP = """\
Usage: python -m jqjobs jqd|jqctl [OPTIONS] …

  python -m jqjobs jqd --app shop.app:app
  python -m jqjobs jqctl status

Both take --help."""


def main() -> None:
    """Be the command that the first word names."""
    word = sys.argv[1] if sys.argv[1:] else "--help"
    if word in _COMMANDS:
        del sys.argv[1]
        import_module(f"jqjobs.cli.{word}").main()
    elif word in ("-h", "--help"):
        print(_HELP)
    else:
        sys.exit(_neither(word))


def _neither(word: str) -> int:
    print(f"jqjobs: {word!r} is neither jqd nor jqctl (see python -m jqjobs --help)", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
