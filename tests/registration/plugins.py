"""Interfaces, configurations and plugin classes that the registration tests use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, SecretStr

from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.register import register_plugin_item, register_plugin_type

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)


class AbstractSms(ABC):
    """An interface with two methods."""

    @abstractmethod
    def send(self, text: str) -> str:
        """Send ``text``."""

    @abstractmethod
    def cost(self) -> int:
        """Return the price."""


class AbstractMail(ABC):
    """Another interface."""

    @abstractmethod
    def mail(self) -> None:
        """Send."""


class Sms(AbstractSms):
    """An implementation without a configuration."""

    def send(self, text: str) -> str:
        """Send."""
        return text

    def cost(self) -> int:
        """Return nothing."""
        return 0


class OtherSms(Sms):
    """Another implementation."""


class HalfSms(AbstractSms):
    """An implementation that misses a method."""

    send = Sms.send


class Config(BaseModel):
    """A configuration."""

    token: SecretStr = SecretStr("")
    port: int = 1


class OtherConfig(BaseModel):
    """Another one."""


class Listed(BaseModel, Generic[T]):
    """A generic configuration."""

    items: list[T] = []


class ConfigSms(ConfigurablePlugin[Config], Sms):
    """An implementation with a configuration."""


def declare_type(name: str = "sms", manager: str = "tests", interface: type = AbstractSms, **more: Any) -> None:
    """Register a type."""
    register_plugin_type({"name": name, "manager": manager, "interface": interface, **more})  # type: ignore[typeddict-item]


def declare_item(plugin_class: Any = Sms, name: str = "plain", **more: Any) -> None:
    """Register an item of that type."""
    keys = {"name": name, "module": "tests", "type_name": "sms", "manager_name": "tests", "plugin_class": plugin_class}
    register_plugin_item({**keys, **more})  # type: ignore[typeddict-item]
