"""Plugin types and items, in the dicts of 1.1.0. ``SHOP_FEATURES`` names what a later release of the shop adds."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

from django_plugin_system.register import register_plugin_item, register_plugin_type

if TYPE_CHECKING:
    from django_plugin_system.models import PluginItem, PluginType

APP = "tests.upgrades.shop.sms"
FEATURES = os.environ.get("SHOP_FEATURES", "").split()


class AbstractSms(ABC):
    """Sends text messages."""

    @abstractmethod
    def send(self, text: str) -> str:
        """Send ``text``; return a receipt."""


class ConsoleSms(AbstractSms):
    """Works without a provider."""

    def send(self, text: str) -> str:
        """Send ``text``; return a receipt."""
        return f"console: {text}"


class GatewaySms(AbstractSms):
    """The provider, with its credentials in the code."""

    def send(self, text: str) -> str:
        """Send ``text``; return a receipt."""
        return f"gateway: {text}"


class GatewayConfig(BaseModel):
    """What the provider needs."""

    token: SecretStr


class ConfiguredGatewaySms(AbstractSms):
    """The provider, when the shop has learned of configurations."""

    config_schema = GatewayConfig

    def __init__(self, config: GatewayConfig) -> None:
        """Keep the credentials."""
        self.config = config

    def send(self, text: str) -> str:
        """Send ``text``; return a receipt."""
        return f"gateway with {self.config.token.get_secret_value()}: {text}"


class PigeonSms(AbstractSms):
    """What a later release of the shop adds."""

    def send(self, text: str) -> str:
        """Send ``text``; return a receipt."""
        return f"pigeon: {text}"


def choose_otp(plugin_type: PluginType, *names: str) -> PluginItem | None:
    """Choose for one-time passwords: the first item with one of ``names``, else the last one by name."""
    items: Any = plugin_type.pluginitem_set
    found: PluginItem | None = items.filter(name__in=names).first() or items.order_by("-name").first()
    return found


register_plugin_type({"name": "sms", "manager": APP, "interface": AbstractSms, "description": "Sends texts"})
register_plugin_type({"name": "otp", "manager": "otp_manager", "interface": AbstractSms, "get_plugin": choose_otp})

GATEWAY = ConfiguredGatewaySms if "configurable" in FEATURES else GatewaySms
ITEMS: list[tuple[str, type, int]] = [("console", ConsoleSms, 1), ("gateway", GATEWAY, 2), ("letter", ConsoleSms, 3)]
if "pigeon" in FEATURES:
    ITEMS.append(("pigeon", PigeonSms, -9))
for name, plugin_class, priority in ITEMS:
    register_plugin_item(
        {
            "name": name,
            "module": APP,
            "type_name": "sms",
            "manager_name": APP,
            "plugin_class": plugin_class,
            "priority": priority,
            "description": f"The {name}",
        }
    )
register_plugin_item(
    {
        "name": "otp",
        "module": "otp_manager",
        "type_name": "otp",
        "manager_name": "otp_manager",
        "plugin_class": ConsoleSms,
    }
)
