"""Django settings of the test suite; ``TEST_DATABASE`` is ``sqlite`` (the default) or ``postgres``.

A process that a test starts finds the very database of that test: ``tests/conftest.py`` sets ``TEST_DATABASE_NAME`` and
``TEST_POSTGRES_HOST`` once they are known.
"""

from __future__ import annotations

import os
from pathlib import Path

DATABASE = os.environ.get("TEST_DATABASE", "sqlite")

_DATABASES = {
    # A file, never memory: threads and processes of the tests each get a connection of their own, as in production.
    "sqlite": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("TEST_DATABASE_NAME", str(Path(__file__).with_name("unused.sqlite3"))),
        "OPTIONS": {"timeout": 20},
    },
    "postgres": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("TEST_DATABASE_NAME", "postgres"),
        "USER": "postgres",
        "HOST": os.environ.get("TEST_POSTGRES_HOST", ""),
    },
}

DATABASES = {"default": _DATABASES[DATABASE]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "a key for tests only, long enough for Django's own check --deploy"
ROOT_URLCONF = "tests.urls"
USE_TZ = True
# A legacy call of the package itself is an error then.
PLUGIN_SYSTEM: dict[str, object] = {"WARN_LEGACY": True}  # RemovedInPluginSystem30Warning
STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "papers": {
        "BACKEND": "django_plugin_system.contrib.storage.PluginStorage",
        "OPTIONS": {"name": "papers", "default": "default"},
    },
}
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_jsonform",
    "django_plugin_system",
    "tests.apps.papers",
    "tests.apps.preferences",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
