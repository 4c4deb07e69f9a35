"""Declares the items."""

from __future__ import annotations

from typing import ClassVar

from django.apps import AppConfig

from django_plugin_system.register import register_plugin_item
from tests.apps.otp_manager.interfaces import AbstractOtp


class ScriptedOtp(AbstractOtp):
    """Does what the script says for its class: raises each error in turn, then delivers."""

    script: ClassVar[dict[str, list[Exception]]] = {}

    def send_otp(self, number: str, code: str) -> str:
        """Follow the script."""
        name = type(self).__name__
        if self.script.get(name):
            raise self.script[name].pop(0)
        return f"{code} to {number} by {name}"


class FirstOtp(ScriptedOtp):
    """The preferred provider."""


class SecondOtp(ScriptedOtp):
    """The one after it."""


def declare() -> None:
    """Register both items."""
    for priority, plugin_class in enumerate((FirstOtp, SecondOtp)):
        register_plugin_item(
            {
                "name": plugin_class.__name__,
                "module": "tests.apps.otp_basic",
                "type_name": "otp",
                "manager_name": "otp_manager",
                "plugin_class": plugin_class,
                "priority": priority,
                "description": "A provider",
            }
        )


class OtpBasicConfig(AppConfig):
    """Registers in ready(), whatever the order of the apps."""

    name = "tests.apps.otp_basic"

    def ready(self) -> None:
        """Declare the items."""
        declare()
