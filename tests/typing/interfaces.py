"""An interface and two plugins, as a project would write them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pydantic import BaseModel, SecretStr
from typing_extensions import override

from django_plugin_system import ConfigurablePlugin, plugin_item, plugin_type


@plugin_type(name="sms", manager="tests.typing")
class AbstractSms(ABC):
    """Sends a text message."""

    @abstractmethod
    def send(self, number: str, text: str) -> str:
        """Send ``text`` and return the provider's id of the message."""


class GatewayConfig(BaseModel):
    """What the gateway needs to know."""

    token: SecretStr
    sender: str = "shop"


@plugin_item(AbstractSms, name="gateway", module="tests.typing", priority=5)
class GatewaySms(ConfigurablePlugin[GatewayConfig], AbstractSms):
    """A configurable plugin."""

    @override
    def send(self, number: str, text: str) -> str:
        return f"{self.config.sender}:{number}:{text}"


@plugin_item(AbstractSms, name="silent", module="tests.typing")
class SilentSms(AbstractSms):
    """A plugin without a configuration."""

    @override
    def send(self, number: str, text: str) -> str:
        return ""
