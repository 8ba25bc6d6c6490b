"""Tasks and jobs through the outbox of the project's database: there if and only if it commits, whatever Redis does."""

from __future__ import annotations

from unittest import mock

from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.test import TransactionTestCase

import jqjobs.django
from jqjobs.django import create_outbox, drop_outbox
from jqjobs.django.framework import TaskResultDoesNotExist, TaskResultStatus
from jqjobs.errors import OutboxMissing, ResultTimeout, StoreUnavailable
from jqjobs.outbox.databases import DjangoDatabase
from jqjobs.outbox.rows import count_waiting
from jqjobs.testing import in_memory
from shop import tasks


@jqjobs.django.app.job(name="shop.posted", on_commit="outbox")
def posted() -> None: ...


TASK = tasks.noop_task.using(backend="outbox")
WAYS = {
    "a task": lambda: TASK.enqueue(),
    "a task, async": lambda: async_to_sync(TASK.aenqueue)(),
    "a job": lambda: posted.enqueue(),
    "a job, async": lambda: async_to_sync(posted.enqueue_async)(),
    "a job that says so": lambda: posted.options(on_commit=False, outbox="default").enqueue(),
}


class _BrokenError(Exception):
    """Rolls a transaction back."""


def redis_is_away():
    return mock.patch.object(jqjobs.django.app.client, "store", side_effect=StoreUnavailable())


class OutboxTests(TransactionTestCase):
    available_apps = ("shop",)

    def setUp(self) -> None:
        with connection.schema_editor(atomic=False) as editor:
            create_outbox(None, editor)
        self.database = DjangoDatabase("default")

    def tearDown(self) -> None:
        with connection.schema_editor(atomic=False) as editor:
            drop_outbox(None, editor)

    def waiting(self) -> int:
        return count_waiting(self.database).rows

    def test_a_rollback_leaves_no_row(self):
        for way, hand_over in WAYS.items():
            with self.subTest(way):
                with redis_is_away(), self.assertRaises(_BrokenError), transaction.atomic():
                    hand_over()
                    self.assertEqual(self.waiting(), 1)
                    raise _BrokenError
                self.assertEqual(self.waiting(), 0)

    def test_a_commit_hands_over_at_once(self):
        with transaction.atomic():
            result = TASK.enqueue()
            handle = posted.enqueue()
        result.refresh()
        self.assertEqual((result.status, handle.state(), self.waiting()), (TaskResultStatus.READY, "ready", 0))

    def test_a_commit_succeeds_while_redis_is_away(self):
        with redis_is_away(), transaction.atomic():
            result = TASK.enqueue()
        self.assertEqual(self.waiting(), 1)
        result.refresh()
        self.assertEqual((result.status, result.enqueued_at), (TaskResultStatus.READY, None))

    def test_a_coroutine_asks_by_the_connection_that_has_written(self):
        with redis_is_away(), transaction.atomic():
            waiting = posted.enqueue()
            with self.assertRaises(ResultTimeout):
                async_to_sync(waiting.result_async)(timeout=0.01)

    def test_without_its_table_a_call_says_what_to_do(self):
        with connection.schema_editor(atomic=False) as editor:
            drop_outbox(None, editor)
        with self.assertRaisesMessage(OutboxMissing, "jqjobs_outbox"):
            posted.enqueue()

    def test_what_is_in_no_outbox_and_not_in_redis_is_not_there(self):
        with self.assertRaises(TaskResultDoesNotExist):
            TASK.get_result("default/nobody")

    def test_in_memory_calls_wait_for_the_commit(self):
        with in_memory(jqjobs.django.app) as jobs:
            with transaction.atomic():
                posted.enqueue()
                self.assertEqual(jobs.all, [])
            self.assertEqual(len(jobs.all), 1)
