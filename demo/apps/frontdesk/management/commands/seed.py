"""``manage.py seed``: fill a migrated database with what the demo starts with."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.frontdesk.seed import ADMIN, ensure_admin, seed_instances


class Command(BaseCommand):
    """Creates what is missing and leaves alone what is there."""

    help = "Create the demo's instances and its administrator where they are missing; nothing that exists is changed."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, and print what is new and how to log in."""
        del args, options
        for instance in seed_instances():
            self.stdout.write(f"Created {instance}")
        password = ensure_admin() or "(changed in the admin)"
        self.stdout.write(f"Admin login: {ADMIN}  password: {password}")
