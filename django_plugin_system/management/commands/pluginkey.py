"""``manage.py pluginkey``: print a fresh encryption key, or those that stand in for a configured one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django_plugin_system.config.keyring import get_derived_keys, make_key, show_key
from django_plugin_system.management.output import PluginCommand


class Command(PluginCommand):
    """Print a new random key; it is stored nowhere."""

    help = "Print a new key for PLUGIN_SYSTEM['ENCRYPTION_KEYS']. Put it first; keep the old ones after it."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own type

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the option."""
        parser.add_argument(
            "--derived",
            action="store_true",
            help="Print, one a line, the keys derived from SECRET_KEY and SECRET_KEY_FALLBACKS, which are in use until "
            "ENCRYPTION_KEYS is set. List them after the first key of your own, so that what they encrypted stays "
            "readable until pluginrotate has run.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write the key, and nothing else, to standard output."""
        for key in map(show_key, get_derived_keys()) if options["derived"] else [make_key()]:
            self.stdout.write(key)
