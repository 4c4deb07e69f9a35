"""The author's second use case: failover written by hand, over items."""

from __future__ import annotations

from typing import Any

from django_plugin_system.models import PluginStatus, PluginType
from tests.apps.otp_manager.interfaces import NoCreditError


def send_otp(number: str, code: str) -> str | None:
    """Try up to five times; what crashes becomes a reserve, what has no credit is disabled, what fails moves back."""
    for _attempt in range(5):
        item = PluginType.objects.get(name="otp", manager="otp_manager").get_single_plugin()
        if item is None:
            return None
        plugin_class: Any = item.load_class()
        try:
            return str(plugin_class().send_otp(number, code))
        except NoCreditError:
            item.status = PluginStatus.DISABLED
            item.save(update_fields=["status"])
        except ConnectionError:
            item.status = PluginStatus.RESERVED
            item.save(update_fields=["status"])
        except ValueError:
            item.priority += 1
            item.save(update_fields=["priority"])
    return None
