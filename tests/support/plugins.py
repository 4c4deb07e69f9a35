"""The plugins that the tests declare: one type, and a class for each kind of item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pydantic import BaseModel, Field, SecretStr

from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.register import plugin_item, plugin_type

SECRET = "hush-planted-Secret"
VALID = {"account": "AC1", "token": SECRET}


class AbstractSms(ABC):
    """Sends text messages."""

    @abstractmethod
    def send(self, text: str) -> str:
        """Send ``text`` and say how."""


class ProviderConfig(BaseModel):
    """A configuration with a secret."""

    account: str = Field(pattern="^AC", alias="accountName")
    token: SecretStr
    retries: int = 3
    spare: list[SecretStr] = []


class ProviderSms(ConfigurablePlugin[ProviderConfig], AbstractSms):
    """A provider that needs credentials."""

    def send(self, text: str) -> str:
        """Name the account and the token."""
        return f"{text} by {self.config.account} with {self.config.token.get_secret_value()}"


class LenientConfig(BaseModel):
    """A configuration of which every field has a default."""

    retries: int = 3


class LenientSms(ConfigurablePlugin[LenientConfig], AbstractSms):
    """A provider that can be configured, but need not be."""

    def send(self, text: str) -> str:
        """Name the number of retries."""
        return f"{text} with {self.config.retries} retries"


class ConsoleSms(AbstractSms):
    """A plugin of the 1.1.0 kind: it takes no configuration."""

    def send(self, text: str) -> str:
        """Say where it went."""
        return f"{text} to the console"


class FragileSms(ConfigurablePlugin[LenientConfig], AbstractSms):
    """A plugin whose constructor may fail."""

    fails: ClassVar[bool] = True

    def __init__(self, config: LenientConfig) -> None:
        """Fail while ``fails`` says so."""
        if self.fails:
            raise OSError(SECRET)
        super().__init__(config)

    def send(self, text: str) -> str:
        """Say that it worked."""
        return f"{text}, at last"


class ProviderConfigV2(BaseModel):
    """What ``ProviderConfig`` became."""

    account: str
    token: SecretStr
    region: str


class ProviderSmsV2(ConfigurablePlugin[ProviderConfigV2], AbstractSms):
    """``ProviderSms`` with a newer schema."""

    config_version: ClassVar[int] = 2

    @classmethod
    def migrate_config(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Put everybody who was there before into Europe."""
        assert from_version == 1
        return {"account": config["account"], "token": config["token"], "region": "eu"}

    def send(self, text: str) -> str:
        """Name the region."""
        return f"{text} by {self.config.region}"


def declare_type(**options: Any) -> None:
    """Register the type ``sms`` of ``apps.sms``."""
    plugin_type(name="sms", manager="apps.sms", description="Text messages", **options)(AbstractSms)


def declare_item(plugin_class: type, name: str = "provider", *, priority: int = 0, module: str = "apps.items") -> None:
    """Register a class as an item of that type."""
    plugin_item(AbstractSms, name=name, module=module, priority=priority)(plugin_class)
