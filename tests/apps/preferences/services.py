"""The author's first use case: each person is told by the channels of their choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.apps.preferences.models import Person


def notify(person: Person, text: str) -> list[str]:
    """Send ``text`` through each channel of ``person``."""
    sent = []
    for item in person.channels.order_by("name"):
        plugin_class: Any = item.load_class()
        sent.append(plugin_class().send_otp(person.name, text))
    return sent
