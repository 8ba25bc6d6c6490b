"""Searches and acts with very many jobs in every state: no script call above 10 ms of Redis, no page above 0.5 s.

`JQ_TEST_JOBS=111112` makes a million of them; that takes about 1 GB of memory and some minutes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from jqjobs.jobs.records import State
from jqjobs.jobs.selector import ALL_STATES, Selector
from jqjobs.store.bulk import Act, act_on_all
from jqjobs.store.reads.search import Cursor, JobPage, find_page, search
from jqjobs.store.steps import run_steps
from store.lua.test_scale import assert_quick
from store.queue_system import START_MS, QueueSystem

#: So many in each state.
JOBS = int(os.environ.get("JQ_TEST_JOBS", "4000"))
WORKERS = 500
#: Jobs on their way to another queue are few: whoever moves them has fifty there at a time.
FILLED = tuple(state for state in ALL_STATES if state is not State.MOVING)
#: Puts jobs into a state as they would be there: KEYS[1] meta, ARGV state, first number, how many, workers.
FILL = """
local q, state, first, count, workers = string.sub(KEYS[1], 1, -5), ARGV[1], ARGV[2], ARGV[3], ARGV[4]
for n = first, first + count - 1 do
  local id, set, score = state .. n, q .. state, 1700000000000 + n
  local member = id
  if state == 'active' then
    local worker = 'host:' .. n % workers .. ':x'
    redis.call('ZADD', q .. 'leases', 4e12, worker)
    set, member = q .. 'active:' .. worker, id .. ' 1'
  end
  redis.call('ZADD', set, score, member)
  redis.call('HSET', q .. 'job:' .. id, 'name', 'send_welcome', 'payload', '{"args":[' .. n .. ',"ann@example.org"]}',
    'enqueued', score, 'attempt', 1, 'executions', 1, 'failures', 1, 'reason', 'failed', 'finished', score,
    'error', 'SMTPError: ' .. string.rep('no route ', 20), 'due', score, 'key', 'welcome:' .. n)
end
"""
SELECTORS = {
    "nothing said": Selector(),
    "a name that none has": Selector(name="other"),
    "an error that none has": Selector(error="KeyError"),
    "a text that none has": Selector(text="nobody@"),
    "the last key": Selector(key=f"welcome:{JOBS - 1}"),
    "later than all": Selector(since_ms=START_MS + 2 * JOBS),
    "older than all": Selector(older_than_s=10**9),
    "all at once": Selector(None, "send_welcome", "SMTPError", "nobody@", "welcome:1", START_MS, 1),
}


def fill(system: QueueSystem, *states: State) -> None:
    for state in states:
        for first in range(0, JOBS, 2000):
            count = min(2000, JOBS - first)
            system.redis("EVAL", FILL, 1, system.key("meta"), state.value, first, count, WORKERS)
    system.clock.now_ms = START_MS + 2 * JOBS


def test_no_call_and_no_page_of_a_search_is_slow(real_system: QueueSystem) -> None:
    system = real_system
    fill(system, *FILLED)

    def look(attempt: int) -> Callable[[], object]:
        def calls() -> None:
            for selector in SELECTORS.values():
                for state in ALL_STATES:
                    first: JobPage = system.run(search("q", selector, Cursor(state)))
                    if first.cursor:
                        system.run(search("q", selector, first.cursor))

        return calls

    assert_quick(system, look)
    for said, selector in SELECTORS.items():
        for state in (None, *FILLED):
            best_s = 1e9
            for _ in range(5):  # who is slow is slow each time
                began_s = time.monotonic()
                page = run_steps(system.run, find_page("q", selector._replace(state=state), 50))
                best_s = min(best_s, time.monotonic() - began_s)
                if best_s < 0.5:
                    break
            assert best_s < 0.5, (said, state)
            assert page.total == JOBS * (1 if state else len(FILLED))


def test_arguments_as_large_as_may_be_do_not_make_a_search_slow(real_system: QueueSystem) -> None:
    for n in range(20):
        real_system.add(f"j{n}", payload=b'{"args":["%s"]}' % (b"x" * 1_000_000))

    def look(attempt: int) -> Callable[[], object]:
        return lambda: real_system.run(search("q", Selector(text="nobody@"), Cursor("ready")))

    assert_quick(real_system, look)


@pytest.mark.parametrize("act", list(Act))
def test_no_call_of_an_act_on_many_is_slow(real_system: QueueSystem, act: Act) -> None:
    system, state = real_system, State.READY if act is Act.CANCEL else State.DEAD
    fill(system, state)

    def do(attempt: int) -> Callable[[], object]:
        steps = act_on_all("q", Selector(state, name="send_welcome"), act, to="other", within_s=0.2)
        return lambda: run_steps(system.run, steps)

    assert_quick(system, do)
