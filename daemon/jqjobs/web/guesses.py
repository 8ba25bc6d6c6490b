"""Slows down who guesses names, passwords and tokens: so many wrong ones a minute, from one address and for one name.

Whoever is wrong too often is not looked at until the minute is over, right or wrong: be it a name that there is, or
not. Kept in this process, for a bounded number of addresses and names.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address
from threading import Lock

from jqjobs.errors import TooManyGuesses
from jqjobs.web.guard import address_of

#: Wrong ones within a minute: of a person who mistypes, not of a program that tries words.
MOST_OF_ADDRESS, MOST_OF_NAME = 10, 30
_WITHIN_S = 60.0
_MOST_REMEMBERED = 10_000


class Guesses:
    """Counts wrong guesses. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        #: Since when, and how many; the one that has not guessed for longest first.
        self._wrong: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def check(self, client: str, name: str) -> None:
        """Raise TooManyGuesses when this address, or somebody for this name, was wrong too often."""
        with self._lock:
            left_s = max(self._left_s(key, most) for key, most in _keys(client, name))
        if left_s > 0:
            raise TooManyGuesses("too many wrong names, passwords or tokens", hint=f"try again in {left_s:.0f} s")

    def _left_s(self, key: tuple[str, str], most: int) -> float:
        since_s, wrong = self._wrong.get(key, (0.0, 0))
        return since_s + _WITHIN_S - self._clock() if wrong >= most else 0.0

    def note(self, client: str, name: str) -> None:
        """Count a wrong one."""
        now_s = self._clock()
        with self._lock:
            for key, _ in _keys(client, name):
                since_s, wrong = self._wrong.pop(key, (now_s, 0))
                self._wrong[key] = (since_s, wrong + 1) if now_s - since_s < _WITHIN_S else (now_s, 1)
            while len(self._wrong) > _MOST_REMEMBERED:
                self._wrong.popitem(last=False)


def _keys(client: str, name: str) -> list[tuple[tuple[str, str], int]]:
    """Return what is counted, and how many of it are too many; a token has no name."""
    of_name = [(("name", name), MOST_OF_NAME)] if name else []
    return [(("address", _place(client)), MOST_OF_ADDRESS), *of_name]


def _place(client: str) -> str:
    """Return what one person has of addresses: of IPv6 a whole network."""
    address = address_of(client)
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else str(address or client)
