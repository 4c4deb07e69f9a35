"""Settings of the project; the database is the one of the test that runs it."""

from __future__ import annotations

import json
import os

from tests.settings import DATABASES, DEFAULT_AUTO_FIELD, MIDDLEWARE, SECRET_KEY, TEMPLATES, USE_TZ

__all__ = ["DATABASES", "DEFAULT_AUTO_FIELD", "MIDDLEWARE", "SECRET_KEY", "TEMPLATES", "USE_TZ"]

ROOT_URLCONF = "tests.upgrades.shop.urls"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_plugin_system",
    "tests.upgrades.shop.sms",
    "tests.upgrades.shop.people",
]
STATIC_URL = "/static/"
MIGRATION_MODULES = json.loads(os.environ["SHOP_MIGRATION_MODULES"])
