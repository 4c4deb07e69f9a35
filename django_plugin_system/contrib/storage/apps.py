"""The app to switch on for files."""

from __future__ import annotations

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Its label leaves ``storage`` to the project."""

    name = "django_plugin_system.contrib.storage"
    label = "django_plugin_system_storage"
