"""``manage.py pluginkey``: print a fresh encryption key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from django_plugin_system.config.keyring import make_key


class Command(BaseCommand):
    """Print a new random key; it is stored nowhere."""

    help = "Print a new key for PLUGIN_SYSTEM['ENCRYPTION_KEYS']. Put it first; keep the old ones after it."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own type

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the key, and nothing else, to standard output."""
        del args, options
        self.stdout.write(make_key())
