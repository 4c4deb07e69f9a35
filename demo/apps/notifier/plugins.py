"""The ``notifier`` plugin type, registered as projects did with 1.1.0."""

from apps.notifier.interface import AbstractNotifier
from django_plugin_system.register import register_plugin_type

register_plugin_type(
    {
        "name": "notifier",
        "manager": "apps.notifier",
        "interface": AbstractNotifier,
        "description": "Tells somebody something.",
    }
)
