"""Settings of the project that the tests run in, on SQLite or where DATABASE_PORT says."""

import os

SECRET_KEY = "not secret"
INSTALLED_APPS = [
    "jqjobs.django", "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "shop",
]  # fmt: skip
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]  # fmt: skip
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]  # fmt: skip
ROOT_URLCONF = "project_urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
if "DATABASE_PORT" in os.environ:
    DATABASES = {"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres", "HOST": "127.0.0.1",
        "PORT": os.environ["DATABASE_PORT"], "CONN_MAX_AGE": None,
    }}  # fmt: skip
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
TASKS = {
    "default": {"BACKEND": "jqjobs.django.JqBackend", "QUEUES": ["default", "queue_1"], "OPTIONS": {"keep": "1h"}},
    "at_once": {"BACKEND": "jqjobs.django.JqBackend", "QUEUES": [], "OPTIONS": {"keep": "1h", "on_commit": None}},
    "outbox": {"BACKEND": "jqjobs.django.JqBackend", "QUEUES": [], "OPTIONS": {"keep": "1h", "on_commit": "outbox"}},
}
