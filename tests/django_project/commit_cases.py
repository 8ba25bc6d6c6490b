"""What waits for a commit: it is there if and only if the transaction was committed."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.db import transaction
from django.db.utils import ConnectionDoesNotExist
from django.test import TestCase, TransactionTestCase

import jqjobs.django
from jqjobs.django.framework import TaskResultDoesNotExist
from jqjobs.testing import in_memory
from shop import tasks


@jqjobs.django.app.job(name="shop.plain")
def plain() -> None: ...


#: All ways to hand work over: of each, the names of the jobs that come of it.
WAYS = {
    "a task": lambda: tasks.noop_task.enqueue(),
    "a task, async": lambda: async_to_sync(tasks.noop_task.aenqueue)(),
    "a job": lambda: plain.enqueue(),
    "a job, async": lambda: async_to_sync(plain.enqueue_async)(),
    "many jobs": lambda: plain.enqueue_many([(), ()]),
}


class _BrokenError(Exception):
    """Rolls a transaction back."""


class CommitTests(TransactionTestCase):
    available_apps = ("shop",)

    def setUp(self) -> None:
        self.jobs = self.enterContext(in_memory(jqjobs.django.app))

    def test_a_rollback_leaves_no_job(self):
        for way, hand_over in WAYS.items():
            with self.subTest(way):
                with self.assertRaises(_BrokenError), transaction.atomic():
                    hand_over()
                    raise _BrokenError
                with transaction.atomic(), self.assertRaises(_BrokenError), transaction.atomic():
                    hand_over()
                    raise _BrokenError
                self.assertEqual(self.jobs.all, [])

    def test_a_commit_hands_over_what_waited(self):
        for way, hand_over in WAYS.items():
            with self.subTest(way), in_memory(jqjobs.django.app) as jobs:
                with transaction.atomic():
                    hand_over()
                    self.assertEqual(jobs.all, [])
                self.assertEqual(len(jobs.all), 2 if way == "many jobs" else 1)

    def test_outside_of_a_transaction_nothing_waits(self):
        for hand_over in WAYS.values():
            hand_over()
        self.assertEqual(len(self.jobs.all), 6)

    def test_the_id_is_there_before_the_job(self):
        with transaction.atomic():
            result, handle = tasks.noop_task.enqueue(), plain.enqueue()
            self.assertIsNone(handle.created)
            with self.assertRaises(TaskResultDoesNotExist):
                result.refresh()
        result.refresh()
        self.assertEqual([result.id, handle.ref], [f"{record.queue}/{record.id}" for record in self.jobs.all])

    def test_who_says_so_waits_for_nothing(self):
        with transaction.atomic():
            tasks.noop_task.using(backend="at_once").enqueue()
            tasks.noop_task.using(on_commit=False).enqueue()
            plain.options(on_commit=False).enqueue()
            self.assertEqual(len(self.jobs.all), 3)

    def test_the_transaction_is_that_of_the_database_that_is_named(self):
        with transaction.atomic():
            self.assertRaises(ConnectionDoesNotExist, plain.options(on_commit="elsewhere").enqueue)
        self.assertEqual(self.jobs.all, [])


class TestCaseTests(TestCase):
    def test_in_a_test_the_callbacks_are_djangos(self):
        with in_memory(jqjobs.django.app) as jobs, self.captureOnCommitCallbacks(execute=True):
            tasks.noop_task.enqueue()
            self.assertEqual(jobs.all, [])
        self.assertEqual(len(jobs.all), 1)

    def test_jobs_in_memory_see_what_the_test_has_written(self):
        """Their connections are not closed inside of its transaction."""
        from django.contrib.auth.models import Group

        @jqjobs.django.app.job(name="shop.count_groups", keep="1h", on_commit=False)
        def count_groups() -> int:
            return Group.objects.count()

        Group.objects.create(name="support")
        with in_memory(jqjobs.django.app) as jobs:
            handle = count_groups.enqueue()
            jobs.drain(raise_errors=True)
            self.assertEqual(handle.result(), 1)
