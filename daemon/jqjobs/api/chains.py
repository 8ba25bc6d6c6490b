"""Chains: steps of which each begins when the one before has succeeded.

app.chain(fetch.call(url), [resize.call(200), resize.call(800)], publish.call()).enqueue()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from jqjobs.api.batches import Batch
from jqjobs.api.both_ways import both_ways
from jqjobs.api.engine import Engine
from jqjobs.api.handle import JobHandle
from jqjobs.api.opening import Opening
from jqjobs.api.steps import Step, calls_of, check_previous, is_list, new_job, written_steps
from jqjobs.errors import Conflict, InvalidOption, NotFound
from jqjobs.jobs.flow import MAX_ID_LENGTH, MAX_ROOT_LENGTH, OnDead, flow_fields, longest_id
from jqjobs.jobs.records import NewJob, new_id
from jqjobs.store.calls.batches import CHAIN
from jqjobs.store.calls.cancels import CancelAnswer
from jqjobs.store.steps import Steps

_KEEP_MS = 604_800_000


@dataclass(frozen=True, slots=True)
class ChainHandle:
    """A chain in the store. ``steps``: each a job, or the batch that a list is; most are not there yet.

    ``created``: False when the id or the key of its first job was there already: then nothing was stored, and ``id`` is
    that of the job which is there. None: it waits for a commit.
    """

    id: str
    steps: Sequence[JobHandle | Batch]
    _engine: Engine = field(repr=False, compare=False)
    created: bool | None = True

    def _cancel(self) -> Steps[bool]:
        """Cancel the step that is there now; what was to come after it does not. Return whether there was one.

        Raises: StoreError and its kinds.
        """
        for step in reversed(self.steps):
            with suppress(NotFound, Conflict):
                if (yield from step._cancel()) is not CancelAnswer.FINISHED:
                    return True
        return False

    cancel, cancel_async = both_ways(_cancel)


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps that are to be enqueued, checked: see `App.chain`."""

    steps: Sequence[Step]
    _engine: Engine = field(repr=False)

    def enqueue(self) -> ChainHandle:
        """Store the first step, and with it what is to come after it. Raises: what `Job.enqueue` does."""
        root, first = self._root, self.steps[0]
        if is_list(first):
            with self._first_list(root) as batch:
                for call in calls_of(first):
                    batch.add(call)
            return self._handle(root)
        [made] = self._engine.enqueue(calls_of(first)[0].job.queue, [self._first(root)])
        return self._handle(made.id, created=made.created)

    async def enqueue_async(self) -> ChainHandle:
        """Do what `enqueue` does, from a coroutine."""
        root, first = self._root, self.steps[0]
        if is_list(first):
            async with self._first_list(root) as batch:
                for call in calls_of(first):
                    await batch.add_async(call)
            return self._handle(root)
        [made] = await self._engine.enqueue_async(calls_of(first)[0].job.queue, [self._first(root)])
        return self._handle(made.id, created=made.created)

    def _handle(self, root: str, *, created: bool | None = True) -> ChainHandle:
        return ChainHandle(root, list(self._places(root)), self._engine, created)

    @property
    def _root(self) -> str:
        calls = calls_of(self.steps[0])
        return (calls[0].job.chosen.id if not is_list(self.steps[0]) else None) or new_id()

    def _first(self, root: str) -> NewJob:
        new = new_job(calls_of(self.steps[0])[0], root)
        if len(self.steps) == 1:
            return new
        return replace(new, fields=(*new.fields, *flow_fields(written_steps(self.steps[1:]))))

    def _first_list(self, root: str) -> Opening:
        home = calls_of(self.steps[0])[0].job.queue
        batch = Batch(home, root, self._engine)
        steps = written_steps(self.steps[1:])
        return Opening(batch, OnDead.WAIT, _KEEP_MS, steps, b"", self._engine, f"{CHAIN} {new_id()}")

    def _places(self, root: str) -> Iterator[JobHandle | Batch]:
        """Yield where each step is when it is there (lua/rules/flow/begin.lua)."""
        home = calls_of(self.steps[0])[0].job.queue
        base, number = root, 1
        for step in self.steps:
            step_id = base if number == 1 else f"{base}.{number}"
            if is_list(step):
                yield Batch(home, step_id, self._engine)
                base, number = f"{step_id}.then", 1
            else:
                home = calls_of(step)[0].job.queue
                yield JobHandle(step_id, home, False, self._engine)
                number += 1


def chain_of(engine: Engine, steps: Sequence[Step]) -> Chain:
    """Return a chain that can be enqueued. Raises: InvalidOption, InvalidArguments."""
    if not steps:
        raise InvalidOption("a chain has no steps")
    for step, before in zip(steps, (None, *steps), strict=False):
        check_previous(step, before)
    for call in calls_of(steps[0]):
        if len(call.job.chosen.id or "") > MAX_ROOT_LENGTH:
            raise InvalidOption(f"the id of a chain has at most {MAX_ROOT_LENGTH} characters")
        if call.job.chosen.replace:
            raise InvalidOption("replace does not go with a chain")
    written_steps(steps[1:])
    chain = Chain(steps, engine)
    members = [len(calls_of(step)) if is_list(step) else 0 for step in steps]
    if longest_id(len(chain._root), 1, members) > MAX_ID_LENGTH:
        raise InvalidOption(
            f"steps after so many lists would have ids of more than {MAX_ID_LENGTH} characters",
            hint="give the chain a shorter id, or none",
        )
    return chain
