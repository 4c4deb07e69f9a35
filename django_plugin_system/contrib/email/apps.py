"""The app to switch on for e-mail."""

from __future__ import annotations

from django.apps import AppConfig


class EmailConfig(AppConfig):
    """Its label leaves ``email`` to the project."""

    name = "django_plugin_system.contrib.email"
    label = "django_plugin_system_email"
