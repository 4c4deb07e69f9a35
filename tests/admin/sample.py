"""A plugin type with three items, as an app would declare them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from pydantic import BaseModel, Field, SecretStr

from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.registry import ItemSpec, TypeSpec, registry
from tests.support.health import set_health, take_health

SECRET = "planted-5ecret-do-not-show"


class AbstractSms(ABC):
    """Sends text messages."""

    @abstractmethod
    def send(self, number: str, text: str) -> str:
        """Send ``text`` and return the provider's id."""


class Retry(BaseModel):
    """When to try again."""

    attempts: int = Field(default=3, ge=1, le=10)
    pause: float = Field(default=1.5, description="Seconds between two attempts.")


class Sender(BaseModel):
    """Who a message comes from."""

    name: str
    token: SecretStr


class TwilioConfig(BaseModel):
    """Every part of a usual configuration."""

    account_sid: str = Field(title="Account SID", pattern=r"^AC[0-9a-f]{32}$", examples=["AC" + "0" * 32])
    auth_token: SecretStr
    region: Literal["us", "eu"] = "us"
    timeout: float = Field(default=10, gt=0, description="Seconds to wait for an answer.")
    verify: bool = True
    note: str | None = None
    retry: Retry = Retry()
    senders: list[Sender] = []


class TwilioSms(ConfigurablePlugin[TwilioConfig], AbstractSms):
    """A configurable item."""

    def send(self, number: str, text: str) -> str:
        """Do nothing."""
        return f"{number} {text}"


class ConsoleSms(AbstractSms):
    """An item without configuration."""

    def send(self, number: str, text: str) -> str:
        """Do nothing."""
        return f"{number} {text}"


SID = "AC" + "0123456789abcdef" * 2
CONFIG = {"account_sid": SID, "auth_token": SECRET}


def register_sample() -> None:
    """Register the type and its items in memory."""
    registry.add_type(TypeSpec("sms", "apps.sms", AbstractSms, "Sends text messages to phones."))
    for name, plugin_class, text in (
        ("twilio", TwilioSms, "Sends through Twilio's HTTP interface."),
        ("console", ConsoleSms, "Writes messages to the console."),
    ):
        registry.add_item(ItemSpec(name, f"apps.{name}", plugin_class, ("sms", "apps.sms"), description=text))


def make_rows() -> dict[str, PluginItem]:
    """Return rows for the registered items, and one for an item whose code is gone."""
    plugin_type, _ = PluginType.objects.get_or_create(
        name="sms", manager="apps.sms", defaults={"description": "Sends text messages to phones."}
    )
    texts = {"twilio": "Sends through Twilio's HTTP interface.", "console": "Writes to the console.", "gone": ""}
    return {
        name: PluginItem.objects.create(
            plugin_type=plugin_type, name=name, module=f"apps.{name}", description=text, priority=5
        )
        for name, text in texts.items()
    }


def make_instance(item: PluginItem, name: str = "transactional", **values: object) -> PluginInstance:
    """Return a stored instance of the configurable item."""
    values.setdefault("config", CONFIG)
    health = take_health(values)
    made = PluginInstance.objects.create(item=item, name=name, **values)
    set_health([made], **health)
    return made
