"""A call site from the days of 1.1.0: it knows nothing of instances, and still works as it is."""

from __future__ import annotations

from django_plugin_system.helpers import get_plugin_instance

OPERATOR = "operator@example.com"


def tell_operator(text: str) -> str:
    """Tell whoever runs the demo, through the best notifier there is; return its receipt, empty if there is none."""
    notifier = get_plugin_instance("notifier", "apps.notifier")
    if notifier is None:
        return ""
    return str(notifier.send(OPERATOR, "Front desk", text))
