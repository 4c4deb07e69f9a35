"""Declares the type."""

from __future__ import annotations

from django.apps import AppConfig

from django_plugin_system.register import register_plugin_type
from tests.apps.otp_manager.interfaces import AbstractOtp


def declare() -> None:
    """Register the type under a manager that is no app name."""
    register_plugin_type(
        {"name": "otp", "manager": "otp_manager", "interface": AbstractOtp, "description": "One-time passwords"}
    )


class OtpManagerConfig(AppConfig):
    """Registers in ready(), as the README of 1.1.0 shows it."""

    name = "tests.apps.otp_manager"

    def ready(self) -> None:
        """Declare the type."""
        declare()
