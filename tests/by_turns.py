"""Each test on one kind of server of two, if JQ_TEST_SERVERS=either: in half the time, each kind has half of them.

Which one follows from the test's name, so that it is the same in every run; of the cases of one test, every other one
is on the other. A test that is marked `each_kind` stays on both: what it is about is what the kinds do differently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from zlib import crc32

import pytest

#: Fixtures that come in two kinds.
FIXTURES = ("server", "real_server", "cluster")


def left_out(tests: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield those that are on the kind whose turn it is not; ``tests``: all of each file."""
    cases: Counter[tuple[str, int]] = Counter()
    for test in tests:
        kind = _kind(test)
        if kind is None:
            continue
        name = test.nodeid.partition("[")[0]
        if (crc32(name.encode()) + cases[name, kind]) % 2 != kind:
            yield test
        cases[name, kind] += 1


def _kind(test: pytest.Item) -> int | None:
    """Return 0 or 1 for a test that need not be on both."""
    case = getattr(test, "callspec", None)
    if case is None or test.get_closest_marker("each_kind"):
        return None
    return next((case.indices[name] for name in FIXTURES if name in case.indices), None)
