"""A batch is opened, filled inside a block, and closed at its end."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from jqjobs.api.batches import Batch
from jqjobs.api.engine import Engine
from jqjobs.api.steps import Step, calls_of, written_steps
from jqjobs.base.clock import Duration
from jqjobs.errors import Conflict, InvalidOption, StoreError
from jqjobs.jobs.flow import OnDead, batch_ref, on_dead_of
from jqjobs.jobs.options import positive_ms
from jqjobs.jobs.records import check_name, new_id
from jqjobs.store.calls.batches import Opened, open_batch
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.steps import Steps, run_steps, run_steps_async


@dataclass(slots=True)
class Opening:
    """What `App.batch` returns: the batch is open inside a ``with`` or ``async with`` block.

    A block that raises cancels the batch: what it was to hold is not known.
    """

    batch: Batch
    on_dead: OnDead
    keep_ms: int
    then: bytes
    always: bytes
    _engine: Engine = field(repr=False)
    _nonce: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            """Raise InvalidOption where somebody takes this for the batch."""
            if name.startswith("_") or not hasattr(Batch, name):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise InvalidOption(
                f"batch {self.batch.ref} is not open: {name!r} is for its block",
                hint=f"with app.batch(…) as batch: batch.{name}…; one that is there already: app.batch_at('queue/id')",
            )

    def __enter__(self) -> Batch:
        run_steps(self._engine.run, self._open())
        return self.batch

    def __exit__(self, kind: type[BaseException] | None, error: object, frames: TracebackType | None) -> None:
        if kind is None:
            if not self.batch.is_ended:
                self.batch.close()
            return
        try:
            self.batch.cancel()
        except (StoreError, Conflict):  # the error of the block is the one to be told
            return

    async def __aenter__(self) -> Batch:
        await run_steps_async(self._engine.run_async, self._open())
        return self.batch

    async def __aexit__(self, kind: type[BaseException] | None, error: object, frames: TracebackType | None) -> None:
        if kind is None:
            if not self.batch.is_ended:
                await self.batch.close_async()
            return
        try:
            await self.batch.cancel_async()
        except (StoreError, Conflict):
            return

    def _open(self) -> Steps[None]:
        """Open it. Raises: Conflict."""
        batch = self.batch
        yield add_queues([batch.queue])
        call = open_batch(batch.queue, batch.id, self._nonce, self.on_dead, self.keep_ms, self.then, self.always)
        if (yield call) is Opened.TAKEN:
            raise Conflict(f"there is a batch {batch.ref} already", hint="each batch has an id of its own")
        batch.is_opened = True


def opening(
    engine: Engine, batch_id: str | None, queue: str | None, then: Step | None,
    always: Step | None, on_dead: str, keep: Duration,
) -> Opening:  # fmt: skip
    """Return a batch that is to be opened, see `App.batch`. Raises: InvalidOption, InvalidName."""
    does_on_dead = on_dead_of(on_dead)
    if batch_id is not None:
        check_name(batch_id, "id")
    after = [then] if then is not None else []
    finally_ = [always] if always is not None else []
    home = queue or next((call.job.queue for step in (*after, *finally_) for call in calls_of(step)), "default")
    home, batch_id = batch_ref(f"{home}/{new_id() if batch_id is None else batch_id}")
    return Opening(
        Batch(home, batch_id, engine), does_on_dead, positive_ms(keep, "keep"),
        written_steps(after), written_steps(finally_), engine,
    )  # fmt: skip
