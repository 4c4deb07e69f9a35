"""Registers the plugins at start-up, as the README of 1.1.0 says."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class SmsConfig(AppConfig):
    """The app."""

    name = "tests.upgrades.shop.sms"

    def ready(self) -> None:
        """Import the registrations."""
        import_module(f"{self.name}.registration")
