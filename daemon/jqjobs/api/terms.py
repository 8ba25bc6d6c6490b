"""What calls of a job have in common, whatever their arguments: worked out once, not at each call."""

from __future__ import annotations

from jqjobs.jobs import moments
from jqjobs.jobs.groups import group_fields, group_of, is_made_of_arguments
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import OUTBOX, Coalesce
from jqjobs.jobs.registration import Settings

#: The database of Django that ``on_commit="outbox"`` means.
DEFAULT_ALIAS = "default"


class Terms:
    """The options that were chosen, over what a job was registered with. Raises: InvalidOption."""

    def __init__(self, settings: Settings, options: Options) -> None:
        options.check_key()
        self.options = options
        self.queue = options.queue or settings.queue
        self.job_id, self.key = options.id, options.key or ""
        #: What the group is made of, where that is the arguments.
        self.group_form = settings.group if options.group is None and is_made_of_arguments(settings.group) else None
        self.fields = options.fields()
        if settings.group is not None and options.group is None and self.group_form is None:
            self.fields = (*group_fields(group_of(settings.group, {})), *self.fields)
        self.meta = options.meta
        self.on_commit = settings.on_commit if options.on_commit is None else options.on_commit
        #: What the transaction is known by in whose outbox calls are written.
        self.outbox = options.outbox if self.on_commit != OUTBOX or options.outbox else DEFAULT_ALIAS
        self.priority = settings.priority if options.priority is None else options.priority
        self._when = settings.delay if options.when is None else options.when
        #: Whether it is read at each call when they are due.
        self.is_moment = moments.is_moment(self._when)
        self.due_text = "" if self.is_moment or not self._when else moments.due_text(self._when, "delay", 0)
        #: Whether calls differ in more than their arguments.
        self.varies = self.is_moment or bool(settings.limits or self.meta or self.group_form)
        self.coalescing: tuple[str, bool] = Coalesce.UNFINISHED, False
        if options.key is not None:
            replace = settings.replace if options.replace is None else options.replace
            self.coalescing = options.coalesce or settings.coalesce, replace

    def due_text_at(self, now_ms: int) -> str:
        """Return when a call is due that is made now. Raises: InvalidOption."""
        return moments.due_text(self._when, "delay" if self.options.due is None else "due", now_ms)
