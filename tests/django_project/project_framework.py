"""The Tasks framework that this Django has."""

try:
    from django.tasks import default_task_backend, task, task_backends
    from django.tasks.exceptions import InvalidTask, InvalidTaskBackend, TaskResultMismatch

    LOGGER = "django.tasks"
except ImportError:
    from django_tasks import default_task_backend, task, task_backends
    from django_tasks.exceptions import InvalidTaskBackendError as InvalidTaskBackend
    from django_tasks.exceptions import InvalidTaskError as InvalidTask
    from django_tasks.exceptions import TaskResultMismatch

    LOGGER = "django_tasks"

__all__ = [
    "LOGGER", "InvalidTask", "InvalidTaskBackend", "TaskResultMismatch", "default_task_backend", "task",
    "task_backends",
]  # fmt: skip
