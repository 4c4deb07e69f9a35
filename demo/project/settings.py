"""Settings of the demo project: plain Django, and at the end what django-plugin-system needs."""

import os
from importlib.metadata import entry_points
from pathlib import Path

from project.digest import digest_of
from project.local import DATA_DIR, get_local

BASE_DIR = Path(__file__).resolve().parent.parent
local = get_local()

SECRET_KEY = local.secret_key
DEBUG = os.environ.get("DEMO_DEBUG") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_jsonform",
    "django_plugin_system",
    "django_plugin_system.contrib.email",
    "django_plugin_system.contrib.storage",
    # The order of the apps below is free: an item may come before its type.
    "apps.frontdesk",
    "apps.gateway",
    "apps.mailbox",
    "apps.notifier",
    "apps.notifier_console",
    "apps.notifier_email",
    "apps.sms",
    "apps.sms_courier",
    "apps.sms_pigeon",
    "apps.sms_swiftline",
    # Providers that are packages of their own, as providers/pigeon: whichever are installed.
    *(found.value for found in entry_points(group="shop.providers")),
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "db.sqlite3",
        "OPTIONS": {"timeout": 20},  # seconds; the gateway writes from a thread of its own
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"terminal": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["terminal"], "level": "WARNING"},
}

# Every mail of Django, and the receipts, go through instances.
EMAIL_BACKEND = "django_plugin_system.contrib.email.EmailBackend"
DEFAULT_FROM_EMAIL = "desk@shop.example"
FILES = DATA_DIR / "files"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "receipts": {
        "BACKEND": "django_plugin_system.contrib.storage.PluginStorage",
        "OPTIONS": {"name": "receipts"},
    },
}

PLUGIN_SYSTEM = {
    # The first key encrypts, all of them decrypt. To rotate, put a new one in front and run manage.py pluginrotate.
    "ENCRYPTION_KEYS": [local.encryption_key],
    "STORAGE_DIRECTORIES": [FILES],
}

# What the stand-ins for the outside world know of their customers: digests, as a careful provider would keep them.
GATEWAY_SWIFTLINE_TOKEN_DIGEST = digest_of(local.swiftline_token)
GATEWAY_COURIER_KEY_DIGEST = digest_of(local.courier_key)
GATEWAY_PIGEON_LOGIN = ("frontdesk", digest_of(local.pigeon_password))
MAILBOX_LOGIN = ("frontdesk", digest_of(local.smtp_password))
