"""A notifier without configuration, written for 1.1.0 and not touched since."""

import sys

from apps.notifier.interface import AbstractNotifier
from django_plugin_system.register import register_plugin_item


class ConsoleNotifier(AbstractNotifier):
    """Prints to the terminal that runs the server."""

    def send(self, recipient: str, subject: str, text: str) -> str:
        """Print one line and return it."""
        line = f"[{recipient}] {subject}: {text}"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        return line


register_plugin_item(
    {
        "name": "console",
        "module": "apps.notifier_console",
        "type_name": "notifier",
        "manager_name": "apps.notifier",
        "plugin_class": ConsoleNotifier,
        "priority": 1,
        "description": "Prints to the terminal; takes no configuration.",
    }
)
