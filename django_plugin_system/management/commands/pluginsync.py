"""``manage.py pluginsync``: mirror what code declares into the database."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django_plugin_system.management.output import PluginCommand, add_database_option
from django_plugin_system.sync import sync_registered_plugins_to_db


class Command(PluginCommand):
    """Create, and on request update or prune, the rows of plugin types and items."""

    help = "Mirror the registered plugin types and items into the database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options; ``--mode`` and ``--no-prune`` are those of 1.1.0."""
        parser.add_argument(
            "--mode",
            choices=["create", "update", "upgrade"],
            default="create",
            help="create: add what is missing, change nothing. upgrade: also write configurations of older versions in "
            "their new form; run it after the last process of older code has ended, which would skip them. update: "
            "the same, and refresh descriptions and priorities from code.",
        )
        parser.add_argument("--no-prune", action="store_true", help="Keep rows whose app is no longer installed.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would happen.")
        add_database_option(parser, "write to")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the sync and say what it did.

        :raises CommandError: if a configuration could not be brought into its new form; all else is written.
        """
        result = sync_registered_plugins_to_db(
            mode=options["mode"],
            prune=not options["no_prune"],
            dry_run=options["dry_run"],
            using=options["database"],
        )
        done = "Nothing was written; a sync would do this:" if options["dry_run"] else "Plugins are in sync."
        self.stdout.write(self.style.SUCCESS(done))
        for kind in ("types", "items"):
            counts = [f"{what}: {getattr(result, f'{kind}_{what}')}" for what in ("created", "found", "updated")]
            self.stdout.write(f"- {kind.capitalize()} {', '.join(counts)}")
        self.stdout.write(f"- Default instances created: {result.instances_created}")
        if options["mode"] != "create":
            self.stdout.write(f"- Configs upgraded: {result.configs_upgraded}, failed: {result.configs_failed}")
        if result.configs_upgraded:
            self.stdout.write("  Processes of older code skip them: run this after the last one has ended.")
        if not options["no_prune"]:
            self.stdout.write(f"- Pruned types: {result.pruned_types}, pruned items: {result.pruned_items}")
        self.list_problems(result.config_problems)
        self.end_with(result.configs_failed, "Configs that stay in their old form")
