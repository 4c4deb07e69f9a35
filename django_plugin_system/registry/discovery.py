"""Import the ``plugins.py`` of every installed app, whatever the order of ``INSTALLED_APPS``."""

from __future__ import annotations

from django.utils.module_loading import autodiscover_modules

from django_plugin_system.conf import get_settings


def discover_plugins() -> None:
    """Import each installed app's ``plugins`` module, unless ``PLUGIN_SYSTEM["AUTODISCOVER"]`` is False.

    An error inside such a module is raised as it is.
    """
    if get_settings().AUTODISCOVER:
        autodiscover_modules("plugins")
