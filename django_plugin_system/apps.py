"""The Django app: what happens at start-up."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PluginSystemConfig(AppConfig):
    """Connects the receivers, registers the checks and imports every app's ``plugins.py``."""

    name = "django_plugin_system"
    verbose_name = _("Plugin system")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Start up, after the models of all apps are there."""
        from django_plugin_system import checks, receivers  # noqa: F401, PLC0415 - these need the models of all apps
        from django_plugin_system.registry import discover_plugins  # noqa: PLC0415 - these need the models of all apps

        checks.register_checks()
        discover_plugins()
