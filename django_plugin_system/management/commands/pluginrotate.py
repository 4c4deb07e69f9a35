"""``manage.py pluginrotate``: re-encrypt every secret with the first key, or prove that none needs another one."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError
from django.db import router

from django_plugin_system.config.keyring import SETTING, uses_derived_keys
from django_plugin_system.management.output import PluginCommand, add_database_option
from django_plugin_system.models import PluginInstance
from django_plugin_system.rotation import BATCH_SIZE, RotationReport, rotate_secrets, verify_secrets

LARGEST_BATCH = 10_000
"""More ids than this in one statement are more than some databases take."""


def parse_batch_size(text: str) -> int:
    """Return the number of rows that ``text`` gives.

    :raises ArgumentTypeError: if it is no number that makes sense.
    """
    if text.isdecimal() and 1 <= int(text) <= LARGEST_BATCH:
        return int(text)
    raise ArgumentTypeError(f"must be a number from 1 to {LARGEST_BATCH}")


class Command(PluginCommand):
    """Rotate or verify, show the progress, and end with an error if a row needs attention."""

    help = (
        "Re-encrypt every plugin secret with the first key. Rows that cannot be read stay as they are. "
        "An interrupted run is resumed by starting it again. Ends with an error if a row has a problem."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--verify",
            action="store_true",
            help="Open every secret, write nothing, and say which keys may be removed; "
            "ends with an error unless all old keys may be.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be re-encrypted.")
        parser.add_argument(
            "--batch-size",
            type=parse_batch_size,
            default=BATCH_SIZE,
            help="Rows written in one transaction (default: %(default)s).",
        )
        add_database_option(parser, "use")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and say what was found and done.

        :raises CommandError: if a row has a problem, or, with ``--verify``, needs another key than the first.
        """
        alias = options["database"] or router.db_for_write(PluginInstance)
        report = self._run(alias, options)
        self._show(report)
        if options["verify"]:
            self._end_verification(report)
        else:
            self._end_rotation(report, dry_run=options["dry_run"])

    def _run(self, alias: str, options: dict[str, Any]) -> RotationReport:
        total = PluginInstance.objects.using(alias).count()
        show = (lambda report: self.show_progress(report.rows, total, "rows")) if options["verbosity"] else None
        shared = {"batch_size": options["batch_size"], "on_batch": show}
        if options["verify"]:
            return verify_secrets(alias, **shared)
        return rotate_secrets(alias, dry_run=options["dry_run"], **shared)

    def _show(self, report: RotationReport) -> None:
        self.stdout.write(f"Rows: {report.rows:,}. Secrets: {report.secrets.total():,}.")
        for key_id in dict.fromkeys([*report.key_ids, *report.outdated]):
            role = "first" if key_id == report.key_ids[0] else "old" if key_id in report.key_ids else "not configured"
            self.stdout.write(f"- key {key_id} ({role}): {report.secrets[key_id]:,}")
        self.list_problems(report.problems)
        if report.failed > len(report.problems):
            self.list_problems([f"and {report.failed - len(report.problems):,} more"])

    def _end_rotation(self, report: RotationReport, *, dry_run: bool) -> None:
        done = "to write" if dry_run else "written"
        self.stdout.write(f"Rows {done} with key {report.key_ids[0]}: {report.rewritten:,}.")
        if report.plain:
            self.stdout.write(f"Rows found with a secret in plain text: {report.plain:,}.")
        self.end_with(report.failed, "Rows with a problem")
        if not dry_run:
            self.stdout.write(self.style.SUCCESS("Done. Run pluginrotate --verify before you remove an old key."))

    def _end_verification(self, report: RotationReport) -> None:
        where = "SECRET_KEY_FALLBACKS" if uses_derived_keys() else SETTING
        for key_id in report.unused:
            self.stdout.write(f"Key {key_id} may be removed from {where}: no secret needs it.")
        if report.unused:
            self.stdout.write("History tables and backups were not looked at: they still need the old keys.")
        for key_id, count in report.outdated.items():
            self.stdout.write(f"Key {key_id} is still needed; secrets encrypted with it: {count:,}.")
        self.end_with(report.failed, "Rows with a problem")
        if report.outdated:
            raise CommandError("Not every secret uses the first key: run pluginrotate.")
        self.stdout.write(self.style.SUCCESS(f"Every secret opens with key {report.key_ids[0]}."))
